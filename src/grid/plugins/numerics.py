"""The numerics version: a short hash of the sources that decide a result's bytes. Cheap; imports no NumPy."""

import hashlib
from collections.abc import Iterable
from importlib import metadata, resources
from importlib.resources.abc import Traversable

DIGITS = 16  # hexadecimal: 64 bits, for some thousands of versions


def numerics_version(sources: Iterable[str], distributions: Iterable[str] = ("numpy", "numba")) -> str:
    """Hash modules of `grid` ("engine/rods/rods.py") or folders of them ("engine"), and the versions of what computes.

    Line ends, comments and all count: a needless new version costs a file that is not made again, a missed one would
    hand out other bytes under an old hash.
    """
    digest = hashlib.sha256()
    root = resources.files("grid")
    for source in sources:
        for name, text in _read(source, root.joinpath(*source.split("/"))):
            digest.update(f"{name}\0{len(text)}\0".encode() + text)
    for distribution in distributions:
        digest.update(f"{distribution}=={metadata.version(distribution)}\0".encode())
    return digest.hexdigest()[:DIGITS]


def _read(name: str, place: Traversable) -> list[tuple[str, bytes]]:
    if place.is_file():
        return [(name, place.read_bytes())]
    found = []
    for child in sorted(place.iterdir(), key=lambda entry: entry.name):
        if child.is_dir() and child.name != "__pycache__":
            found += _read(f"{name}/{child.name}", child)
        elif child.name.endswith(".py"):
            found.append((f"{name}/{child.name}", child.read_bytes()))
    return found
