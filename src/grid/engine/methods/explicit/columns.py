"""Data of the kernels in `explicit.column_kernels` for homogeneous bodies in 1D with constant loads ("columns").

Every number is computed element by element, for one column as for a thousand, so the bytes of a column do not depend on
the other columns; and by the formulas of the general path (`grid.engine.space`, `grid.engine.space.discretise`), so the
steps are the same as there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid.engine.methods.explicit.limits import limit_step
from grid.engine.methods.inputs import MethodInputs
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.laws import eliminate_surface
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Constant

REPORTS = 10  # [-] approximate number of rows of the history of a column
CAPACITY, CONDUCTANCE, LOW_SLOPE, LOW_SHIFT, HIGH_SLOPE, HIGH_SHIFT = range(6)  # [-] row numbers of a law
PARALLEL_STEPS = 20_000_000  # [-] cell updates below which two threads cost more time than they save

Numbers = Mapping[str, Any]  # a number, or one for each column, by name


def is_column(problem: HeatProblem) -> bool:
    """Tell whether the kernels of columns can solve a problem."""
    [material, *others] = problem.materials
    laws = problem.boundaries.values()
    return (
        problem.dimension == 1
        and not problem.steady
        and not others
        and material.where is None
        and all(isinstance(value, Constant) for value in material.values)
        and not problem.has_phase_change
        and not problem.has_flow
        and not problem.contacts
        and problem.domain.active is None
        and problem.source_term == Constant(0.0)
        and all(law.is_linear for law in laws)
        and not any(problem.is_periodic)
        and all(isinstance(value, Constant) for law in laws for value in law.values.values())
    )


def base_numbers(problem: HeatProblem) -> dict[str, float]:
    """The numbers of a column by the names that `solve_batch` varies them by."""
    material = problem.materials[0]
    values: dict[str, Any] = {
        "material.conductivity": material.conductivity[0],
        "material.volumetric_heat_capacity": material.volumetric_heat_capacity,
        "material.density": material.density,
        "material.specific_heat": material.specific_heat,
    }
    for face, law in problem.boundaries.items():
        values |= {f"boundaries.{face}.{name}": value for name, value in law.values.items()}
    return {name: value.value for name, value in values.items() if isinstance(value, Constant)}


def heat_capacity(numbers: Numbers) -> Any:
    """Volumetric heat capacity rho c [J/(m3 K)]."""
    if "material.volumetric_heat_capacity" in numbers:
        return numbers["material.volumetric_heat_capacity"]
    return numbers["material.density"] * numbers["material.specific_heat"]


@dataclass(frozen=True)
class ColumnCoefficients:
    """Coefficients and bounds of each column, as the kernels use them.

    Args:
        law: Capacity [J/K], conductance [W/K], slope and shift of both ghosts, shape (6, columns).
        stable: Largest step of forward Euler that makes no new extreme [s], shape (columns,).
        lowest, highest: Extremes of the temperatures that the faces exchange heat with; infinite where they do not.
    """

    law: FloatArray
    stable: FloatArray
    lowest: FloatArray
    highest: FloatArray


def make_coefficients(problem: HeatProblem, numbers: Numbers, columns: int) -> ColumnCoefficients:
    """The laws of `columns` columns whose numbers differ from the problem's."""
    spacing = problem.domain.spacing[0]
    conductivity = np.broadcast_to(np.asarray(numbers["material.conductivity"], np.float64), (columns,))
    law, lowest, highest = np.empty((6, columns)), np.full(columns, np.inf), np.full(columns, -np.inf)
    law[CAPACITY] = np.asarray(heat_capacity(numbers), np.float64) * spacing
    law[CONDUCTANCE] = (2.0 / spacing) / (1.0 / conductivity + 1.0 / conductivity)
    half = 2.0 * conductivity / spacing
    beside = law[CONDUCTANCE] if problem.domain.cell_count > 1 else np.zeros(columns)
    largest = 2.0 * law[CONDUCTANCE] if problem.domain.cell_count > 2 else np.zeros(columns)
    losses = np.zeros(columns)
    for face, row in (("x_min", LOW_SLOPE), ("x_max", HIGH_SLOPE)):
        robin = problem.boundary(face).robin(_reader(face, numbers))
        face_law = eliminate_surface(robin, half)
        loss = face_law.transmittance * np.ones(columns)
        gain = face_law.transmittance * face_law.reference + face_law.imposed
        law[row] = 1.0 - loss / law[CONDUCTANCE]
        law[row + 1] = gain / law[CONDUCTANCE]
        holds = loss != 0.0
        lowest = np.where(holds, np.minimum(lowest, face_law.reference), lowest)
        highest = np.where(holds, np.maximum(highest, face_law.reference), highest)
        largest = np.maximum(largest, beside + loss)
        losses = losses + loss
    if problem.domain.cell_count == 1:
        largest = losses
    with np.errstate(divide="ignore"):
        stable = law[CAPACITY] / largest
    return ColumnCoefficients(law, stable, lowest, highest)


