"""Looks at a field: held to NumPy on every kind of body, grid and padding."""

import math
from dataclasses import replace

import numpy as np
import pytest

from grid.engine import HeatProblem
from grid.engine.live.look import look_at
from grid.engine.live.stepping import Window
from grid.engine.space.discretise import discretise

SIZES = {1: (700,), 2: (9, 13), 3: (4, 5, 6)}


def make_space(cells, *, active=None, layered=False):
    domain = {"coordinates": "cartesian", "size": [0.5 * (axis + 1) for axis in range(len(cells))]}
    if active is not None:
        domain["active"] = {"expression": active}
    material = {"conductivity": 3.0, "volumetric_heat_capacity": 2.0}
    if layered:
        half = [{**material, "where": {"expression": f"x {sign} 0.25"}} for sign in ("<", ">=")]
        half[1]["volumetric_heat_capacity"] = 7.0
        material = half
    case = {
        "dimension": len(cells),
        "domain": domain,
        "material": material,
        "initial": 1.0,
        "steady": False,
        "resolution": {"cells": list(cells), "steps": 1, "end_time": 1.0},
    }
    return discretise(HeatProblem.from_case(case))


def pad(field, ghosts):
    """The field in a flat array with ghosts that no look may see."""
    return np.pad(field, ghosts, constant_values=np.nan).reshape(-1)


def find_steepest(space, field):
    """Largest gradient by NumPy, from differences between neighbours in the body."""
    body = np.ones(field.shape, bool) if space.inside is None else space.inside
    total = np.zeros(field.shape)
    for axis, spacing in enumerate(space.problem.domain.spacing):
        joined = np.diff(body.astype(int), axis=axis) == 0
        step = np.where(joined & np.delete(body, 0, axis), np.diff(field, axis=axis) / spacing, 0.0) ** 2
        edge = np.zeros_like(np.take(field, [0], axis))
        total += np.maximum(np.concatenate([edge, step], axis), np.concatenate([step, edge], axis))
    return math.sqrt(total[body].max())


@pytest.mark.jit
@pytest.mark.parametrize("dimension", SIZES)
@pytest.mark.parametrize("ghosts", [0, 2])
@pytest.mark.parametrize("kind", ["plain", "layered", "masked"])
def test_a_look_agrees_with_numpy_cell_by_cell(dimension, ghosts, kind):
    cells = SIZES[dimension]
    space = make_space(cells, active="x < 0.4" if kind == "masked" else None, layered=kind != "plain")
    field = np.random.default_rng(dimension).normal(300.0, 20.0, cells)
    body = np.ones(cells, bool) if space.inside is None else space.inside

    look = look_at(space, Window.of_padded(cells, ghosts), pad(field, ghosts), 290.0)

    inside = np.where(body, field, np.nan).reshape(-1)
    capacity = np.broadcast_to(space.capacity, field.size)
    rise = math.fsum(capacity[body.reshape(-1)] * (field[body] - 290.0))
    assert (look.lowest, look.highest) == (np.nanmin(inside), np.nanmax(inside))
    assert (look.coldest, look.hottest) == (np.nanargmin(inside), np.nanargmax(inside))
    assert look.rise == pytest.approx(rise, rel=1e-13)
    assert look.mean == pytest.approx(290.0 + rise / space.total_capacity, rel=1e-14)
    assert look.gradient == pytest.approx(find_steepest(space, field), rel=1e-13)


@pytest.mark.jit
@pytest.mark.parametrize("cells", [(1,), (3, 1), (1, 600), (2, 1, 1)])
def test_a_look_takes_bodies_one_cell_thin(cells):
    space = make_space(cells)
    field = np.arange(float(math.prod(cells))).reshape(cells)

    look = look_at(space, Window.of_padded(cells, 1), pad(field, 1), 0.0)

    assert (look.coldest, look.hottest) == (0, field.size - 1)
    assert look.gradient == pytest.approx(find_steepest(space, field), rel=1e-13)


@pytest.mark.jit
def test_the_gradient_of_a_linear_field_is_exact_at_every_cell_and_of_its_mirror_image_the_same():
    space, window = make_space((16, 16)), Window.of_padded((16, 16))
    x, y = np.meshgrid(*((np.arange(16) + 0.5) * size / 16 for size in (0.5, 1.0)), indexing="ij")
    bent = np.exp(3.0 * x) * np.cos(y)

    gradient = look_at(space, window, (5.0 * x - 12.0 * y).reshape(-1), 0.0).gradient
    here, mirrored = (
        look_at(space, window, np.ascontiguousarray(field).reshape(-1), 0.0).gradient for field in (bent, bent[::-1])
    )

    assert gradient == pytest.approx(13.0, rel=1e-12)
    assert here == mirrored


def test_of_equal_extremes_the_first_cell_counts():
    look = look_at(make_space((5, 1100)), Window.of_padded((5, 1100)), np.full(5500, 7.0), 7.0)

    assert (look.hottest, look.coldest, look.rise, look.gradient) == (0, 0, 0.0, 0.0)


@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 77, 116])
def test_a_fault_anywhere_leaves_nothing_finite_and_is_found(fault, place):
    space, field = make_space((9, 13)), np.full(117, 300.0)
    field[place] = fault

    look = look_at(space, Window.of_padded((9, 13)), field, 300.0)

    assert not look.is_finite
    assert look.hottest == place
    assert not any(map(math.isfinite, (look.lowest, look.highest, look.mean, look.gradient)))


def test_what_stands_outside_a_masked_body_is_not_looked_at():
    space = make_space((9, 13), active="x < 0.3")
    field = np.where(space.active, 300.0, np.nan)

    look = look_at(space, Window.of_padded((9, 13)), field, 0.0)

    assert (look.lowest, look.highest, look.gradient) == (300.0, 300.0, 0.0)
    assert look.mean == pytest.approx(300.0, rel=1e-14)


def test_the_rise_keeps_small_heats_beside_a_large_content():
    """A ten-thousandth of a kelvin above 300 K in a million cells, to twelve digits."""
    cells = (1000, 1000)
    space, rise = make_space(cells), np.random.default_rng(0).uniform(0.0, 2e-4, 10**6)
    field = 300.0 + rise

    look = look_at(space, Window.of_padded(cells), field, 300.0)

    assert look.rise == pytest.approx(space.common_capacity * math.fsum(field - 300.0), rel=1e-12)


def test_a_capacity_for_each_cell_counts_as_one_for_all():
    space = make_space((30, 40))
    each = replace(space, capacity=np.full(1200, space.common_capacity))
    field = np.random.default_rng(1).normal(300.0, 5.0, 1200)

    one, many = (look_at(kind, Window.of_padded((30, 40)), field, 300.0) for kind in (space, each))

    assert one._replace(rise=0.0, mean=0.0) == many._replace(rise=0.0, mean=0.0)
    assert many.rise == pytest.approx(one.rise, rel=1e-12)
