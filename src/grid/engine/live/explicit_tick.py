"""Ticks of forward Euler in a homogeneous box: always the same number of steps, several of them in one pass.

The steps go through the tiled kernels (`grid.engine.methods.explicit.tiled_kernels`) with the source inside the tiles.
Heat is booked as these kernels apply it: the differences at the faces in the order of time, and the source, which is
constant within a tick.
"""

import math
from collections import deque
from functools import cached_property

import numpy as np

from grid.core.errors import FieldError
from grid.engine.live.stepping import TickField, TickHeat, Window
from grid.engine.methods.explicit import box as homogeneous
from grid.engine.methods.explicit.box import Box, Tiling
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

POOL = 6  # [-] arrays kept for later ticks


class ExplicitTick:
    """Forward Euler in a box of one material, `steps` steps a tick.

    Args:
        space: The discretised problem.
        steps: In a tick.
        threads: Slabs that are worked through at the same time.

    Raises:
        FieldError: The problem is no plain box of one material.
    """

    name = "explicit"

    def __init__(self, space: Space, steps: int, threads: int = 1) -> None:
        if not homogeneous.is_plain_box(space.problem):
            raise FieldError("method", "rkl2: explicit ticks need one constant material in a box")
        self.space, self.steps, self.threads = space, steps, threads
        self._box = Box(space)
        self.window = Window.of_padded(self._box.shape, ghosts=1)  # in 1D a row of ghosts on either side as well
        self._pool: deque[FloatArray] = deque(maxlen=POOL)
        self._prepared: tuple[Loads, tuple[FloatArray, ...], FloatArray | None, float] | None = None

    def wrap(self, temperature: FloatArray, content: FloatArray | None = None) -> TickField:  # noqa: ARG002
        """A flat field with ghosts; the level before is the same one."""
        field, before = self._take(), self._take()
        self._cells(field)[:] = temperature.reshape(self._box.shape)
        before[:] = field
        return TickField(field.reshape(-1), before.reshape(-1))

    def unwrap(self, field: TickField) -> FloatArray:
        """The flat field, C order, copied."""
        return self._cells(field.values.reshape(self._padded)).reshape(-1).copy()

    def advance(self, field: TickField, loads: Loads, tick: float, substeps: int = 1) -> tuple[TickField, TickHeat]:  # noqa: ARG002
        """Advance by a tick [s], always in the same steps.

        The error is the bound of forward Euler's shift in time, the largest change of a cell in the last step.
        """
        from grid.engine.methods.explicit.change_kernels import find_largest_change

        step, box = tick / self.steps, self._box
        weights = box.mesh_fourier(step)
        self._require_stable(weights, tick)
        laws, gains, power = self._prepare(loads)
        faces = tuple(face.copy() for face in laws)  # the sums of the kernels are in them
        start, spare = self._take(), self._take()
        start[:] = field.values.reshape(self._padded)
        done = homogeneous.advance(
            start, spare, weights, faces, box.periodic, self.steps, self._tiling,
            is_parallel=self._tiling.slabs > 1, source=gains,
        )  # fmt: skip
        before = spare if done is start else start
        into, away = box.booked(faces, step)
        error = find_largest_change(done.reshape(-1), before.reshape(-1), self.window)
        return TickField(done.reshape(-1), before.reshape(-1)), TickHeat(into, away, power * tick, error)

    def release(self, field: TickField) -> None:
        """Keep the arrays of a field for later ticks."""
        for part in (field.values, field.before):
            if part is not None:
                self._pool.append(part.reshape(self._padded))

    def find_rise(self, field: TickField, pivot: float) -> float | None:  # noqa: ARG002
        """Return None: capacities are constant."""
        return None

    @cached_property
    def _padded(self) -> tuple[int, ...]:
        return tuple(count + 2 for count in self._box.shape)

    @cached_property
    def _tiling(self) -> Tiling:
        return homogeneous.find_tiling(self._padded, 8, self.threads, is_periodic=any(self._box.periodic))

    def _cells(self, field: FloatArray) -> FloatArray:
        return field[(slice(1, -1),) * field.ndim]

    def _take(self) -> FloatArray:
        """An array of the pool, or a new one; its numbers are those that it had."""
        try:
            return self._pool.pop()  # one call, so that two threads never take the same
        except IndexError:
            return self._box.make_field(np.zeros(math.prod(self._box.shape)))

    def _prepare(self, loads: Loads) -> tuple[tuple[FloatArray, ...], FloatArray | None, float]:
        """Ghosts, gains from the source and its power [W] for loads, kept as long as the same object comes."""
        known = self._prepared
        if known is None or known[0] is not loads:
            source = loads.source
            gains = None if source is None else self._box.make_gains(source)
            power = 0.0 if source is None else float(source.sum())
            known = self._prepared = (loads, self._box.make_faces(loads), gains, power)
        return known[1:]

    def _require_stable(self, weights: tuple[float, ...], tick: float) -> None:
        """Refuse a step with which a cell between held faces could overshoot."""
        shape = self._box.shape
        numbers = weights * len(shape) if len(weights) == 1 else weights
        worst = sum(number * (3.0 if cells > 1 else 4.0) for number, cells in zip(numbers, shape, strict=True))
        if not worst <= 1.0:
            raise FieldError("tick", f"at most {tick / worst:.3g} s with {self.steps} explicit steps")
