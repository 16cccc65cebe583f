"""Means of a load over cells or faces, where its value at the centre stands for too little of it.

A source narrower than a cell, or one whose border cuts cells, is integrated: boxes are halved along every axis until
two Gauss rules agree and the bounds of the expression over a box (`grid.engine.box_bounds`) leave nothing unseen
between the points. Where the centres tell a load within `LOCAL` and its whole heat within `WHOLE`, they stand for it
as they always did, and nothing here costs a step anything.
"""

import math
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.expression_parser import Instruction
from grid.engine.box_bounds import bound
from grid.engine.mesh import Patch
from grid.engine.planes import find_surfaces, find_zeros
from grid.engine.problem import AXES, HeatProblem
from grid.engine.values import Expression, FloatArray, Operand, Value, run_code

Code = tuple[Instruction, ...]
STEEP, FLAT = 0.2, 1e-4  # of the largest value: variation within a cell that asks for a second look, at all and there
LOCAL, WHOLE = 0.1, 0.03  # of the heat: error of the centres, cell by cell and in sum, up to which they stand
WHOLE_CUT = 1e-6  # the same in sum, of a load with a jump, whose error falls with the first power of the cell
UNSEEN, DIFFERENT = 1e-4, 1e-6  # of the heat: what bounds may hide, and by how much two rules may differ
PEAK = 1e-6  # of what bounds allow, below which the heat that was seen is no scale
REACH = 4.0  # bounds wider than so many times the spread of the points may hide a peak
MOST_BOXES = 60_000
POOR = 0.01  # of the heat: error with which a load is refused
DEPTH = 40
SAMPLES, FEW_SAMPLES, MANY_CELLS = 17, 7, 100_000  # times at which a load is looked at before a run
GAUSS_2, GAUSS_3 = ((np.polynomial.legendre.leggauss(n)) for n in (2, 3))


@dataclass(frozen=True)
class Boxes:
    """Cells or faces as boxes; a face has no length along its normal.

    Args:
        low, high: Corners, shape (boxes, axes) [m].
        owner: Index of the cell or face that each is a part of.
    """

    low: FloatArray
    high: FloatArray
    owner: NDArray[np.intp]

    @property
    def volume(self) -> FloatArray:
        """Product of the lengths that are not zero."""
        length = self.high - self.low
        return np.asarray(np.prod(np.where(length > 0.0, length, 1.0), axis=1))

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Boxes":
        return Boxes(self.low[which], self.high[which], self.owner[which])


@dataclass(frozen=True)
class Rule:
    """Points and weights whose sums are the means over some cells.

    Args:
        cells: Those cells, rising.
        row: Of each point, its position in `cells`.
        places: Of the points, by axis.
        weight: Share of the cell that each point stands for.
    """

    cells: NDArray[np.intp]
    row: NDArray[np.intp]
    places: dict[str, FloatArray]
    weight: FloatArray

    def apply(self, code: Code, time: float, temperature: FloatArray | None) -> FloatArray:
        """Means over the cells of the rule; temperatures are those of all cells."""
        places: dict[str, Operand] = {**self.places, "t": np.float64(time)}
        if temperature is not None:
            places["T"] = temperature[self.cells][self.row]
        values = np.broadcast_to(run_code(code, places), self.weight.shape)
        sums = np.bincount(self.row, weights=self.weight * values, minlength=self.cells.size)
        return np.asarray(sums, np.float64)


