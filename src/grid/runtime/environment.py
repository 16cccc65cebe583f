"""The environment of child processes: an allow-list, pinned threads, and a place for compiled kernels.

Nothing of the supervisor's environment that is not named here reaches a simulation: no database, no keys.
"""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import grid

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
THREAD_PINS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
SOURCE_ROOMS = ("engine", "plugins")  # both hold kernels


@cache
def hash_engine_sources() -> str:
    """Hash all sources that hold kernels. Numba itself does not notice a change in a helper of another module."""
    digest = hashlib.sha256()
    package = Path(grid.__file__).parent
    for room in SOURCE_ROOMS:
        for source in sorted((package / room).rglob("*.py")):
            digest.update(f"{source.relative_to(package)}\0".encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def numba_cache_folder(home: Path) -> Path:
    """Return the folder of compiled kernels that belongs to these very sources."""
    return home / "cache" / f"numba-{hash_engine_sources()}"


def find_calibration(asked: str | None = None) -> str:
    """Return the folder where calibrations of this machine are kept, or `off`: as it is set, else in the user's cache.

    Children have a home of their own, so they are told; all workers of a user share one
    (`grid.engine.costs.calibration`).
    """
    asked = asked or os.environ.get("GRID_CALIBRATION")
    if asked:
        return asked
    try:
        cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return "off"
    return str(cache_folder / "grid" / "calibration")


def share_calibration(asked: str | None) -> None:
    """Have the planner of this process use the folder that is set in `.env`, or none."""
    os.environ.setdefault("GRID_CALIBRATION", find_calibration(asked))


def make_child_environment(home: Path, scratch: Path, *, threads: int = 1, calibration: str = "off") -> dict[str, str]:
    """Return the whole environment of a child that works in `scratch` with so many threads."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    passed.setdefault("PATH", os.defpath)
    passed.setdefault("LANG", "C.UTF-8")
    return {
        **passed,
        **THREAD_PINS,
        "NUMBA_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "NUMBA_CACHE_DIR": str(numba_cache_folder(home)),
        "MPLCONFIGDIR": str(home / "cache" / "matplotlib"),
        "MPLBACKEND": "Agg",
        "GRID_CALIBRATION": calibration,
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }


def replace_environment(environment: Mapping[str, str]) -> None:
    """Make this the environment of the running process, for what is imported from now on."""
    os.environ.clear()
    os.environ.update(environment)
