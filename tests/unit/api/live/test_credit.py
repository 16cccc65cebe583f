"""Credit of viewers against links of any speed, by a clock of the test's own."""

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.api.live.credit import CALM_S, MOST_UNSHOWN, STALLED_S, TAKEN_S, Rung, ViewerCredit, make_rungs

SIZES = (74_000, 32_000, 9_000)  # [B] of a frame of 512 x 512 cells at each level


class Viewer:
    """A viewer behind a link of a rate and a delay, as the server serves it.

    Args:
        bytes_per_s: Of the link; a function of time.
        delay_s: One way.
        hz: Of pictures of the run.
    """

    def __init__(self, bytes_per_s, *, delay_s=0.01, hz=30.0, max_hz=30.0, level=0, sizes=SIZES):
        self.rate = bytes_per_s if callable(bytes_per_s) else lambda _: bytes_per_s
        self.delay_s, self.hz, self.sizes = delay_s, hz, sizes
        self.credit = ViewerCredit(level, max_hz, 0.0)
        self.number, self.free_at, self.made_at = 0, 0.0, 0.0
        self.ages, self.sent, self.steps = [], [], []

    def run(self, seconds):
        calls = [(tick / self.hz, 0, None) for tick in range(int(seconds * self.hz))]
        heapq.heapify(calls)
        while calls:
            now, kind, what = heapq.heappop(calls)
            if now > seconds:
                break
            if kind == 0:
                self.made_at = now
                self.credit.arrive(now)
            elif kind == 1:
                number, made_at = what
                self.ages.append((now, now - self.delay_s - made_at))
                assert self.credit.grant(now, number)
            if (step := self.credit.look(now)) is not None:
                self.steps.append((now, step))
                if step.rung.has_frames:
                    self.credit.arrive(now)
            size = self.sizes[self.credit.rung.level]
            if self.credit.may_send(now, size):
                heapq.heappush(calls, self._send(now, size))
            elif kind != 2 and (wait := self.credit.wait(now)) < 1 / self.hz:
                heapq.heappush(calls, (now + wait + 1e-9, 2, None))
        return self

    def _send(self, now, size):
        self.number += 1
        self.credit.send(now, self.number, size)
        self.sent.append((now, size))
        self.free_at = max(now, self.free_at) + size / self.rate(now)
        return (self.free_at + 2 * self.delay_s, 1, (self.number, self.made_at))


def test_a_viewer_with_a_fast_link_gets_every_picture_at_once():
    viewer = Viewer(100e6).run(20)

    assert len(viewer.sent) == 20 * 30
    assert viewer.steps == []
    assert max(age for _, age in viewer.ages) < 0.02


def test_a_viewer_with_a_megabit_gets_smaller_frames_that_are_young():
    """Without credit two frames of 230 kB would be 4 s behind, and the rest in buffers."""
    viewer = Viewer(125_000, hz=10.0, max_hz=10.0, sizes=(230_000, 86_000, 30_000)).run(120)

    ages = [age for now, age in viewer.ages if now > 10]
    assert np.quantile(ages, 0.95) <= 2.0
    assert viewer.steps[0][1].is_down
    assert len(viewer.ages) >= 120  # one a second at least


def test_a_link_that_recovers_is_climbed_one_step_in_ten_seconds():
    viewer = Viewer(lambda now: 20_000 if now < 20 else 100e6).run(200)

    ups = [now for now, step in viewer.steps if not step.is_down and now > 30]
    assert viewer.credit.rung == Rung(0, 30.0)
    assert min(np.diff(ups)) >= CALM_S
    assert max(now for now, step in viewer.steps if step.is_down) < 30


def test_a_viewer_that_shows_nothing_gets_one_frame_and_is_stalled_after_half_a_minute():
    credit, sent, rungs = ViewerCredit(0, 30.0, 0.0), [], []
    for tick in range(31 * 30):
        now = tick / 30
        credit.arrive(now)
        credit.look(now)
        rungs.append(credit.rung)
        if credit.may_send(now, 74_000):
            credit.send(now, tick, 74_000)
            sent.append(now)
        assert credit.is_stalled(now) == (now >= STALLED_S)

    assert sent == [0.0]
    assert set(rungs) == set(make_rungs(0, 30.0))  # down to metrics only


