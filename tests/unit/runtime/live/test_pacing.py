"""Pace of a run by a clock of the test: no tick is left out, no stall is caught up, and the ratio is right."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grid.core.errors import FieldError
from grid.runtime.live.pacing import BACK_TO_BACK, MAX_STEPS, YIELD_S, Pace, PaceWatch

START = 1000.0  # [s] of the clock


@dataclass
class Course:
    """What a loop did: starts of ticks, its waits, and its slips."""

    pace: Pace
    now: float = START
    starts: list[tuple[int, float]] = field(default_factory=list)
    dues: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    slips: list[float] = field(default_factory=list)
    most_in_a_row: int = 0

    def run(
        self,
        costs: Iterable[float],
        late: float = 0.0,
        until: float = float("inf"),
        watch: Callable[["Course"], None] = lambda _: None,
    ) -> "Course":
        """Take a tick for each cost [s]; every wait ends a little late."""
        in_a_row = 0
        for cost in costs:
            while True:
                if self.now >= until:
                    return self
                self.pace, order = self.pace.decide(self.now)
                if order.action == "go":
                    break
                if order.action == "slip":
                    self.slips.append(order.seconds)
                    continue
                self.looks.append(self.now)
                in_a_row = 0
                self.now = min(until, self.now + order.seconds + (late if order.seconds else 0.0))
            in_a_row += 1
            self.most_in_a_row = max(self.most_in_a_row, in_a_row)
            self.starts.append((self.pace.tick, self.now))
            self.dues.append(self.pace.due(self.pace.tick))
            self.now += cost
            self.pace = self.pace.finish()
            watch(self)
        return self


def begin(rate: float = 30.0, **options) -> Course:
    return Course(Pace.start(START, tick_s=0.1, rate=rate, **options))


rates = st.sampled_from([1.0, 10.0, 30.0, 60.0])
speeds = st.sampled_from([0.1, 0.5, 1.0, 4.0, 100.0])
shares = st.floats(0.0, 5.0)  # of an interval that a tick costs


@given(rate=rates, speed=speeds, shares=st.lists(shares | st.just(0.3), min_size=1, max_size=80), late=shares)
def test_no_tick_is_left_out_or_early_and_no_stall_is_caught_up_in_a_race(rate, speed, shares, late):
    course = begin(rate, speed=speed)
    interval = 1.0 / (rate * speed)
    course.run([share * interval for share in shares], late * interval)

    assert [tick for tick, _ in course.starts] == list(range(len(shares)))
    assert all(start >= due - 1e-9 for (_, start), due in zip(course.starts, course.dues, strict=True))
    assert course.most_in_a_row <= BACK_TO_BACK
    most_lag = course.pace.max_lag
    for first, (_, begun) in enumerate(course.starts):
        for count, (_, start) in enumerate(course.starts[first:], start=1):
            assert count <= (start - begun + most_lag) / interval + 1.0 + 1e-6


@given(rate=rates, speed=speeds, shares=st.lists(shares, min_size=1, max_size=80))
def test_due_times_are_absolute_but_for_what_has_slipped(rate, speed, shares):
    course = begin(rate, speed=speed)
    interval = 1.0 / (rate * speed)
    course.run([share * interval for share in shares])

    assert course.pace.due(course.pace.tick) == pytest.approx(START + len(shares) * interval + course.pace.slipped_s)
    assert course.pace.slipped_s == pytest.approx(sum(course.slips))
    assert course.pace.slips == len(course.slips)
    assert all(slip > course.pace.max_lag for slip in course.slips)


@settings(max_examples=50)
@given(rate=rates, shares=st.lists(st.floats(0.0, 0.8), min_size=300, max_size=300), late=st.floats(0.0, 0.15))
def test_a_run_that_can_keep_up_never_slips_nor_drifts(rate, shares, late):
    course = begin(rate).run([share / rate for share in shares], late / rate)

    assert course.slips == []
    assert all(abs(start - START - tick / rate) <= late / rate + 1e-9 for tick, start in course.starts)
    assert course.pace.find_ratio(course.now) == pytest.approx(1.0, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(rate=rates, share=st.floats(1.05, 8.0))
def test_the_ratio_of_a_run_that_is_too_slow_is_that_of_its_ticks(rate, share):
    """Ticks of `share` intervals give 1/share, to within the tick that is under way when one looks."""
    course = begin(rate)
    ratios = []
    watched = max(2.0, 4.0 / rate)
    course.run(
        [share / rate] * int(40 + 2 * watched * rate),
        watch=lambda course: ratios.append((course.now, course.pace.find_ratio(course.now))),
    )
    settled = [ratio for now, ratio in ratios if now - START > watched + share / rate]

    assert len(settled) > 10
    assert all(ratio == pytest.approx(1.0 / share, rel=1.1 / (watched * rate / share)) for ratio in settled)
    assert course.pace.slips > 0


@settings(max_examples=50)
@given(
    rate=rates,
    at=st.integers(5, 40),
    pause=st.floats(0.0, 3600.0),
    share=st.floats(0.0, 0.9),
    is_waiting=st.booleans(),
)
def test_a_suspended_host_is_one_slip(rate, at, pause, share, is_waiting):
    course = begin(rate)
    pause += course.pace.max_lag + 1.001 / rate  # longer than what is caught up
    course.run([share / rate] * at)
    if is_waiting:
        course.pace, _ = course.pace.decide(course.now)
    course.now += pause
    course.run([share / rate] * 50)

    assert len(course.slips) == course.pace.slips == 1
    assert pause - 1.0 / rate - 1e-9 <= course.pace.slipped_s <= pause + 1e-9
    assert [tick for tick, _ in course.starts] == list(range(at + 50))


@given(before=st.integers(0, 20), pause=st.floats(0.0, 1e6), steps=st.integers(1, 50), after=st.integers(1, 20))
def test_a_pause_has_no_due_times_and_lets_through_what_it_is_asked(before, pause, steps, after):
    course = begin().run([0.01] * before)
    course.pace = course.pace.pause()
    course.run([0.01] * 5, until=course.now + pause)
    assert len(course.starts) == before

    course.pace = course.pace.step(steps)
    course.run([0.01] * (steps + 5), until=course.now + 1000.0)
    assert len(course.starts) == before + steps
    assert course.pace.find_ratio(course.now) is None

    course.pace = course.pace.resume(course.now)
    begun = course.now
    course.run([0.01] * after)
    assert course.slips == []
    assert [start for _, start in course.starts[before + steps :]] == pytest.approx(
        [begun + number / 30.0 for number in range(after)]
    )


def test_at_most_speed_the_loop_looks_for_messages_every_50_ms():
    course = begin(speed="max").run([0.004] * 2000)

    assert course.slips == []
    assert len(course.looks) > 100
    gaps = [second - first for first, second in zip([START, *course.looks], course.looks, strict=False)]
    assert max(gaps) < YIELD_S + 0.004 + 1e-9
    assert course.now == pytest.approx(START + 8.0)
    assert course.pace.find_ratio(course.now) is None
    assert course.pace.find_simulated_rate(course.now) == pytest.approx(0.1 / 0.004, rel=0.01)


@given(
    rate=rates,
    changes=st.lists(st.tuples(st.integers(1, 10), speeds | st.just("max"), st.floats(0.0, 1.0)), max_size=6),
    share=st.floats(0.0, 0.5),
)
def test_a_change_of_speed_makes_no_lag_and_takes_effect_at_the_next_tick(rate, changes, share):
    course = begin(rate)
    for ticks, speed, wait in changes:
        cost = share * course.pace.interval
        course.run([cost] * ticks)
        lag = course.now - course.pace.due(course.pace.tick)
        course.now += wait * max(0.0, -lag)
        course.pace = course.pace.change_speed(speed, course.now)
        if speed != "max":
            due = course.pace.due(course.pace.tick)
            assert due >= min(course.now, START) - 1e-9
            assert course.now - due <= max(0.0, lag) + 1e-9
            assert due - course.now <= course.pace.interval + 1e-9

    assert course.slips == []


def test_a_run_that_is_slowed_down_waits_an_interval_of_the_new_speed():
    course = begin(10.0).run([0.01] * 3)
    course.pace = course.pace.change_speed(0.1, course.now)
    course.run([0.01] * 2)

    assert [start - START for _, start in course.starts] == pytest.approx([0.0, 0.1, 0.2, 1.2, 2.2])


def test_a_run_that_is_sped_up_does_not_wait_for_the_tick_of_the_old_speed():
    course = begin(1.0, speed=0.1).run([0.01] * 2)  # at 0 and 10 s, the next at 20 s
    course.now += 4.0
    course.pace = course.pace.change_speed(10.0, course.now)
    changed = course.now
    course.run([0.01] * 3)

    assert [start - changed for _, start in course.starts[2:]] == pytest.approx([0.0, 0.1, 0.2])
    assert course.slips == []


@pytest.mark.parametrize(("speed", "lag"), [(2.0, 0.05), (0.5, -0.05)])
def test_a_change_of_speed_forgives_no_lag(speed, lag):
    course = begin(10.0).run([0.15])  # the next tick was due 0.05 s ago
    pace = course.pace.change_speed(speed, course.now)

    assert course.now - pace.due(pace.tick) == pytest.approx(lag)


def test_a_message_that_ends_a_wait_early_does_not_bring_the_tick_forward():
    course = begin(10.0).run([0.01])
    for _ in range(3):
        course.now += 0.02
        course.pace, order = course.pace.decide(course.now)
        assert order.action == "wait"
        assert course.now + order.seconds == pytest.approx(START + 0.1)


@given(ratios=st.lists(st.sampled_from([None, 0.2, 0.89, 0.9, 0.95, 0.98, 0.99, 1.0]), max_size=200), runs=st.data())
def test_behind_and_on_time_alternate_and_each_rests_on_its_whole_time(ratios, runs):
    """Against the looks themselves: all of the last 3 or 5 s were beyond the threshold."""
    held = [ratio for ratio in ratios for _ in range(runs.draw(st.integers(1, 15)))] if len(ratios) < 20 else ratios
    watch, told, last = PaceWatch(), [], 0
    for number, ratio in enumerate(held):
        watch, event = watch.look(ratio, 0.5 * number)
        looks = 7 if not told or told[-1] == "on-time" else 11  # in 3 s, in 5 s
        recent = held[max(last, number - looks + 1) : number + 1]
        beyond = [each is not None and (each < 0.9 if looks == 7 else each > 0.98) for each in recent]
        assert (event is not None) == (len(beyond) == looks and all(beyond))
        if event is not None:
            told.append(event)
            last = number + 1

    assert told == ["behind", "on-time"] * (len(told) // 2) + ["behind"] * (len(told) % 2)
    assert watch.is_behind == (bool(told) and told[-1] == "behind")


@settings(max_examples=20, deadline=None)
@given(rate=rates, share=st.floats(1.3, 5.0))
def test_a_run_that_is_too_slow_is_told_to_be_behind_and_then_on_time(rate, share):
    assume(share / rate < 2.0)
    course, events = begin(rate), []
    watch = PaceWatch()

    def look(course):
        nonlocal watch
        watch, event = watch.look(course.pace.find_ratio(course.now), course.now)
        if event:
            events.append(event)

    slow = int(30 * rate / share) + 20
    course.run([share / rate] * slow, watch=look)
    assert events == ["behind"]
    course.run([0.2 / rate] * int(30 * rate), watch=look)
    assert events == ["behind", "on-time"]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("tick_s", lambda: Pace.start(0.0, tick_s=0.0, rate=1.0)),
        ("rate", lambda: Pace.start(0.0, tick_s=1.0, rate=float("inf"))),
        ("speed", lambda: Pace.start(0.0, tick_s=1.0, rate=1.0, speed=0.05)),
        ("speed", lambda: Pace.start(0.0, tick_s=1.0, rate=1.0, speed=float("nan"))),
        ("speed", lambda: Pace.start(0.0, tick_s=1.0, rate=1.0).change_speed("fast", 0.0)),
        ("step", lambda: Pace.start(0.0, tick_s=1.0, rate=1.0).step(1)),
        ("ticks", lambda: Pace.start(0.0, tick_s=1.0, rate=1.0).pause().step(0)),
        ("ticks", lambda: Pace.start(0.0, tick_s=1.0, rate=1.0).pause().step(MAX_STEPS + 1)),
    ],
)
def test_what_is_no_pace_is_refused_by_name(name, call):
    with pytest.raises(FieldError) as refused:
        call()

    assert refused.value.field == name


def test_a_tick_is_near_shortly_before_it_is_due_and_never_without_a_due_time() -> None:
    pace = Pace.start(START, tick_s=1.0, rate=10.0).finish()

    assert [pace.is_due(START + passed) for passed in (0.05, 0.0979, 0.0981, 0.1, 0.5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert not pace.pause().is_due(START + 1.0)
    assert not pace.change_speed("max", START).is_due(START + 1.0)
