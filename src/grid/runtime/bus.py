"""The doorbell of one machine: Unix datagrams to every listener in `$GRID_HOME/run`.

A ring carries no data: a listener then looks into the database, and one that missed it looks a little later.
"""

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from uuid import UUID

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class UnixDoorbell:
    """Rings every listener of a topic. For any number of threads."""

    def __init__(self, run_folder: Path) -> None:
        self.run_folder = run_folder

    def ring(self, topic: str, hint: UUID | None = None) -> None:
        """Wake every listener to `topic`. Never blocks or raises; the socket of a process that has ended is removed."""
        with suppress(OSError):
            folder = os.open(self.run_folder, _FOLDER)
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bell:
                    for name in os.listdir(folder):  # noqa: PTH208 - by descriptor
                        if name.startswith(f"{topic}-") and name.endswith(".sock"):
                            _ring_one(bell, folder, name, hint.bytes if hint else b"\0")
            finally:
                os.close(folder)


def _ring_one(bell: socket.socket, folder: int, name: str, words: bytes) -> None:
    try:
        bell.sendto(words, f"/proc/self/fd/{folder}/{name}")  # short, however long the real path is
    except ConnectionRefusedError:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
    except OSError:  # its queue is full, so it will look anyway; or it has closed just now
        pass


class UnixBellListener:
    """Listens to one topic until closed."""

    def __init__(self, run_folder: Path, topic: str) -> None:
        run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = run_folder / f"{topic}-{os.getpid()}-{secrets.token_hex(4)}.sock"
        self.last_hint: UUID | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        folder = os.open(run_folder, _FOLDER)
        try:
            self._socket.bind(f"/proc/self/fd/{folder}/{self.path.name}")
            self.path.chmod(0o600)
        except OSError:
            self._socket.close()
            raise
        finally:
            os.close(folder)

    def fileno(self) -> int:
        """Return a descriptor that is readable after a ring, for `select`."""
        return self._socket.fileno()

    def drain(self) -> int:
        """Read all waiting rings and return their number; `last_hint` is the last id that came with one."""
        count = 0
        with suppress(BlockingIOError):
            while True:
                words = self._socket.recv(64)
                count += 1
                if len(words) == 16:
                    self.last_hint = UUID(bytes=words)
        return count

    def close(self) -> None:
        """Stop listening; twice is harmless."""
        self._socket.close()
        with suppress(FileNotFoundError):
            self.path.unlink()


def does_bell_ring(run_folder: Path) -> bool:
    """Tell whether somebody who listens in a folder is woken: a listener is opened there, rung and closed."""
    try:
        listener = UnixBellListener(run_folder, "check")
    except OSError:
        return False
    try:
        UnixDoorbell(run_folder).ring("check")
        return listener.drain() > 0
    finally:
        listener.close()
