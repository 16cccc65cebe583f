"""Rows of the pyramid of samples: whole, aligned, about one a second, and none for ticks that were not seen."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.engine.live.summary import TickSummary
from grid.runtime.live.sampling import ROW_S, RowBuilder
from grid.schemas.live import PACE_METRICS, SAMPLE_METRICS


def tick(number: int, highest: float = 300.0) -> TickSummary:
    """What is seen at the end of a tick."""
    return TickSummary(
        number + 1, float(number + 1), 290.0, highest, (0,), 295.0, 1.0, 0.0, 0.0, 0.0, 1, certificate=None
    )


def fill(builder: RowBuilder, ticks: range, interval: float, now: float = 0.0) -> None:
    for number in ticks:
        builder.add(tick(number, 300.0 + number), {"ratio": 1.0}, now + number * interval)


@given(st.integers(0, 300), st.integers(1, 2000), st.sampled_from([0.0, 0.01, 1 / 30, 0.7, 3.0]))
def test_rows_cover_ticks_once_in_order_and_without_gaps_from_the_first_aligned_one(
    first: int, count: int, interval: float
) -> None:
    builder = RowBuilder()
    fill(builder, range(first, first + count), interval)
    builder.finish()
    rows = builder.take()
    covered = [number for row in rows for number in range(row.place << row.level, (row.place + 1) << row.level)]
    assert covered == list(range(first, first + count))


def test_a_row_lasts_about_a_second_once_the_level_has_settled() -> None:
    builder = RowBuilder()
    fill(builder, range(2000), 1 / 30)
    late = [row for row in builder.take() if (row.place << row.level) > 200]
    shortest, longest = ROW_S
    assert {shortest <= (1 << row.level) / 30 <= longest for row in late} == {True}


def test_a_row_holds_least_largest_mean_and_last_and_no_number_where_there_is_none() -> None:
    builder = RowBuilder()
    builder.level = 2
    fill(builder, range(4), 0.2)
    (row,) = builder.take()
    found = dict(zip(SAMPLE_METRICS, row.values, strict=True))
    assert found["highest"] == (300.0, 303.0, 301.5, 303.0)
    assert found["ratio"] == (1.0, 1.0, 1.0, 1.0)
    assert all(math.isnan(value) for value in found["certificate"])
    assert all(math.isnan(value) for value in found[PACE_METRICS[1]])


def test_a_row_whose_begin_was_not_seen_is_not_told() -> None:
    builder = RowBuilder()
    builder.level = 3
    fill(builder, range(5, 16), 0.2)  # a run that goes on from tick 5
    assert [(row.level, row.place) for row in builder.take()] == [(3, 1)]


def test_ticks_that_are_computed_again_begin_their_rows_anew_and_leave_the_level() -> None:
    builder = RowBuilder()
    builder.level = 3
    fill(builder, range(12), 0.2)
    builder.take()
    for number in range(8, 24):
        builder.add(tick(number), {}, 100.0, adapts=False)
    assert [(row.level, row.place) for row in builder.take()] == [(3, 1), (3, 2)]
    assert builder.level == 3


@pytest.mark.parametrize("level", [0, 5])
def test_a_run_that_is_slow_goes_down_to_single_ticks(level: int) -> None:
    builder = RowBuilder()
    builder.level = level
    fill(builder, range(64), 5.0)
    assert builder.level == 0