@given(
    rate=st.floats(1e3, 1e8),
    delay=st.floats(0.0, 1.0),
    hz=st.floats(1.0, 60.0),
    max_hz=st.floats(0.1, 30.0),
    level=st.integers(0, 2),
)
def test_the_rules_hold_on_every_link(rate, delay, hz, max_hz, level):
    viewer = Viewer(rate, delay_s=delay, hz=hz, max_hz=max_hz, level=level)
    taken = []
    send, grant = viewer.credit.send, viewer.credit.grant

    def watched_send(now, number, size):
        allowed = sum(size for at, size in taken if now - at <= TAKEN_S)
        under_way = sum(one.size for one in viewer.credit._unshown)
        assert under_way == 0 or under_way + size <= allowed
        send(now, number, size)
        assert viewer.credit.unshown <= MOST_UNSHOWN

    def watched_grant(now, number):
        taken.append((now, viewer.sizes[0] if not viewer.credit._unshown else viewer.credit._unshown[0].size))
        return grant(now, number)

    viewer.credit.send, viewer.credit.grant = watched_send, watched_grant
    viewer.run(8)

    times = [now for now, _ in viewer.sent]
    assert len(times) <= 8 * max_hz + 2
    assert all(step.rung in make_rungs(level, max_hz) for _, step in viewer.steps)
    ups = [now for now, step in viewer.steps if not step.is_down]
    assert ups == []  # within eight seconds


def test_the_rungs_go_down_to_one_a_second_and_then_to_none():
    assert make_rungs(0, 10.0) == (
        Rung(0, 10.0), Rung(1, 10.0), Rung(2, 10.0), Rung(2, 5.0), Rung(2, 2.5), Rung(2, 1.25), Rung(2, 1.0),
        Rung(2, 0.0),
    )  # fmt: skip
    assert make_rungs(2, 0.5) == (Rung(2, 0.5), Rung(2, 0.0))


def test_pictures_that_come_in_a_burst_after_a_hiccup_of_the_server_are_no_skips():
    credit = ViewerCredit(0, 30.0, 0.0)
    for _ in range(20):
        credit.arrive(1.0)

    assert credit.skipped == 0
    assert credit.look(1.0) is None
    assert credit.may_send(1.0, 74_000)


def test_a_picture_that_came_too_early_is_sent_when_it_is_due_though_no_other_comes():
    credit = ViewerCredit(0, 1.0, 0.0)
    credit.arrive(0.0)
    credit.send(0.0, 1, 100)
    credit.grant(0.1, 1)
    credit.arrive(0.2)
    assert not credit.may_send(0.2, 100)
    assert credit.may_send(0.2 + credit.wait(0.2), 100)


@pytest.mark.parametrize("number", [0, 3, 2**32])
def test_a_grant_of_a_frame_that_was_not_sent_gives_nothing(number):
    credit = ViewerCredit(0, 30.0, 0.0)
    credit.arrive(0.0)
    credit.send(0.0, 1, 100)

    assert not credit.grant(0.1, number)
    assert credit.unshown == 1


def test_a_grant_counts_for_the_frames_before_whatever_their_numbers():
    """Numbers begin anew with an owner of the run, or with a level."""
    credit = ViewerCredit(0, 30.0, 0.0)
    for number in (99, 1):
        credit.send(0.0, number, 100)

    assert credit.grant(0.1, 1)
    assert credit.unshown == 0


def test_of_a_viewer_that_keeps_up_no_more_is_held_however_long_it_looks():
    viewer = Viewer(1e9, hz=10.0).run(60.0)

    assert len(viewer.ages) >= 590
    assert len(viewer.credit._taken) <= TAKEN_S * 10.0 + 1
