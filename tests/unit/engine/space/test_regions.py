"""Regions of materials as they are looked at before a grid is made."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.core.errors import FieldError
from grid.engine import HeatProblem
from grid.engine.space.regions import find_regions, require_covered

MATERIAL = {"conductivity": 1.0, "density": 1.0, "specific_heat": 1.0}


def make_problem(cells, wheres, active=None):
    axes = "xyz"[: len(cells)]
    domain = {"coordinates": "cartesian", "size": [1.0] * len(cells)}
    faces = {f"{axis}_{end}": {"type": "insulated"} for axis in axes for end in ("min", "max")}
    if active is not None:
        domain["active"] = {"expression": active}
        faces["internal"] = {"type": "insulated"}
    return HeatProblem.from_case(
        {
            "dimension": len(cells), "steady": False, "domain": domain, "boundaries": faces, "initial": 0.0,
            "material": [{**MATERIAL, "where": {"expression": where}} for where in wheres],
            "resolution": {"cells": list(cells), "end_time": 1.0},
        }
    )  # fmt: skip


def is_refused(check, problem):
    try:
        check(problem)
    except FieldError as error:
        return error.field == "material"
    return False


@settings(max_examples=40)
@given(
    cells=st.lists(st.integers(1, 24), min_size=1, max_size=3), low=st.floats(0, 1), high=st.floats(0, 1),
    most=st.integers(1, 24**3),
)  # fmt: skip
def test_only_what_the_grid_refuses_is_refused_before_it_is_made(cells, low, high, most):
    problem = make_problem(cells, [f"x < {low}", f"x > {high}"])

    refused = is_refused(lambda one: require_covered(one, most), problem)
    if refused or most >= 24**3:
        assert is_refused(find_regions, problem) == refused


def test_a_gap_of_a_grid_that_is_small_is_found_as_the_grid_finds_it():
    gap = make_problem([20, 20], ["x < 0.5", "(x > 0.5) & (y < 0.95)"])

    assert is_refused(require_covered, gap)
    assert is_refused(find_regions, gap)


def test_a_gap_of_a_giant_is_found_without_looking_at_every_cell():
    assert is_refused(require_covered, make_problem([500] * 3, ["x < 0.4", "x > 0.5"]))


def test_what_lies_outside_of_the_body_needs_no_material():
    hole = "(x - 0.5)**2 + (y - 0.5)**2 > 0.04"

    require_covered(make_problem([50, 50], [f"(x < 0.5) & ({hole})", f"(x >= 0.5) & ({hole})"], active=hole))
    with pytest.raises(FieldError, match="at every cell centre exactly one"):
        require_covered(make_problem([50, 50], [f"(x < 0.5) & ({hole})", f"(x >= 0.5) & ({hole})"]))
