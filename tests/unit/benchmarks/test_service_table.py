"""Rows of the service's table: ratios in turn, bars, percentiles, and what is printed."""

import json
from dataclasses import asdict

import pytest
from benchmarks.__main__ import read_rows
from benchmarks.table import Bar, Row, percentile, render_table


def test_samples_that_were_taken_in_turn_are_compared_turn_by_turn():
    row = Row("submit", "ms", [2.0, 6.0, 3.0], "bare route", [1.0, 2.0, 1.0], Bar("at most", 3.0))

    assert row.ratios == [2.0, 3.0, 3.0]
    assert row.is_met
    assert not Row("submit", "ms", [4.0], "bare route", [1.0], Bar("at most", 3.0)).is_met


def test_other_samples_are_compared_with_the_median_of_the_peer():
    row = Row("jobs", "jobs/s", [100.0, 300.0], "statements alone", [100.0, 500.0, 200.0], Bar("at least", 0.5))

    assert row.ratios == [0.5, 1.5]
    assert row.is_met
    assert Row("jobs", "jobs/s", [1.0], "nothing", [1.0]).is_met is None


@pytest.mark.parametrize(("fraction", "value"), [(0.05, 1), (0.5, 10), (0.95, 19), (0.951, 20), (1.0, 20)])
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(fraction, value):
    assert percentile(list(range(20, 0, -1)), fraction) == value


def test_the_databases_stand_beside_each_other_with_both_sides_the_spread_and_the_verdict():
    bar = Bar("at most", 2.5)
    rows = [
        Row("submit", "ms", [2.0, 6.0, 3.0], "bare route", [1.0, 1.0, 1.0], bar, "sqlite"),
        Row("jobs", "jobs/s", [100.0], "Procrastinate", [50.0], None, "postgresql"),
        Row("submit", "ms", [4.0], "bare route", [2.0], bar, "postgresql"),
    ]

    _, _, *lines = render_table(rows).splitlines()

    assert lines == [
        "| submit | bare route | 3, 1 ms, **3 (2 .. 6)**, missed | 4, 2 ms, **2** | at most 2.5 |",
        "| jobs | Procrastinate |  | 100, 50 jobs/s, **2** |  |",
    ]


def test_rows_are_read_as_they_were_written():
    rows = [Row("a", "ms", [1.0], "b", [2.0], Bar("at most", 3.0)), Row("c", "s", [1.0], "d", [2.0])]

    assert read_rows(json.loads(json.dumps([asdict(row) for row in rows]))) == rows