def _reader(face: str, numbers: Numbers) -> Any:
    return lambda name: np.asarray(numbers[f"boundaries.{face}.{name}"], np.float64)


@dataclass(frozen=True)
class Schedule:
    """Steps of columns that share their steps.

    Args:
        stop_times: Times at which a step ends [s].
        asked: Whether the field is stored there.
        counts: Equal steps between stop times.
    """

    stop_times: FloatArray
    asked: Any
    counts: Any

    @property
    def chunk(self) -> int:
        """Steps between two rows of the history."""
        return max(1, -(-int(self.counts.sum()) // REPORTS))

    @property
    def row_times(self) -> FloatArray:
        """Times of the rows of the history, the start and the end among them [s]."""
        total, chunk = int(self.counts.sum()), self.chunk
        marks = [*range(0, total, chunk), total]
        starts = np.concatenate([[0.0], self.stop_times[:-1]])
        before = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        place = np.searchsorted(before, marks, side="right") - 1
        lengths = (self.stop_times - starts) / self.counts
        times: FloatArray = starts[place] + lengths[place] * (np.array(marks) - before[place])
        times[-1] = self.stop_times[-1]
        return times


def count_steps(inputs: MethodInputs, stable: FloatArray) -> Any:
    """Steps between stop times for each column, shape (columns, stop times); as `ExplicitStepper.make_segment`."""
    limit = limit_step(inputs, stable)
    lengths = np.diff(np.array([0.0, *inputs.stop_times]))
    return np.maximum(1, np.ceil(lengths / limit[:, None] * (1 - 1e-12))).astype(np.int64)


@dataclass(frozen=True)
class ColumnRun:
    """Results of the kernels for columns that share their steps; the columns are the first axis.

    Args:
        fields: Shape (columns, times, cells).
        rows: Lowest, mean and highest temperature along the run, shape (columns, 3, rows).
        totals: Heat in, heat out, stored, content [J], largest estimated time error [K]; shape (columns, 5).
    """

    fields: FloatArray
    rows: FloatArray
    totals: FloatArray


def run(law: FloatArray, start: FloatArray, schedule: Schedule, *, is_parallel: bool) -> ColumnRun:
    """Run columns of one schedule.

    Args:
        law: Shape (6, columns).
        start: Shape (columns, cells).
        schedule: Their steps.
        is_parallel: Share them among threads.
    """
    from grid.engine.methods.explicit import column_kernels as batch_kernels
    from grid.engine.methods.explicit.column_lanes import LANES

    columns, cells = start.shape
    lanes = LANES if columns > 1 else 1
    blocks = -(-columns // lanes)
    kept = 1 + int(schedule.asked.sum())
    fields = np.empty((blocks * lanes, kept, cells))
    fields[:columns, 0] = start
    laws = np.empty((6, blocks * lanes))
    laws[:, :columns] = law
    fields[columns:, 0], laws[:, columns:] = start[-1], law[:, -1:]  # unused lanes
    laws = np.ascontiguousarray(laws.reshape(6, blocks, lanes).swapaxes(0, 1))
    chunk = schedule.chunk
    rows = np.empty((blocks, -(-int(schedule.counts.sum()) // chunk) + 1, 3, lanes))
    totals = np.empty((blocks, 5, lanes))
    blocked = fields.reshape(blocks, lanes, kept, cells)
    arguments = (laws, schedule.stop_times, schedule.asked, schedule.counts, chunk, blocked, rows, totals)
    if is_parallel and columns * cells * int(schedule.counts.sum()) >= PARALLEL_STEPS:
        from grid.engine.methods.explicit.column_parallel import run_parts

        run_parts(*arguments, min(blocks, 8))
    else:
        batch_kernels.run_blocks(*arguments, 0, blocks)
    return ColumnRun(
        fields[:columns],
        np.ascontiguousarray(rows.transpose(0, 3, 2, 1)).reshape(blocks * lanes, 3, -1)[:columns],
        totals.swapaxes(1, 2).reshape(blocks * lanes, 5)[:columns],
    )
