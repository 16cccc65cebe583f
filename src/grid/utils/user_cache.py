"""Where a user's caches are, and whether what lies there can be believed."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
KERNELS, OFF = "GRID_KERNEL_CACHE", "off"


def find_user_cache() -> Path | None:
    """Return the user's cache folder, `$XDG_CACHE_HOME` or `~/.cache`; None for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None


def is_trusted(status: os.stat_result) -> bool:
    """Whether nobody but this user and root can have written a file or folder."""
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & OTHERS_WRITE


def find_kernel_root(
    asked: str | None = None, *, instead: Path | None = None, has_kernels: Callable[[Path], bool] = lambda _: False
) -> Path | None:
    """Return the folder above the compiled kernels of all versions; None where there can be none. Nothing is made.

    The first that this user can write, or that `has_kernels`: the one that is asked for, alone (`off` for none), else
    `grid` in `$NUMBA_CACHE_DIR`, `grid/kernels` in the user's cache folder, and for a user without a home, or with one
    that can only be read, `instead`.

    Args:
        asked: As it is set; None: `$GRID_KERNEL_CACHE`.
        instead: None: a folder of the user's own among the temporary files.
        has_kernels: Whether a folder that can only be read is of use.
    """
    asked = asked or os.environ.get(KERNELS)
    places = iter([Path(asked)] if asked != OFF else []) if asked else _kernel_places(instead)
    return next((place for place in places if _is_usable(place, has_kernels)), None)


def _kernel_places(instead: Path | None) -> Iterator[Path]:
    import tempfile

    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"]) / "grid"
    user_cache = find_user_cache()
    if user_cache is not None and _is_own(user_cache):
        yield user_cache / "grid" / "kernels"
    yield instead or Path(tempfile.gettempdir()) / f"grid-kernels-{os.geteuid()}"


def _is_own(folder: Path) -> bool:
    """Whether it belongs to this user, or would: not the home of the user who became root by `sudo`."""
    return _find_nearest(folder).stat().st_uid == os.geteuid()


def _find_nearest(folder: Path) -> Path:
    """Return the folder itself, or the first above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _is_usable(root: Path, has_kernels: Callable[[Path], bool]) -> bool:
    try:
        nearest = _find_nearest(root)
        can_write = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
        if nearest != root:
            return can_write
        return is_trusted(root.stat()) and (can_write or has_kernels(root))
    except OSError:
        return False
