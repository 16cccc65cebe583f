"""Speed of this machine for each kind of operation, relative to the machine on which the cost model was measured.

The planner compares methods by seconds (`grid.engine.costs.table`). On a machine with narrower vectors or slower memory
these differ by another factor for compiled sweeps than for sparse factorisations, so that another method may be the
fastest. A calibration holds one factor for each group of operations. It influences the choice of a method and
the estimates of a plan, never the bytes of a method; a plan names the method, and `prepare(chosen=...)` takes it again.

    calibration = measure()          # at most 2 s once its kernel is compiled
    save(calibration, find_folder())

From then on it is loaded when the first plan is made (`current`). `use` takes another one in this process;
`GRID_CALIBRATION=off` takes the reference, and any other value is the folder.
"""

import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from grid.utils.user_cache import find_user_cache

VARIABLE, OFF = "GRID_CALIBRATION", "off"
FORMAT = 1  # [-] version of the file, and of the kernels that are timed; files of another version are measured again
GROUPS = ("call", "array", "stencil", "memory", "dense", "sparse", "transform")
LEAST, MOST = 0.05, 50.0  # [-] factors outside belong to a disturbed measurement or a damaged file
LARGEST_FILE = 64 << 10  # [bytes] size of a file beyond which it counts as damaged
VECTORS = ("avx512f", "avx2", "avx", "sve", "asimd", "neon")  # named by the system, widest first


@dataclass(frozen=True)
class Calibration:
    """Times of this machine relative to those of the machine of the cost model, for each group of operations.

    Args:
        processor: Name of the processor that was measured; `reference` for the machine of the cost model.
        factors: Factors by the names of `GROUPS`; 1 for those that are not named.
    """

    processor: str
    factors: Mapping[str, float]

    def factor(self, group: str) -> float:
        """Return the factor of a group of operations."""
        return self.factors.get(group, 1.0)


REFERENCE = Calibration("reference", MappingProxyType({}))


class _Known:
    """Calibration that this process has read or was given."""

    told: Calibration | None = None
    read: tuple[tuple[str, int], Calibration] | None = None


def use(calibration: Calibration | None) -> None:
    """Use a calibration in this process; None returns to the file of this machine."""
    _Known.told = calibration


def current() -> Calibration:
    """Return the calibration for plans: that given to `use`, else this machine's file, else the reference."""
    if _Known.told is not None:
        return _Known.told
    folder = find_folder()
    if folder is None:
        return REFERENCE
    file = find_file(folder)
    try:
        stamp = (str(file), file.stat().st_mtime_ns)
    except OSError:  # there is no file, or the folder belongs to another user
        return REFERENCE
    if _Known.read is None or _Known.read[0] != stamp:
        _Known.read = stamp, load(file) or REFERENCE
    return _Known.read[1]


def find_folder() -> Path | None:
    """Find the folder of calibrations: `GRID_CALIBRATION`, else the user's cache; None where that is switched off."""
    asked = os.environ.get(VARIABLE, "")
    if asked == OFF:
        return None
    if asked:
        return Path(asked)
    user_cache = find_user_cache()
    return None if user_cache is None else user_cache / "grid" / "calibration"


def find_file(folder: Path) -> Path:
    """Name the file of this processor and this version of Grid in a folder."""
    name = "".join(letter if letter.isalnum() else "-" for letter in find_processor().lower())
    return folder / f"{find_version()}-{name[:100]}.json"


def is_missing() -> bool:
    """Tell whether this machine was not measured yet with this version of Grid, and may be."""
    folder = find_folder()
    return folder is not None and load(find_file(folder)) is None


@cache
def find_version() -> str:
    """Return the version of Grid, with which the cost model changes."""
    from grid import __version__

    return __version__


@cache
def find_processor() -> str:
    """Name the processor with its widest vectors, as far as the system reports them; kernels are compiled for it."""
    fields: dict[str, str] = {}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:  # those of the first core
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    name = fields.get("model name") or platform.processor() or platform.machine()
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    vectors = next((one for one in VECTORS if one in flags), "")
    parts = (name, vectors, os.environ.get("NUMBA_CPU_NAME", ""))
    return " ".join(part for part in parts if part) or "unknown"


def load(file: Path) -> Calibration | None:
    """Read the calibration in a file; None where it is damaged, or of another processor, version or format."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            return None
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return _read(content)


def _read(content: Any) -> Calibration | None:
    expected = {"format": FORMAT, "version": find_version(), "processor": find_processor()}
    if not isinstance(content, dict) or any(content.get(name) != value for name, value in expected.items()):
        return None
    factors = content.get("factors")
    if not isinstance(factors, dict) or set(factors) != set(GROUPS):
        return None
    if not all(_is_factor(value) for value in factors.values()):
        return None
    return Calibration(find_processor(), MappingProxyType({name: float(factors[name]) for name in GROUPS}))


def _is_factor(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and LEAST <= value <= MOST  # type: ignore[operator,arg-type]


def save(calibration: Calibration, folder: Path) -> Path:
    """Write a calibration of this processor; the file is always either the old one or the new one in full.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = find_file(folder)
    content = {
        "format": FORMAT,
        "version": find_version(),
        "processor": calibration.processor,
        "factors": {name: calibration.factor(name) for name in GROUPS},
    }
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(file)
    return file


def measure() -> Calibration:
    """Time small kernels of each group, for some 2 s at most; the first time a kernel is compiled as well."""
    from grid.engine.costs.calibration_kernels import REFERENCE_SECONDS, time_groups

    found = time_groups()
    factors = {name: min(max(found[name] / REFERENCE_SECONDS[name], LEAST), MOST) for name in GROUPS}
    return Calibration(find_processor(), MappingProxyType(factors))
