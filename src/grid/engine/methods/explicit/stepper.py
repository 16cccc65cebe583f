"""The explicit method: forward Euler (FTCS in finite-volume form) in sub-steps within the stability limit.

A step keeps the maximum principle as long as dt <= min C_i / D_i, D_i the sum of all conductances of the cell; that
is also stable (Gershgorin). Steps are limited to `SAFETY` of it: the errors of time and space have opposite signs and
cancel at one third of the limit, and are as large as the one of space alone at two thirds (modified equation, LeVeque
2007, 9.4).

A box of one constant material, with a source constant in time at most, goes through the tiled kernels
(grid.engine.methods.explicit.tiled_kernels), several steps in one pass through memory; anything else through the
general ones (grid.engine.methods.explicit.kernels), one step in a pass.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.methods.explicit import box as homogeneous
from grid.engine.methods.explicit.box import Box
from grid.engine.methods.explicit.columns import base_numbers, is_column, make_coefficients
from grid.engine.methods.state import Segment, State, include_references
from grid.engine.space.laws import Loads, add_prescribed
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray


@dataclass
class ExplicitStepper:
    """Forward Euler in `SAFETY` of the stability limit.

    Args:
        space: The discretised problem.
        time_step: Upper limit of the step [s].
        is_parallel: Share the rows among threads.
    """

    space: Space
    time_step: float
    is_parallel: bool = False
    name: str = "explicit"

    @property
    def stride(self) -> int:
        """Steps that are best taken together."""
        return homogeneous.LEVELS[len(self.space.shape)] if self._box is not None else 1

    def make_segment(self, start: float, end: float) -> Segment:
        """Cut the time between two stop times into equal steps within the stability limit."""
        return Segment(start, end, max(1, int(np.ceil((end - start) / self.time_step * (1 - 1e-12)))))

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        shape = self.space.shape
        return (1, *shape) if len(shape) == 1 else shape

    @cached_property
    def _coefficients(self) -> tuple[FloatArray, ...]:
        conductances = tuple(
            np.ascontiguousarray(g) for g in self.space.conductances
        )  # as the kernels are compiled for
        if len(self.space.shape) == 1:
            return np.zeros((2, *self.space.shape)), conductances[0].reshape(1, -1)
        return conductances

    @cached_property
    def _rate(self) -> FloatArray:
        return self.space.rate.reshape(self._shape)

    @cached_property
    def _wrap(self) -> tuple[bool, ...]:
        wrap = self.space.problem.is_periodic
        return (False, *wrap) if len(wrap) == 1 else wrap

    @cached_property
    def _cells(self) -> NDArray[np.intp]:
        parts = [patch.cells for patch in self.space.patches]
        return np.concatenate(parts) if parts else np.zeros(0, np.intp)

    @cached_property
    def _padded(self) -> NDArray[np.intp]:
        index = np.unravel_index(self._cells, self._shape)
        padded_shape = tuple(count + 2 for count in self._shape)
        return np.asarray(np.ravel_multi_index(tuple(part + 1 for part in index), padded_shape), np.intp)

    @cached_property
    def _box(self) -> Box | None:
        return Box(self.space) if homogeneous.is_homogeneous(self.space.problem) else None

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Take steps number `first` to `first + count - 1` of a segment."""
        if self._is_column:
            return self._advance_column(state, segment, first, count)
        if self._box is not None:
            return self._advance_box(self._box, state, segment, first, count)
        return self._advance_any(state, segment, first, count)

    @cached_property
    def _is_column(self) -> bool:
        return is_column(self.space.problem)

    def _advance_column(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Advance a column as `grid.engine.run.column` does, to the same bytes."""
        from grid.engine.methods.explicit.column_kernels import advance, make_levels

        laws = make_coefficients(self.space.problem, base_numbers(self.space.problem), 1)
        conductance, step = float(laws.law[1, 0]), segment.time_step
        cells, heat = state.temperature.size, np.zeros((2, 1))
        work = make_levels(state.temperature.reshape(1, 1, cells))
        advance(work, laws.law, step * laws.law[1] / laws.law[0], heat, cells, count)
        into, away = (step * conductance * heat[:, 0]).tolist()
        return replace(
            state,
            time=segment.time(first + count),
            step=state.step + count,
            temperature=work[0, :cells].copy(),
            heat_balance=state.heat_balance.add(into, away, 0.0),
            bounds=include_references(state.bounds, self.space.loads(0.0)),
        )

    def _advance_box(self, box: Box, state: State, segment: Segment, first: int, count: int) -> State:
        """All steps in one call if the loads are constant, else one call a step, loads at its middle."""
        periodic, bounds, step = box.periodic, state.bounds, segment.time_step
        field, weights = box.make_field(state.temperature), box.mesh_fourier(step)
        spare = np.empty_like(field)
        threads = homogeneous.count_threads() if self.is_parallel else 1
        tiling = homogeneous.find_tiling(field.shape, 8, threads, is_periodic=any(periodic))
        faces: tuple[FloatArray, ...] | None = None
        gains: FloatArray | None = None
        generated = 0.0
        group = count if self.space.problem.has_constant_loads else 1
        prescribed: tuple[float, ...] = ()
        for number in range(first, first + count, group):
            loads = self.space.loads(segment.inside(0.5 * (segment.time(number) + segment.time(number + 1))))
            prescribed = add_prescribed(prescribed, loads, step)
            if faces is None:
                faces = box.make_faces(loads)
            else:
                box.set_loads(faces, loads)
            if loads.source is not None:
                gains = box.make_gains(loads.source) if gains is None else gains  # constant in time
                generated += float(loads.source.sum()) * step * group
            done = homogeneous.advance(
                field, spare, weights, faces, periodic, group, tiling, is_parallel=self.is_parallel, source=gains
            )
            field, spare = (field, spare) if done is field else (spare, field)
            bounds = include_references(bounds, loads)
        into, away = box.booked(faces or (), step)
        return replace(
            state,
            time=segment.time(first + count),
            step=state.step + count,
            temperature=np.ascontiguousarray(field[(slice(1, -1),) * field.ndim]).reshape(-1),
            heat_balance=state.heat_balance.add(into, away, generated, prescribed),
            bounds=bounds,
        )

    def _advance_any(self, state: State, segment: Segment, first: int, count: int) -> State:
        """All steps in one kernel call if the loads are constant, else one call a step, loads at its middle."""
        field = np.pad(state.temperature.reshape(self._shape), 1)
        spare = field.copy()  # ghosts included
        heat_balance, bounds, generated, absolute = np.zeros(2), state.bounds, 0.0, 0.0
        prescribed: tuple[float, ...] = ()
        group = count if self.space.problem.has_constant_loads else 1
        for step in range(first, first + count, group):
            middle = 0.5 * (segment.time(step) + segment.time(step + 1))
            loads = self.space.loads(segment.inside(middle))
            prescribed = add_prescribed(prescribed, loads, segment.time_step)
            field, spare = self._run(field, spare, loads, segment.time_step, group, heat_balance)
            if loads.source is not None:
                heat = float(loads.source.sum()) * segment.time_step * group
                generated, absolute = generated + heat, absolute + abs(heat)
            bounds = include_references(bounds, loads)
        core = (slice(1, -1),) * field.ndim
        done = state.heat_balance.add(float(heat_balance[0]), float(heat_balance[1]), generated, prescribed)
        done = replace(done, generated_absolute=state.heat_balance.generated_absolute + absolute)
        temperature = np.ascontiguousarray(field[core]).reshape(-1)
        return replace(
            state,
            time=segment.time(first + count),
            step=state.step + count,
            temperature=temperature,
            heat_balance=done,
            bounds=bounds,
        )

    def _run(
        self, field: FloatArray, spare: FloatArray, loads: Loads, step: float, count: int, heat_balance: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        source = np.zeros((1,) * (len(self._shape) - 1) + self._shape[-1:])
        if loads.source is not None:
            source = loads.source.reshape(self._shape)
        from grid.engine.methods.explicit import kernels

        loss, gain = self._face_terms(loads)
        kernel: Any = getattr(kernels, f"advance_{field.ndim}d{'_parallel' if self.is_parallel else ''}")
        kernel(
            field,
            spare,
            self._rate,
            *self._coefficients,
            source,
            self._padded,
            self._cells,
            loss,
            gain,
            *self._wrap,
            step,
            count,
            heat_balance,
        )
        return (field, spare) if count % 2 == 0 else (spare, field)

    def _face_terms(self, loads: Loads) -> tuple[FloatArray, FloatArray]:
        """Heat of a face = gain - loss * temperature [W], for all faces of all patches."""
        losses, gains = [np.zeros(0)], [np.zeros(0)]
        for patch, face_law in zip(self.space.patches, loads.face_laws, strict=True):
            shape = patch.cells.shape
            losses.append(np.broadcast_to(face_law.transmittance * patch.area, shape))
            gains.append(
                np.broadcast_to((face_law.transmittance * face_law.reference + face_law.imposed) * patch.area, shape)
            )
        return np.concatenate(losses), np.concatenate(gains)

    def estimate_error(self, state: State) -> FloatArray:
        r"""The smaller of two estimates, with the loads at the time.

        Forward Euler solves :math:`T_t + (\Delta t/2) T_{tt} = f` to the next order: a decaying field is off by
        :math:`(\Delta t/2)\,t\,|T_{tt}|`, and a driven one by no more than a shift in time, :math:`\Delta t\,|T_t|`.
        """
        loads = self.space.loads(state.time)
        rate = self.space.heat_flow(state.temperature, loads).net * self.space.rate
        change = self.space.heat_flow(state.temperature + self.time_step * rate, loads).net * self.space.rate - rate
        return np.minimum(np.abs(0.5 * state.time * change), np.abs(self.time_step * rate))
