"""The data folder (`$GRID_HOME`): private, local, and held by one server at a time."""

import fcntl
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from grid.core.errors import ConfigurationError
from grid.runtime.processes import find_start_time, is_same_process
from grid.utils.filesystems import find_network_file_system

FOLDERS = ("run", "logs", "secrets", "cache", "backups")
LOCK_NAME = "instance.lock"


class HomeError(ConfigurationError):
    """The data folder cannot be used; the message says what to do."""

    code, title = "data-folder", "The data folder cannot be used"


class InstanceRunningError(ConfigurationError):
    """Another process holds the data folder already."""

    code, title = "instance-running", "The data folder is in use"

    def __init__(self, role: str, home: str, pid: int | None) -> None:
        super().__init__(role, home, pid)
        self.role, self.home, self.pid = role, home, pid

    def __str__(self) -> str:
        who = f"process {self.pid}" if self.pid else "another process"
        return f"A {self.role} already runs on {self.home} ({who}). Stop it, or set GRID_HOME to another folder."


@dataclass(frozen=True)
class Home:
    """A data folder that was checked, and the places in it."""

    root: Path

    @property
    def run(self) -> Path:
        """Sockets, pid files and scratch folders."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Log files of server and worker."""
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """Keys, mode 0600."""
        return self.root / "secrets"

    @property
    def cache(self) -> Path:
        """Files that can be made again."""
        return self.root / "cache"

    @property
    def backups(self) -> Path:
        """Copies of the database."""
        return self.root / "backups"


def open_home(root: Path) -> Home:
    """Make the data folder where it is missing, check it, and return it.

    Raises:
        HomeError: Another user's, a link or a file, readable by others, or on a network file system.
    """
    try:
        is_new = not os.path.lexists(root)
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(root, is_ours=is_new or _is_grid_home(root))
        require_local_file_system(root)
        for name in FOLDERS:
            (root / name).mkdir(mode=0o700, exist_ok=True)
            _require_private(root / name, is_ours=True)
        (root / LOCK_NAME).touch(mode=0o600)
    except OSError as error:
        raise HomeError(f"{root} cannot be used as the data folder: {error.strerror}.") from error
    return Home(root)


def _is_grid_home(root: Path) -> bool:
    return (root / LOCK_NAME).is_file() or (root / "grid.db").is_file() or not any(root.iterdir())


def _require_private(folder: Path, *, is_ours: bool) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise HomeError(f"{folder} is not a folder; move it away or set GRID_HOME.")
    if status.st_uid != os.geteuid():
        raise HomeError(f"{folder} belongs to another user; set GRID_HOME to a folder of your own.")
    if status.st_mode & 0o077:
        if not is_ours:  # a folder with other files, whose mode is not changed
            raise HomeError(f"{folder} holds other files and others may read it; choose an empty GRID_HOME.")
        folder.chmod(0o700)


def require_local_file_system(folder: Path) -> None:
    """Refuse a network file system, by the mount table.

    Raises:
        HomeError: The folder is on one.
    """
    kind = find_network_file_system(folder)
    if kind is not None:
        raise HomeError(f"{folder} is on a network file system ({kind}), where SQLite is not safe; set GRID_HOME.")


class InstanceLock:
    """Held by one process of a role until it releases the lock or ends."""

    def __init__(self, home: Home, role: str) -> None:
        self.home, self.role = home, role
        self.path = home.root / (LOCK_NAME if role == "server" else f"{role}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> Self:
        """Acquire the lock.

        Raises:
            InstanceRunningError: Another process holds it.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _read_json(self.path)
            os.close(descriptor)
            pid = holder.get("pid")
            raise InstanceRunningError(self.role, str(self.home.root), pid if isinstance(pid, int) else None) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_describe(self.role, os.getpid())).encode(), 0)
        self._descriptor = descriptor
        return self

    def release(self) -> None:
        """Release the lock; twice is harmless."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self.acquire() if self._descriptor is None else self

    def __exit__(self, *_: object) -> None:
        self.release()


def write_pid_file(home: Home, role: str, pid: int | None = None) -> Path:
    """Record pid and start time of a process (default: this one) in `run/<role>.pid`, replacing an earlier one's."""
    path = home.run / f"{role}.pid"
    draft = home.run / f".{role}.pid-{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(_describe(role, pid or os.getpid())), encoding="ascii")
    draft.replace(path)
    return path


def find_running(home: Home, role: str) -> int | None:
    """Return the pid of the living process that wrote `run/<role>.pid`; None where it is gone."""
    words = _read_json(home.run / f"{role}.pid")
    pid, start_time = words.get("pid"), words.get("start_time")
    if isinstance(pid, int) and isinstance(start_time, int) and is_same_process(pid, start_time):
        return pid
    return None


def _describe(role: str, pid: int) -> dict[str, object]:
    return {"pid": pid, "start_time": find_start_time(pid), "role": role}


def _read_json(path: Path) -> dict[str, object]:
    try:
        words = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return words if isinstance(words, dict) else {}
