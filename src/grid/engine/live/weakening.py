"""Bodies whose cells have lost a share of their conductivity."""

from dataclasses import replace

import numpy as np

from grid.engine.space.carrying import carry_half, make_correction
from grid.engine.space.discretise import carry_through, discretise
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray


def weaken(space: Space, factors: FloatArray) -> Space:
    """The space with the conductivity of each cell at a share of what it was.

    A face is a series of two half cells and whatever lies between them, so its resistance grows by what the halves
    gain: R' = R + (1/f_1 - 1) R_1 + (1/f_2 - 1) R_2, with R_i = d / (2 k_i A). What a flow carries stays what it is.
    """
    shape, problem = space.shape, space.problem
    left = factors.reshape(shape)
    still = space if not problem.has_flow else discretise(replace(problem, velocity=()))
    conductances, conductivity = [], []
    for axis, conductance in enumerate(still.conductances):
        k = np.broadcast_to(space.conductivity[axis], shape)
        area = np.prod(problem.domain.spacing) / problem.domain.spacing[axis]
        with np.errstate(divide="ignore"):
            gained = (1.0 / left - 1.0) * problem.domain.spacing[axis] / (2.0 * k * area)
        conductances.append(_weaken_faces(conductance, gained, axis, shape, problem.is_periodic[axis]))
        conductivity.append(k * left)
    half = tuple(one * factors[patch.cells] for patch, one in zip(space.patches, still.half_conductance, strict=True))
    couplings = tuple(replace(one, conductivity=one.conductivity * left) for one in space.couplings)
    correction = space.correction
    if problem.has_flow:
        half = tuple(carry_half(problem, patch, one) for patch, one in zip(space.patches, half, strict=True))
        faces = [carry_through(problem, axis, conductance) for axis, conductance in enumerate(conductances)]
        conductances = [conductance for conductance, _ in faces]
        correction = make_correction(tuple(drawn for _, drawn in faces))
    return replace(
        space,
        conductances=tuple(conductances),
        conductivity=tuple(conductivity),
        half_conductance=half,
        couplings=couplings,
        correction=correction,
        _constant_loads=None,
        found={},
        matrices={},
    )


def _weaken_faces(
    conductance: FloatArray, gained: FloatArray, axis: int, shape: tuple[int, ...], is_joined: bool
) -> FloatArray:
    """Conductances of the faces normal to an axis with resistance gained by the half cells on both sides."""
    faces = tuple(count + (1 if other == axis else 0) for other, count in enumerate(shape))
    out = np.array(np.broadcast_to(conductance, faces))
    low: list[slice | int] = [slice(None)] * len(shape)
    high, inner = list(low), list(low)
    low[axis], high[axis], inner[axis] = slice(None, -1), slice(1, None), slice(1, -1)
    between = gained[tuple(low)] + gained[tuple(high)]
    part = out[tuple(inner)]
    out[tuple(inner)] = np.divide(part, 1.0 + part * between, out=np.zeros_like(part), where=part > 0.0)
    if is_joined:
        first, last = list(low), list(low)
        first[axis], last[axis] = 0, -1
        joined = gained[tuple(first)] + gained[tuple(last)]
        for end in (first, last):
            part = out[tuple(end)]
            out[tuple(end)] = part / (1.0 + part * joined)
    return out
