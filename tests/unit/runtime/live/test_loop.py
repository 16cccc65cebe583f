"""The loop of a live run: the same bytes at any pace, commands in order and never before they are in the database."""

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from grid.engine.live import Command, Scene, fidelity, plan_clock, replay
from grid.runtime.live.loop import LiveLoop
from grid.runtime.live.messages import (
    Committed,
    Control,
    LiveCommand,
    Looked,
    Propose,
    Proposed,
    Refused,
    RunEnded,
    RunStarted,
    Saved,
    StartRun,
)

CASE = {
    "domain": {"size": [1.0, 0.8], "section": 0.01},
    "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 470.0},
    "initial": 300.0,
    "boundaries": {"x_min": {"type": "convection", "coefficient": 20.0, "ambient": 290.0}},
    "resolution": {"cells": [12, 10]},
    "temperature_unit": "K",
}
BURST = {"kind": "burst", "position_m": [0.4, 0.4], "radius_m": 0.05, "energy_j": 5e3, "duration_s": 1.0}
OVERLOAD = {"kind": "overload", "power_w": 50.0}
TICK, RATE = "0.25", 20.0


class FakeChannel:
    """A supervisor without a process: it sends messages at times, and commits what is proposed.

    Args:
        script: Messages, each with the time at which it comes [s].
        commit_s: How long a commit lasts [s]; None where none ever ends.
    """

    def __init__(self, script: list[tuple[float, object]], commit_s: float | None = 0.01) -> None:
        self.now, self.commit_s = 0.0, commit_s
        self._coming = deque(sorted(script, key=lambda entry: entry[0]))
        self._order = itertools.count()
        self.sent: list[object] = []
        self.proposed: dict[int, int] = {}
        self.committed_at: dict[int, float] = {}
        self.waits = 0

    def clock(self) -> float:
        self.now += 1e-4  # what happens between two looks takes time
        return self.now

    def receive(self, timeout: float) -> object | None:
        self.waits += 1
        if self.waits > 20_000:
            raise EOFError
        if self._coming and self._coming[0][0] <= self.now + timeout:
            at, message = self._coming.popleft()
            self.now = max(self.now, at)
            return message
        self.now += timeout
        return None

    def send(self, message: object) -> None:
        self.sent.append(message)
        if isinstance(message, Proposed):
            self.proposed |= dict(message.ticks)
            if self.commit_s is not None:
                at = self.now + self.commit_s
                self.committed_at |= dict.fromkeys(message.ticks, at)
                self._coming = deque(sorted([*self._coming, (at, Committed(tuple(message.ticks)))], key=lambda e: e[0]))

    def events(self, kind: str) -> list[Any]:
        looked = [message for message in self.sent if isinstance(message, Looked)]
        return [event for message in looked for event in message.events if event.kind == kind]


def control(seq: int, kind: str, **payload: Any) -> Control:
    return Control(LiveCommand(seq, kind, payload))


def propose(seq: int, event: dict[str, Any], at_s: float | None = None, lead: int = 1) -> Propose:
    return Propose((LiveCommand(seq, "event", event, at_s=at_s),), lead)


def run(
    script: list[tuple[float, object]], *, commit_s: float | None = 0.01, **given: Any
) -> tuple[RunEnded, FakeChannel]:
    channel = FakeChannel(script, commit_s)
    start = StartRun({"case": CASE}, TICK, **({"rate": RATE} | given))
    return LiveLoop(start, channel, channel.clock).run(), channel


def replayed(ended: RunEnded, channel: FakeChannel, commands: list[tuple[int, dict[str, Any]]]) -> str:
    """Hash of a notebook's replay of the log."""
    scene = Scene.from_json({"case": CASE})
    log = [Command(seq, "event", event, channel.proposed[seq]) for seq, event in commands]
    return replay(scene, plan_clock(scene, float(TICK)), log, ended.tick).hash()


def test_a_run_ticks_at_its_rate_and_ends_with_its_state() -> None:
    ended, channel = run([(2.0, control(1, "stop"))])
    assert ended.reason == "stopped_by_user"
    assert ended.tick == pytest.approx(2.0 * RATE, abs=2)
    assert isinstance(channel.sent[0], RunStarted)
    assert channel.sent[-1] is ended
    samples = [message.sample for message in channel.sent if isinstance(message, Looked) and message.sample]
    assert samples[0].first == 1
    assert samples[-1].last == ended.tick
    assert all(after.first == before.last + 1 for before, after in itertools.pairwise(samples))
    assert len(samples) <= 2.0 / 0.1 + 2


class SlowChannel(FakeChannel):
    """A pipe into which samples and events take long."""

    def send(self, message: object) -> None:
        super().send(message)
        if isinstance(message, Looked):
            self.now += 0.005


