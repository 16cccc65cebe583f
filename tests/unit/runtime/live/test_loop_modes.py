"""The loop of a live run: steps that are in the ledger before they are taken, compiling, costs of pictures, modes."""

import itertools
from typing import Any
from uuid import uuid4

import pytest
from tests.unit.runtime.live.test_loop import BURST, CASE, OVERLOAD, RATE, TICK, FakeChannel, control, propose, run

from grid.engine.live import Command, Scene, plan_clock, replay
from grid.runtime.live.compile_watch import CompileWatch
from grid.runtime.live.loop import LiveLoop
from grid.runtime.live.loop_ports import LostViewers, NoViewers
from grid.runtime.live.loop_work import AheadWork
from grid.runtime.live.messages import Committed, LiveCommand, Looked, Propose, StartRun
from grid.runtime.live.publisher import Picture
from grid.schemas.frames import FrameFlag


def begin(channel: FakeChannel, **given: Any) -> LiveLoop:
    """A run of the ledger."""
    parts = {name: given.pop(name) for name in ("compiler", "viewers", "on_speed", "ahead") if name in given}
    start = StartRun({"case": CASE}, TICK, **({"rate": RATE, "run_id": uuid4()} | given))
    return LiveLoop(start, channel, channel.clock, **parts)


def last_ticks(channel: FakeChannel) -> list[int]:
    return [message.sample.last for message in channel.sent if isinstance(message, Looked) and message.sample]


def test_steps_of_a_run_of_the_ledger_wait_until_they_are_stored() -> None:
    pause, step = control(1, "pause"), control(2, "step", ticks=7)
    channel = FakeChannel([(0.5, pause), (1.0, step), (3.0, Committed((2,))), (5.0, control(3, "stop"))])
    ended = begin(channel).run()
    (paused, stepped, _) = channel.events("state")
    assert stepped.payload["until"] == paused.tick + 7 == ended.tick
    without = FakeChannel([(0.5, pause), (1.0, step), (5.0, control(3, "stop"))])
    assert begin(without).run().tick == without.events("state")[0].tick


def test_steps_add_up_though_the_first_are_not_stored_yet_and_a_pause_puts_them_off() -> None:
    script = [(0.5, control(1, "pause")), (1.0, control(2, "step", ticks=3)), (1.01, control(3, "step", ticks=4))]
    channel = FakeChannel([*script, (2.0, Committed((2, 3))), (4.0, control(4, "stop"))])
    ended = begin(channel).run()
    paused, first, second, _ = channel.events("state")
    assert [first.payload["until"], second.payload["until"]] == [paused.tick + 3, paused.tick + 7]
    assert ended.tick == paused.tick + 7
    off = FakeChannel([*script, (1.5, control(5, "pause")), (2.0, Committed((2, 3))), (4.0, control(6, "stop"))])
    assert begin(off).run().tick == off.events("state")[0].tick


@pytest.mark.parametrize("ticks", [0, 10_001, "many", None])
def test_steps_that_are_none_are_refused_and_none_is_taken(ticks: object) -> None:
    channel = FakeChannel(
        [(0.5, control(1, "pause")), (1.0, control(2, "step", ticks=ticks)), (2.0, control(3, "stop"))]
    )
    begin(channel).run()
    (refused,) = channel.events("refused")
    assert refused.payload["seq"] == 2
    running = FakeChannel([(0.5, control(1, "step", ticks=3)), (1.0, control(2, "stop"))])
    begin(running).run()
    assert "only in a pause" in running.events("refused")[0].payload["reason"]


def test_the_next_owner_takes_the_steps_that_are_left_and_those_that_follow() -> None:
    channel = FakeChannel([(3.0, control(9, "stop"))])
    assert begin(channel, is_paused=True, until=20, steps_until=26, epoch=2).run().tick == 26
    more = FakeChannel([(0.0, control(8, "step", ticks=5)), (1.0, Committed((8,))), (3.0, control(9, "stop"))])
    assert begin(more, is_paused=True, until=20, steps_until=26, epoch=2).run().tick == 31
    done = FakeChannel([(3.0, control(9, "stop"))])
    assert begin(done, is_paused=True, until=20, steps_until=12, epoch=2).run().tick == 20
    ticking = FakeChannel([(1.0, control(9, "stop"))])
    ended = begin(ticking, until=20, steps_until=5_000, epoch=2).run()
    assert ended.tick < 100  # it is not paused, so nobody waits for steps


def test_a_mode_is_carried_out_at_its_tick_told_and_replayed() -> None:
    script = [(0.05, propose(1, OVERLOAD)), (0.4, propose(2, BURST)), (12.0, control(20, "stop"))]
    modes = [
        (at, Propose((LiveCommand(seq, "mode", {"physics": physics}),)))
        for seq, at, physics in ((3, 1.0, "lumped"), (4, 1.5, "no-stress"), (5, 9.0, "full"))
    ]
    ended, channel = run([*script, *modes])
    assert [event.payload["seq"] for event in channel.events("applied")] == [1, 2, 3, 5]
    (refused,) = channel.events("refused")
    assert (refused.payload["seq"], refused.origin) == (4, "engine")
    assert channel.events("switch")[0].payload["reason"] == "overload"
    scene = Scene.from_json({"case": CASE})
    payloads = {1: ("event", OVERLOAD), 2: ("event", BURST)} | {
        seq: ("mode", {"physics": physics}) for seq, physics in ((3, "lumped"), (4, "no-stress"), (5, "full"))
    }
    log = [Command(seq, *payloads[seq], channel.proposed[seq]) for seq in sorted(payloads)]  # type: ignore[arg-type]
    again = replay(scene, plan_clock(scene, float(TICK)), log, ended.tick)
    assert again.hash() == ended.field_sha256


