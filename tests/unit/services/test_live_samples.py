import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import live_runs as words
from tests.support.ledgers import add_owner
from tests.support.live_runs import sample

from grid.core.errors import NotFoundError
from grid.database.live_samples import Sample
from grid.services import live
from grid.services.live import Look, leases
from grid.services.live.pyramid import MetricSpan, find_gaps, lay_over, merge_samples, pack_spans, unpack_spans

VALUES = st.floats(-1e6, 1e6) | st.just(math.nan)


@pytest.fixture
def owner(uow):
    return add_owner(uow)


@pytest.fixture
def claim(uow, owner):
    return words.start(uow, owner)


def of_ticks(values):
    """The row over ticks with these values, without the pyramid."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return MetricSpan(*[math.nan] * 4)
    return MetricSpan(min(known), max(known), sum(known) / len(known), known[-1])


def merged(rows):
    while len(rows) > 1:
        rows = [merge_samples(*rows[place : place + 2]) for place in range(0, len(rows), 2)]
    return unpack_spans(rows[0])


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=16, max_size=16))
def test_a_coarse_row_says_of_its_ticks_what_they_say_themselves(ticks):
    found = merged([pack_spans([MetricSpan(value, value, value, value) for value in tick]) for tick in ticks])

    for metric, span in enumerate(found):
        wanted = of_ticks([tick[metric] for tick in ticks])
        assert (span.least, span.largest, span.last) == (wanted.least, wanted.largest, wanted.last)
        assert span.mean == pytest.approx(wanted.mean, rel=1e-12, abs=1e-7)  # sums of 16 values up to 1e6


@given(st.lists(VALUES, min_size=8, max_size=8))
def test_ticks_without_a_value_leave_extremes_and_the_last_value_to_the_others(values):
    (span,) = merged([pack_spans([MetricSpan(value, value, value, value)]) for value in values])
    wanted = of_ticks(values)

    for found, expected in zip(span[:2] + span[3:], wanted[:2] + wanted[3:], strict=True):
        assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_rows_of_different_metrics_are_not_merged():
    with pytest.raises(ValueError, match="zip"):
        merge_samples(sample(0, 0, metrics=2).metrics, sample(0, 1, metrics=3).metrics)


def test_a_coarser_row_is_made_where_both_halves_are_there(uow, owner, claim):
    places = [0, 1, 2, 3, 5]
    live.write_looks(uow, [Look(claim, 6, samples=tuple(sample(0, place, float(place)) for place in places))])

    with uow.read() as tx:
        found = {
            extent.level: (extent.first, extent.last, extent.rows) for extent in tx.live_samples.extents(claim.run_id)
        }
        (top,) = tx.live_samples.read(claim.run_id, 2)
    assert found == {0: (0, 5, 5), 1: (0, 1, 2), 2: (0, 0, 1)}
    assert unpack_spans(top.metrics)[0] == MetricSpan(0.0, 3.0, 1.5, 3.0)
    assert top.ticks == range(4)
    live.write_looks(uow, [Look(claim, 8, samples=(sample(0, 4), sample(0, 6), sample(0, 7)))])
    with uow.read() as tx:
        assert [extent.rows for extent in tx.live_samples.extents(claim.run_id)] == [8, 4, 2, 1]


def test_ticks_computed_again_write_over_themselves(uow, claim):
    first = tuple(sample(0, place, 1.0) for place in range(4))
    live.write_looks(uow, [Look(claim, 4, samples=first)])

    live.write_looks(uow, [Look(claim, 4, samples=first)])
    live.write_looks(uow, [Look(claim, 4, samples=(sample(0, 2, 9.0),))])

    with uow.read() as tx:
        (top,) = tx.live_samples.read(claim.run_id, 2)
        assert [extent.rows for extent in tx.live_samples.extents(claim.run_id)] == [4, 2, 1]
    assert unpack_spans(top.metrics)[0].largest == 9.0


def test_runs_of_a_worker_are_written_together_and_each_by_its_own_claim(uow, owner, claim):
    other = words.start(uow, owner)
    live.restart_run(uow, other, worker_id="worker-1", lease_s=10.0)

    held = live.write_looks(uow, [Look(claim, 3, samples=(sample(0, 0),)), Look(other, 3, samples=(sample(0, 0),))])

    assert held == {claim}
    assert live.write_looks(uow, []) == frozenset()
    with uow.read() as tx:
        assert tx.live_samples.extents(other.run_id) == []


def test_the_newest_rows_of_each_level_stay_and_the_coarsest_for_good(uow, claim, monkeypatch):
    monkeypatch.setattr(leases, "KEPT_ROWS", 16)
    monkeypatch.setattr(leases, "PRUNED_EVERY", 8)

    for start in range(0, 128, 4):
        rows = tuple(sample(0, place, float(place)) for place in range(start, start + 4))
        live.write_looks(uow, [Look(claim, start, samples=rows)])

    with uow.read() as tx:
        extents = tx.live_samples.extents(claim.run_id)
        (top,) = tx.live_samples.read(claim.run_id, extents[-1].level)
    assert extents[-1].level == 7
    assert unpack_spans(top.metrics)[0] == MetricSpan(0.0, 127.0, 63.5, 127.0)
    assert all(extent.last - extent.first < 16 + 8 for extent in extents)
    assert extents[0].last == 127


def test_history_comes_from_the_coarsest_level_with_as_many_points(uow, owner, claim):
    rows = tuple(sample(0, place, float(place == 11)) for place in range(64))
    live.write_looks(uow, [Look(claim, 64, samples=rows)])

    def read(points, **span):
        return live.read_history(uow, owner_id=owner, run_id=claim.run_id, points=points, **span)

    assert [(read(points).level, len(read(points).samples)) for points in (1, 2, 10, 64, 1000)] == [
        (6, 1), (5, 2), (2, 16), (0, 64), (0, 64),
    ]  # fmt: skip
    assert unpack_spans(read(1).samples[0].metrics)[0].largest == 1.0  # no peak disappears from further away
    part = read(4, first_tick=16, last_tick=31)
    assert (part.level, [one.place for one in part.samples]) == (2, [4, 5, 6, 7])
    assert read(4, first_tick=1000).samples == ()
    with pytest.raises(NotFoundError):
        live.read_history(uow, owner_id=add_owner(uow, "bob"), run_id=claim.run_id, points=4)


def covered(samples):
    """Ticks that rows cover, each as often as it is told."""
    return [tick for row in samples for tick in row.ticks]


@pytest.mark.parametrize("points", [1, 3, 8, 20, 100, 1000])
def test_history_joins_levels_where_the_speed_has_changed_and_tells_every_tick_once(uow, owner, claim, points):
    fast = tuple(sample(4, place, 100.0 + place) for place in range(6))  # ticks 0 to 95, 16 a row
    slow = tuple(sample(1, place, float(place)) for place in range(48, 72))  # 96 to 143, 2 a row
    fast_again = tuple(sample(3, place, 200.0 + place) for place in range(18, 22))  # 144 to 175, 8 a row
    live.write_looks(uow, [Look(claim, 176, samples=(*fast, *slow, *fast_again))])

    history = live.read_history(uow, owner_id=owner, run_id=claim.run_id, points=points)

    assert covered(history.samples) == list(range(176))
    assert max(unpack_spans(row.metrics)[0].largest for row in history.samples) == 221.0
    assert history.level in {row.level for row in history.samples}


def test_history_joins_levels_within_a_span(uow, owner, claim):
    fast, slow = (sample(3, 0), sample(3, 1)), tuple(sample(0, place) for place in range(16, 32))
    live.write_looks(uow, [Look(claim, 32, samples=(*fast, *slow))])

    def read(**span):
        found = live.read_history(uow, owner_id=owner, run_id=claim.run_id, points=16, **span)
        return [(row.ticks.start, row.ticks.stop) for row in found.samples]

    assert read() == [(0, 8), (8, 16), *((tick, tick + 1) for tick in range(16, 32))]
    assert read(first_tick=10, last_tick=18) == [(8, 16), (16, 17), (17, 18), (18, 19)]
    assert read(last_tick=9) == [(0, 8), (8, 16)]


def test_ticks_of_which_no_row_is_left_stay_a_gap(uow, owner, claim):
    live.write_looks(uow, [Look(claim, 64, samples=(sample(2, 0), sample(2, 5), sample(0, 30)))])

    history = live.read_history(uow, owner_id=owner, run_id=claim.run_id, points=2)

    assert covered(history.samples) == [*range(4), *range(20, 24), 30]


def test_old_ticks_are_told_by_coarse_rows_and_new_ones_by_fine_rows(uow, owner, claim, monkeypatch):
    monkeypatch.setattr(leases, "KEPT_ROWS", 16)
    monkeypatch.setattr(leases, "PRUNED_EVERY", 8)
    for start in range(0, 128, 4):
        rows = tuple(sample(0, place, float(place)) for place in range(start, start + 4))
        live.write_looks(uow, [Look(claim, start, samples=rows)])

    history = live.read_history(uow, owner_id=owner, run_id=claim.run_id, points=17)

    assert covered(history.samples) == list(range(128))
    assert history.samples[-1].level < history.samples[0].level


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), max_size=30))
def test_gaps_are_what_no_row_covers(places):
    rows = []
    for level, place in places:
        one = Sample(level, place, b"")
        rows = lay_over([row for row in rows if row.level <= level], [one])

    gaps = find_gaps(rows, range(64))

    told = [tick for row in rows for tick in row.ticks]
    assert len(told) == len(set(told))
    assert sorted([*told, *(tick for gap in gaps for tick in gap)]) == list(range(64))


def test_a_sample_covers_its_ticks():
    assert Sample(3, 2, b"").ticks == range(16, 24)


def test_the_newest_row_is_the_one_that_ends_last_and_the_finest_of_those(uow, owner, claim):
    def newest():
        return live.read_newest(uow, owner_id=owner, run_id=claim.run_id)

    assert (newest().sample, newest().age_s) == (None, None)
    live.write_looks(uow, [Look(claim, tick=8, samples=(sample(0, 6), sample(0, 7)))])

    found = newest()
    assert found.sample is not None
    assert (found.sample.level, found.sample.place) == (0, 7)
    assert found.age_s is not None
    assert found.age_s >= 0.0
    live.write_looks(uow, [Look(claim, tick=48, samples=(sample(4, 2),))])
    later = newest().sample
    assert later is not None
    assert (later.level, later.ticks) == (4, range(32, 48))
    with pytest.raises(NotFoundError):
        live.read_newest(uow, owner_id=add_owner(uow, "bob"), run_id=claim.run_id)
