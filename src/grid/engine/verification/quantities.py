"""Quantities that a case may request of a heat problem on a grid (docs/case-format.md, section 3).

Dispatch is on `quantity` alone. Times and places come from the entry; the solution must hold its time.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from grid.core.errors import FieldError
from grid.engine.problem.problem import HeatProblem
from grid.engine.results.solution import Solution
from grid.engine.run.solve import solve
from grid.engine.space.mesh import open_coordinates

Entry = Mapping[str, Any]


def asked_times(case: Entry) -> tuple[float, ...]:
    """Times of the expected values of a case, increasing."""
    return tuple(sorted({float(entry["time"]) for entry in case.get("expected", ()) if "time" in entry}))


def compute_quantity(solution: Solution, entry: Entry) -> float | str:
    """The value of an entry, from a solution that holds its time.

    Raises:
        FieldError: The entry names a place, time or quantity that does not exist.
    """
    quantity = entry.get("quantity")
    if isinstance(quantity, str):
        for name in _REQUIRED.get(quantity, ()):
            if name not in entry:
                raise FieldError(name, f"required for {quantity}")
    if quantity == "observed_order":
        return compute_observed_order(solution.problem, entry)
    if not isinstance(quantity, str) or quantity not in _QUANTITIES:
        raise FieldError("quantity", f"one of {', '.join(sorted(_QUANTITIES))}, observed_order")
    return _QUANTITIES[quantity](solution, entry)


def compute_observed_order(problem: HeatProblem, entry: Entry, *, method: str = "implicit") -> float:
    """log(e_1/e_m) / log(n_m/n_1) from the first to the last of `grids`, e the rms error over the cells.

    Raises:
        FieldError: Grids that are not ever finer, or too few or many numbers of steps; a grid without any error.
    """
    grids = [tuple(int(count) for count in grid) for grid in entry["grids"]]
    steps = entry.get("steps") or [problem.steps] * len(grids)
    time = entry.get("time")
    if len(steps) != len(grids):
        raise FieldError("steps", "one number for each of grids")
    if len(grids) < 2 or not grids[0][0] < grids[-1][0] or grids[0][0] < 1:
        raise FieldError("grids", "two or more, from coarse to fine")
    errors = []
    for cells, count in zip(grids, steps, strict=True):
        finer = replace(problem, domain=replace(problem.domain, cells=cells), steps=count, end_time=time)
        errors.append(compute_rms_error(solve(finer, method=method)))
    if min(errors) <= 0.0:
        raise FieldError("grids", "grids on which the field has an error")
    return math.log(errors[0] / errors[-1]) / math.log(grids[-1][0] / grids[0][0])


def compute_rms_error(solution: Solution) -> float:
    """Root mean square over the cells of the last field minus `exact`.

    Raises:
        FieldError: The problem has no `exact` field.
    """
    exact = solution.problem.exact
    if exact is None:
        raise FieldError("exact", "required for an error")
    coordinates = {**open_coordinates(solution.problem.domain), "t": np.float64(solution.times[-1])}
    return float(np.sqrt(np.mean((solution.final - exact.evaluate(coordinates)) ** 2)))


def _relative_energy_change(solution: Solution, _entry: Entry) -> float:
    return _share(abs(solution.metrics["stored_heat_change"]), abs(solution.stored_heat(0)))


def _relative_energy_error(solution: Solution, _entry: Entry) -> float:
    heat_balance = solution.heat_balance
    moved = max(heat_balance.boundary_in + heat_balance.boundary_out, heat_balance.generated_absolute)
    return _share(abs(solution.metrics["heat_balance_residual"]), moved)


def _share(part: float, whole: float) -> float:
    """A part of a whole that exists."""
    if whole == 0.0:
        raise FieldError("quantity", "a relative energy only where there is heat")
    return part / whole


def _front_position(solution: Solution, entry: Entry) -> float:
    if "level" not in entry:
        return solution.melting_front(entry["direction"], entry.get("time"))
    return solution.front_position(entry["direction"], entry["level"], entry.get("time"))


def _front_coefficient(solution: Solution, _entry: Entry) -> float:
    """Front coefficient lambda = X / (2 sqrt(a t)) at the end; X is the path of the front, a of the phase behind it.

    Raises:
        FieldError: Not a body in 1D with one held face and one melting temperature.
    """
    problem, material = solution.problem, solution.problem.materials[0]
    held = [face for face in ("x_min", "x_max") if problem.boundary(face).type == "temperature"]
    law = material.enthalpy
    if problem.dimension != 1 or len(held) != 1 or law is None or law.melting_temperature is None or problem.steady:
        raise FieldError("quantity", "front_coefficient only in 1D with one held face and a melting temperature")
    low, time = problem.domain.origin[0], solution.times[-1]
    wall = low if held[0] == "x_min" else low + problem.domain.size[0]
    way = abs(solution.melting_front("+x" if held[0] == "x_min" else "-x") - wall)
    coordinates = {"x": np.float64(wall), "t": np.float64(time)}
    coordinates["T"] = problem.boundary(held[0]).values["value"].evaluate(coordinates)
    conductivity = float(material.conductivity[0].evaluate(coordinates))
    capacity = float(law.capacity_at(np.asarray(coordinates["T"])))
    return way / (2.0 * math.sqrt(conductivity / capacity * time))


_REQUIRED = {
    "temperature": ("at",),
    "interface_temperature": ("at",),
    "heat_flux": ("at", "direction"),
    "heat_rate": ("boundary",),
    "front_position": ("direction",),
    "observed_order": ("grids",),
    "surface_stress": ("face",),
    "model": ("time",),
}
_QUANTITIES: dict[str, Callable[[Solution, Entry], float | str]] = {
    "temperature": lambda s, e: s.temperature_at(e["at"], e.get("time"), side=e.get("side")),
    "interface_temperature": lambda s, e: s.interface_temperature(e["at"], e.get("time")),
    "mean_temperature": lambda s, e: s.mean_temperature(e.get("time")),
    "hottest_above_mean": lambda s, e: s.hottest_above_mean(e.get("time")),
    "heat_flux": lambda s, e: s.heat_flux(e["at"], e["direction"], e.get("time")),
    "heat_rate": lambda s, e: s.heat_rate(e["boundary"], e.get("time")),
    "front_position": _front_position,
    "front_coefficient": _front_coefficient,
    "surface_stress": lambda s, e: s.surface_stress(e["face"], e.get("time")),
    "model": lambda s, e: s.models.model_at(e["time"]),
    "switches": lambda s, _: float(len(s.models.switches)),
    "relative_energy_change": _relative_energy_change,
    "relative_energy_error": _relative_energy_error,
}
