"""What a container wrote, measured without trusting any of it, and its processes as this machine sees them."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grid.runtime.processes import find_descendants, find_start_time, find_unlinked_files, is_same_process

MOST_ENTRIES = 4096  # files and folders; a job may store far fewer, and looking at each costs time
MOST_DEPTH = 16  # folders within folders
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass
class Written:
    """The bytes, and the files and folders, below a folder; `is_beyond`: there are more than are counted."""

    size: int = 0
    entries: int = 0
    is_beyond: bool = False


def measure(folder: Path) -> Written:
    """Measure all files below a folder, each folder opened by its parent's descriptor: no link is ever followed."""
    found = Written()
    with suppress(OSError):
        _measure(os.open(folder, _FOLDER), found, 0)
    return found


def _measure(descriptor: int, found: Written, depth: int) -> None:
    """Add what is below an open folder, and close it."""
    try:
        if depth >= MOST_DEPTH:
            found.is_beyond = True
            return
        with os.scandir(descriptor) as entries:
            for entry in entries:
                found.entries += 1
                if found.entries > MOST_ENTRIES:
                    found.is_beyond = True
                    return
                with suppress(OSError):  # gone meanwhile
                    status = entry.stat(follow_symlinks=False)
                    found.size += status.st_size if stat.S_ISREG(status.st_mode) else 0
                    if stat.S_ISDIR(status.st_mode):
                        _measure(os.open(entry.name, _FOLDER, dir_fd=descriptor), found, depth + 1)
    finally:
        os.close(descriptor)


def list_foreign_folders(folder: Path) -> list[str]:
    """Return the folders below a folder that belong to another user, by their path from it, as far as can be seen."""
    found = []
    for path, names, _ in os.walk(folder):
        for name in names:
            place = Path(path, name)
            with suppress(OSError):
                status = place.lstat()
                if stat.S_ISDIR(status.st_mode) and (status.st_uid, status.st_mode & 0o700) != (os.geteuid(), 0o700):
                    found.append(str(place.relative_to(folder)))
    return found


def make_folder_archive(folders: Sequence[str]) -> bytes:
    """Return a tar archive of folders that belong to this user."""
    import io  # seldom needed, and a watchdog should be quick to begin
    import tarfile

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in folders:
            entry = tarfile.TarInfo(os.fsencode(name).decode("utf-8", "surrogateescape"))
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o700, os.geteuid(), os.getegid()
            archive.addfile(entry)
    return data.getvalue()


@dataclass(frozen=True)
class InitProcess:
    """The first process of a container, by its number on the engine's machine and the time of its start."""

    pid: int
    start_time: int
    container: str

    @classmethod
    def find(cls, pid: int, container: str) -> "InitProcess | None":
        """Return it where this process sees the same processes as the engine; None elsewhere."""
        start_time = find_start_time(pid) if pid > 1 else None
        process = cls(pid, start_time, container) if start_time is not None else None
        return process if process is not None and process.is_there() else None

    def is_there(self) -> bool:
        """Return whether the number is still this container's: a number of another namespace may mean anybody."""
        with suppress(OSError):
            names = Path(f"/proc/{self.pid}/cgroup").read_text(encoding="ascii", errors="replace")
            return self.container in names and is_same_process(self.pid, self.start_time)
        return False

    def kill(self) -> bool:
        """Kill it, and with it all processes of the container, without the engine; False where that cannot be done."""
        if not self.is_there():
            return False
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, 9)
            return True
        return False

    def measure_unlinked(self, device: int) -> int:
        """Return the bytes on a device of files that the processes hold open and that have no name any more."""
        if not self.is_there():
            return 0
        pids = [self.pid, *find_descendants(self.pid)]
        files = {place: size for pid in pids for place, size in find_unlinked_files(pid)}
        return sum(size for (on, _), size in files.items() if on == device)
