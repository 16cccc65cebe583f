"""The folder of compiled kernels: one for a machine and version, shared by all clones and data folders of a user.

Below the root, `$GRID_KERNEL_CACHE` or `kernels` in the user's cache folder, each combination of sources, versions and
processor has a folder of its own, so that nothing is loaded that was compiled from other sources, by another Numba or
for another processor. Only what this user or root has written, and nobody else can write, is ever loaded: a compiled
kernel is a program.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from grid.engine.version import read_sources
from grid.utils.user_cache import find_kernel_root, is_trusted

SUFFIX = ".kernel"
DESCRIPTION = "about.json"
PACKAGES = ("numba", "llvmlite", "numpy")
# variables of Numba that change no machine code
INERT = frozenset(
    f"NUMBA_{name}"
    for name in (
        "CACHE_DIR", "CACHE_LOCATOR_CLASSES", "DEBUG_CACHE", "DISABLE_JIT", "NUM_THREADS", "THREADING_LAYER",
        "THREADING_LAYER_PRIORITY",
    )
)  # fmt: skip
MOST_FOLDERS = 8  # of other versions or processors, the longest unused are removed beyond that
UNUSED_S = 30 * 86_400.0
IN_USE_S = 6 * 3600.0  # one that was opened so lately is left alone, whatever the number
TOUCH_S = 3600.0
LOADED_NS = time.time_ns()  # [ns] a source that was changed later may be another one than the module in memory


def find_root() -> Path | None:
    """Return the folder above those of all versions; None where none can be used. Nothing is made."""
    return find_kernel_root(has_kernels=lambda root: (root / folder_name()).is_dir())


def find_folder() -> Path | None:
    """Return the folder of the kernels of these sources, versions and this processor; None where none can be used."""
    root = find_root()
    if root is None:
        return None
    folder = root / folder_name()
    return folder if not folder.exists() or is_trusted(folder.lstat()) else None


def open_folder() -> Path | None:
    """Return that folder, made and described, its last use noted; the longest unused of the others are removed.

    One that can only be read is returned as it is.
    """
    folder = find_folder()
    if folder is None:
        return None
    with contextlib.suppress(OSError):
        is_new = not folder.exists()
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if is_new:
            text = json.dumps(describe_environment(), indent=1)
            (folder / DESCRIPTION).write_text(text, encoding="utf-8")
            prune(folder.parent, but=folder.name)
        elif time.time() - folder.stat().st_mtime > TOUCH_S:
            os.utime(folder)
    return folder if folder.is_dir() else None


def prune(root: Path, *, but: str) -> None:
    """Remove folders that nobody has used for a month, and the longest unused where there are more than a few."""
    import shutil

    now = time.time()
    others = [
        (now - entry.stat().st_mtime, entry.path)
        for entry in os.scandir(root)
        if entry.is_dir(follow_symlinks=False) and entry.name != but and (Path(entry.path) / DESCRIPTION).is_file()
    ]
    for number, (unused_s, path) in enumerate(sorted(others), start=1):
        if unused_s > UNUSED_S or (number >= MOST_FOLDERS and unused_s > IN_USE_S):
            shutil.rmtree(path, ignore_errors=True)


@cache
def folder_name() -> str:
    """The name that goes with these sources, versions and this processor."""
    environment = json.dumps(describe_environment(), sort_keys=True)
    return f"{hash_kernel_sources()}-{hashlib.sha256(environment.encode()).hexdigest()[:12]}"


@cache
def describe_environment() -> dict[str, Any]:
    """Return all but the sources that decides the machine code of a kernel."""
    import platform
    from importlib import metadata

    from llvmlite import binding  # type: ignore[import-untyped]

    return {
        "python": f"{sys.implementation.cache_tag} {platform.python_version()}{getattr(sys, 'abiflags', '')}",
        "platform": f"{platform.system()} {platform.machine()} {'-'.join(platform.libc_ver())}",
        **{name: metadata.version(name) for name in PACKAGES},
        "processor": binding.get_host_cpu_name(),
        "features": binding.get_host_cpu_features().flatten(),
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith("NUMBA_") and k not in INERT},
    }


@cache
def hash_kernel_sources() -> str:
    """Hash the modules of kernels and all that these import of the engine, twelve hexadecimal digits.

    Numba itself looks at the file of the outermost kernel alone; a change of one that it calls, or of a constant of
    another module, would go unnoticed. The other modules of the engine do not count: who edits them compiles nothing.
    """
    stamp_sources()  # as they are when they are read first
    digest = hashlib.sha256()
    for name, source in sorted(find_kernel_sources().items()):
        digest.update(name.encode() + b"\0" + source + b"\0")
    return digest.hexdigest()[:12]


@cache
def stamp_sources() -> tuple[tuple[str, int, int], ...]:
    """Return name, time of change and size of every source of the engine; nothing where it is in an archive."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)


def are_sources_edited() -> bool:
    """Whether a source has changed since they were loaded or hashed: what is compiled now may be of other sources."""
    try:
        stamps = stamp_sources.__wrapped__()
    except OSError:  # one was removed meanwhile
        return True
    return stamps != stamp_sources() or any(changed_ns > LOADED_NS for _, changed_ns, _ in stamps)


def find_kernel_sources() -> dict[str, bytes]:
    """Return the sources of the modules of kernels, and of those of the engine that they import, by their names.

    Followed are imports at the top of a module, where what a kernel names has to come from; of a module of kernels
    those within functions as well, which may make kernels.
    """
    sources = {_module(path): text for path, text in read_sources("", resources.files("grid.engine"))}
    wanted = [name for name, text in sources.items() if IS_KERNEL.search(text)]
    found: dict[str, bytes] = {}
    while wanted:
        name = wanted.pop()
        if name in sources and name not in found:
            found[name] = sources[name]
            pattern = IMPORTED if IS_KERNEL.search(sources[name]) else IMPORTED_ON_TOP
            for module, names in pattern.findall(sources[name]):
                wanted.append(module.decode())
                wanted += [f"{module.decode()}.{part.decode()}" for part in NAME.findall(names)]
    return found


IS_KERNEL = re.compile(rb"^\s*@(?:\w+\.)?(?:njit|intrinsic)\b", re.MULTILINE)
IMPORTED = re.compile(rb"^\s*from (grid\.engine[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)
IMPORTED_ON_TOP = re.compile(rb"^from (grid\.engine[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)
NAME = re.compile(rb"\w+")


def _module(path: str) -> str:
    return "grid.engine." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass(frozen=True)
class Contents:
    """What a folder holds."""

    kernels: int
    bytes: int


def count(folder: Path) -> Contents:
    """Count the compiled kernels of a folder, one for each signature."""
    sizes = []
    with contextlib.suppress(OSError):
        sizes = [entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith(SUFFIX)]
    return Contents(len(sizes), sum(sizes))
