"""A short name for the numerics: it changes whenever a source file of the engine does.

Results and compiled kernels are kept under it. Numba's own cache looks only at the file of the outermost kernel, so a
change in a kernel that it calls would go unnoticed there.
"""

import hashlib
from importlib import resources


def compute_numerics_version() -> str:
    """Twelve hexadecimal digits over all Python sources of the package, in the order of their names."""
    digest = hashlib.sha256()
    package = resources.files("grid.engine")
    for entry in sorted(package.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".py"):
            digest.update(entry.name.encode() + b"\0" + entry.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
