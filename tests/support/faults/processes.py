"""Which processes belong to a service: found in `/proc`, by descent and by the data folder that they name."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process by pid and start time, so that a reused number is never taken for it."""

    pid: int
    started: int

    @classmethod
    def find(cls, pid: int) -> "Process | None":
        """Find a living process; None for one that is gone or a zombie."""
        status = _read_status(pid)
        return cls(pid, int(status[19])) if status is not None and status[0] not in "ZX" else None

    @property
    def is_alive(self) -> bool:
        return Process.find(self.pid) == self

    def send(self, number: int) -> bool:
        """Send a signal; False where the process is gone."""
        if not self.is_alive:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def states(self) -> list[str]:
        """Read the state of each thread: `R`, `S`, `D`, `T`... as in proc(5)."""
        states = []
        for task in (PROC / str(self.pid) / "task").glob("*/stat"):
            with suppress(OSError):  # a thread may end meanwhile
                states.append(task.read_text().rpartition(")")[2].split()[0])
        return states

    def kill(self) -> bool:
        """End it at once."""
        return self.send(signal.SIGKILL)


def find_descendants(pid: int) -> list[Process]:
    """Find children, their children, and so on; the nearest first."""
    parents = {int(entry): _read_status(int(entry)) for entry in _pids()}
    found, wave = [], [pid]
    while wave:
        wave = [child for child, status in parents.items() if status is not None and int(status[1]) in wave]
        found += [process for child in wave if (process := Process.find(child)) is not None]
    return found


def find_slot_children(worker: int) -> list[Process]:
    """Find the processes that compute: the children of the worker's fork server."""
    near = {process.pid for process in find_descendants(worker) if _parent(process.pid) == worker}
    return [process for process in find_descendants(worker) if _parent(process.pid) in near]


def find_users(folder: Path) -> list[Process]:
    """Find every living process, except this one, that names `folder` in its command, environment or working folder."""
    wanted = os.fsencode(str(folder))
    found = []
    for entry in _pids():
        if int(entry) != os.getpid() and wanted in _words(PROC / entry):
            process = Process.find(int(entry))
            if process is not None:
                found.append(process)
    return found


def _pids() -> list[str]:
    return [entry.name for entry in PROC.iterdir() if entry.name.isdigit()]


def _words(entry: Path) -> bytes:
    words = b""
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            words += (entry / name).read_bytes()
    with suppress(OSError):
        words += os.fsencode(str((entry / "cwd").readlink()))
    return words


def _parent(pid: int) -> int | None:
    status = _read_status(pid)
    return int(status[1]) if status is not None else None


def _read_status(pid: int) -> list[str] | None:
    """Return the fields of `/proc/<pid>/stat` from the third on: state, parent, ...; the start time is the 20th."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()
