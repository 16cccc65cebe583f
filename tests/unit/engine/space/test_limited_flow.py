"""The limited correction of a flow beside the equations of Suresh and Huynh on whole arrays."""

import numpy as np
import pytest

from grid.engine import HeatProblem
from grid.engine.space.carrying import make_strict
from grid.engine.space.discretise import discretise
from grid.engine.space.limited_flow import add_correction


def minmod(*numbers):
    """The smallest of numbers of one sign, else 0."""
    numbers = np.array(numbers)
    least = np.abs(numbers).min(axis=0)
    return np.where((numbers > 0).all(axis=0), least, np.where((numbers < 0).all(axis=0), -least, 0.0))


def carry_line(line, ends, conductance, carried, is_periodic, is_strict):
    """Net heat into the cells of one line, from equations 2.21 to 2.30 and the matrix's own part."""
    if carried < 0.0:
        return carry_line(line[::-1], ends[::-1], conductance, -carried, is_periodic, is_strict)[::-1]
    if is_periodic:
        wide = np.concatenate([np.tile(line, 2)[-2:], line, np.tile(line, 2)[:2]])
    else:
        first, last = 2.0 * (ends[0] - line[0]), 2.0 * (ends[1] - line[-1])
        wide = np.concatenate([line[0] + [2 * first, first], line, line[-1] + [last, 2 * last]])
    bend = wide[2:] - 2.0 * wide[1:-1] + wide[:-2]
    joint = minmod(4.0 * bend[:-1] - bend[1:], 4.0 * bend[1:] - bend[:-1], bend[:-1], bend[1:])
    own, ahead, behind = wide[2:-2], wide[3:-1] - wide[2:-2], wide[2:-2] - wide[1:-3]
    face = own + (2.0 * ahead + behind) / 6.0
    if is_strict:
        edges = np.array([own, own + minmod(ahead, behind)])
        low, high = edges.min(axis=0), edges.max(axis=0)
    else:
        middle = own + 0.5 * ahead - 0.5 * joint[1:]
        steep, curved = own + 2.0 * behind, own + 0.5 * behind + 4.0 / 3.0 * joint[:-1]
        next_ = own + ahead
        low = np.maximum(np.min([own, next_, middle], axis=0), np.min([own, steep, curved], axis=0))
        high = np.minimum(np.max([own, next_, middle], axis=0), np.max([own, steep, curved], axis=0))
    heat = carried * (np.clip(face, low, high) - own) - min(conductance, 0.5 * carried) * ahead
    if not is_periodic:
        heat[-1] = 0.0
    return np.roll(heat, 1) - heat if is_periodic else np.concatenate([[0.0], heat[:-1]]) - heat


def make_space(rng, dimension):
    boundaries = {}
    for axis in "xyz"[:dimension]:
        if rng.random() < 0.4:
            boundaries |= {f"{axis}_{side}": {"type": "periodic"} for side in ("min", "max")}
    case = {
        "dimension": dimension,
        "domain": {"size": [1.0] * dimension},
        "material": {"conductivity": float(10 ** rng.uniform(-3, 0)), "volumetric_heat_capacity": 1.0},
        "velocity": [float(rng.normal()) for _ in range(dimension)],
        "initial": 0.0,
        "boundaries": boundaries,
        "resolution": {"cells": [int(rng.integers(1, 7)) for _ in range(dimension)], "end_time": 1.0},
    }
    return discretise(HeatProblem.from_case(case))


@pytest.mark.jit
@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_correction_is_that_of_the_equations_line_by_line(seed, is_strict):
    rng = np.random.default_rng(seed)
    dimension = 1 + seed % 3
    space = make_space(rng, dimension)
    space = make_strict(space) if is_strict else space
    field = rng.normal(size=space.shape)
    field = np.cumsum(np.abs(field), axis=0) if seed % 2 else field
    surfaces = [rng.normal(size=patch.cells.size) for patch in space.patches]

    net = add_correction(space, space.correction, field.reshape(-1), surfaces)

    expected = np.zeros(space.shape)
    for axis in range(dimension):
        domain, layer = space.problem.domain, tuple(np.delete(space.shape, axis))
        conductance = float(space.problem.materials[0].conductivity[0].value) * domain_area(domain, axis)
        conductance /= domain.spacing[axis]
        known = {patch.side: at for at, patch in enumerate(space.patches) if patch.axis == axis}
        for place in np.ndindex(layer):
            line = (*place[:axis], slice(None), *place[axis:])
            ends = [surfaces[known[side]].reshape(layer)[place] if known else 0.0 for side in (0, 1)]
            expected[line] += carry_line(
                field[line], ends, conductance, space.carried(axis), space.problem.is_periodic[axis], is_strict
            )
    np.testing.assert_allclose(net, expected.reshape(-1), rtol=0.0, atol=1e-12 * max(1.0, np.abs(expected).max()))


def domain_area(domain, axis):
    """Of the face of a cell normal to an axis [m2]."""
    return float(np.prod(np.delete(np.array(domain.spacing), axis)))
