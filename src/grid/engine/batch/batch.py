"""Many problems that differ in numbers: `solve_batch`."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from grid.core.errors import FieldError, GridError
from grid.engine import limits
from grid.engine.arguments import find_floats, require_kind, require_truth
from grid.engine.methods.explicit.columns import (
    ColumnCoefficients,
    base_numbers,
    count_steps,
    heat_capacity,
    is_column,
    make_coefficients,
    run,
)
from grid.engine.problem.problem import HeatProblem
from grid.engine.run.plan import Plan
from grid.engine.run.planning import prepare
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Constant, Gridded

if TYPE_CHECKING:
    from grid.engine.batch.results import Group
    from grid.engine.results.audits import Audit
    from grid.engine.results.solution import Solution

MATERIAL = {
    "material.conductivity": limits.CONDUCTIVITY,
    "material.volumetric_heat_capacity": limits.VOLUMETRIC_HEAT_CAPACITY,
    "material.density": limits.DENSITY,
    "material.specific_heat": limits.SPECIFIC_HEAT,
}
DIFFUSIVITY = "diffusivity"
INITIAL = "initial"
OPTIONS = ("method", "times", "until", "steps", "tolerance", "precision", "model", "model_tolerance")


@dataclass(frozen=True)
class BatchSolution:
    """Result of a batch, a column for each set of numbers.

    Args:
        problem: What the columns have in common.
        vary: The numbers in which they differ, each of shape (columns, ...).
        times: Output times, with 0 first [s].
        fields: Shape (columns, times, *cells); NaN in columns that failed.
        metrics: As `Solution.metrics`, each of shape (columns,); NaN in columns that failed.
        is_accepted: Whether a column ended and no audit failed, shape (columns,).
        errors: Why columns failed, by column.
        method: Method of each column; empty where it failed.
    """

    problem: HeatProblem
    vary: Mapping[str, FloatArray]
    times: tuple[float, ...]
    fields: FloatArray = field(repr=False)
    metrics: dict[str, FloatArray] = field(repr=False)
    is_accepted: npt.NDArray[np.bool_] = field(repr=False)
    errors: dict[int, GridError]
    method: tuple[str, ...] = field(repr=False)
    _audits: "Callable[[int], tuple[Audit, ...]]" = field(repr=False)

    def __repr__(self) -> str:
        """Describe in one line the varied numbers and the count of accepted columns."""
        grid = " x ".join(map(str, self.problem.domain.cells))
        ended = f"{int(self.is_accepted.sum())} accepted, {len(self.errors)} failed"
        return (
            f"BatchSolution({len(self.is_accepted)} columns of {grid} cells, varied: {', '.join(self.vary)}; {ended})"
        )

    def audits(self, column: int) -> "tuple[Audit, ...]":
        """The verdicts on a column, as `Solution.audits`; none if it failed."""
        return self._audits(column)

    def column_problem(self, column: int) -> HeatProblem:
        """The problem of one column.

        Raises:
            GridError: Its numbers are not physical.
        """
        return make_column(self.problem, self.vary, column)


def solve_batch(
    problem: HeatProblem, vary: Mapping[str, npt.ArrayLike], *, is_parallel: bool = False, **options: Any
) -> BatchSolution:
    """Solve one problem for many sets of numbers.

    Every column has the bytes of `prepare(column, **options).solve()`, whatever the others are. A column whose numbers
    are not physical, or which fails during the run, is in `errors`; the others continue. Homogeneous bodies in 1D with
    constant loads and `method="explicit"` share one compiled call; other problems are solved one after another.

    Args:
        problem: What the columns have in common.
        vary: Arrays of one length by name: `material.conductivity`, `material.volumetric_heat_capacity`,
            `material.density`, `material.specific_heat`, `diffusivity` (sets the conductivity, at the heat capacity of
            the column) [m2/s], `boundaries.<face>.<field>`, `initial` (also of shape (columns, *cells)). The problem
            has one material, and a constant in the place of each.
        is_parallel: Share a large batch of columns among threads.
        options: As for `prepare`: `method`, `times`, `until`, `steps`, `tolerance`, `precision`.

    Raises:
        FieldError: A name is not known, or the arrays are not of one length.
    """
    require_kind("problem", problem, HeatProblem, "a HeatProblem; read a case by HeatProblem.from_case")
    require_kind("vary", vary, Mapping, "arrays by the names of what they vary")
    require_truth("is_parallel", is_parallel)
    unknown = set(options) - set(OPTIONS)
    if unknown:
        raise FieldError("options", f"only {', '.join(OPTIONS)}")
    arrays = {name: _read_column(name, values) for name, values in vary.items()}
    columns = _count_columns(problem, arrays)
    plan = prepare(problem, **options)
    found = _Collector(plan, arrays, columns)
    if is_column(problem) and plan.summary.method == "explicit" and options.get("method") == "explicit":
        found.run_together(is_parallel)
    for column in np.flatnonzero(~found.done):
        found.run_alone(int(column), options)
    return found.conclude()


def _read_column(name: object, values: npt.ArrayLike) -> FloatArray:
    found = find_floats(values)
    if found is None:
        raise FieldError(
            f"vary.{name}" if isinstance(name, str) else "vary", "an array with one number for each column"
        )
    return found


def make_column(problem: HeatProblem, vary: Mapping[str, FloatArray], column: int) -> HeatProblem:
    """The problem of one column.

    Raises:
        GridError: Its numbers are not physical.
    """
    material, boundaries, changes = problem.materials[0], dict(problem.boundaries), {}
    own = {name: values[column] for name, values in vary.items() if name not in (INITIAL, DIFFUSIVITY)}
    for name, number in own.items():
        value = Constant(float(number))
        group, _, rest = name.partition(".")
        if group == "boundaries":
            face, _, item = rest.partition(".")
            boundaries[face] = replace(boundaries[face], **{item: value})
        elif name == "material.conductivity":
            material = replace(material, conductivity=(value,))
        else:
            changed: dict[str, Any] = {rest: value}
            material = replace(material, **changed)
    if DIFFUSIVITY in vary:
        capacity = heat_capacity(base_numbers(replace(problem, materials=(material,))))
        conductivity = float(vary[DIFFUSIVITY][column] * capacity)
        material = replace(material, conductivity=(Constant(conductivity),))
    if INITIAL in vary:
        start = vary[INITIAL][column]
        changes["initial"] = Constant(float(start)) if np.ndim(start) == 0 else Gridded(start)
    return replace(problem, materials=(material,), boundaries=boundaries, **changes)  # type: ignore[arg-type]


def _count_columns(problem: HeatProblem, arrays: Mapping[str, FloatArray]) -> int:
    if not arrays:
        raise FieldError("vary", "one array at least")
    if len(problem.materials) != 1:
        raise FieldError("vary", "a problem of one material")
    known = base_numbers(problem)
    names = set(known) | {INITIAL, DIFFUSIVITY}
    for name, values in arrays.items():
        if name not in names:
            raise FieldError(f"vary.{name}", f"one of {', '.join(sorted(names))}")
        shapes = [values.shape[1:]] == [()] or (name == INITIAL and values.shape[1:] == problem.domain.cells)
        if values.ndim == 0 or not shapes:
            raise FieldError(f"vary.{name}", "an array with one number for each column")
    if DIFFUSIVITY in arrays and "material.conductivity" in arrays:
        raise FieldError("vary.diffusivity", "given instead of the conductivity")
    if DIFFUSIVITY in arrays and problem.steady:
        raise FieldError("vary.diffusivity", "of a transient")
    lengths = {values.shape[0] for values in arrays.values()}
    if len(lengths) != 1 or not min(lengths):
        raise FieldError("vary", "arrays of one length, at least 1")
    return int(lengths.pop())


def _group_equal(steps: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], Any]]:
    """Each kind of row of an array, and where it is; a slice where all rows are equal, so that nothing is copied."""
    if (steps == steps[0]).all():
        yield steps[0], slice(None)
        return
    kinds, which = np.unique(steps, axis=0, return_inverse=True)
    for number, kind in enumerate(kinds):
        yield kind, np.flatnonzero(which.reshape(-1) == number)


class _Collector:
    """Columns of a batch while it runs."""

    def __init__(self, plan: Plan, vary: dict[str, FloatArray], columns: int) -> None:
        self.plan, self.vary, self.columns = plan, vary, columns
        self.done = np.zeros(columns, bool)
        self.whole: FloatArray | None = None  # the fields, from the first column on that has one
        self.metrics: dict[str, FloatArray] = {}
        self.accepted = np.zeros(columns, bool)
        self.audits_alone: dict[int, tuple[Audit, ...]] = {}
        self.groups: list[Group] = []
        self.place = np.full((columns, 2), -1)  # group and place in it of columns that ran together
        self.errors: dict[int, GridError] = {}
        self.method = np.full(columns, "", dtype=object)

    @property
    def fields(self) -> FloatArray:
        """Fields of all columns, NaN where nothing is known yet."""
        if self.whole is None:
            self.whole = np.full((self.columns, len(self.plan.times), *self.plan.problem.domain.cells), np.nan)
        return self.whole

    def run_together(self, is_parallel: bool) -> None:
        """All columns that the kernels can take, those of equal steps in one call; the others wait."""
        numbers = base_numbers(self.plan.problem) | {
            name: values for name, values in self.vary.items() if name not in (INITIAL, DIFFUSIVITY)
        }
        if DIFFUSIVITY in self.vary:
            numbers["material.conductivity"] = self.vary[DIFFUSIVITY] * heat_capacity(numbers)
        starts = self._starts()
        usable = self._usable(numbers, starts)
        if not usable.any():
            return
        part = {name: np.broadcast_to(value, (self.columns,))[usable] for name, value in numbers.items()}
        laws = make_coefficients(self.plan.problem, part, int(usable.sum()))
        self._run_groups(np.flatnonzero(usable), laws, starts, is_parallel)

    def _run_groups(
        self, columns: npt.NDArray[np.intp], laws: ColumnCoefficients, starts: FloatArray, is_parallel: bool
    ) -> None:
        from grid.engine.batch.results import Group
        from grid.engine.run.column import make_schedule

        inputs = self.plan.inputs
        if inputs is None or inputs.stop_times[-1] not in self.plan.times:
            return
        steps = count_steps(inputs, laws.stable)
        is_whole = columns.size == self.columns
        for counts, own in _group_equal(steps):
            if int(counts.sum()) > limits.MAX_STEPS:
                continue  # alone it is refused by name
            schedule = make_schedule(self.plan, counts)
            begin = starts[own] if is_whole else starts[columns[own]]
            ran = run(laws.law[:, own], begin, schedule, is_parallel=is_parallel)
            lowest = np.minimum(laws.lowest[own], ran.rows[:, 0, 0])
            highest = np.maximum(laws.highest[own], ran.rows[:, 2, 0])
            self.add_group(columns[own], Group(self.plan, ran, int(counts.sum()), lowest, highest))

    def add_group(self, columns: npt.NDArray[np.intp], group: "Group") -> None:
        """Store the results of a common run, except of columns with infinite numbers: run alone, they say where."""
        finite = np.isfinite(group.ran.rows[:, 1, -1])
        kept = columns[finite]
        if kept.size == self.columns and np.array_equal(kept, np.arange(self.columns)):
            self.whole = group.ran.fields  # nothing else will come
        else:
            self.fields[kept] = group.ran.fields[finite]
        self.accepted[kept] = group.is_accepted()[finite]
        self.done[kept] = True
        for name, value in group.metrics().items():
            self.set_metric(name, kept, value[finite] if np.ndim(value) else value)
        self.place[kept, 0], self.place[kept, 1] = len(self.groups), np.flatnonzero(finite)
        self.groups.append(group)
        self.method[kept] = self.plan.summary.method

    def audits(self, column: int) -> "tuple[Audit, ...]":
        """The verdicts on a column."""
        group, index = self.place[column].tolist()
        return self.groups[group].audits(index) if group >= 0 else self.audits_alone.get(column, ())

    def _starts(self) -> FloatArray:
        shape = (self.columns, *self.plan.problem.domain.cells)
        if INITIAL not in self.vary:
            return np.broadcast_to(self.plan.space.initial_temperature(), shape)
        given = self.vary[INITIAL]
        return np.broadcast_to(given[:, None] if given.ndim == 1 else given, shape)

    def _usable(self, numbers: Mapping[str, Any], starts: FloatArray) -> npt.NDArray[np.bool_]:
        """Columns whose numbers are physical."""
        problem = self.plan.problem
        temperature = limits.temperature_limit(problem.temperature_unit)
        allowed = dict(MATERIAL)
        for face, law in problem.boundaries.items():
            for name, limit in law.limits.items():
                allowed[f"boundaries.{face}.{name}"] = temperature if limit == limits.TEMPERATURE else limit
        usable = np.all((starts >= temperature.minimum) & (starts <= temperature.maximum), axis=1)
        for name, values in numbers.items():
            limit = allowed[name]
            usable &= np.broadcast_to((values >= limit.minimum) & (values <= limit.maximum), usable.shape)
        return np.asarray(usable, bool)

    def run_alone(self, column: int, options: Mapping[str, Any]) -> None:
        """One column by a plan of its own."""
        try:
            plan = prepare(make_column(self.plan.problem, self.vary, column), **options)
            self.add(column, plan.solve())
        except GridError as error:
            self.errors[column] = error
        self.done[column] = True

    def add(self, column: int, solution: "Solution") -> None:
        """Take over a solution."""
        self.fields[column] = solution.fields
        for name, value in solution.metrics.items():
            self.set_metric(name, column, value)
        self.accepted[column] = solution.is_accepted
        self.audits_alone[column] = solution.audits
        self.method[column] = solution.plan.method

    def set_metric(self, name: str, column: Any, value: Any) -> None:
        """Write a figure of one column, or of several."""
        if name not in self.metrics:
            self.metrics[name] = np.full(self.columns, math.nan)
        self.metrics[name][column] = value

    def conclude(self) -> BatchSolution:
        return BatchSolution(
            self.plan.problem, self.vary, self.plan.times, self.fields, self.metrics, self.accepted, self.errors,
            tuple(self.method.tolist()), self.audits,
        )  # fmt: skip