def test_what_is_told_holds_no_tick_up_though_it_falls_due_with_it() -> None:
    channel = SlowChannel([(0.31, propose(1, BURST)), (0.52, propose(2, OVERLOAD)), (4.0, control(9, "stop"))])
    LiveLoop(StartRun({"case": CASE}, TICK, rate=RATE), channel, channel.clock).run()
    paces = [message.sample.pace for message in channel.sent if isinstance(message, Looked) and message.sample]

    assert len(paces) >= 30
    assert paces[-1]["jitter_s"] < 0.002


@pytest.mark.parametrize(
    "script",
    [
        [],
        [(0.2, control(9, "speed", speed=4.0))],
        [(0.3, control(9, "pause")), (1.1, control(10, "resume"))],
        [(0.3, control(9, "pause")), (0.5, control(10, "step", ticks=7)), (0.9, control(11, "resume"))],
        [(0.1, control(9, "speed", speed="max")), (0.1001, control(10, "speed", speed=0.5))],
    ],
)  # fmt: skip
def test_pace_changes_no_byte_of_the_field(script: list[tuple[float, object]]) -> None:
    commands = [(1, BURST), (2, OVERLOAD)]
    given = [(0.05, propose(1, BURST)), (0.4, propose(2, OVERLOAD)), (6.0, control(20, "stop"))]
    ended, channel = run([*script, *given])
    assert replayed(ended, channel, commands) == ended.field_sha256


def test_a_command_is_applied_at_the_tick_that_was_committed_and_told() -> None:
    ended, channel = run([(0.5, propose(1, BURST)), (2.0, control(2, "stop"))])
    (applied,) = channel.events("applied")
    assert applied.tick == channel.proposed[1]
    assert applied.payload["effective"]["energy_j"] == pytest.approx(5e3)
    assert applied.origin == "engine"
    assert ended.tick > applied.tick


@pytest.mark.parametrize("commit_s", [0.0, 0.2, 0.9])
def test_the_tick_of_a_command_waits_for_its_commit_and_the_bytes_do_not_tell(commit_s: float) -> None:
    ended, channel = run([(0.5, propose(1, BURST)), (3.0, control(2, "stop"))], commit_s=commit_s)
    assert replayed(ended, channel, [(1, BURST)]) == ended.field_sha256
    (applied,) = channel.events("applied")
    assert applied.tick == channel.proposed[1]


def test_a_command_that_is_never_committed_holds_its_tick_and_its_refusal_frees_it() -> None:
    script = [(0.5, propose(1, BURST)), (2.0, Refused((1,))), (3.0, control(2, "stop"))]
    ended, channel = run(script, commit_s=None)
    assert channel.events("applied") == []
    assert ended.tick <= channel.proposed[1] + RATE + 3
    assert ended.tick > channel.proposed[1]


def test_commands_keep_their_order_though_the_lead_shrinks() -> None:
    script = [(0.5, propose(1, BURST, lead=8)), (0.5, propose(2, OVERLOAD, lead=1)), (3.0, control(3, "stop"))]
    _, channel = run(script)
    assert channel.proposed[2] >= channel.proposed[1]
    assert [event.payload["seq"] for event in channel.events("applied")] == [1, 2]


def test_a_scheduled_command_waits_for_its_time_and_lets_others_pass() -> None:
    script = [(0.2, propose(1, BURST, at_s=8.0)), (0.4, propose(2, OVERLOAD)), (4.0, control(3, "stop"))]
    ended, channel = run(script)
    assert channel.proposed[1] == 32
    assert channel.proposed[2] < 32
    assert [event.payload["seq"] for event in channel.events("applied")] == [2, 1]
    assert replayed(ended, channel, [(1, BURST), (2, OVERLOAD)]) == ended.field_sha256


def test_a_run_goes_on_from_a_checkpoint_and_its_log_to_the_same_bytes() -> None:
    script: list[tuple[float, object]] = [
        (0.2, propose(1, BURST)), (0.5, control(2, "checkpoint")), (1.0, propose(3, OVERLOAD)),
        (3.0, control(4, "stop")),
    ]  # fmt: skip
    ended, channel = run(script)
    (saved,) = [message for message in channel.sent if isinstance(message, Saved)]
    log = (LiveCommand(3, "event", OVERLOAD, channel.proposed[3]),)
    again, other = run(
        [(0.5, control(9, "pause")), (0.6, control(10, "stop"))], saved=saved.data, log=log, until=ended.tick,
        is_paused=True,
    )  # fmt: skip
    assert again.tick == ended.tick
    assert again.field_sha256 == ended.field_sha256
    (resumed,) = other.events("resumed")
    assert resumed.payload == {"from_tick": saved.tick, "to_tick": ended.tick}
    assert resumed.origin == "wall"


