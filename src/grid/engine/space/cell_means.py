"""Means of a load over cells or faces, where its value at the centre is not accurate enough.

A source narrower than a cell, or one whose border cuts cells, is integrated: boxes are halved along every axis until
two Gauss rules agree and the bounds of the expression over a box (`grid.engine.values.box_bounds`) exclude features
between the points. Where the values at the centres give a load within `LOCAL` and its whole heat within `WHOLE`, they
are used, at no cost in a step.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.problem.domain import AXES
from grid.engine.problem.face_switches import is_even_in_cells
from grid.engine.space.load_shapes import Boxes, CellShapes, FaceShapes, cut_boxes, halve_boxes
from grid.engine.values.box_bounds import bound
from grid.engine.values.enclosures import enclose
from grid.engine.values.expression import run_code
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.parser import Instruction
from grid.engine.values.planes import find_start, find_surfaces, find_zeros

Code = tuple[Instruction, ...]
# [-] relative to the largest value: variation within some cell from which points are used, and in the cells that get
# them
STEEP, FLAT = 0.2, 1e-4
# [-] relative to the heat: error of the centres, cell by cell and in sum, up to which they are used
LOCAL, WHOLE = 0.1, 0.03
WHOLE_CUT = 1e-6  # [-] the same in sum, for a load with a jump, whose error falls with the first power of the cell
# [-] relative to the heat: heat that bounds leave possible between points, and difference of two rules
UNSEEN, DIFFERENT = 1e-4, 1e-6
PEAK = 1e-6  # [-] relative to the heat that bounds allow: heat found at points below which it is no scale of the errors
REACH = 4.0  # [-] ratio of bounds to the spread of the points from which they may hide a peak
MOST_BOXES = 60_000  # [-] most boxes of one load
# [-] most cells with points of their own, and cells of the sample that decides whether any are needed
MOST_CELLS, SAMPLE_CELLS = 200_000, 8_000
POOR = 0.01  # [-] relative to the heat: error with which a load is refused
DEPTH = 40  # [-] most halvings of a box
# [-] nodes and weights of Gauss's rules on [-1, 1]
GAUSS_2, GAUSS_3 = ((np.polynomial.legendre.leggauss(n)) for n in (2, 3))
EDGE = 1e-7  # [-] relative to a cell: layer beside each face that bounds leave out


@dataclass(frozen=True)
class Rule:
    """Points and weights whose sums are the means over some cells.

    Args:
        cells: Indices of these cells, rising.
        row: Position in `cells` of the cell of each point.
        coordinates: Coordinates of the points, by axis.
        weight: Share of the cell that each point stands for.
        is_sample: True where there are more cells that need points.
    """

    cells: NDArray[np.intp]
    row: NDArray[np.intp]
    coordinates: dict[str, FloatArray]
    weight: FloatArray
    is_sample: bool = False

    def apply(self, code: Code, time: float, temperature: FloatArray | None) -> FloatArray:
        """Compute means over the cells of the rule; temperatures are those of all cells."""
        coordinates: dict[str, Operand] = {**self.coordinates, "t": np.float64(time)}
        if temperature is not None:
            coordinates["T"] = temperature[self.cells][self.row]
        values = np.broadcast_to(run_code(code, coordinates), self.weight.shape)
        sums = np.bincount(self.row, weights=self.weight * values, minlength=self.cells.size)
        return np.asarray(sums, np.float64)


@dataclass
class CellMeans:
    """Means of one load of a problem over its cells or faces.

    Args:
        path: Name of its field.
        code: Code of its expression.
        pattern: Code of its factor that depends on place, if the others do not; else all of it. The points follow it.
        shapes: The cells of a grid, or the faces of a patch.
        start: Temperatures at which the points are chosen, one for each; for an expression in T.
        used: True for cells or faces of the body; None for all.
    """

    path: str
    code: Code
    shapes: CellShapes | FaceShapes
    start: FloatArray | None = None
    used: NDArray[np.bool_] | None = None
    is_needed: bool = False
    pattern: Code = field(init=False, repr=False)
    _last: tuple[float, Rule | None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.pattern = find_pattern(self.code) or self.code

    def correct(self, centre: FloatArray, time: float, temperature: FloatArray | None) -> FloatArray:
        """Replace the values at the centres by the means where these differ too much; all flat."""
        if not self.is_needed:
            return centre
        rule = self.find_rule(time)
        if rule is None:
            return centre
        out = centre.copy()
        out[rule.cells] = rule.apply(self.code, time, temperature)
        return out

    def find_rule(self, time: float) -> Rule | None:
        """Choose the points of a time; the same at each call."""
        key = time if self._has("t") else 0.0
        last = self._last
        if last is None or last[0] != key:  # another thread may look at another time meanwhile
            last = self._last = key, self._make_rule(key, MOST_CELLS, is_sample=False)
        return last[1]

    @property
    def has_moving_points(self) -> bool:
        """True where the points differ from time to time."""
        return self._has("t")

    def _has(self, name: str) -> bool:
        return ("variable", name) in self.pattern

    def decide(self, times: list[float]) -> None:
        """Use the means from now on if at one of some times the centres are not enough.

        Raises:
            FieldError: The load is too rough to be integrated.
        """
        if is_even_in_cells(self.pattern, self.shapes.domain):
            return
        for time in times if self._has("t") else [0.0]:
            if self._is_smooth(time):
                continue
            sample = self._make_rule(time, SAMPLE_CELLS, is_sample=True)
            if sample is not None and not self._is_enough(sample, time):
                self.is_needed = True
                return

    def find_line(self, time: float) -> tuple[FloatArray, FloatArray]:
        """Compute values at the centres, and means."""
        centre, rule = self._centres(time), self.find_rule(time)
        mean = centre.copy()
        if rule is not None:
            mean[rule.cells] = rule.apply(self.pattern, time, self.start)
        return centre, mean

    def _is_smooth(self, time: float) -> bool:
        """Tell whether bounds of its second derivatives show that the centres are enough.

        The error of a mean over a cell is at most the sum over its axes of h^2/24 max abs(f''), by Taylor's theorem
        along one axis after the other.
        """
        start = {name: (at, at) for name, at in self._at_start().items()}
        coordinates = {**self.shapes.ends, "t": (np.float64(time),) * 2, **start}
        error = np.zeros(self.shapes.shape)
        for name, (low, high) in self.shapes.ends.items():
            if self._has(name):
                bend = enclose(self.pattern, name, low, high, coordinates, has_switches=True).bend.magnitude
                error = error + np.square(high - low) / 24.0 * np.where(np.isfinite(bend), bend, np.inf)
        error = error.reshape(-1) if self.used is None else error.reshape(-1)[self.used]
        total = float(error.sum())
        return total <= WHOLE * (float(np.abs(self._centres(time)).sum()) - total)

    def _is_enough(self, rule: Rule, time: float) -> bool:
        """Tell whether the centres are accurate enough in all cells, or in those of a rule for a sample of them."""
        centre = self._centres(time)
        own = rule.apply(self.pattern, time, self.start)
        away = own - centre[rule.cells]
        heat = np.abs(own).sum()
        if not rule.is_sample:
            heat += np.abs(centre).sum() - np.abs(centre[rule.cells]).sum()
        has_jump = any(surface.variables & set(AXES) for surface in find_surfaces(self.pattern))
        whole = WHOLE_CUT if has_jump and not rule.is_sample else WHOLE
        return bool(np.abs(away).sum() <= LOCAL * heat and abs(away.sum()) <= whole * heat)

    def _centres(self, time: float) -> FloatArray:
        values = run_code(self.pattern, {**self.shapes.middle, "t": np.float64(time), **self._at_start()})
        values = np.broadcast_to(values, self.shapes.shape).reshape(-1)
        out: FloatArray = np.where(np.isfinite(values), values, 0.0)
        return out if self.used is None else np.where(self.used, out, 0.0)

    def _at_start(self) -> dict[str, FloatArray]:
        return {} if self.start is None else {"T": self.start.reshape(self.shapes.shape)}

    def bounds_over(self, boxes: Boxes, time: float) -> tuple[FloatArray, FloatArray]:
        """Compute the least and the largest value that the load may have in each box."""
        coordinates = {AXES[axis]: (boxes.low[:, axis], boxes.high[:, axis]) for axis in range(boxes.low.shape[1])}
        if self.start is not None:
            coordinates["T"] = (self.start[boxes.owner],) * 2
        low, high = bound(self.pattern, {**coordinates, "t": (np.float64(time),) * 2})
        return np.broadcast_to(low, boxes.owner.shape), np.broadcast_to(high, boxes.owner.shape)

    def _find_uneven(self, time: float) -> NDArray[np.intp]:
        """Find the cells within which the load varies, if it varies much within any; none where centres are enough."""
        start = {name: (at, at) for name, at in self._at_start().items()}
        # a plane on a face cuts neither of its cells; one that is off it by rounding does not either
        inside = {name: (a + EDGE * (b - a), b - EDGE * (b - a)) for name, (a, b) in self.shapes.ends.items()}
        low, high = bound(self.pattern, {**inside, "t": (np.float64(time),) * 2, **start})
        width = np.broadcast_to(high - low, self.shapes.shape).reshape(-1)
        largest = float(np.abs(self._centres(time)).max(initial=0.0))
        uneven = ~(width <= FLAT * largest) & (width > 0.0)
        if self.used is not None:
            uneven &= self.used
        steep = uneven & ~(width <= STEEP * largest)
        return np.flatnonzero(uneven if steep.any() else steep)

    def _make_rule(self, time: float, most: int, *, is_sample: bool) -> Rule | None:
        """Make the points that the load needs at a time; None where the centres are enough.

        Raises:
            FieldError: More than `most` cells need them, unless a sample of them is enough.
        """
        cells = self._find_uneven(time)
        if not cells.size:
            return None
        is_part = is_sample and cells.size > most
        if is_part:
            cells = cells[:: -(-cells.size // most)]
        elif cells.size > most:
            raise self.refuse()
        boxes = self._split_at_planes(self.shapes.take(cells), time)
        return replace(_Refinement(self, time).run(boxes), is_sample=is_part)

    def refuse(self) -> FieldError:
        """Make the error for a load whose means cannot be computed."""
        limit = "a load whose heat in each cell can be told: it is too rough or too narrow for the grid, refine it"
        return FieldError(self.path, limit)

    def _split_at_planes(self, boxes: Boxes, time: float) -> Boxes:
        """Cut the boxes at the planes across an axis on which a comparison switches."""
        code = tuple(("constant", time) if step == ("variable", "t") else step for step in self.pattern)
        for surface in find_surfaces(code):
            if len(surface.variables) != 1 or "T" in surface.variables:
                continue
            [name] = surface.variables
            axis = AXES.index(name)
            low, high = float(boxes.low[:, axis].min()), float(boxes.high[:, axis].max())
            for plane in find_zeros(surface.code, name, low, high) or ():
                cut = (boxes.low[:, axis] < plane) & (boxes.high[:, axis] > plane)
                if cut.any():
                    boxes = cut_boxes(boxes, cut, axis, np.full(int(cut.sum()), plane))
        return boxes


@dataclass
class _Refinement:
    """Halving of boxes until bounds and points agree on the heat."""

    means: CellMeans
    time: float
    done: list[Boxes] = field(default_factory=list)
    seen: float = 0.0  # absolute heat of the finished boxes

    def run(self, boxes: Boxes) -> Rule:
        """Make the rule over all boxes, with three Gauss points along each axis of every part.

        Raises:
            FieldError: `MOST_BOXES` parts are not enough.
        """
        count = boxes.owner.size
        for _ in range(DEPTH):
            heat, differs, spread = self._integrate(boxes)
            low, high = self.means.bounds_over(boxes, self.time)
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
            boxes = halve_boxes(left)
            count = max(count, boxes.owner.size)
        else:
            self.done.append(left)
        return self._make_rule()

    def _conclude(self, left: Boxes, differs: FloatArray, hidden: FloatArray, heat: FloatArray) -> None:
        """Accept the remaining boxes, if the sum of their errors is small."""
        total = self.seen + float(np.abs(heat).sum())
        error = 2.0 * float(np.sqrt((differs**2).sum())) + float(np.abs(differs).max(initial=0.0))
        unseen = float(np.where(np.abs(heat) + differs > 0.0, 0.0, hidden).sum())  # boxes with zero heat at all points
        if not (error <= POOR * total and unseen <= 10.0 * total):
            raise self.means.refuse()
        self.done.append(left)

    @staticmethod
    def _axes(boxes: Boxes) -> int:
        return int((boxes.high > boxes.low).any(axis=0).sum())

    def _integrate(self, boxes: Boxes) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Compute heat by three points along each axis, its difference to two points, and the spread of all values."""
        found = []
        lowest, highest = np.full(boxes.owner.size, np.inf), np.full(boxes.owner.size, -np.inf)
        for nodes in (GAUSS_2, GAUSS_3):
            coordinates, weight = _points(boxes, nodes)
            values = self._values(coordinates, boxes.owner)
            lowest, highest = np.minimum(lowest, values.min(axis=1)), np.maximum(highest, values.max(axis=1))
            found.append(values @ weight * boxes.volume)
        return found[1], np.abs(found[1] - found[0]), highest - lowest

    def _values(self, coordinates: dict[str, FloatArray], owner: NDArray[np.intp]) -> FloatArray:
        shape = next(iter(coordinates.values())).shape
        own = {**coordinates, "t": np.float64(self.time)}
        if self.means.start is not None:
            own["T"] = self.means.start[owner][:, None]
        values = np.broadcast_to(run_code(self.means.pattern, own), shape)
        if not np.isfinite(values).all():
            raise FieldError(self.means.path, "everywhere a finite number, within the cells too")
        return values

    def _make_rule(self) -> Rule:
        boxes = Boxes(
            np.concatenate([part.low for part in self.done]),
            np.concatenate([part.high for part in self.done]),
            np.concatenate([part.owner for part in self.done]),
        )
        cells, row = np.unique(boxes.owner, return_inverse=True)
        coordinates, weight = _points(boxes, GAUSS_3)
        share = boxes.volume / self.means.shapes.volume
        full = share[:, None] * weight[None, :]
        flat = {name: np.ascontiguousarray(at).reshape(-1) for name, at in coordinates.items()}
        return Rule(cells, np.repeat(row.reshape(-1), weight.size), flat, full.reshape(-1))


