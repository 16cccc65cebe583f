"""What kind of file system a path lies on."""

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = ("nfs", "cifs", "smb", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.gluster")


def find_network_filesystem(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the network file system that holds `folder`; None for a local one, or where it is unknown."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # no /proc: not Linux
        return None
    wanted = Path(os.path.realpath(folder))
    best, kind = Path("/"), ""
    for line in lines:
        before, _, after = line.partition(" - ")
        place = Path(before.split()[4].replace("\\040", " "))
        if wanted.is_relative_to(place) and len(place.parts) >= len(best.parts):
            best, kind = place, after.split()[0]
    return kind if kind.startswith(NETWORK) else None
