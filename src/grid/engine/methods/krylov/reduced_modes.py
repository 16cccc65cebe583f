"""The modes of a Krylov space that loads drive, see `grid.engine.methods.modal.modes` for the equation."""

import math

import numpy as np
from numpy.typing import NDArray

from grid.engine.errors import NotConvergedError
from grid.engine.loads.signals import Signals
from grid.engine.methods.bounds import tolerance_scale
from grid.engine.methods.driven import vector_kernels as kernels
from grid.engine.methods.driven.course import Course
from grid.engine.methods.krylov.basis import Basis
from grid.engine.methods.krylov.chains import find_chains
from grid.engine.methods.krylov.operators import DirectOperator, MultigridOperator, Operator
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

# [-] shortest and longest shift over the shortest and longest time; decades between two shifts
SHORTEST_SHIFT, LONGEST_SHIFT, DECADE = 0.3, 0.15, 1.2
MOST_SHIFTS = 4  # [-] shifts at most
# [-] rounds with the middle shift alone, where each shift needs a factorisation, more expensive than a few directions
PATIENCE = 5
DIRECTIONS = 240  # [-] directions at most
# [-] least number of rounds; the factors on errors, see grid.engine.methods.krylov.stepper
LEAST_ROUNDS, MARGIN, LARGEST_OF_MEAN = 2, 2.0, 5.0
# [-] error of a direction solved by iteration: tolerance over the remaining change times this, and at most
ENERGY, LOOSEST = 0.005, 0.01
SINGLE_TOLERANCE = 2e-5  # [-] tolerance below which the directions are in double precision
LOST = 0.01  # [-] rounding of slow modes over the tolerance, below which it is no error
# [-] heat of a cell that is rounding, in units in the last place; error of each rate over the fastest
ROUNDINGS, ROUNDING = 64.0, 1e-15


def _combine(amplitudes: FloatArray, vectors: FloatArray) -> FloatArray:
    """Sums of vectors, one for each row of amplitudes, of which none depends on how many there are."""
    out = np.empty((len(amplitudes), vectors.shape[1]))
    nothing, own = np.zeros(vectors.shape[1]), np.ascontiguousarray(vectors)
    kernels.combine_all(out, nothing, own, np.zeros(len(amplitudes)), amplitudes)
    return out


