"""What the fork server loads once, before any fork: the simulations and the machine code of their serial kernels.

No thread may run here: a forked child has none of them, and would wait for their locks for ever.
"""

import importlib
import sys
import traceback
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from grid.schemas.simulations import Simulation

MOST_WORK_S = 1.0
DEFAULT_REGISTRY = "grid.plugins.registry:load_registry"


class Registry(Protocol):
    """What a child needs of `grid.plugins.registry.Registry`."""

    def simulations(self) -> Mapping[str, Simulation]:
        """Return every simulation by name."""
        ...

    def get(self, name: str) -> Simulation:
        """Return one simulation, or raise NotFoundError."""
        ...


def load_registry(reference: str = DEFAULT_REGISTRY) -> Registry:
    """Call the function that `reference` (`module:function`) names."""
    module, _, function = reference.partition(":")
    registry: Registry = getattr(importlib.import_module(module), function)()
    return registry


def warm_up(registry: Registry, done: Container[str] = (), *, compiles: bool = True) -> list[str]:
    """Load numerics and the serial kernels of every simulation; return the names of those that are warm now.

    A simulation may have a method `warm_up()`; for others a point with default parameters is solved where there is
    one and it is cheap. One that fails here is named on stderr and left cold; its own jobs will say what is wrong.

    Args:
        registry: The simulations.
        done: Names of those that are warm already.
        compiles: False leaves out those that say by `is_cold()` that they would have to compile for long: their kernels
            are compiled beside the work, and loaded by another call.
    """
    importlib.import_module("numpy.lib.recfunctions")  # packs use it
    warm = []
    for name, simulation in registry.simulations().items():
        is_cold = getattr(simulation, "is_cold", None)
        if name in done or (not compiles and is_cold is not None and is_cold()):
            continue
        try:
            own = getattr(simulation, "warm_up", None)
            own() if own is not None else _solve_default(simulation)
        except Exception:  # noqa: BLE001 - a plugin's fault must not stop the others
            sys.stderr.write(f"warm-up of {name} failed:\n{traceback.format_exc()}")
        warm.append(name)
    return warm


def _solve_default(simulation: Simulation) -> None:
    try:
        point = simulation.params_model()
    except ValidationError:  # it has no default point
        return
    estimate = simulation.estimate(point)
    if estimate.slot == "small" and estimate.work_s <= MOST_WORK_S:
        simulation.solve([point], lambda _: frozenset())


def count_threads() -> int:
    """Return how many threads the kernel sees in this process."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())
