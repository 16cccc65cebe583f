"""Parameters as people type them."""

import itertools
import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.cli.parameters import (
    LARGEST_SWEEP,
    expand_sweep,
    parse_axis,
    parse_value,
    read_labels,
    read_moment,
    read_params,
)
from grid.core.errors import FieldError, InputError


def test_a_time_without_a_zone_is_one_of_this_machine():
    assert read_moment(None, "--created-to") is None
    assert read_moment("2026-01-31T08:00:00+02:00", "--created-to") == datetime(2026, 1, 31, 6, tzinfo=UTC)
    assert read_moment("2026-01-31", "--created-to") == datetime(2026, 1, 31).astimezone()
    for text in ("yesterday", "2026-02-30", "12:00", ""):
        with pytest.raises(FieldError, match="--created-to"):
            read_moment(text, "--created-to")


def test_a_range_has_both_ends_and_the_count_asked_for():
    name, values = parse_axis("diffusivity=0.005:0.02:4")

    assert name == "diffusivity"
    assert values == pytest.approx([0.005, 0.01, 0.015, 0.02])
    assert values[-1] == 0.02


@given(start=st.floats(1e-9, 1e9), stop=st.floats(1e-9, 1e9), count=st.integers(2, 50))
def test_a_logarithmic_range_has_equal_ratios(start, stop, count):
    _, values = parse_axis(f"a={start!r}:{stop!r}:{count}:log")

    ratios = [b / a for a, b in itertools.pairwise(values)]
    assert len(values) == count
    assert all(math.isclose(ratio, ratios[0], rel_tol=1e-9) for ratio in ratios)


def test_whole_numbers_stay_whole():
    assert parse_axis("time_steps=100:400:4")[1] == [100, 200, 300, 400]
    assert all(isinstance(value, int) for value in parse_axis("time_steps=100:400:4")[1])


SCHEMA = {
    "properties": {
        "name": {"type": "string"},
        "length": {"type": "number"},
        "steps": {"type": "integer"},
        "is_open": {"type": "boolean"},
        "limit": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "either": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        "kind": {"$ref": "#/$defs/Kind"},
        "problem": {"type": "object"},
        "inner": {"$ref": "#/$defs/Inner"},
    },
    "$defs": {
        "Kind": {"enum": ["1", "2"], "type": "string"},
        "Inner": {"type": "object", "properties": {"label": {"type": "string"}}},
    },
}


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        *(("name=007", "007"), ("name=1.10", "1.10"), ("name=true", "true"), ("name=null", "null"), ("kind=1", "1")),
        *(
            ("length=007", "007"),
            ("length=1e3", 1000.0),
            ("steps=1e3", 1000),
            ("steps=1.5", 1.5),
            ("steps=many", "many"),
        ),
        *(("is_open=true", True), ("limit=null", None), ("limit=3", 3), ("either=x", "x"), ("either=3", 3)),
        *(("either=true", "true"), ("unknown=3", 3), ("unknown=x", "x")),
    ],
)
def test_a_text_means_what_the_schema_says(typed, value):
    (found,) = read_params([typed], None, SCHEMA).values()

    assert (found, type(found)) == (value, type(value))


def test_a_dotted_name_goes_into_a_nested_problem(tmp_path):
    file = tmp_path / "params.json"
    file.write_text('{"problem": {"material": {"density": 1}, "sources": [{"power": 1}]}}')

    typed = ["problem.material.conductivity=50", "problem.sources[0].power=2.5", "inner.label=007"]

    assert read_params(typed, file, SCHEMA) == {
        "problem": {"material": {"density": 1, "conductivity": 50}, "sources": [{"power": 2.5}]},
        "inner": {"label": "007"},
    }


def test_whole_numbers_by_ratio_are_whole():
    """2 ** (1 / 3) is no double: without rounding the fourth of these is 799.9999999999998."""
    assert parse_axis("n=100:1600:5:log")[1] == [100, 200, 400, 800, 1600]
    assert parse_axis("n=1:1000:4:log")[1] == [1, 10, 100, 1000]
    assert all(isinstance(value, int) for value in parse_axis("n=100:12800:8:log")[1])
    assert parse_axis("n=10:100:3:log")[1] == pytest.approx([10, 31.6227766, 100])