class ReducedModes:
    """The modes of a Krylov space that is large enough for the output times.

    Args:
        space, loads, start, signals: See `FullModes`.
        course: The loads and the output times.
        tolerance: Largest error of a cell over the span of temperatures at the output times [-].
        is_direct: Whether systems are factorised.

    Raises:
        NotConvergedError: `DIRECTIONS` directions do not suffice.
    """

    def __init__(
        self, space: Space, loads: Loads, start: FloatArray, signals: Signals, course: Course, *, tolerance: float,
        is_direct: bool,
    ) -> None:  # fmt: skip
        self._tolerance, self._course = tolerance, course
        flow = space.heat_flow(start, loads)
        drives = [flow.net, *(item.spread(start.size) for item in signals.patterns)]
        totals = [
            flow.boundary_in - flow.boundary_out + flow.generated,
            *(float(item.heat.sum()) for item in signals.patterns),
        ]
        shifts = find_shifts(course)
        self._patience = PATIENCE if is_direct else 0
        dtype = np.float32 if tolerance >= SINGLE_TOLERANCE and not is_direct else np.float64
        operator: Operator = (
            DirectOperator(space, loads, shifts) if is_direct else MultigridOperator(space, loads, shifts, dtype)
        )
        packed = [operator.pack(drive) for drive in drives]
        noise = ROUNDINGS * np.finfo(float).eps * space.diagonal(loads) * float(np.abs(start).max())
        chains = find_chains(packed, course, operator.capacity, operator.pack(noise))
        self._basis = Basis(operator, space, start, packed, totals, chains, dtype=dtype)
        self._gammas = [None] * len(shifts) if is_direct else shifts
        self._error = self._grow(len(chains))
        lost = ROUNDING * float(self.rates.max()) * float(course.times[-1])
        if lost > LOST * tolerance:  # what slow modes lose in the rounding of fast ones
            self._error += lost * self._see(self._solve())

    def _grow(self, chains: int) -> float:
        """Add directions until the last round changes no output field by more than half of the tolerance."""
        basis, before, span, shifts = self._basis, self._solve(), 0.0, len(self._gammas)
        live, round_, change, left = list(range(chains)), 0, math.inf, 1.0
        while live:
            if basis.count >= DIRECTIONS:
                raise NotConvergedError("the Krylov space of the loads", basis.count, change, self._tolerance * span)
            energy, shift = min(ENERGY * self._tolerance / left, LOOSEST), self._pick_shift(round_)
            gamma = self._gammas[shift]
            live = [chain for chain in live if basis.extend(energy, chain=chain, shift=shift, gamma=gamma)]
            round_ += 1
            after = self._solve()
            step = after.copy()
            step[:, : before.shape[1]] -= before
            moved = basis.measure(step.T)
            left = max(min(moved / (basis.measure(after.T) or 1.0), left), self._tolerance)
            change, before = MARGIN * LARGEST_OF_MEAN * moved, after
            if round_ < (LEAST_ROUNDS if self._patience else max(LEAST_ROUNDS, shifts)):
                continue
            span = span or self._see(after)
            if change <= self._tolerance * span:
                span = self._see(after)
                error = MARGIN * basis.find_largest(step[self._sample(step)])
                if error <= self._tolerance * span:
                    return error
        return 0.0

    def _pick_shift(self, number: int) -> int:
        """Shift of a round: in turn, after some rounds with the middle one."""
        shifts = len(self._gammas)
        return shifts // 2 if number < self._patience else (number + shifts // 2 + 1) % shifts

    def _solve(self) -> FloatArray:
        """Coefficients of the directions at the output times, one in each row."""
        rates, turn = self._basis.system.find_modes()
        self.rates, self._turn = rates, turn
        self.drives = (turn.T @ self._basis.drives).T
        coefficients: FloatArray = self._course.march(self, is_booked=False).ends @ turn.T
        return coefficients

    def _sample(self, step: FloatArray) -> NDArray[np.intp]:
        """The output times at which the last round changed most."""
        sizes = (step * (step @ self._basis.system.mass)).sum(axis=1)
        return np.argsort(sizes)[-3:]

    def _see(self, coefficients: FloatArray) -> float:
        """Span of the temperatures at the start and at output times, the scale of the tolerance [K]."""
        basis = self._basis
        some = np.unique(np.linspace(0, len(coefficients) - 1, 5).astype(int))
        return tolerance_scale(*basis.find_extremes(coefficients[some]), self._tolerance)

    def find_fields(self, amplitudes: FloatArray) -> FloatArray:
        """Find the flat fields of the start and some changes, shape (changes, cells)."""
        return self._basis.find_fields(_combine(amplitudes, self._turn.T))

    def look(self, amplitudes: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
        """Find some changes at some cells, shape (changes, cells)."""
        return self._basis.look(_combine(amplitudes, self._turn.T), cells)

    def close(self, amplitudes: FloatArray, integrals: FloatArray, given: FloatArray) -> FloatArray:
        """Correct amplitudes so that their heat is the heat that came in, to the last rounding."""
        # the first row of the projected equation is the heat balance of the body
        system, turn = self._basis.system, self._turn
        rest = given @ self._basis.drives[0] - (integrals @ turn.T) @ system.stiffness[0]
        missing = (rest - (amplitudes @ turn.T) @ system.mass[0]) / system.mass[0, 0]
        out: FloatArray = amplitudes + np.multiply.outer(missing, system.mass[0] @ turn)
        return out

    def estimate_error(self) -> float:
        """Largest error of a field at the output times [K]."""
        return self._error


def find_shifts(course: Course) -> list[float]:
    """Shifts for the times between changes of the loads and output times, geometric between the ends [s]."""
    jumps = np.abs(course.low[1:] - course.high[:-1]).max(axis=1, initial=0.0) > 0.0
    slope = (course.high - course.low) / course.lengths[:, None]
    bends = np.abs(np.diff(slope, axis=0)).max(axis=1, initial=0.0) > 0.0
    begins = np.concatenate([[0.0], course.times[1:-1][jumps | bends]])
    ends = course.times[course.asked]
    last = begins[np.maximum(np.searchsorted(begins, ends, side="left") - 1, 0)]
    shortest, longest = SHORTEST_SHIFT * float((ends - last).min()), LONGEST_SHIFT * float(ends[-1])
    if shortest >= longest:
        return [shortest]
    count = min(1 + math.ceil(math.log10(longest / shortest) / DECADE), MOST_SHIFTS)
    return np.geomspace(shortest, longest, count).tolist() if count > 1 else [math.sqrt(shortest * longest)]
