"""Points of a sweep as columns: parameters and metrics of all of them in one answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from grid.core.errors import FieldError, NotFoundError
from grid.database import job_queries
from grid.database.job_queries import PointRow
from grid.database.sweeps import SweepRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.jobs import JsonObject
from grid.schemas.paths import split_path
from grid.schemas.results import guide_of
from grid.schemas.simulations import Simulation
from grid.services.naming import describe_metric, describe_parameter

MOST_NAMES = 64  # columns of an answer
PARAMS, METRICS = "params.", "metrics."


@dataclass(frozen=True)
class Column:
    """One parameter or metric of all points; None where a point has none. `unit` is None where it is not known."""

    name: str
    title: str
    unit: str | None
    values: Sequence[Any]


@dataclass(frozen=True)
class SweepColumns:
    """The points of a sweep, in their order, without those that were removed."""

    record: SweepRecord
    points: Sequence[PointRow]
    columns: Sequence[Column]

    @property
    def tag(self) -> str:
        """Identify the state of the points: the sweep's version, and how many points there are."""
        return f"{self.record.version}.{len(self.points)}"


def tag_columns(uow: UnitOfWork, *, owner_id: UUID | None, sweep_id: UUID) -> str:
    """Identify the state of a sweep's points, without reading them: its version, and how many of them there are.

    Raises:
        NotFoundError: There is no such sweep for this owner.
    """
    with uow.read() as tx:
        record = _require_sweep(tx, owner_id, sweep_id)
        return f"{record.version}.{job_queries.count_points(tx, sweep_id)}"


def read_columns(
    uow: UnitOfWork, registry: Registry, *, owner_id: UUID | None, sweep_id: UUID, names: Sequence[str] = ()
) -> SweepColumns:
    """Read columns of a sweep; without names, the parameters that differ, and all metrics.

    Args:
        uow, registry: Where points and units are.
        owner_id: Whose sweep.
        sweep_id: Which.
        names: `params.NAME` or `metrics.NAME`; a dotted name leads into a nested problem.

    Raises:
        NotFoundError: There is no such sweep for this owner.
        FieldError: A name is none, or no point has it.
    """
    for name in names:
        if not name.startswith((PARAMS, METRICS)):
            raise FieldError("names", "must begin with params. or metrics.")
        if name.startswith(PARAMS):
            split_path(name.removeprefix(PARAMS))  # refused before anything is read
    with uow.read() as tx:
        record = _require_sweep(tx, owner_id, sweep_id)
        has_metrics = not names or any(name.startswith(METRICS) for name in names)
        points = job_queries.read_points(tx, sweep_id, params=True, metrics=has_metrics)
    simulation = registry.simulations().get(record.simulation or "")
    chosen = list(names) or [*_find_varying(points, simulation), *_find_metrics(points, simulation)]
    kinds = _find_kinds(points, simulation)
    columns = [_make_column(name, list(_values(points, name)), kinds, simulation) for name in chosen]
    for column in columns:
        if names and all(value is None for value in column.values):
            _require_known(column.name, points, simulation)
    return SweepColumns(record, points, columns)


def _require_sweep(tx: Transaction, owner_id: UUID | None, sweep_id: UUID) -> SweepRecord:
    record = tx.sweeps.find(sweep_id, owner_id)
    if record is None:
        raise NotFoundError("sweep")
    return record


def _require_known(name: str, points: Sequence[PointRow], simulation: Simulation | None) -> None:
    """Refuse a column without a value whose name nothing explains.

    A metric may be there once a point has succeeded; a parameter may be null.

    Raises:
        FieldError: No point has it.
    """
    if name.startswith(METRICS):
        known = {guide.name for guide in guide_of(simulation).metrics}
        if name.removeprefix(METRICS) in known or not any(point.metrics for point in points):
            return
    elif any(_has(point.params, split_path(name.removeprefix(PARAMS))) for point in points):
        return
    raise FieldError("names", "each must be a parameter or a metric that a point of the sweep has")


def _find_kinds(points: Sequence[PointRow], simulation: Simulation | None) -> list[JsonObject]:
    """Return the parameters of one point for each combination of words among those that differ.

    What a number means may follow from words beside it: the law of a face, the unit of temperatures.
    """
    varying = [split_path(name.removeprefix(PARAMS)) for name in _find_varying(points, simulation)]
    found: dict[tuple[str | None, ...], JsonObject] = {}
    for point in points:
        values = (_follow(point.params, steps) for steps in varying)
        found.setdefault(tuple(value if isinstance(value, str) else None for value in values), point.params)
    return list(found.values())


def _make_column(
    name: str, values: Sequence[Any], kinds: Sequence[JsonObject], simulation: Simulation | None
) -> Column:
    """Return a column with its title and, where all points agree in it, its unit."""
    if name.startswith(METRICS):
        guides = [describe_metric(simulation, name.removeprefix(METRICS), params) for params in kinds]
    else:
        steps = split_path(name.removeprefix(PARAMS))
        having = [params for params in kinds if _follow(params, steps) is not None]
        guides = [describe_parameter(simulation, steps, params) for params in having or kinds[:1]]
    units = {guide.unit for guide in guides}
    title = guides[0].title if guides else name.partition(".")[2]
    return Column(name, title, units.pop() if len(units) == 1 else None, values)


def _values(points: Sequence[PointRow], name: str) -> Iterator[Any]:
    if name.startswith(METRICS):
        own = name.removeprefix(METRICS)
        return (point.metrics.get(own) for point in points)
    steps = split_path(name.removeprefix(PARAMS))
    return (_follow(point.params, steps) for point in points)


def _follow(params: JsonObject, steps: Sequence[str | int]) -> Any:
    """Return what is at the end of a path; None where it leads nowhere."""
    place: Any = params
    for step in steps:
        if isinstance(step, str) and isinstance(place, dict):
            place = place.get(step)
        elif isinstance(step, int) and isinstance(place, list) and step < len(place):
            place = place[step]
        else:
            return None
    return place


def _has(params: JsonObject, steps: Sequence[str | int]) -> bool:
    """Tell whether a path leads to something, null included."""
    *way, last = steps
    place = _follow(params, way) if way else params
    return last in place if isinstance(place, dict) else isinstance(last, int) and _follow(params, steps) is not None


def _find_varying(points: Sequence[PointRow], simulation: Simulation | None) -> list[str]:
    """Name the parameters in which points differ from the first, in the order of the simulation's own.

    A list is one parameter, of what is nested each member is one.
    """
    found: set[str] = set()
    for point in points[1:]:
        if point.params != points[0].params:
            found.update(_differing(points[0].params, point.params, PARAMS))
    own = () if simulation is None else simulation.params_model.model_fields
    return _order(found, [PARAMS + name for name in own])


def _order(found: set[str], known: Sequence[str]) -> list[str]:
    """Sort names: PostgreSQL keeps the members of an object in an order of its own."""
    place = {name: number for number, name in enumerate(known)}
    return sorted(found, key=lambda name: (place.get(name, len(place)), name))[:MOST_NAMES]


def _differing(one: JsonObject, other: JsonObject, prefix: str) -> Iterator[str]:
    for name in {**one, **other}:
        a, b = one.get(name), other.get(name)
        if a == b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differing(a, b, f"{prefix}{name}.")
        else:
            yield prefix + name


def _find_metrics(points: Sequence[PointRow], simulation: Simulation | None) -> list[str]:
    found = {METRICS + name for point in points for name in point.metrics}
    return _order(found, [METRICS + guide.name for guide in guide_of(simulation).metrics])
