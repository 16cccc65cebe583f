"""Audit of the loads: what a method applied of each against its integral.

A method samples its loads at points of its steps. The weighted sum of these samples, as the scheme used them, is kept
in the ledger (`Ledger.prescribed`); here it is compared with the integral of the load over each way between two asked
times, by Gauss's rule on stretches on which the load is known to be smooth (`grid.engine.load_course`). The scale is
the largest integral of the load's size over one of these ways, of a temperature that of its distance to its mean: a
body that is asked for often keeps the heat of one way, not of the whole run.
Loads that depend on the temperature of the body have no integral that is known; neither has a source of place and time,
nor a flux whose means over faces need other points at every moment. Their heat is in the balance.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grid.engine.audits import NO_TIMED_LOADS, Audit
from grid.engine.load_analysis import analyse_facts, find_timed_loads
from grid.engine.values import FloatArray, Operand, Table, Value

if TYPE_CHECKING:
    from grid.engine.methods.method import Facts
    from grid.engine.space import Space

NAME = NO_TIMED_LOADS.name
NOT_KNOWN = Audit(
    NAME, "not_applicable", None, None, "the loads that depend on time depend on temperature, or on the place, as well"
)
NOT_SAMPLED = Audit(NAME, "not_applicable", None, None, "the method integrates its loads itself")
LIMIT_FACTOR = 2.0  # times the tolerance
LIMIT_EQUAL_STEPS = 0.05  # where the steps were given
RULE = np.polynomial.legendre.leggauss(8)
LINEAR_RULE = np.polynomial.legendre.leggauss(2)  # exact for straight lines, of which tables are made
BLOCK = 1_000_000  # values at once


@dataclass(frozen=True)
class PrescribedLoad:
    """A load that is given as a function of time, and of place on a face.

    Args:
        path: Name of the field.
        value: What it is.
        places: Of the faces that it acts on, or of points within them; empty where it is the same everywhere.
        is_absolute: Whether zero means nothing.
        weights: Shares of the points, which add up to 1; None where all are alike.
    """

    path: str
    value: Value
    places: dict[str, Operand]
    is_absolute: bool
    weights: FloatArray | None = None

    def at(self, time: float) -> float:
        """Its mean over the faces at a time [s]."""
        if isinstance(self.value, Table):
            return float(self.sample(np.array([time]))[0])
        values = np.asarray(self.value.evaluate({**self.places, "t": np.float64(time)}), np.float64)
        return float(values.mean()) if self.weights is None else float(values @ self.weights)

    def sample(self, times: FloatArray) -> FloatArray:
        """Its mean over the faces at many times, shape (times,)."""
        if isinstance(self.value, Table):
            knots, values = self.value.arrays
            if self.value.interpolation == "linear":
                return np.asarray(np.interp(times, knots, values))
            return np.asarray(values[np.maximum(np.searchsorted(knots, times, side="right") - 1, 0)])
        count = max((int(np.size(place)) for place in self.places.values()), default=1)
        block, found = max(1, BLOCK // count), list[FloatArray]()
        for first in range(0, times.size, block):
            part = times[first : first + block].reshape(-1, 1)
            values = np.asarray(self.value.evaluate({**self.places, "t": part}), np.float64)
            values = np.broadcast_to(values, (part.size, max(values.shape[-1], 1)))
            found.append(values.mean(axis=1) if self.weights is None else values @ self.weights)
        return np.concatenate(found) if found else np.zeros(0)


def find_prescribed(space: "Space") -> tuple[PrescribedLoad, ...]:
    """The loads of a space that are given as functions of time."""
    found = []
    for load in find_timed_loads(space.problem):
        names = load.value.variables
        patches = [index for index, patch in enumerate(space.patches) if patch.name == load.patch]
        if "T" in names or not (patches or load.path == "source_term"):
            continue
        if load.is_common:
            found.append(PrescribedLoad(load.path, load.value, {}, load.is_absolute))
        elif patches and (points := _find_points(space, patches[0])) is not None:
            places = {name: place for name, place in points[0].items() if name in names}
            found.append(PrescribedLoad(load.path, load.value, places, load.is_absolute, points[1]))
    return tuple(found)


def _find_points(space: "Space", index: int) -> tuple[dict[str, Operand], FloatArray | None] | None:
    """The points at which the scheme takes a load of a patch, and their shares; None where they move."""
    patch = space.patches[index]
    places = {name: np.broadcast_to(place, patch.cells.shape) for name, place in patch.places.items()}
    means = space.face_means_of(index) if space.boundaries[index].type == "flux" else None
    if means is None:
        return {**places}, None
    if means.has_moving_points:
        return None
    rule = means.find_rule(0.0)
    if rule is None:
        return {**places}, None
    alone = np.ones(patch.cells.size, bool)
    alone[rule.cells] = False
    joined: dict[str, Operand] = {
        name: np.concatenate([place[alone], rule.places[name]]) for name, place in places.items()
    }
    return joined, np.concatenate([np.ones(int(alone.sum())), rule.weight]) / alone.size


def audit_loads(
    space: "Space", facts: "Facts", times: tuple[float, ...], sums: list[tuple[float, ...]], tolerance: float | None
) -> Audit:
    """The verdict on the loads of a run.

    Args:
        space: What was solved.
        facts: Of the plan.
        times: Asked times, with 0 first where the start is kept [s].
        sums: `Ledger.prescribed` at each of them.
        tolerance: That the steps were chosen for; None where they were given.
    """
    if not facts.problem.has_timed_values:
        return NO_TIMED_LOADS
    loads = space.prescribed_loads
    if not loads:
        return NOT_KNOWN
    if not any(sums):
        return NOT_SAMPLED
    limit = LIMIT_EQUAL_STEPS if tolerance is None else LIMIT_FACTOR * tolerance
    found = []
    for index, load in enumerate(loads):
        applied = np.array([row[index] if row else 0.0 for row in sums])
        found.append((_compare(load, facts, np.array(times), applied), load.path))
    value, path = max(found)
    detail = (
        f"what was applied of {path} against its integral between asked times, over the largest integral of its size"
    )
    return Audit(NAME, "passed" if value <= limit else "failed", value, limit, detail)


def _compare(load: PrescribedLoad, facts: "Facts", times: FloatArray, applied: FloatArray) -> float:
    """The largest difference between two asked times, over the largest integral of the size between two."""
    ends = analyse_facts(facts).find_ends(load.path)
    ends = np.union1d(ends[ends <= facts.duration], np.append(times, [0.0, facts.duration]))
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[:-1] + ends[1:])
    nodes, weights = LINEAR_RULE if isinstance(load.value, Table) else RULE
    values = load.sample((middle[:, None] + half[:, None] * nodes).reshape(-1)).reshape(half.size, -1)
    parts = (values @ weights) * half
    mean = 0.0 if load.is_absolute else float(parts.sum()) / facts.duration
    asked = np.searchsorted(ends, times)
    sizes = np.concatenate([[0.0], np.cumsum((np.abs(values - mean) @ weights) * half)])
    size = float(np.diff(sizes[asked]).max(initial=0.0))
    exact = np.concatenate([[0.0], np.cumsum(parts)])[asked]
    difference = float(np.abs(np.diff(applied) - np.diff(exact)).max(initial=0.0))
    rounding = 1e-12 * float(np.abs(parts).sum())
    return difference / max(size, rounding) if difference > rounding else 0.0
