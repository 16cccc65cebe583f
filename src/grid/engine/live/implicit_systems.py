"""Corrections of the stages of a tick: a system with the coefficients frozen, solved to a few digits in fixed work.

None of them uses a BLAS, whose sums may depend on the number of its threads, and none holds anything of earlier ticks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.engine.errors import NotConvergedError
from grid.engine.linear.newton import factorise, find_frozen_slopes
from grid.engine.linear.systems import LinearSolver
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

AIM, MOST_TURNS = 1e-3, 60  # [-] residual of a system with a flow over its right-hand side, and turns for it


def make_correction_solver(space: Space, loads: Loads, tau: float) -> LinearSolver:
    """Prepare (C + tau L) x = right, with L the part of the heat flow that is between neighbours.

    A rod is factorised. Of a body that conducts alone one multigrid cycle approximates the solution; a flow is solved
    to `AIM`.

    Args:
        space: With coefficients frozen at a field.
        loads: Likewise.
        tau: Weight of a stage times the step [s].

    Raises:
        SingularError: The system has no unique solution.
    """
    if len(space.shape) == 1 and not space.problem.is_periodic[0]:
        idle = 0.0 if space.active is None else np.where(space.active, 0.0, 1.0)
        every = np.full(space.capacity.size, tau)
        return factorise(space, find_frozen_slopes(space, loads), space.capacity + idle, every)
    if space.problem.has_flow:
        return FlowSystem.of(space, loads, tau)
    from grid.engine.linear.multigrid.solver import Cycle  # loads Numba

    return Cycle(space, loads, shift=1.0, tau=tau)


@dataclass(frozen=True)
class FlowSystem:
    """A system with a flow in the form of `grid.engine.live.implicit_kernels`.

    Args:
        own: Its diagonal.
        near: Its other entries.
        strides, counts: Of the box.
        inverse: Of the incomplete factorisation.
    """

    own: FloatArray
    near: FloatArray
    strides: NDArray[np.int64]
    counts: NDArray[np.int64]
    inverse: FloatArray

    @classmethod
    def of(cls, space: Space, loads: Loads, tau: float) -> "FlowSystem":
        """Lay out C + tau L of a body that fills its box."""
        from grid.engine.live import implicit_kernels as kernels

        shape = space.shape
        own = space.capacity + tau * space.diagonal(loads)
        near = np.zeros((len(shape), 2, own.size))
        for axis, conductance in enumerate(space.conductances):
            faces = np.broadcast_to(conductance, [count + (at == axis) for at, count in enumerate(shape)])
            low, high = (np.take(faces, range(begin, begin + shape[axis]), axis) for begin in (0, 1))
            near[axis, 0] = (-tau * (low + space.carried(axis))).reshape(-1)
            near[axis, 1] = (-tau * high).reshape(-1)
            if not space.problem.is_periodic[axis]:
                near[axis, 0].reshape(shape).swapaxes(0, axis)[0] = 0.0
                near[axis, 1].reshape(shape).swapaxes(0, axis)[-1] = 0.0
        strides = np.array([int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))], np.int64)
        counts, inverse = np.array(shape, np.int64), np.empty(own.size)
        kernels.factorise(own, near, strides, counts, inverse)
        return cls(own, near, strides, counts, inverse)

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve to `AIM`.

        Raises:
            NotConvergedError: The iteration stalls.
        """
        from grid.engine.live import implicit_kernels as kernels

        out = np.empty_like(right)
        system = self.own, self.near, self.strides, self.counts, self.inverse
        if kernels.solve(*system, np.ascontiguousarray(right), AIM, MOST_TURNS, out) < 0:
            raise NotConvergedError("BiCGStab for a flow", MOST_TURNS, 1.0, AIM)
        return out