class Watcher(NoViewers):
    """Somebody who looks at every picture."""

    def __init__(self) -> None:
        self.flags: list[FrameFlag] = []

    def wanted(self, _now: float, _tick: int | None = None) -> Any:
        return ("temperature",)

    def offer(self, picture: Picture) -> None:
        self.flags.append(FrameFlag(picture.flags))


def test_pictures_say_that_physics_is_degraded() -> None:
    viewers = Watcher()
    mode = Propose((LiveCommand(1, "mode", {"physics": "lumped"}),))
    channel = FakeChannel([(1.0, mode), (4.0, control(2, "stop"))])
    begin(channel, viewers=viewers).run()
    degraded = [FrameFlag.PHYSICS_DEGRADED in flags for flags in viewers.flags]
    assert degraded == sorted(degraded)
    assert set(degraded) == {False, True}
    assert FrameFlag.LUMPED in viewers.flags[-1]


class SlowCompiler:
    """Compiles within one tick, which then takes some seconds of the wall."""

    def __init__(self, channel: FakeChannel, at_tick: int, seconds: float) -> None:
        self.channel, self.at_tick, self.seconds, self.turns = channel, at_tick, seconds, 0

    def settle(self) -> bool:
        self.turns += 1
        if self.turns != self.at_tick:
            return False
        self.channel.now += self.seconds
        return True


def run_slowly(*, is_compiling: bool) -> FakeChannel:
    """A run of which one tick takes 30 s, because kernels are compiled or for another reason."""
    channel = FakeChannel([(60.0, control(1, "stop"))])
    slow = SlowCompiler(channel, 100, 30.0)

    class Stalled(SlowCompiler):
        def settle(self) -> bool:
            super().settle()
            return False

    begin(channel, compiler=slow if is_compiling else Stalled(channel, 100, 30.0)).run()
    return channel


def test_a_tick_that_compiles_slips_once_and_shows_no_ratio_that_looks_like_overload() -> None:
    def ratios(channel: FakeChannel) -> list[float]:
        looked = [message.sample for message in channel.sent if isinstance(message, Looked) and message.sample]
        return [one.pace["ratio"] for one in looked if one.pace["ratio"] is not None]

    compiled, stalled = run_slowly(is_compiling=True), run_slowly(is_compiling=False)
    assert min(ratios(stalled)) < 0.5
    assert min(ratios(compiled)) > 0.9
    (slip,) = compiled.events("slip")
    assert slip.payload["cause"] == "compiling"
    assert slip.payload["slipped_s"] == pytest.approx(30.0, abs=1.0)
    assert "cause" not in stalled.events("slip")[0].payload
    assert not compiled.events("behind")


def test_compiling_that_was_over_in_time_is_no_cause_of_a_later_slip() -> None:
    channel = FakeChannel([(60.0, control(1, "stop"))])

    class ShortThenStalled(SlowCompiler):
        def settle(self) -> bool:
            super().settle()
            return self.turns == 50

    begin(channel, compiler=ShortThenStalled(channel, 100, 30.0)).run()
    (slip,) = channel.events("slip")
    assert "cause" not in slip.payload


def test_compiling_is_told_once_until_it_is_over() -> None:
    told: list[bool] = []
    watch = CompileWatch(told.append)
    assert not watch.settle()
    watch.begin()
    watch.begin()  # a kernel that calls another
    watch.end()
    assert not watch.settle()
    watch.end()
    watch.begin()
    watch.end()
    assert (told, watch.is_on) == ([True], True)
    assert watch.settle()
    assert not watch.settle()
    assert (told, watch.is_on) == ([True, False], False)


def test_compiling_is_told_again_while_it_lasts() -> None:
    told: list[float] = []
    now = 0.0
    watch = CompileWatch(lambda is_on: told.append(now if is_on else -now), lambda: now)
    for now in (1.0, 2.0, 5.9, 6.0, 7.0, 30.0):  # noqa: B007 - the clock
        watch.begin()
        watch.end()
    assert watch.settle()
    assert told == [1.0, 6.0, 30.0, -30.0]


def test_numba_tells_of_a_kernel_that_is_compiled_and_of_none_that_is_there() -> None:
    import numba

    told: list[bool] = []
    watch = CompileWatch(told.append)
    watch.listen()
    kernel = numba.njit(lambda x: x + 1)
    assert kernel(1) == 2
    assert told == [True]
    assert watch.settle()
    kernel(2)
    assert not watch.settle()


def test_a_change_of_speed_is_told_to_who_sets_the_priority() -> None:
    speeds: list[object] = []
    script = [(0.5, control(1, "speed", speed="max")), (0.6, control(2, "speed", speed=2.0))]
    begin(FakeChannel([*script, (1.0, control(3, "stop"))]), on_speed=speeds.append).run()
    assert speeds == ["max", 2.0]


def test_what_is_done_ahead_is_of_the_processor_time_of_its_tick() -> None:
    given: list[Any] = []
    work = AheadWork(given.extend)
    work.give([lambda: sum(range(200_000))])
    (timed,) = given
    assert work.take_spent() == 0.0
    assert timed() == sum(range(200_000))
    assert work.take_spent() > 0.0
    assert work.take_spent() == 0.0
    AheadWork(None).give([lambda: pytest.fail("nobody takes it")])


def test_a_run_that_cannot_be_looked_at_says_so_in_its_samples() -> None:
    channel = FakeChannel([(1.0, control(1, "stop"))])
    begin(channel, viewers=LostViewers()).run()
    paces = [message.sample.pace for message in channel.sent if isinstance(message, Looked) and message.sample]
    assert {pace["has_frames"] for pace in paces} == {0.0}
    assert all(first <= second for first, second in itertools.pairwise(last_ticks(channel)))