def test_a_parameter_of_whole_numbers_takes_the_nearest_ones():
    assert parse_axis("steps=10:100:3:log", SCHEMA)[1] == [10, 32, 100]
    assert parse_axis("steps=1:10:5", SCHEMA)[1] == [1, 3, 6, 8, 10]
    with pytest.raises(FieldError, match="3 at that count"):
        parse_axis("steps=1:3:9", SCHEMA)


@given(st.integers(1, 40), st.integers(2, 9), st.integers(2, 6))
def test_a_range_by_a_whole_ratio_is_exact(start, ratio, count):
    stop = start * ratio ** (count - 1)

    assert parse_axis(f"n={start}:{stop}:{count}:log")[1] == [start * ratio**place for place in range(count)]


def test_a_list_keeps_its_order_and_types():
    assert parse_axis("method=explicit,implicit")[1] == ["explicit", "implicit"]
    assert parse_axis("a=3,1,2.5")[1] == [3, 1, 2.5]


def test_axes_multiply_and_the_last_varies_fastest():
    points = expand_sweep(["a=1,2", "b=10,20"])

    assert [(p["a"], p["b"]) for p in points] == [(1, 10), (1, 20), (2, 10), (2, 20)]


@pytest.mark.parametrize(
    "axis",
    [
        "a",
        "=1",
        "a=1:2",
        "a=1:2:x",
        "a=1:2:0",
        "a=1:inf:3",
        "a=nan:1:3",
        "a=1:2:3:cubic",
        "a=-1:1:3:log",
        "a=1:2:3:4:5",
    ],
)
def test_a_malformed_axis_is_refused_with_its_form(axis):
    with pytest.raises(FieldError, match=r"--sweep|form"):
        parse_axis(axis)


def test_a_product_beyond_the_largest_sweep_is_refused_before_it_is_made():
    with pytest.raises(FieldError, match=str(LARGEST_SWEEP)):
        expand_sweep([f"a=0:1:{LARGEST_SWEEP}", "b=0:1:2"])


def test_an_axis_named_twice_is_refused():
    with pytest.raises(FieldError, match="once"):
        expand_sweep(["a=1,2", "a=3,4"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("0.5", 0.5), ("true", True), ("null", None), ("steel", "steel"), ('{"a": 1}', {"a": 1}), ("", "")],
)
def test_a_value_is_json_where_it_is_json_and_text_elsewhere(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_value_that_is_not_finite_is_refused(text):
    with pytest.raises(FieldError, match="finite"):
        parse_value(text)


def test_an_assignment_wins_over_the_file(tmp_path):
    file = tmp_path / "params.json"
    file.write_text(json.dumps({"length": 1.0, "diffusivity": 0.01}))

    assert read_params(["length=2.5"], file) == {"length": 2.5, "diffusivity": 0.01}


@pytest.mark.parametrize("content", ["[1]", "{", '"text"', "\xff"])
def test_a_file_that_holds_no_object_is_refused_by_name(tmp_path, content):
    file = tmp_path / "params.json"
    file.write_text(content, encoding="latin-1")

    with pytest.raises(InputError, match=r"params\.json"):
        read_params([], file)


def test_a_label_stays_as_it_was_typed():
    typed = ["run=007", "version=1.10", "flag=true", "note= a = b ", "empty=", "json={}"]

    assert read_labels(typed) == {
        "run": "007", "version": "1.10", "flag": "true", "note": " a = b ", "empty": "", "json": "{}"
    }  # fmt: skip


@pytest.mark.parametrize("typed", [["a"], ["=1"], ["a=1", "a=2"]])
def test_a_label_without_a_name_or_with_two_values_is_refused(typed):
    with pytest.raises(FieldError, match="--meta"):
        read_labels(typed)