@dataclass
class CellMeans:
    """The means of one load of a problem over its cells or faces.

    Args:
        path: Of its field.
        code: Of its expression.
        boxes: All cells or faces.
        start: Temperatures at which the points are chosen, one for each.
        used: Which of them belong to the body; None for all.
    """

    path: str
    code: Code
    boxes: Boxes
    start: FloatArray
    used: NDArray[np.bool_] | None = None
    is_needed: bool = False
    _last: tuple[float, Rule | None] | None = field(default=None, repr=False)

    def correct(self, centre: FloatArray, time: float, temperature: FloatArray | None) -> FloatArray:
        """The values at the centres with the means where these differ too much; all flat."""
        if not self.is_needed:
            return centre
        rule = self.find_rule(time)
        if rule is None:
            return centre
        out = centre.copy()
        out[rule.cells] = rule.apply(self.code, time, temperature)
        return out

    def find_rule(self, time: float) -> Rule | None:
        """The points of a time; the same whenever it is asked for."""
        key = time if self._has("t") else 0.0
        if self._last is None or self._last[0] != key:
            self._last = key, self._make_rule(key)
        return self._last[1]

    def _has(self, name: str) -> bool:
        return ("variable", name) in self.code

    def decide(self, times: list[float]) -> None:
        """Take the means for good if at one of some times the centres are not enough.

        Raises:
            FieldError: The load is too rough to be integrated.
        """
        for time in times if self._has("t") else [0.0]:
            rule = self.find_rule(time)
            if rule is not None and not self._is_enough(rule, time):
                self.is_needed = True
                return

    def _is_enough(self, rule: Rule, time: float) -> bool:
        start = self.start if self._has("T") else None
        centre, volume = self._centres(time), self.boxes.volume
        mean = centre.copy()
        mean[rule.cells] = rule.apply(self.code, time, start)
        heat = float((np.abs(mean) * volume).sum())
        away = (mean - centre) * volume
        has_jump = any(surface.variables & set(AXES) for surface in find_surfaces(self.code))
        whole = WHOLE_CUT if has_jump else WHOLE
        return bool(np.abs(away).sum() <= LOCAL * heat and abs(away.sum()) <= whole * heat)

    def _centres(self, time: float) -> FloatArray:
        middle = 0.5 * (self.boxes.low + self.boxes.high)
        places: dict[str, Operand] = {AXES[axis]: middle[:, axis] for axis in range(middle.shape[1])}
        values = run_code(self.code, {**places, "t": np.float64(time), "T": self.start})
        out = np.where(np.isfinite(values), values, 0.0)
        out = np.broadcast_to(out, (len(middle),)).copy()
        return out if self.used is None else np.where(self.used, out, 0.0)

    def _bounds(self, boxes: Boxes, time: float) -> tuple[FloatArray, FloatArray]:
        places = {AXES[axis]: (boxes.low[:, axis], boxes.high[:, axis]) for axis in range(boxes.low.shape[1])}
        own = self.start[boxes.owner]
        found = bound(self.code, {**places, "t": (np.float64(time),) * 2, "T": (own, own)})
        low, high = (np.broadcast_to(end, boxes.owner.shape) for end in found)
        return low, high

    def _make_rule(self, time: float) -> Rule | None:
        """The points that the load needs at a time; None where the centres are all that there is to see."""
        low, high = self._bounds(self.boxes, time)
        largest = float(np.abs(self._centres(time)).max(initial=0.0))
        width = high - low
        uneven = ~(width <= FLAT * largest) & (width > 0.0)
        if self.used is not None:
            uneven &= self.used
        if not (uneven & ~(width <= STEEP * largest)).any():
            return None
        boxes = self._split_at_planes(self.boxes.take(np.flatnonzero(uneven)), time)
        return _Refinement(self, time).run(boxes)

    def _split_at_planes(self, boxes: Boxes, time: float) -> Boxes:
        """The boxes cut at the planes across an axis on which a comparison switches."""
        code = tuple(("constant", time) if step == ("variable", "t") else step for step in self.code)
        for surface in find_surfaces(code):
            if len(surface.variables) != 1 or "T" in surface.variables:
                continue
            [name] = surface.variables
            axis = AXES.index(name)
            low, high = float(boxes.low[:, axis].min()), float(boxes.high[:, axis].max())
            for plane in find_zeros(surface.code, name, low, high) or ():
                cut = (boxes.low[:, axis] < plane) & (boxes.high[:, axis] > plane)
                if cut.any():
                    boxes = _cut(boxes, cut, axis, np.full(int(cut.sum()), plane))
        return boxes


def _cut(boxes: Boxes, which: NDArray[np.bool_], axis: int, at: FloatArray) -> Boxes:
    below, above = boxes.high.copy(), boxes.low[which].copy()
    below[which, axis] = at
    above[:, axis] = at
    return Boxes(
        np.concatenate([boxes.low, above]),
        np.concatenate([below, boxes.high[which]]),
        np.concatenate([boxes.owner, boxes.owner[which]]),
    )


