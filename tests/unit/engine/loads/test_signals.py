"""Loads as patterns times functions of time, against those of the space; the matrix of a body; orders of axes."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import splu

from grid.engine import HeatProblem
from grid.engine.linear.multigrid.solver import Arrangement, MultigridSolver, arrange_operator, make_operator
from grid.engine.linear.systems import assemble, assemble_body
from grid.engine.loads.signals import Signals, list_changing, split_loads
from grid.engine.space.discretise import discretise

END = 10.0
CASE = {
    "domain": {"size": [0.1, 0.06]},
    "material": {"conductivity": {"expression": "2 + 30*x"}, "volumetric_heat_capacity": {"expression": "1e4*(2 - x)"}},
    "initial": {"expression": "20 + 10*cos(30*x)"},
    "boundaries": {
        "x_min": {"type": "flux", "value": {"expression": "1e3*(1 + y)*sin(t) + 50"}},
        "x_max": {"type": "convection", "coefficient": 50.0, "ambient": {"table": [[0, 20], [4, 60], [10, -5]]}},
        "y_min": {"type": "temperature", "value": {"expression": "20 + where(t < 3, 0, 10*x)"}},
    },
    "source_term": {"expression": "1e5*x*exp(-t) + 1e3*y + 2e3*cos(t)"},
    "resolution": {"cells": [7, 5], "end_time": END},
}
MASK = {"domain": {"size": [0.1, 0.06], "active": {"expression": "(x > 0.03) | (y < 0.03)"}}}


def build(**changes):
    return HeatProblem.from_case(CASE | changes)


@pytest.mark.parametrize("changes", [{}, MASK], ids=["box", "mask"])
@pytest.mark.parametrize("time", [0.4, 2.999, 3.001, 7.7])
def test_heat_of_the_patterns_is_what_the_space_gives_at_any_time(changes, time):
    """The flow at a field changes from the start by the sum of all patterns times the changes of their functions."""
    problem = build(**changes)
    space, loads = discretise(problem), split_loads(problem, END, 1e-6)
    signals = Signals(space, loads, END)
    field = np.random.default_rng(2).normal(size=space.capacity.size)
    begin = space.heat_flow(field, signals.begin(0.0)).net
    times = np.unique(np.concatenate([signals.knots, [time]]))
    low, _ = signals.sample(times)
    at = int(np.searchsorted(times, time))

    change = sum(
        (low[row, at] - low[row, 0]) * pattern.spread(field.size) for row, pattern in enumerate(signals.patterns)
    )

    expected = space.heat_flow(field, space.loads(time)).net - begin
    inside = space.body_cells
    np.testing.assert_allclose(change[inside], expected[inside], atol=1e-5 * np.abs(expected[inside]).max())


def test_each_load_that_changes_is_listed_by_its_field():
    assert [(face, name) for face, name, _ in list_changing(build())] == [
        ("source_term", ""),
        ("x_min", "value"),
        ("x_max", "ambient"),
        ("y_min", "value"),
    ]


@pytest.mark.parametrize(
    ("law", "words"),
    [
        ({"type": "convection", "coefficient": {"expression": "5 + t"}, "ambient": 0.0}, "x_min.coefficient changes"),
        ({"type": "flux", "value": {"expression": "sin(y*t)"}}, "x_min.value is no sum of functions of place"),
        ({"type": "flux", "value": {"expression": "sin(1e7*t)"}}, "straight lines can follow"),
    ],
)
def test_what_is_no_product_is_told_in_words(law, words):
    found = split_loads(build(boundaries={"x_min": law}), END, 1e-4)

    assert isinstance(found, str)
    assert words in found


@pytest.mark.parametrize("joined", ["", "x", "y"])
@pytest.mark.parametrize("changes", [{}, MASK], ids=["box", "mask"])
def test_the_matrix_of_a_body_is_that_of_the_box_at_its_cells(joined, changes):
    boundaries = dict(CASE["boundaries"])
    if joined:
        boundaries = {face: law for face, law in boundaries.items() if face[0] != joined}
        boundaries |= {f"{joined}_{end}": {"type": "periodic"} for end in ("min", "max")}
    space = discretise(build(boundaries=boundaries, **changes))
    loads, body = space.loads(0.5), space.body_cells

    found = assemble_body(space, loads).toarray()

    whole = assemble(space, loads).toarray()[np.ix_(body, body)]
    np.testing.assert_allclose(found, whole, atol=1e-12 * np.abs(whole).max())
    np.testing.assert_allclose(found, found.T, atol=1e-12 * np.abs(whole).max())
    known = space.heat_flow(np.zeros(space.capacity.size), loads).net[body]
    for cell in range(0, body.size, 7):  # column by column: minus the heat that one kelvin in a cell moves
        unit = np.zeros(space.capacity.size)
        unit[body[cell]] = 1.0
        moved = space.heat_flow(unit, loads).net[body] - known
        np.testing.assert_allclose(found[:, cell], -moved, atol=1e-9 * np.abs(whole).max())


SHAPES = [(40, 40, 4), (1, 200, 6), (1, 6, 200), (3, 80, 5), (80, 3, 5), (7, 5, 3), (20, 20, 20)]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_order_of_axes_goes_there_and_back_to_the_same_bytes(shape):
    order = Arrangement.of(shape)
    field = np.random.default_rng(1).normal(size=int(np.prod(shape)))

    assert sorted(order.order) == [0, 1, 2]
    assert order.own_shape == tuple(shape[axis] for axis in order.order)
    assert order.unpack(order.pack(field)).tobytes() == field.tobytes()
    turned = order.turn(field.reshape(shape))
    assert turned.reshape(-1).tobytes() == np.ascontiguousarray(order.pack(field)).tobytes()
    index = np.unravel_index(np.arange(field.size), shape)
    assert (turned[tuple(index[axis] for axis in order.order)] == field).all()
    if not order.is_natural:
        assert order.own_shape[2] == max(shape)
        assert shape[2] < order.own_shape[2]


BOX_3D = {"domain": {"size": [0.4, 0.4, 0.04]}, "resolution": {"cells": [40, 40, 4], "end_time": END}}
STRIP = {"domain": {"size": [2.0, 0.06]}, "resolution": {"cells": [200, 6], "end_time": END}}


@pytest.mark.parametrize("changes", [BOX_3D, STRIP], ids=["40 x 40 x 4", "200 x 6"])
@pytest.mark.parametrize("mask", [None, "(x > 0.1) | (y > 0.03)"])
def test_the_solution_in_another_order_is_that_of_the_matrix(changes, mask):
    if mask is not None:
        changes = changes | {"domain": changes["domain"] | {"active": {"expression": mask}}}
    problem = build(**changes, dimension=len(changes["resolution"]["cells"]))
    space = discretise(problem)
    loads, body, tau = space.loads(0.5), space.body_cells, 0.7
    right = np.zeros(space.capacity.size)
    right[body] = np.random.default_rng(3).normal(size=body.size)
    idle = 0.0 if space.active is None else np.where(space.active, 0.0, float(space.capacity.max()))
    arrangement, faces, rest = arrange_operator(space, loads, shift=1.0, tau=tau, idle=idle)
    natural = make_operator(space, loads, shift=1.0, tau=tau, idle=idle)

    found = MultigridSolver(space, loads, shift=1.0, tau=tau, idle=idle, tolerance=1e-12).solve(right)

    matrix = tau * assemble_body(space, loads) + sparse.diags_array(space.capacity[body])
    expected = splu(matrix.tocsc()).solve(right[body])
    np.testing.assert_allclose(found[body], expected, rtol=0.0, atol=1e-9 * np.abs(expected).max())
    assert not arrangement.is_natural
    assert sum(part.size for part in faces) == sum(part.size for part in natural[1])
    assert arrangement.unpack(rest.reshape(-1)).tobytes() == natural[2].reshape(-1).tobytes()
    again = MultigridSolver(space, loads, shift=1.0, tau=tau, idle=idle, tolerance=1e-12).solve(right)
    assert again.tobytes() == found.tobytes()
