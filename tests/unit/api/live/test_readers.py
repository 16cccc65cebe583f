"""Readers of events and samples: bounded, at their rate, and without a peak lost between two samples."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.api.live.readers import EventReader, SampleReader, require_rate
from grid.api.live.samples import RunSample, read_bus_sample, read_row
from grid.api.live.states import find_notice
from grid.api.live.updates import EventItem, RunUpdate
from grid.core.errors import FieldError
from grid.database.live_samples import Sample
from grid.schemas.live import SAMPLE_METRICS, RunState
from grid.services.live.pyramid import MetricSpan, pack_spans

values = st.floats(-1e6, 1e6)
spans = st.none() | st.tuples(values, values, values, values).map(
    lambda four: (min(four[:2]), max(four[:2]), sum(four[:2]) / 2, four[3])
)


@given(first=spans, second=spans, ticks=st.tuples(st.integers(1, 50), st.integers(1, 50)))
def test_two_samples_in_one_keep_extremes_last_value_and_the_weighted_mean(first, second, ticks):
    one = RunSample(0, ticks[0], 1.0, {"a": first})
    other = RunSample(ticks[0], sum(ticks), 2.0, {"a": second})
    both = one.merge(other)

    assert (both.first_tick, both.end_tick, both.time_s) == (0, sum(ticks), 2.0)
    known = [span for span in (first, second) if span is not None]
    if len(known) < 2:
        assert both.metrics["a"] == (known[0] if known else None)
    else:
        mean = (ticks[0] * first[2] + ticks[1] * second[2]) / sum(ticks)
        low, high = min(first[0], second[0]), max(first[1], second[1])
        assert both.metrics["a"][:2] == (low, high)
        assert both.metrics["a"][2] == pytest.approx(mean, abs=1e-6)
        assert both.metrics["a"][3] == second[3]


def test_a_reader_of_samples_gets_no_more_than_its_rate_and_the_latest():
    told = []
    reader = SampleReader(2.0, 0, lambda: told.append(True))
    seen = []
    for step in range(100):  # ten a second, ten seconds long
        now = step / 10
        reader.on_sample(RunSample(step, step + 1, now, {"a": (step, step, step, step)}))
        sample = reader.pop(now)
        if sample is not None:
            seen.append(sample)

    assert 19 <= len(seen) <= 21
    assert len(told) == 100
    assert [one.first_tick for one in seen[1:]] == [one.end_tick for one in seen[:-1]]  # none was lost
    reader.pop(1e9)
    reader.on_sample(RunSample(0, 5, 0.0, {}))  # of ticks that it knows
    assert reader.pop(2e9) is None


def test_readers_of_one_rate_share_what_is_made_of_their_samples():
    readers = [SampleReader(2.0, 0, lambda: None) for _ in range(3)]
    for step in range(4):
        sample = RunSample(step, step + 1, float(step), {"a": (step, step, step, step)})
        for reader in readers:
            reader.on_sample(sample)
    shared = [reader.pop(1.0) for reader in readers]
    late = SampleReader(2.0, 0, lambda: None)
    late.on_sample(RunSample(3, 4, 3.0, {"a": (9, 9, 9, 9)}))

    assert shared[0] is shared[1] is shared[2]
    assert shared[0].metrics == {"a": (0, 3, 1.5, 3)}
    assert shared[0].to_json() is shared[2].to_json()
    assert late.pop(1.0).metrics == {"a": (9, 9, 9, 9)}  # of nobody else


def test_a_sample_of_a_row_and_one_of_the_bus_say_the_same():
    row = Sample(3, 2, pack_spans([MetricSpan(1.0, 4.0, 2.0, 3.0)] * len(SAMPLE_METRICS)))
    bus = {
        "first": 17, "last": 24, "time_s": 0.75, "pace": {"ratio": 3.0, "slips": None},
        "values": {"mean": [1.0, 4.0, 2.0, 3.0], "share": None},
    }  # fmt: skip
    from_row, from_bus = read_row(row, "0.03125"), read_bus_sample(bus)

    assert (from_bus.first_tick, from_bus.end_tick, from_bus.time_s) == (16, 24, 0.75)
    assert (from_row.first_tick, from_row.end_tick, from_row.time_s) == (16, 24, 0.75)
    assert from_bus.metrics["mean"] == from_row.metrics["mean"]
    assert json.loads(from_bus.to_json())["metrics"] == {
        "mean": [1.0, 4.0, 2.0, 3.0], "share": None, "ratio": [3.0] * 4, "slips": None,
    }  # fmt: skip


def update(first, count, state=RunState.RUNNING, size=1):
    events = tuple(EventItem(n, "yield", "x" * size) for n in range(first, first + count))
    return RunUpdate(state, 1, {}, events)


def test_a_reader_of_events_takes_each_once():
    reader = EventReader(None, 3, lambda: None)
    reader.on_update(update(1, 5))
    reader.on_update(update(4, 4, RunState.STOPPED))

    assert [reader.pop().n for _ in range(4)] == [4, 5, 6, 7]
    assert reader.is_at_end


def test_one_page_of_the_past_is_never_too_much_for_a_reader_that_has_read_all():
    reader = EventReader(None, 0, lambda: None)
    reader.on_update(update(1, 100, size=16_000))
    assert not reader.is_overfull
    reader.on_update(update(101, 1))
    assert reader.is_overfull
    assert reader.pop() is None


@pytest.mark.parametrize("hz", [0, 10.1, float("nan"), True, "2", None])
def test_a_rate_of_samples_is_limited(hz):
    with pytest.raises(FieldError) as refusal:
        require_rate(hz)
    assert refusal.value.field == "max_hz"


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, RunState.RUNNING, None),
        (None, RunState.PAUSED, "paused"),
        (RunState.RUNNING, RunState.PAUSED, "paused"),
        (RunState.PAUSED, RunState.PARKED, None),
        (RunState.PARKED, RunState.RESUMING, "interrupted"),
        (RunState.RUNNING, RunState.INTERRUPTED, "interrupted"),
        (RunState.INTERRUPTED, RunState.RESUMING, None),
        (RunState.RESUMING, RunState.RUNNING, "resumed"),
        (RunState.STARTING, RunState.RUNNING, None),
        (RunState.RUNNING, RunState.STOPPING, None),
    ],
)
def test_viewers_are_told_of_states_that_stop_the_picture(before, after, kind):
    assert find_notice(before, after) == kind
