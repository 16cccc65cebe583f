"""Verification compares what is computed with what is expected, and a file from a stranger never crashes it."""

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.errors import GridError, InputError
from grid.engine.verification import verification
from grid.engine.verification.verification import SOLVERS, compare, read_cases, verify_case


def wall(**changes: Any) -> dict[str, Any]:
    """A wall of 1 m between 0 and 10 degrees: its steady temperature is 10 x."""
    return {
        "id": "wall",
        "kind": "diffusion",
        "dimension": 1,
        "steady": True,
        "domain": {"coordinates": "cartesian", "size": [1.0]},
        "material": {"conductivity": 2.0},
        "boundaries": {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 10.0}},
        "resolution": {"cells": [10], "plain_second_order_error": 0.5},
        "expected": [expect()],
        **changes,
    }


def expect(**changes: Any) -> dict[str, Any]:
    return {"quantity": "temperature", "at": {"x": 0.3}, "value": 3.0, "tolerance": 0.1, "unit": "K", **changes}


def file_of(*cases: Any) -> dict[str, Any]:
    return {"schema_version": 2, "cases": list(cases)}


def verify(*cases: Any):
    return [row for case in read_cases(file_of(*cases)) for row in verify_case(case)]


def test_a_row_tells_what_was_computed_beside_what_was_expected():
    [row] = verify(wall())

    assert (row.case, row.kind, row.quantity, row.at, row.time) == (
        "wall",
        "diffusion",
        "temperature",
        {"x": 0.3},
        None,
    )
    assert row.passed
    assert row.message == ""
    assert row.value == pytest.approx(3.0)
    assert row.expected == 3.0


def test_errors_are_told_in_tolerances_and_in_errors_of_the_plain_scheme():
    right, wrong = verify(wall(expected=[expect(), expect(value=3.25)]))

    assert wrong.error_over_tolerance == pytest.approx(2.5)
    assert right.passed
    assert not wrong.passed
    assert "off by 0.25" in wrong.message
    assert right.error_over_plain == wrong.error_over_plain == pytest.approx(0.5)  # the largest of the case


@pytest.mark.parametrize(
    ("how", "value", "passed"),
    [
        ("within", 2.9, True), ("within", 3.1, True), ("within", 2.85, False), ("within", 3.15, False),
        ("at_least", 2.9, True), ("at_least", 99.0, True), ("at_least", 2.85, False),
        ("at_most", 3.1, True), ("at_most", -9.0, True), ("at_most", 3.15, False),
    ],
)  # fmt: skip
def test_numbers_compare_as_the_entry_says(how, value, passed):
    assert compare(value, expect(compare=how, tolerance=0.1000001)).passed is passed


@pytest.mark.parametrize(
    ("value", "expected", "passed"),
    [
        ("lumped", "lumped", True), ("lumped", "diffusive", False), (True, True, True), (True, False, False),
        (1, True, False), ("true", True, False), (None, "lumped", False),
    ],
)  # fmt: skip
def test_without_a_tolerance_words_and_truths_are_equal_or_not(value, expected, passed):
    comparison = compare(value, {"value": expected, "tolerance": None})

    assert comparison.passed is passed
    assert comparison.error_over_tolerance is None


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        ([1.0, 2.0], True), ([1.05, 1.95], True), ([1.0, 2.2], False), ([1.0], False), ([1.0, 2.0, 3.0], False),
        (1.0, False), ([[1.0, 2.0]], False), ([1.0, math.nan], False), ([1.0, True], False),
    ],
)  # fmt: skip
def test_lists_compare_entry_by_entry_and_in_length(value, passed):
    assert compare(value, {"value": [1.0, 2.0], "tolerance": 0.1}).passed is passed


@pytest.mark.parametrize("kind", ["lumped", "certificate", "stress", "integrity", "fatigue"])
def test_a_kind_that_this_version_cannot_do_fails_row_by_row_with_its_name(kind, monkeypatch):
    monkeypatch.delitem(SOLVERS, kind, raising=False)

    rows = verify({"id": "a", "kind": kind, "model": "body", "expected": [expect(), expect()]}, wall())

    assert [row.passed for row in rows] == [False, False, True]
    assert all("not supported" in row.message and row.value is None for row in rows[:2])