def test_a_command_that_comes_while_a_run_catches_up_takes_effect_at_no_tick_that_was_shown() -> None:
    first, channel = run([(0.2, control(1, "checkpoint")), (0.5, propose(2, OVERLOAD)), (2.0, control(3, "stop"))])
    (saved,) = [message for message in channel.sent if isinstance(message, Saved)]
    log = (
        LiveCommand(2, "event", OVERLOAD, channel.proposed[2]),
        LiveCommand(4, "event", BURST, first.tick + 5),  # had its tick, and was not reached
        LiveCommand(5, "event", OVERLOAD, 90_000, at_s=22_500.0),  # scheduled for much later
    )
    script = [(0.0, propose(6, BURST)), (3.0, control(7, "stop"))]
    ended, other = run(script, saved=saved.data, log=log, until=first.tick)
    assert first.tick + 5 <= other.proposed[6] <= first.tick + 8
    assert ended.tick > other.proposed[6]
    assert [event.payload["seq"] for event in other.events("applied")] == [2, 4, 6]


def test_a_command_keeps_its_order_behind_one_whose_tick_was_far_ahead_of_what_was_shown() -> None:
    """As where commits were slow when the owner before went: its last ticks were not told, and its lead was long."""
    first, channel = run([(0.2, control(1, "checkpoint")), (1.0, control(3, "stop"))])
    (saved,) = [message for message in channel.sent if isinstance(message, Saved)]
    log = (LiveCommand(2, "event", OVERLOAD, first.tick + 30),)
    _, other = run([(0.0, propose(6, BURST)), (4.0, control(7, "stop"))], saved=saved.data, log=log, until=first.tick)
    assert other.proposed[6] >= first.tick + 30
    assert [event.payload["seq"] for event in other.events("applied")] == [2, 6]


def test_steps_that_are_asked_for_while_a_run_catches_up_are_taken_afterwards() -> None:
    script = [(0.0, control(1, "step", ticks=5)), (9.0, control(2, "stop"))]
    ended, _ = run(script, until=30, is_paused=True, epoch=2)
    assert ended.tick == 35


@pytest.mark.parametrize(("epoch", "is_early"), [(1, True), (2, False)])
def test_a_stop_takes_back_no_tick_that_was_shown(epoch: int, is_early: bool) -> None:
    ended, _ = run([(0.0, control(1, "stop"))], until=30, epoch=epoch)  # under the first epoch nobody has seen any
    assert (ended.tick < 30) is is_early


def test_alerts_of_rules_that_are_replaced_at_one_boundary_have_keys_of_their_own_that_can_be_stored() -> None:
    name = "a" * 100  # as long as one may be

    def rules(seq: int, *versions: int) -> Propose:
        given = [
            {"name": name, "metric": "highest", "raise": 0.0, "clear": 0.0, "version": version} for version in versions
        ]
        return Propose((LiveCommand(seq, "rules", {"rules": given}),))

    script = [(0.1 * seq, rules(seq, *found)) for seq, found in enumerate([(1,), (), (2,), (), (3,), ()], 1)]
    script += [(1.0, control(7, "step", ticks=1)), (2.0, control(8, "stop"))]
    _, channel = run(script, is_paused=True)
    told = channel.events("alert")
    assert [event.payload["to"] for event in told] == ["closed"] * 3
    assert len({(event.tick, event.key) for event in told}) == 3
    assert max(len(event.key) for event in told) <= 100


def test_what_the_state_refuses_is_told_and_changes_nothing() -> None:
    script = [
        (0.2, Propose((LiveCommand(1, "end-event", {"seq": 77}),))), (0.4, control(2, "step", ticks=3)),
        (0.5, control(3, "speed", speed=1e9)), (0.6, control(4, "speed")), (1.0, control(5, "stop")),
    ]  # fmt: skip
    ended, channel = run(script)
    assert [event.payload["seq"] for event in channel.events("refused")] == [1, 2, 3, 4]
    assert replayed(ended, channel, []) == ended.field_sha256


def test_a_pause_takes_no_tick_and_steps_take_as_many_as_asked() -> None:
    script = [(0.2, control(2, "step", ticks=5)), (9.0, control(3, "stop"))]
    ended, channel = run(script, is_paused=True)
    assert ended.tick == 5
    assert channel.waits < 200


