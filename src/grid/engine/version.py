"""A short version of the numerics that changes whenever a source file of the engine does.

Results are stored under it. Compiled kernels lie in a folder that is named by fewer sources, see
`grid.engine.kernel_folder`.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable


@cache
def compute_numerics_version() -> str:
    """Twelve hexadecimal digits over all Python sources of the package and its folders, in the order of their names."""
    digest = hashlib.sha256()
    for name, source in read_sources("", resources.files("grid.engine")):
        digest.update(name.encode() + b"\0" + source + b"\0")
    return digest.hexdigest()[:12]


def read_sources(prefix: str, folder: Traversable) -> Iterator[tuple[str, bytes]]:
    """Yield the name below the folder and the bytes of every Python source in it."""
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".py"):
            yield prefix + entry.name, entry.read_bytes()
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from read_sources(f"{prefix}{entry.name}/", entry)
