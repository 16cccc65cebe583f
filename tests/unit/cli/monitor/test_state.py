"""What the monitor knows: ages, trends, the order of alerts, another run."""

import asyncio
from dataclasses import replace

import pytest
from tests.doubles.monitor_sources import RUN, make_alert, make_reading

from grid.cli.monitor.channels import Backlog, Latest
from grid.cli.monitor.source import Happening, Status
from grid.cli.monitor.state import MOST_TIMELINE, MonitorState
from grid.cli.monitor.streams import MOST_HAPPENINGS, Streams


def make_state() -> MonitorState:
    state = MonitorState()
    state.take_run(RUN)
    state.take_status(Status("running"), 1000.0)
    return state


def test_data_of_a_ticking_run_are_old_after_two_seconds():
    state = make_state()
    assert state.age(1000.0) is None
    state.take_reading(make_reading(taken_s=1000.0))

    assert state.age(1000.04) == pytest.approx(0.04)
    assert not state.is_stale(1002.0)
    assert state.is_stale(1002.1)


def test_a_paused_run_is_not_old_but_an_unreachable_one_is():
    state = make_state()
    state.take_reading(make_reading(taken_s=1000.0))
    state.take_status(Status("paused"), 1001.0)
    assert state.age(1061.0) == pytest.approx(60.0)
    assert not state.is_stale(1061.0)

    state.take_status(Status("paused", link="lost"), 1062.0)
    assert state.age(1063.0) == pytest.approx(63.0)
    assert state.is_stale(1063.0)


def test_the_clock_of_the_runs_machine_is_taken_into_account():
    state = make_state()
    state.take_status(Status("running", skew_s=30.0), 1000.0)
    state.take_reading(make_reading(taken_s=1030.0))

    assert state.age(1000.5) == pytest.approx(0.5)


def test_an_old_frame_does_not_turn_the_tick_back():
    state = make_state()
    state.take_reading(make_reading(50))
    state.take_frame(40, 4.0, 990_000)

    assert (state.tick, state.time_s) == (50, 5.0)
    assert state.age(1000.0) == 0.0


def test_trends_follow_four_metrics_in_the_units_that_are_shown():
    state = make_state()
    state.take_reading(make_reading())
    state.take_reading(make_reading(20, utilisation=None))

    assert list(state.trends["processor_s"]) == [9.0, 9.0]
    assert list(state.trends["utilisation"]) == [0.81]


def test_alerts_stand_by_rank_and_hidden_ones_last():
    state = make_state()
    state.take_alerts(
        [
            make_alert(id="p", state="pending", severity="critical"),
            make_alert(id="h", hidden="silenced", severity="critical"),
            make_alert(id="m", severity="medium"),
            make_alert(id="c", severity="critical", is_acknowledged=True),
        ]
    )

    assert [one.id for one in state.alerts] == ["c", "m", "p", "h"]
    assert state.waiting.id == "m"


def test_the_newest_value_of_an_alert_is_shown():
    state = make_state()
    assert state.find_value(make_alert(value=530.0)) == 530.0
    state.take_reading(make_reading(highest=541.0))
    assert state.find_value(make_alert(value=530.0)) == 541.0


def test_the_iso_line_is_the_lowest_threshold_and_one_for_utilisation():
    state = make_state()
    assert state.find_threshold("temperature") == 400.0
    assert state.find_threshold("utilisation") == 1.0
    assert state.find_threshold("state") is None


def test_another_run_forgets_what_was_known_of_the_one_before():
    state = make_state()
    state.take_reading(make_reading(50))
    state.take_alerts([make_alert()])
    state.take_run(RUN)
    assert state.tick == 50
    state.take_run(replace(RUN, name="other"))

    assert (state.tick, state.alerts, state.reading) == (0, (), None)
    assert not state.trends["highest"]


def test_the_timeline_is_bounded_and_newest_first():
    state = make_state()
    for tick in range(MOST_TIMELINE + 5):
        state.take_happening(Happening(tick, "note", {}))

    assert len(state.timeline) == MOST_TIMELINE
    assert state.timeline[0].tick == MOST_TIMELINE + 4


def test_the_newest_value_replaces_one_that_nobody_took():
    async def run():
        latest = Latest[int]()
        latest.put(1)
        latest.put(2)
        latest.close()
        return [value async for value in latest], latest.replaced

    assert asyncio.run(run()) == ([2], 1)


def test_a_backlog_keeps_the_newest_and_counts_what_was_lost():
    async def run():
        backlog = Backlog[int](3)
        for value in range(5):
            backlog.put(value)
        backlog.close()
        return [value async for value in backlog], backlog.take_lost(), backlog.take_lost()

    assert asyncio.run(run()) == ([2, 3, 4], 2, 0)


def test_a_reader_that_waits_is_woken_by_the_end():
    async def run():
        latest, backlog = Latest[int](), Backlog[int](2)

        async def read(channel):
            return [value async for value in channel]

        waiting = [asyncio.create_task(read(one)) for one in (latest, backlog)]
        await asyncio.sleep(0)
        latest.close()
        backlog.close()
        return await asyncio.gather(*waiting)

    assert asyncio.run(run()) == [[], []]


def test_events_that_nobody_read_in_time_are_told_as_a_gap():
    async def run():
        streams = Streams()
        for tick in range(MOST_HAPPENINGS + 7):
            streams._happenings.put(Happening(tick, "note", {}))
        streams.end_streams()
        return [one async for one in streams.happenings()]

    told = asyncio.run(run())
    assert (told[0].kind, told[0].payload) == ("gap", {"events": 7})
    assert [one.tick for one in told[1:3]] == [7, 8]