@dataclass
class _Refinement:
    """Halving of boxes until nothing of the heat is left unseen."""

    means: CellMeans
    time: float
    done: list[Boxes] = field(default_factory=list)
    seen: float = 0.0  # heat, without its sign

    def run(self, boxes: Boxes) -> Rule | None:
        """The rule over all boxes, with three Gauss points along each axis of every part.

        Raises:
            FieldError: So many parts do not do.
        """
        count = boxes.owner.size
        for _ in range(DEPTH):
            heat, differs, spread = self._integrate(boxes)
            low, high = self.means._bounds(boxes, self.time)  # noqa: SLF001 of the same module
            hidden = np.where(np.isfinite(high - low), high - low, np.inf) * boxes.volume
            scale = max(self.seen + float(np.abs(heat).sum()), PEAK * float(np.minimum(hidden, 1e300).max(initial=0.0)))
            is_small = hidden <= UNSEEN * scale / count
            is_even = (differs <= DIFFERENT * scale / math.sqrt(count)) & (hidden <= REACH * spread * boxes.volume)
            kept = is_small | is_even
            self.seen += float(np.abs(heat[kept]).sum())
            self.done.append(boxes.take(kept))
            left = boxes.take(~kept)
            if not left.owner.size:
                break
            if sum(part.owner.size for part in self.done) + left.owner.size * 2 ** self._axes(left) > MOST_BOXES:
                self._conclude(left, differs[~kept], hidden[~kept], heat[~kept])
                break
            boxes = _halve(left)
            count = max(count, boxes.owner.size)
        else:
            self.done.append(left)
        return self._make_rule()

    def _conclude(self, left: Boxes, differs: FloatArray, hidden: FloatArray, heat: FloatArray) -> None:
        """Take what is left as it is, if errors of so many parts make up little."""
        total = self.seen + float(np.abs(heat).sum())
        error = 2.0 * float(np.sqrt((differs**2).sum())) + float(np.abs(differs).max(initial=0.0))
        unseen = float(np.where(np.abs(heat) + differs > 0.0, 0.0, hidden).sum())  # where no point saw anything
        if not (error <= POOR * total and unseen <= 10.0 * total):
            raise FieldError(
                self.means.path,
                "a load whose heat in each cell can be told: it is too rough or too narrow for the grid",
            )
        self.done.append(left)

    @staticmethod
    def _axes(boxes: Boxes) -> int:
        return int((boxes.high > boxes.low).any(axis=0).sum())

    def _integrate(self, boxes: Boxes) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Heat by three points along each axis, its difference to two points, and the spread of all values."""
        found = []
        lowest, highest = np.full(boxes.owner.size, np.inf), np.full(boxes.owner.size, -np.inf)
        for nodes in (GAUSS_2, GAUSS_3):
            places, weight = _points(boxes, nodes)
            values = self._values(places, boxes.owner)
            lowest, highest = np.minimum(lowest, values.min(axis=1)), np.maximum(highest, values.max(axis=1))
            found.append(values @ weight * boxes.volume)
        return found[1], np.abs(found[1] - found[0]), highest - lowest

    def _values(self, places: dict[str, FloatArray], owner: NDArray[np.intp]) -> FloatArray:
        shape = next(iter(places.values())).shape
        own = {**places, "t": np.float64(self.time), "T": self.means.start[owner][:, None]}
        values = np.broadcast_to(run_code(self.means.code, own), shape)
        if not np.isfinite(values).all():
            raise FieldError(self.means.path, "everywhere a finite number, within the cells too")
        return values

    def _make_rule(self) -> Rule | None:
        boxes = Boxes(
            np.concatenate([part.low for part in self.done]),
            np.concatenate([part.high for part in self.done]),
            np.concatenate([part.owner for part in self.done]),
        )
        cells, row = np.unique(boxes.owner, return_inverse=True)
        places, weight = _points(boxes, GAUSS_3)
        share = boxes.volume / self.means.boxes.volume[boxes.owner]
        full = share[:, None] * weight[None, :]
        flat = {name: np.ascontiguousarray(at).reshape(-1) for name, at in places.items()}
        return Rule(cells, np.repeat(row.reshape(-1), weight.size), flat, full.reshape(-1))


def _points(boxes: Boxes, nodes: tuple[FloatArray, FloatArray]) -> tuple[dict[str, FloatArray], FloatArray]:
    """Gauss points of boxes by axis, shape (boxes, points), and their weights, which add up to 1."""
    at, weights = 0.5 * (nodes[0] + 1.0), 0.5 * nodes[1]
    long = [axis for axis in range(boxes.low.shape[1]) if (boxes.high[:, axis] > boxes.low[:, axis]).any()]
    grid = list(product(range(len(at)), repeat=len(long)))
    weight = np.array([math.prod(weights[i] for i in index) for index in grid])
    places = {}
    for axis in range(boxes.low.shape[1]):
        low, high = boxes.low[:, axis : axis + 1], boxes.high[:, axis : axis + 1]
        share = np.array([at[index[long.index(axis)]] if axis in long else 0.0 for index in grid])
        places[AXES[axis]] = low + (high - low) * share
    return places, weight


def _halve(boxes: Boxes) -> Boxes:
    """Every box in two along each axis that has a length."""
    for axis in range(boxes.low.shape[1]):
        long = boxes.high[:, axis] > boxes.low[:, axis]
        if long.any():
            middle = 0.5 * (boxes.low[long, axis] + boxes.high[long, axis])
            boxes = _cut(boxes, long, axis, middle)
    return boxes


def find_times(problem: HeatProblem) -> list[float]:
    """Times at which loads are looked at before a run [s]."""
    if problem.steady or problem.end_time is None:
        return [0.0]
    count = FEW_SAMPLES if problem.domain.cell_count > MANY_CELLS else SAMPLES
    even = np.linspace(0.0, problem.end_time, count).tolist()
    between = [0.5 * (a + b) for a, b in zip(problem.breakpoints, problem.breakpoints[1:], strict=False)]
    return sorted({*even, *between[:SAMPLES], 0.381966 * problem.end_time})


def cell_boxes(problem: HeatProblem) -> Boxes:
    """All cells of a grid, in C order."""
    domain = problem.domain
    index = np.indices(domain.cells).reshape(domain.dimension, -1).T
    low = np.array(domain.origin) + index * np.array(domain.spacing)
    return Boxes(low, low + np.array(domain.spacing), np.arange(domain.cell_count))


def is_patterned(value: object) -> bool:
    """Whether a load is an expression that differs from place to place."""
    return isinstance(value, Expression) and bool(value.variables & set(AXES))


def make_source_means(problem: HeatProblem, start: FloatArray, used: NDArray[np.bool_] | None) -> CellMeans | None:
    """The means of the source of a problem; None where the centres are enough.

    Args:
        problem: Of which the source is taken.
        start: Initial temperature, flat.
        used: Cells of a masked body, flat.

    Raises:
        FieldError: The source is too rough or too narrow to be integrated.
    """
    if not isinstance(problem.source_term, Expression) or not is_patterned(problem.source_term):
        return None
    means = CellMeans("source_term", problem.source_term.code, cell_boxes(problem), start, used)
    means.decide(find_times(problem))
    return means if means.is_needed else None


def face_boxes(problem: HeatProblem, patch: Patch) -> Boxes:
    """The faces of a patch."""
    middle = np.stack(
        [np.broadcast_to(patch.places[name], patch.cells.shape) for name in AXES[: problem.dimension]], axis=1
    )
    half = 0.5 * np.array([0.0 if axis == patch.axis else d for axis, d in enumerate(problem.domain.spacing)])
    return Boxes(middle - half, middle + half, np.arange(patch.cells.size))


def make_face_means(problem: HeatProblem, patch: Patch, value: Value) -> CellMeans | None:
    """The means of a flux over the faces of a patch; None where their centres are enough.

    Raises:
        FieldError: The flux is too rough or too narrow to be integrated.
    """
    if problem.dimension == 1 or not isinstance(value, Expression) or not is_patterned(value):
        return None
    boxes = face_boxes(problem, patch)
    means = CellMeans(f"boundaries.{patch.name}.value", value.code, boxes, np.zeros(boxes.owner.size))
    means.decide(find_times(problem))
    return means if means.is_needed else None
