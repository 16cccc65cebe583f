"""Differences of fields on different grids: conservative, exact on equal ones, refused where they mean nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.errors import FieldError
from grid.runtime.field_difference import IncomparableError, Sampled, choose_part, subtract
from grid.schemas.fields import FieldAxis, FieldPart, RecordField

LENGTHS = {"x": 3.0, "y": 0.7, "z": 1.1}


def axis(name, count, at="cell", values=None):
    if values is not None:
        return FieldAxis(name, "m", at, len(values), None, None, tuple(values))
    spacing = LENGTHS[name] / (count if at == "cell" else count - 1)
    return FieldAxis(name, "m", at, count, 1.0, spacing)


def field_of(*axes, unit="K", title="Temperature"):
    return RecordField("temperature", title, unit, "cividis", axes, (FieldPart(0.0, "final"),), is_complete=False)


def sampled(values, *axes, **kind):
    return Sampled(field_of(*axes, **kind), 0.0, np.asarray(values, dtype=np.float64))


def weights_of(one):
    """Length, area or volume of each value's cell."""
    total = np.ones(())
    for each in one.field.axes:
        lengths = np.full(each.count, each.spacing)
        if each.at == "node":
            lengths[[0, -1]] /= 2
        total = np.multiply.outer(total, lengths)
    return total


counts = st.integers(2, 9)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=3), st.sampled_from(["cell", "node"]), st.data())
def test_integrals_over_the_body_stay_on_the_coarser_grid(sizes, at, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    pair = [
        sampled(
            random.normal(size=counts), *(axis(name, count, at) for name, count in zip("xyz", counts, strict=False))
        )
        for counts in zip(*sizes, strict=True)
    ]

    difference = subtract(*pair)

    assert difference.values.shape == tuple(min(each) for each in sizes)
    first, second = (float((one.values * weights_of(one)).sum()) for one in pair)
    assert float((difference.values * difference.weights).sum()) == pytest.approx(second - first, abs=1e-11)
    assert float((difference.first * difference.weights).sum()) == pytest.approx(first, abs=1e-11)
    assert float(difference.weights.sum()) == pytest.approx(np.prod([LENGTHS[n] for n, _ in zip("xyz", sizes)]))  # noqa: B905


def test_equal_grids_give_the_plain_difference():
    axes = axis("x", 4), axis("y", 3)
    a, b = np.arange(12.0).reshape(4, 3), np.full((4, 3), 0.1)
    b[2, 1] = -100.0

    difference = subtract(sampled(a, *axes), sampled(b, *axes))

    np.testing.assert_array_equal(difference.values, b - a)
    assert difference.largest == (2, 1)
    assert difference.position((2, 1)) == pytest.approx({"x": 1.0 + 2.5 * 0.75, "y": 1.0 + 1.5 * 0.7 / 3})
    assert difference.root_mean_square == pytest.approx(np.sqrt(((b - a) ** 2).mean()))
    assert difference.axes == axes


def test_constant_fields_stay_constant_on_any_grid():
    difference = subtract(sampled(np.full(7, 20.0), axis("x", 7)), sampled(np.full(3, 50.0), axis("x", 3)))

    np.testing.assert_allclose(difference.values, [30.0] * 3, rtol=1e-15)


def test_each_axis_takes_the_coarser_of_both():
    a = sampled(np.ones((8, 2)), axis("x", 8), axis("y", 2))
    b = sampled(np.ones((3, 5)), axis("x", 3), axis("y", 5))

    assert subtract(a, b).values.shape == subtract(b, a).values.shape == (3, 2)


def test_cells_outside_the_body_have_no_say():
    fine = np.array([1.0, 1.0, np.nan, 3.0, np.nan, np.nan])
    difference = subtract(sampled(fine, axis("x", 6)), sampled([0.0, 0.0, 0.0], axis("x", 3)))

    np.testing.assert_allclose(difference.values, [-1.0, -3.0, np.nan])
    assert difference.root_mean_square == pytest.approx(np.sqrt((1.0 + 9.0) / 2))
    empty = subtract(sampled([np.nan], axis("x", 1)), sampled([1.0], axis("x", 1)))
    assert (empty.largest, empty.root_mean_square) == (None, None)


def test_cells_and_nodes_of_one_body_are_compared():
    """A line falls on both: the mean of a cell is its value at the centre, of an end node a quarter spacing inside."""
    line = lambda x: 2.0 * x  # noqa: E731
    cells = sampled(line(1.0 + 3.0 * (np.arange(12) + 0.5) / 12), axis("x", 12))
    nodes = sampled(line(1.0 + np.arange(4)), axis("x", 4, "node"))

    difference = subtract(cells, nodes)

    assert difference.axes == nodes.field.axes
    np.testing.assert_allclose(difference.values, [-0.5, 0.0, 0.0, 0.5], atol=1e-12)


def test_degrees_and_kelvin_differ_by_the_zero_alone():
    celsius = sampled([20.0, 30.0], axis("x", 2), unit="degC")
    kelvin = sampled([293.15, 313.15], axis("x", 2))

    np.testing.assert_allclose(subtract(celsius, kelvin).values, [0.0, 10.0], atol=1e-12)
    np.testing.assert_allclose(subtract(kelvin, celsius).values, [0.0, -10.0], atol=1e-12)
    assert subtract(celsius, kelvin).unit == subtract(celsius, celsius).unit == "K"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (sampled([1.0, 1.0], FieldAxis("x", "m", "cell", 2, 0.0, 1.5)), "differ along x: 1 to 4 m and 0 to 3 m"),
        (sampled(np.ones((2, 2)), axis("x", 2), axis("y", 2)), "1 axes, the other 2"),
        (sampled([1.0, 1.0], axis("x", 2), unit="Pa"), "in K, the other in Pa"),
        (sampled([1.0, 1.0], axis("x", 2), title="Stress"), "temperature, the other stress"),
    ],
)
def test_what_has_no_meaning_is_refused_in_a_sentence(other, reason):
    with pytest.raises(IncomparableError, match=reason):
        subtract(sampled([1.0, 2.0], axis("x", 2)), other)


def test_times_are_the_last_a_place_or_the_nearest():
    parts = tuple(FieldPart(time, "final") for time in (0.0, 1.0, 4.0))
    field = replace(field_of(axis("x", 2)), parts=parts)

    assert choose_part(field, "last").time_s == 4.0
    assert choose_part(field, 1).time_s == 1.0
    assert choose_part(field, "last", near_s=0.4).time_s == 0.0
    assert choose_part(field, 0, near_s=2.6).time_s == 4.0
    with pytest.raises(FieldError, match="0 to 2"):
        choose_part(field, 3)


def test_positions_that_are_not_equally_spaced_count_with_their_share():
    uneven = FieldAxis("x", "m", "node", 3, None, None, (1.0, 1.5, 4.0))
    coarse = sampled([0.0, 0.0], axis("x", 2, "node"))

    difference = subtract(sampled([1.0, 1.0, 5.0], uneven), coarse)

    total = 0.25 * 1.0 + (0.25 + 1.25) * 1.0 + 1.25 * 5.0
    assert float((difference.first * difference.weights).sum()) == pytest.approx(total)
