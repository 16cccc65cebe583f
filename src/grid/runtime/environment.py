"""The environment of child processes: an allow-list, pinned threads, and a place for compiled kernels.

Nothing of the supervisor's environment that is not named here reaches a simulation: no database, no keys.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from grid.utils.user_cache import KERNELS, OFF, find_kernel_root, find_user_cache

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
THREAD_PINS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


def plugin_kernel_folder(home: Path) -> Path:
    """Return the folder where Numba keeps the compiled kernels of plugins; those of the engine are not there."""
    return home / "cache" / "numba"


def find_kernel_cache(home: Path, asked: str | None = None) -> str:
    """Return the folder of the engine's compiled kernels, or `off`: as it is set, else in the user's cache.

    Children have a home of their own, so they are told; all workers of a user share one (`grid.engine.kernel_folder`).
    A user whose cache cannot be written has one in the data folder.
    """
    return str(find_kernel_root(asked, instead=home / "cache" / "kernels") or OFF)


def find_calibration(asked: str | None = None) -> str:
    """Return the folder where calibrations of this machine are kept, or `off`: as it is set, else in the user's cache.

    Children have a home of their own, so they are told; all workers of a user share one
    (`grid.engine.costs.calibration`).
    """
    asked = asked or os.environ.get("GRID_CALIBRATION")
    if asked:
        return asked
    user_cache = find_user_cache()
    return OFF if user_cache is None else str(user_cache / "grid" / "calibration")


def share_calibration(asked: str | None) -> None:
    """Have the planner of this process use the folder that is set in `.env`, or none."""
    os.environ.setdefault("GRID_CALIBRATION", find_calibration(asked))


def make_child_environment(
    home: Path, scratch: Path, *, threads: int = 1, kernels: str = OFF, calibration: str = OFF
) -> dict[str, str]:
    """Return the whole environment of a child that works in `scratch` with so many threads."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    passed.setdefault("PATH", os.defpath)
    passed.setdefault("LANG", "C.UTF-8")
    return {
        **passed,
        **THREAD_PINS,
        "NUMBA_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "NUMBA_CACHE_DIR": str(plugin_kernel_folder(home)),
        KERNELS: kernels,
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
