"""A small disk that can be filled: a file system in memory, mounted where only this test looks."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.leaving_out import leave_out

BALLAST = "ballast"


@dataclass(frozen=True)
class SmallDisk:
    """A mounted file system of a few megabytes."""

    root: Path

    @property
    def free_bytes(self) -> int:
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize

    def fill(self, *, leave: int = 0) -> None:
        """Take all room but `leave` bytes; others write meanwhile, so what was free may be gone when we take it."""
        with (self.root / BALLAST).open("wb") as file:
            taken = 0
            while self.free_bytes > leave:
                room = self.free_bytes - leave
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), taken, room)
                    taken += room

    def free(self) -> None:
        """Give the room back."""
        (self.root / BALLAST).unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk in `folder`. Without the right to mount the test is left out, which CI does not take."""
    folder.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "grid-small-disk", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        leave_out(f"a small disk needs the right to mount ({done.stderr.strip()})")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
