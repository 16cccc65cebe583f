"""Private scratch folders below `$GRID_HOME/run`, named after the process that made them."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from grid.runtime.processes import find_start_time, is_same_process


def make_scratch(home: Path) -> Path:
    """Make an empty folder for one child, mode 0700."""
    folder = home / "run" / "scratch"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = folder / f"{os.getpid()}-{find_start_time(os.getpid())}-{secrets.token_hex(8)}"
    scratch.mkdir(mode=0o700)
    return scratch


def remove_scratch(folder: Path) -> None:
    """Remove a folder and all in it, also where a program made parts of it unreadable."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    for path, names, _ in os.walk(folder):  # from the top: a folder that is opened here is walked next
        for name in names:
            place = Path(path, name)
            if not place.is_symlink():
                with suppress(OSError):
                    place.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def remove_orphaned_scratch(home: Path) -> int:
    """Remove the scratch folders whose maker is gone; return how many."""
    removed = 0
    for folder in (home / "run" / "scratch").glob("*-*-*"):
        pid, start_time, _ = folder.name.split("-")
        if pid.isdigit() and start_time.isdigit() and not is_same_process(int(pid), int(start_time)):
            remove_scratch(folder)
            removed += 1
    return removed
