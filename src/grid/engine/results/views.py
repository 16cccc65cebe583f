"""Views of a solution: values at points, planes through it, extremes, and figures over time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice, require_list, require_number
from grid.engine.problem.domain import AXES
from grid.engine.results.dataset import make_coordinates, temperature_attributes
from grid.engine.space.discretise import contact_resistance
from grid.engine.space.interpolation import make_nodes
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from grid.engine.results.fields import Point, SolutionFields
    from grid.engine.space.space import Space

MAX_POINTS = 100_000  # [-] points of one evaluation at most
Part = Literal["cell", "surface"]


@dataclass(frozen=True)
class Extrema:
    """The coldest and the hottest place of the body, surfaces included.

    Args:
        minimum, maximum: Temperatures, in the unit of the problem; those that `temperature_at` gives at these places.
        minimum_at, maximum_at: Where, by axis [m].
        time: When [s].
        minimum_on, maximum_on: `cell` for the centre of a cell, `surface` for a face, edge or corner of the body.
        coldest_cell, hottest_cell: The extremes of the cells alone: `minimum_temperature` and `peak_temperature` of
            `Solution.metrics`, and what `Solution.history` has.
        coldest_surface, hottest_surface: The extremes of the surfaces alone; NaN where every axis is periodic.
    """

    minimum: float
    minimum_at: dict[str, float]
    maximum: float
    maximum_at: dict[str, float]
    time: float
    minimum_on: Part
    maximum_on: Part
    coldest_cell: float
    hottest_cell: float
    coldest_surface: float
    hottest_surface: float


def probe(solution: "SolutionFields", points: Sequence["Point"]) -> "xr.DataArray":
    """Temperatures at points of the body at every output time, dimensions (time, point).

    Raises:
        FieldError: No points or too many, or one that is not in the body.
    """
    import xarray as xr

    require_list("points", points, "a list of points")
    if not 1 <= len(points) <= MAX_POINTS:
        raise FieldError("points", f"1 to {MAX_POINTS} points")
    values = np.stack([solution.temperatures_at(points, time) for time in solution.times])
    names = AXES[: solution.problem.dimension]
    rows = [[point[name] for name in names] if isinstance(point, Mapping) else list(point) for point in points]
    coordinates = {name: ("point", [row[axis] for row in rows], {"units": "m"}) for axis, name in enumerate(names)}
    return xr.DataArray(
        values,
        dims=("time", "point"),
        coords={"time": make_coordinates(solution)["time"], **coordinates},
        name="temperature",
        attrs=temperature_attributes(solution.problem),
    )


def slice_plane(solution: "SolutionFields", axis: str, at: float, time: float | None) -> "xr.DataArray":
    """The field on a plane normal to an axis, over the axes that remain; NaN outside a masked body.

    Linear between the centres on both sides, bent where materials meet so that the heat flux is the same on both
    sides; beyond the last centre, linear to the temperature of the surface.

    Raises:
        FieldError: The axis or the place is not of the body.
    """
    import xarray as xr

    problem = solution.problem
    names = AXES[: problem.dimension]
    require_choice("axis", axis, names)
    at = require_number("at", at)
    number, domain = AXES.index(axis), problem.domain
    low, high = domain.origin[number], domain.origin[number] + domain.size[number]
    if not low <= at <= high:
        raise FieldError("at", f"within the body, {low:.6g} to {high:.6g} m along {axis}")
    index = solution.find_index(time)
    body = solution.body
    values = _plane(solution, index, number, at) if body is None else _masked_plane(solution, index, number, at)
    coordinates = {name: place for name, place in make_coordinates(solution, axis).items() if name != "time"}
    return xr.DataArray(
        values,
        dims=[name for name in names if name != axis],
        coords={**coordinates, axis: ((), at, {"units": "m"}), "time": ((), solution.times[index], {"units": "s"})},
        name="temperature",
        attrs=temperature_attributes(problem),
    )


def _plane(solution: "SolutionFields", index: int, axis: int, at: float) -> FloatArray:
    space = solution.space_at(index)
    core = tuple(slice(None) if other == axis else slice(1, -1) for other in range(len(space.shape)))
    wide = np.moveaxis(solution.widened_field(index)[core], axis, -1)
    place = make_nodes(space, axis).position
    lower = int(np.clip(np.searchsorted(place, at, side="right") - 1, 0, place.size - 2))
    share = (at - place[lower]) / (place[lower + 1] - place[lower])
    if 0 < lower < place.size - 2:  # between two centres
        share = _share_of_drop(space, axis, lower, share)
    values: FloatArray = (1.0 - share) * wide[..., lower] + share * wide[..., lower + 1]
    return values


def _share_of_drop(space: "Space", axis: int, face: int, place: float) -> FloatArray:
    """Share of the drop between the centres of cells face - 1 and face that lies below `place` (0 to 1), cell by cell.

    The same flux passes the half cells d / (2 k) on both sides and the contact between them, as in the face's
    conductance.
    """
    k = np.moveaxis(np.broadcast_to(space.conductivity[axis], space.shape), axis, -1)
    half = 0.5 * space.problem.domain.spacing[axis]
    below, above = half / k[..., face - 1], half / k[..., face]
    between = contact_resistance(space.problem, axis)[face]
    passed = np.where(place < 0.5, 2.0 * place * below, below + between + (2.0 * place - 1.0) * above)
    share: FloatArray = passed / (below + between + above)
    return share


def _masked_plane(solution: "SolutionFields", index: int, axis: int, at: float) -> FloatArray:
    """Between the centres on both sides where both are of the body, else the value of a cell that the plane touches."""
    domain = solution.problem.domain
    field = np.moveaxis(solution.body_fields[index], axis, -1)
    local = (at - domain.origin[axis]) / domain.spacing[axis] - 0.5
    lower = min(max(int(np.floor(local)), 0), max(domain.cells[axis] - 2, 0))
    below, above = field[..., lower], field[..., min(lower + 1, domain.cells[axis] - 1)]
    share = min(max(local - lower, 0.0), 1.0)
    between: FloatArray = (1.0 - share) * below + share * above
    if share <= 0.5 + 1e-9:
        between = np.where(np.isnan(between), below, between)
    return np.where(np.isnan(between), above, between) if share >= 0.5 - 1e-9 else between


def find_extrema(solution: "SolutionFields", time: float | None) -> Extrema:
    """The coldest and the hottest of the cell centres and the surfaces, at an output time (default: the last)."""
    index = solution.find_index(time)
    names = AXES[: solution.problem.dimension]
    if solution.body is not None:
        coordinates, values = solution.scattered_field(index)
        is_cell = np.arange(values.size) < np.count_nonzero(solution.body)
        rows = [coordinates[int(pick(values))][: len(names)] for pick in (np.argmin, np.argmax)]
    else:
        space = solution.space_at(index)
        # ghosts across a periodic joint are no places of the body
        inside = tuple(slice(1, -1) if joined else slice(None) for joined in solution.problem.is_periodic)
        values = solution.widened_field(index)[inside]
        is_cell = np.zeros(values.shape, bool)
        is_cell[tuple(slice(None) if joined else slice(1, -1) for joined in solution.problem.is_periodic)] = True
        nodes = [make_nodes(space, axis).position[inside[axis]] for axis in range(len(names))]
        found = [np.unravel_index(int(pick(values)), values.shape) for pick in (np.argmin, np.argmax)]
        rows = [np.array([node[i] for node, i in zip(nodes, place, strict=True)]) for place in found]
    low, high = ({name: float(x) for name, x in zip(names, row, strict=True)} for row in rows)
    coldest, hottest = (_part(is_cell, int(pick(values))) for pick in (np.argmin, np.argmax))
    cells, surfaces = values[is_cell], values[~is_cell] if not is_cell.all() else np.full(1, np.nan)
    return Extrema(
        float(values.min()), low, float(values.max()), high, solution.times[index], coldest, hottest,
        float(cells.min()), float(cells.max()), float(surfaces.min()), float(surfaces.max()),
    )  # fmt: skip


def surface_metrics(solution: "SolutionFields") -> dict[str, float]:
    """Extremes of the surfaces at the end, beside those of the cells in `metrics`; NaN where every axis is periodic."""
    if solution.body is not None and (values := solution.scattered_surfaces(len(solution.times) - 1)).size:
        peak, least = float(values.max()), float(values.min())
    else:
        found = find_extrema(solution, None)
        peak, least = found.hottest_surface, found.coldest_surface
    return {"peak_surface_temperature": peak, "minimum_surface_temperature": least}


def _part(is_cell: NDArray[np.bool_], entry: int) -> Part:
    return "cell" if is_cell.reshape(-1)[entry] else "surface"


def series(solution: "SolutionFields", what: "Point | str") -> "xr.DataArray":
    """Course of the temperature at a point, or of a figure of the body, over the output times.

    Args:
        solution: The solution.
        what: A point, or one of `mean_temperature`, `minimum_temperature` and `peak_temperature` (of the cells),
            `minimum_surface_temperature`, `peak_surface_temperature`, `hottest_above_mean` (surfaces included),
            `stored_heat`.

    Raises:
        FieldError: No such point or figure.
    """
    import xarray as xr

    if not isinstance(what, str):
        return probe(solution, [what]).isel(point=0)
    if what not in FIGURES:
        raise FieldError("what", f"a point, or one of {', '.join(FIGURES)}")
    attributes = temperature_attributes(solution.problem) | {"long_name": what.replace("_", " ")}
    if what == "stored_heat":
        attributes = {"units": f"J{('/m2', '/m', '')[solution.problem.dimension - 1]}", "long_name": "stored heat"}
    values = [FIGURES[what](solution, index) for index in range(len(solution.times))]
    return xr.DataArray(
        values, dims="time", coords={"time": make_coordinates(solution)["time"]}, name=what, attrs=attributes
    )


FIGURES: dict[str, Callable[["SolutionFields", int], float]] = {
    "mean_temperature": lambda s, i: s.mean_temperature(s.times[i]),
    "minimum_temperature": lambda s, i: float(np.nanmin(s.body_fields[i])),
    "peak_temperature": lambda s, i: float(np.nanmax(s.body_fields[i])),
    "minimum_surface_temperature": lambda s, i: find_extrema(s, s.times[i]).coldest_surface,
    "peak_surface_temperature": lambda s, i: find_extrema(s, s.times[i]).hottest_surface,
    "hottest_above_mean": lambda s, i: s.hottest_above_mean(s.times[i]),
    "stored_heat": lambda s, i: s.stored_heat(i),
}
