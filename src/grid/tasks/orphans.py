"""Orphaned processes: children are recorded in a file, and the next worker ends those that a killed worker left.

Children end by themselves with the fork server and with their pipe; this covers those that do not. A process is
named by its pid and its start time, so that a reused number is never killed.
"""

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from grid.core.logging import get_logger
from grid.runtime.processes import find_start_time, is_same_process

log = get_logger(__name__)

PREFIX = "children-"


class ChildRegister:
    """The file that names this worker and its children.

    Args:
        run_folder: Where it lies.
        kind: Of the children; each kind has a file of its own.
    """

    def __init__(self, run_folder: Path, kind: str = "jobs") -> None:
        self._path = run_folder / f"{PREFIX}{kind}-{os.getpid()}.json"
        self._owner = [os.getpid(), find_start_time(os.getpid())]

    def write(self, pids: Iterable[int]) -> None:
        """Replace the list of children."""
        children = [[pid, start] for pid in pids if (start := find_start_time(pid)) is not None]
        draft = self._path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({"owner": self._owner, "children": children}), encoding="ascii")
        draft.replace(self._path)

    def remove(self) -> None:
        """Remove the file: the worker ends in order."""
        self._path.unlink(missing_ok=True)


def end_orphans(run_folder: Path) -> int:
    """Kill children that ended workers of this data folder left running; return the number of processes."""
    ended = 0
    for path in run_folder.glob(f"{PREFIX}*.json"):
        owner, children = _read(path)
        if owner is not None and is_same_process(*owner):
            continue
        for pid, start in children:
            if is_same_process(pid, start):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                    ended += 1
        path.unlink(missing_ok=True)
    if ended:
        log.warning("worker.orphans_killed", processes=ended)
    return ended


def _read(path: Path) -> tuple[tuple[int, int] | None, list[tuple[int, int]]]:
    try:
        words = json.loads(path.read_bytes())
        owner = words["owner"]
        children = [(int(pid), int(start)) for pid, start in words["children"]]
        return (int(owner[0]), int(owner[1])), children
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None, []
