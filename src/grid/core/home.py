"""Place of the data folder; standard library only, so that a command can ask without loading the settings."""

from pathlib import Path


def find_home(start: Path | None = None) -> Path:
    """Find the nearest `.grid` at or above `start` (default: the working folder), as git finds its own folder.

    Where there is none, it will be made in `start`.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / ".grid").is_dir():
            return folder / ".grid"
    return start / ".grid"
