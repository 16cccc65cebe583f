"""The parameters of `heat-rod`, and what follows from them without NumPy."""

import math
from collections.abc import Sequence

from grid.plugins.builtin.parameters import Parameters, Whole, quantity


class RodParams(Parameters):
    """Parameters of `heat-rod`; names and defaults are those of `sim/run_sim.py`."""

    length: float = quantity(
        1.0, unit="m", low=1e-6, high=1e6, title="Length", scale="log", description="Length of the rod"
    )
    time_steps: Whole = quantity(
        100,
        unit="1",
        low=1,
        high=1_000_000,
        title="Intervals",
        scale="log",
        description="Equal intervals between results; sub-steps are made as needed",
    )
    spatial_steps: Whole = quantity(
        101,
        unit="1",
        low=3,
        high=1_000_000,
        title="Nodes",
        scale="log",
        description="Nodes along the rod, both ends included",
    )
    diffusivity: float = quantity(
        0.01, unit="m2/s", low=1e-12, high=1e3, title="Diffusivity", scale="log", description="Thermal diffusivity"
    )
    initial_temp: float = quantity(
        100.0,
        unit="degC",
        low=-273.15,
        high=1e6,
        title="Temperature at the start",
        description="Temperature at the centre at the start",
    )
    boundary_temp: float = quantity(
        0.0,
        unit="degC",
        low=-273.15,
        high=1e6,
        title="Temperature of the ends",
        description="Temperature of both ends, at all times",
    )
    end_time: float = quantity(
        1.0, unit="s", low=1e-9, high=1e12, title="Simulated time", scale="log", description="Simulated time"
    )


def count_sub_steps(rod: RodParams) -> int:
    """Count the sub-steps of one interval, as `grid.engine.rods.rods.find_sub_steps` does, without NumPy."""
    spacing = rod.length / (rod.spatial_steps - 1)
    return max(1, math.ceil(rod.diffusivity * (rod.end_time / rod.time_steps) / (spacing * spacing) / 0.5))


def rod_columns(rods: Sequence[RodParams]) -> list[list[float]]:
    """Return length, diffusivity, initial and boundary temperature and end time of rods, one list for each."""
    names = ("length", "diffusivity", "initial_temp", "boundary_temp", "end_time")
    return [[float(getattr(rod, name)) for rod in rods] for name in names]
