"""Writing a file or folder so that its name never refers to a partial one."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from grid.core.errors import FieldError, StorageFullError

FULL = (errno.ENOSPC, errno.EDQUOT)


def is_empty(folder: Path) -> bool:
    """Tell whether a folder holds nothing."""
    return not any(folder.iterdir())


@contextmanager
def replacing(path: Path, *, may_replace: Callable[[Path], bool] = is_empty) -> Iterator[Path]:
    """Give a temporary path beside `path`; at the end its content replaces whatever had the name before.

    Args:
        path: The file or folder to be.
        may_replace: Whether a folder that has the name is one that may go; a file may always.

    Raises:
        FieldError: The folder around does not exist or cannot be written to, or a folder that may not go has the name.
        StorageFullError: The disk is full; `path` is as it was.
    """
    if path.is_dir() and not may_replace(path):
        raise FieldError("path", f"a name that no folder with other things in it has; {path.name} is one")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _named(error, path) from error
    try:
        made = folder / f"new{path.suffix}"
        yield made
        if path.is_dir() and not path.is_symlink():
            path.replace(folder / "old")  # a folder is not replaced by one rename
        made.replace(path)
    except OSError as error:
        raise _named(error, path) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _named(error: OSError, path: Path) -> FieldError | StorageFullError:
    if error.errno in FULL:
        return StorageFullError(f"{path.name} was not written: {os.strerror(error.errno)}")
    return FieldError("path", f"in a folder that exists and may be written to ({error.strerror or error})")
