"""Steady fields that an iteration finds to a tolerance: their error, their heat, and the parts of a body."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse import csgraph

from grid.engine import HeatProblem, prepare, solve
from grid.engine.results.audits import audit_iteration
from grid.engine.space.discretise import discretise
from grid.engine.space.mesh import after_first, before_last, first, inner, last
from grid.engine.steady.iteration import can_iterate
from grid.engine.steady.parts import label_parts

AIR = {"type": "convection", "coefficient": 20.0, "ambient": 25.0}
HOT = {"expression": "where((x > 0.06) & (x < 0.09) & (y > 0.03) & (y < 0.05), 1e6, 0)"}
BOARD = {
    "steady": True,
    "domain": {"size": [0.2, 0.1], "active": {"expression": "(x < 0.12) | (y < 0.06)"}},
    "material": [
        {"conductivity": [1.0, 0.3], "where": {"expression": "(x < 0.05) | (y > 0.02)"}},
        {"conductivity": 200.0, "where": {"expression": "(x > 0.05) & (y < 0.02)"}},
    ],
    "boundaries": {"y_min": AIR, "internal": AIR, "x_max": AIR},
    "source_term": HOT,
    "resolution": {"cells": [160, 80]},
}
BLOCK = {
    "domain": {"size": [0.2, 0.1, 0.02]},
    "boundaries": {"z_min": AIR, "x_max": AIR},
    "material": [
        {"conductivity": 1.0, "where": {"expression": "z < 0.01"}},
        {"conductivity": 50.0, "where": {"expression": "z > 0.01"}},
    ],
    "resolution": {"cells": [64, 32, 10]},
}
TWO_PARTS = {"domain": {"size": [0.2, 0.1], "active": {"expression": "(x < 0.1) | (x > 0.14)"}}}
CASES = {"a masked plate": {}, "a block": BLOCK, "two parts": TWO_PARTS}


def build(**changes):
    return HeatProblem.from_case(BOARD | changes)


def judge(solution, name):
    return next(audit for audit in solution.audits if audit.name == name)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-5])
def test_the_error_is_within_the_tolerance_and_stated_and_the_heat_closes(name, tolerance):
    problem = build(**CASES[name])
    exact, found = solve(problem), solve(problem, tolerance=tolerance)

    inside = slice(None) if exact.body is None else exact.body
    error = float(np.abs(found.final - exact.final)[inside].max())
    span = float(np.ptp(exact.final[inside]))
    stated, balance = judge(found, "step_error"), judge(found, "energy_balance")
    assert found.is_accepted
    assert 0.0 < error <= tolerance * span
    assert error <= stated.value * span
    assert stated.limit == 2.0 * tolerance
    assert balance.value <= 1e-10
    assert judge(exact, "step_error").verdict == "not_applicable"


def test_what_bounds_hold_in_is_solved_to_rounding_whatever_the_tolerance():
    problem = build(source_term=0.0, boundaries={"x_min": {"type": "temperature", "value": 100.0}, "y_min": AIR})
    space = discretise(problem)

    assert not can_iterate(space, space.loads(0.0), 1e-3)
    assert solve(problem, tolerance=1e-3).final.tobytes() == solve(problem).final.tobytes()


def test_a_field_that_an_audit_rejects_is_solved_for_again(monkeypatch):
    """The end of an iteration decides no verdict: here it is made to leave an error far above what it states."""
    from grid.engine.run import steady

    problem, find = build(), steady.find_steady

    def spoil(space, loads, start, tolerance):
        found = find(space, loads, start, tolerance)
        return type(found)(found.temperature, 1e3)

    monkeypatch.setattr(steady, "find_steady", spoil)

    assert solve(problem, tolerance=1e-3).final.tobytes() == solve(problem).final.tobytes()


def test_an_error_beyond_the_tolerance_is_rejected():
    assert audit_iteration(3.0, (0.0, 1000.0), 1e-3).verdict == "failed"
    assert audit_iteration(1.0, (0.0, 1000.0), 1e-3).verdict == "passed"


def test_the_plan_of_a_steady_state_has_its_tolerance():
    assert prepare(build(), tolerance=1e-3).summary.tolerance == 1e-3
    assert prepare(build()).summary.tolerance is None


def test_an_error_of_space_is_measured_on_fields_that_are_solved_to_rounding():
    loose, tight = solve(build(), tolerance=1e-2, richardson=True), solve(build(), richardson=True)

    assert loose.space_error == tight.space_error


@settings(deadline=None)  # the first example compiles
@given(
    cells=st.lists(st.integers(1, 5), min_size=1, max_size=3), seed=st.integers(0, 2**32 - 1), rings=st.integers(0, 7)
)
def test_parts_are_the_connected_components_of_the_conductances(cells, seed, rings):
    """Against SciPy's search through the graph, rings of one cell and of two included."""
    joined = {axis for number, axis in enumerate("xyz"[: len(cells)]) if rings >> number & 1}
    faces = {f"{axis}_{side}": {"type": "periodic"} for axis in joined for side in ("min", "max")}
    case = {"steady": True, "domain": {"size": [1.0] * len(cells)}, "resolution": {"cells": cells}}
    space = discretise(HeatProblem.from_case(case | {"material": {"conductivity": 1.0}, "boundaries": faces}))
    rng = np.random.default_rng(seed)
    drawn = []
    for axis, g in enumerate(space.conductances):
        values = np.where(rng.random(g.shape) < 0.5, 0.0, g)
        values[last(axis)] = values[first(axis)]
        drawn.append(values)
    space.conductances = tuple(drawn)

    index, ends = np.arange(space.capacity.size).reshape(space.shape), []
    for axis, g in enumerate(space.conductances):
        pairs = [(index[before_last(axis)], index[after_first(axis)], g[inner(axis)])]
        if space.problem.is_periodic[axis]:
            pairs.append((index[last(axis)], index[first(axis)], g[first(axis)]))
        ends += [(one[part > 0.0], other[part > 0.0]) for one, other, part in pairs]
    rows, columns = (np.concatenate([pair[side] for pair in ends]) for side in (0, 1))
    graph = sparse.coo_matrix((np.ones(rows.size), (rows, columns)), shape=(index.size, index.size))

    np.testing.assert_array_equal(label_parts(space, 1e-9), csgraph.connected_components(graph, directed=False)[1])
