"""Private scratch folders below `$GRID_HOME/run`, named after the process that made them."""

import os
import secrets
import shutil
from pathlib import Path

from grid.runtime.processes import find_start_time, is_same_process


def make_scratch(home: Path) -> Path:
    """Make an empty folder for one child, mode 0700."""
    folder = home / "run" / "scratch"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = folder / f"{os.getpid()}-{find_start_time(os.getpid())}-{secrets.token_hex(8)}"
    scratch.mkdir(mode=0o700)
    return scratch


def remove_orphaned_scratch(home: Path) -> int:
    """Remove the scratch folders whose maker is gone; return how many."""
    removed = 0
    for folder in (home / "run" / "scratch").glob("*-*-*"):
        pid, start_time, _ = folder.name.split("-")
        if pid.isdigit() and start_time.isdigit() and not is_same_process(int(pid), int(start_time)):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