@pytest.mark.parametrize(
    "entry",
    [
        expect(quantity="colour"), expect(at={"x": 2.0}), expect(at={"y": 0.5}), expect(quantity="heat_flux"),
        expect(quantity="heat_flux", direction="up"), expect(quantity="heat_rate", boundary="z_min"),
        expect(quantity="observed_order", grids=[[8], [4]]), expect(quantity="observed_order", grids=[[8, 8], [9]]),
        expect(quantity="observed_order", grids=[[4], [8]], steps=[1]), expect(quantity="observed_order"),
        {"quantity": "temperature", "value": 1.0, "tolerance": 0.1}, expect(quantity="front_position", direction="+x"),
        expect(quantity="surface_stress", face="x_max"), expect(quantity="model"),
    ],
)  # fmt: skip
def test_a_quantity_that_cannot_be_computed_fails_alone(entry):
    failed, other = verify(wall(expected=[entry, expect()]))

    assert not failed.passed
    assert failed.value is None
    assert failed.message
    assert other.passed


def test_a_case_whose_physics_is_refused_fails_with_the_field():
    [row] = verify(wall(material={"conductivity": -1.0}))

    assert not row.passed
    assert "material.conductivity" in row.message


def test_one_case_can_be_picked_and_must_exist():
    document = file_of(wall(), wall(id="other"))

    assert [case["id"] for case in read_cases(document, case_id="other")] == ["other"]
    with pytest.raises(InputError, match="case"):
        read_cases(document, case_id="missing")


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {"cases": [wall()]}, {"schema_version": 1, "cases": [wall()]}, file_of(), file_of(None),
        file_of(wall(id=7)), file_of(wall(kind="magic")), file_of(wall(kind=["diffusion"])), file_of(wall(expected={})),
        file_of(wall(expected=[3])), file_of(wall(expected=[expect(quantity=None)])),
        file_of(wall(expected=[expect(time="soon")])), file_of(wall(expected=[expect(at=[0.3])])),
        file_of(wall(expected=[expect(at={"x": "left"})])), file_of(wall(expected=[expect(tolerance=-1.0)])),
        file_of(wall(expected=[expect(value="warm")])), file_of(wall(expected=[expect(compare="like")])),
        file_of(wall(expected=[expect(grids=[["8"], [9]])])), file_of(wall(expected=[expect(steps=[0.5])])),
        file_of(wall(expected=[expect(level={})])), file_of(wall(expected=[expect(boundary=[])])),
        file_of(wall(resolution={"cells": [4], "plain_second_order_error": "small"})),
    ],
)  # fmt: skip
def test_a_file_that_is_not_of_the_format_is_refused_as_a_whole(document):
    with pytest.raises(InputError):
        read_cases(document)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.floats(-1e3, 1e3)
    | st.sampled_from(["x", "temperature", "+x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "type", "value"]), inner),
    max_leaves=4,
)


@given(st.data())
def test_a_case_with_junk_in_any_place_gives_rows_or_a_typed_error(data):
    case = copy.deepcopy(wall())
    holder: Any = data.draw(
        st.sampled_from([case, case["domain"], case["material"], case["resolution"], case["expected"][0]])
    )
    holder[data.draw(st.sampled_from([*holder, "time", "direction", "grids", "steps"]))] = data.draw(JUNK)

    try:
        rows = verify(case)
    except GridError:
        return
    assert rows
    assert all(row.passed or row.message for row in rows)


@pytest.mark.parametrize(
    ("allowed", "expected"), [(1.0, [1e-4]), (0.004, [1e-4, 4e-5]), (1e-6, [1e-4, 1e-5]), (None, [1e-5])]
)
def test_time_on_a_large_grid_is_as_fine_as_what_is_expected_asks_for(monkeypatch, allowed, expected):
    """Over a span of 10 degrees an error of 1e-4 is a tenth of 0.01: what allows less is computed again, finer."""
    asked = []

    def solve_and_note(problem, **arguments):
        asked.append(arguments["tolerance"])
        return solve_on_ladder(problem, **arguments)

    solve_on_ladder = verification.solve_on_ladder
    monkeypatch.setattr(verification, "solve_on_ladder", solve_and_note)
    monkeypatch.setattr(verification, "LARGE_GRID", 9)
    entry = expect(time=0.1, tolerance=1.0 if allowed is None else allowed)
    flux = expect(quantity="heat_flux", direction="+x", time=0.1, tolerance=1.0)
    case = wall(
        steady=False, initial=0.0, material={"conductivity": 2.0, "volumetric_heat_capacity": 1.0},
        resolution={"cells": [10], "end_time": 0.1},
    )  # fmt: skip
    verify(case | {"expected": [entry, flux] if allowed is None else [entry]})

    assert asked == pytest.approx(expected, rel=0.1)  # the span is that of the cells, a little less
