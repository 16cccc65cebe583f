"""File systems that paths lie on, by the mount table of Linux."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# Types as the mount table names them, where SQLite's locks and write-ahead log do not hold between machines.
NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"smb2", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.gluster", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
)
_ESCAPED = re.compile(r"\\([0-7]{3})")  # as the kernel writes blanks, tabs, line ends and backslashes


def find_file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the file system that holds `folder`; None where the mount table cannot be read."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # no /proc: not Linux
        return None
    path = Path(os.path.realpath(folder))
    deepest, kind = -1, None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda escape: chr(int(escape[1], 8)), before.split()[4]))
        if path.is_relative_to(point) and len(point.parts) >= deepest:  # the later mount is on top
            deepest, kind = len(point.parts), after.split()[0]
    return kind


def find_network_file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the network file system that holds `folder`; None for a local one, or where it is unknown."""
    kind = find_file_system(folder, mounts)
    return kind if kind in NETWORK_FILE_SYSTEMS else None