def test_a_stall_is_a_slip_and_is_never_caught_up() -> None:
    class Stalling(FakeChannel):
        def receive(self, timeout: float) -> object | None:
            found = super().receive(timeout)
            if 1.0 < self.now < 1.2:
                self.now += 5.0  # the host was suspended
            return found

    channel = Stalling([(8.0, control(1, "stop"))])
    ended = LiveLoop(StartRun({"case": CASE}, TICK, RATE), channel, channel.clock).run()
    assert len(channel.events("slip")) == 1
    assert ended.tick == pytest.approx(3.0 * RATE, abs=4)


def test_a_supervisor_that_is_gone_ends_the_loop() -> None:
    channel = FakeChannel([])
    with pytest.raises(EOFError):
        LiveLoop(StartRun({"case": CASE}, TICK, RATE), channel, channel.clock).run()


def test_a_scene_that_is_none_is_refused_before_anything_is_told() -> None:
    channel = FakeChannel([])
    make: Callable[[], LiveLoop] = lambda: LiveLoop(StartRun({"case": {}}, TICK, RATE), channel, channel.clock)  # noqa: E731
    with pytest.raises(Exception, match="required"):
        make()
    assert channel.sent == []


def test_every_switch_is_told_where_a_state_holds_the_last_few_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "MOST_SWITCHES", 2)
    film = {"type": "convection", "coefficient": 0.5, "ambient": 290.0}
    scene = {"case": {**CASE, "boundaries": {"x_min": film}}, "fidelity": {"deviation_k": 5.0}}
    words = ("diffusive", "lumped", "diffusive", "lumped", "diffusive")
    log = tuple(LiveCommand(1 + n, "model", {"model": word}, 20 * (n + 1)) for n, word in enumerate(words))
    channel = FakeChannel([(8.0, control(9, "stop"))])
    LiveLoop(StartRun(scene, TICK, rate=RATE, log=log), channel, channel.clock).run()
    assert [(event.tick, event.key) for event in channel.events("switch")] == [
        (20 * (n + 1), word) for n, word in enumerate(words)
    ]


def test_a_lumped_run_prepares_for_what_its_scenario_schedules_and_for_nothing_else_that_is_to_come() -> None:
    """A weak load finds the lumped model where its scenario has scheduled it; one that somebody injects does not."""
    film = {"type": "convection", "coefficient": 0.5, "ambient": 290.0}
    scene = {"case": {**CASE, "boundaries": {"x_min": film}}, "fidelity": {"deviation_k": 5.0}}
    weak = {"kind": "flow", "face": "x_min", "heat_flux_w_m2": 5.0, "duration_s": 5.0}
    planned = LiveCommand(1, "event", weak, tick=40, at_s=10.0, known=0)
    channel = FakeChannel([(5.0, propose(2, {**weak, "face": "x_max"}, at_s=40.0)), (12.0, control(3, "stop"))])
    start = StartRun(scene, TICK, rate=RATE, log=(planned,))
    ended = LiveLoop(start, channel, channel.clock).run()
    assert [event.tick for event in channel.events("switch")] == [channel.proposed[2]]
    log = [Command(1, "event", weak, 40, 0), Command(2, "event", {**weak, "face": "x_max"}, channel.proposed[2])]
    built = Scene.from_json(scene)
    again = replay(built, plan_clock(built, float(TICK)), log, ended.tick)
    assert again.hash() == ended.field_sha256
    assert [switch.tick for switch in again.state.model.switches] == [channel.proposed[2]]


VARYING = {"material": {**CASE["material"], "conductivity": {"expression": "50 - 0.1*(T - 300)"}}}
MELTING = {"material": {**CASE["material"], "melting_temperature": 301.0, "latent_heat": 1e4}}


@pytest.mark.parametrize("change", [VARYING, MELTING])
def test_a_body_that_melts_or_varies_with_temperature_ticks_as_a_replay_does(change: dict[str, Any]) -> None:
    channel = FakeChannel([(0.2, propose(1, BURST)), (1.5, control(2, "stop"))])
    case = {**CASE, **change}
    ended = LiveLoop(StartRun({"case": case}, TICK, rate=RATE), channel, channel.clock).run()
    scene = Scene.from_json({"case": case})
    clock = plan_clock(scene, float(TICK))
    log = [Command(1, "event", BURST, channel.proposed[1])]

    assert clock.method == "implicit"
    assert ended.tick > channel.proposed[1] + 4
    assert ended.field_sha256 == replay(scene, clock, log, ended.tick).hash()


def test_a_tick_that_has_no_solution_ends_the_run_with_its_words() -> None:
    burst = {**BURST, "energy_j": 1e7}
    channel = FakeChannel([(0.2, propose(1, burst)), (5.0, control(2, "stop"))])
    ended = LiveLoop(StartRun({"case": {**CASE, **VARYING}}, TICK, rate=RATE), channel, channel.clock).run()

    assert ended.reason == "diverged"
    assert "material.conductivity" in ended.message
