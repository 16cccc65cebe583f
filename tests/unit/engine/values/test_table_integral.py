"""Means of tables of temperature against adaptive quadrature between their points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.engine.values.table_integral import TableIntegral
from grid.engine.values.value import Table


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.floats(-500.0, 2000.0), min_size=1, max_size=7, unique=True).map(sorted),
    data=st.data(),
    interpolation=st.sampled_from(["linear", "previous"]),
)
def test_means_are_integrals_over_the_width(points, data, interpolation):
    values = data.draw(st.lists(st.floats(0.1, 100.0), min_size=len(points), max_size=len(points)))
    ends = data.draw(st.tuples(st.floats(-600.0, 2100.0), st.floats(-600.0, 2100.0)))
    table = Table(points, values, interpolation, "T")

    found = TableIntegral(table).mean(np.array([ends[0]]), np.array([ends[1]]))[0]

    low, high = sorted(ends)
    assert found == TableIntegral(table).mean(np.array([ends[1]]), np.array([ends[0]]))[0]
    assert min(values) - 1e-9 <= found <= max(values) + 1e-9
    if high - low > 1e-3:
        marks = np.array([low, *(point for point in points if low < point < high), high])
        middles = np.asarray(table.evaluate({"T": 0.5 * (marks[1:] + marks[:-1])}))  # exact of a line
        assert found == pytest.approx(float(middles @ np.diff(marks)) / (high - low), rel=1e-9)
    else:
        assert TableIntegral(table).mean(np.array([low]), np.array([low]))[0] == table.evaluate({"T": np.float64(low)})


def test_a_million_points_keep_the_digits_between_two_of_them():
    points = np.linspace(0.0, 1000.0, 1_000_000)
    integral = TableIntegral(Table(points, 51.0 - 0.05 * points, of="T"))
    one = np.random.default_rng(1).uniform(0.0, 1000.0, 1000)
    other = one + 10.0 ** np.random.default_rng(2).uniform(-9.0, 1.0, 1000)

    right = 51.0 - 0.05 * 0.5 * (one + np.minimum(other, 1000.0))
    inside = other <= 1000.0
    np.testing.assert_allclose(integral.mean(one, other)[inside], right[inside], rtol=1e-9)