def _points(boxes: Boxes, nodes: tuple[FloatArray, FloatArray]) -> tuple[dict[str, FloatArray], FloatArray]:
    """Compute Gauss points of boxes by axis, shape (boxes, points), and their weights, which add up to 1."""
    at, weights = 0.5 * (nodes[0] + 1.0), 0.5 * nodes[1]
    long = [axis for axis in range(boxes.low.shape[1]) if (boxes.high[:, axis] > boxes.low[:, axis]).any()]
    grid = list(product(range(len(at)), repeat=len(long)))
    weight = np.array([math.prod(weights[i] for i in index) for index in grid])
    coordinates = {}
    for axis in range(boxes.low.shape[1]):
        low, high = boxes.low[:, axis : axis + 1], boxes.high[:, axis : axis + 1]
        share = np.array([at[index[long.index(axis)]] if axis in long else 0.0 for index in grid])
        coordinates[AXES[axis]] = low + (high - low) * share
    return coordinates, weight


def find_pattern(code: Code) -> Code | None:
    """Extract the code of the factor of a product that depends on place, without those of time and temperature alone.

    Empty where nothing depends on place; None where a factor depends on place and on time or temperature.
    """
    names = {str(argument) for operation, argument in code if operation == "variable"}
    if not names & set(AXES):
        return ()
    if not names & {"t", "T"}:
        return code
    operation, argument = code[-1]
    if operation == "negate":
        return find_pattern(code[:-1])
    if operation != "binary" or argument not in ("*", "/"):
        return None
    start = find_start(code, len(code) - 2)
    left, right = find_pattern(code[:start]), find_pattern(code[start:-1])
    if left is None or right is None:
        return None
    if not right:
        return left
    if not left:
        return right if argument == "*" else (("constant", 1.0), *right, code[-1])
    return (*left, *right, code[-1])
