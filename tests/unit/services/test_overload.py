"""Simpler physics of a run that cannot keep its pace: asked for by commands, one step at a time, and taken back."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support import live_runs as words
from tests.support.alert_stage import staged
from tests.unit.services.test_mode_board import Service

from grid.core.errors import FieldError
from grid.core.ids import new_id
from grid.database.live_commands import CommandSettlement, LiveCommandRecord
from grid.schemas.live import CommandKind, RunSpec
from grid.services import live
from grid.services.live import LiveLimits
from grid.services.live.commands import CommandLimitError
from grid.services.live.overload import DEEPER_AFTER, REFUSED_FOR, AskedPhysics, choose_physics

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SLOW = {"ratio": 0.3, "processor_s": 0.1, "wall_s": 0.1}  # at 30 ticks a second: 3 cores
FAST = {"ratio": 1.0, "processor_s": 0.001, "wall_s": 0.001}


class Overloaded(Service):
    """A run whose policy allows simpler physics, and an engine that does, or refuses, what it is told."""

    def __init__(self, stage, folder, policy="lumped"):
        self.refuses = set()
        with stage.uow.begin() as tx:
            run = tx.live_runs.hold(stage.held.run_id)
            assert run is not None
            tx.live_runs.change(run, overload_policy=policy)
        super().__init__(stage, folder)

    def restart(self):
        super().restart()
        commands = words.commands(self.stage.uow)
        self.loop.command = lambda order: order.send(commands)

    @property
    def commands(self) -> list[LiveCommandRecord]:
        with self.stage.uow.read() as tx:
            return tx.live_commands.read_kind(self.stage.held.run_id, CommandKind.MODE)

    @property
    def asked(self):
        return [command.payload["physics"] for command in self.commands]

    def apply(self):
        """Carry out what waits, as the run's child does."""
        uow, held = self.stage.uow, self.stage.held
        for command in [one for one in self.commands if one.outcome is None]:
            tick = self.stage.tick + 1
            assert live.commit_ticks(uow, held, {command.seq: tick})
            reason = "no" if command.payload["physics"] in self.refuses else None
            outcome = CommandSettlement(
                command.seq, tick, "refused" if reason else "applied", None if reason else {"tick": tick}, reason
            )
            assert live.record_events(uow, held, settlements=[outcome])

    def seconds(self, number, step=1, **sample):
        """So many seconds, with a look, a sample and what the child does every `step` of them."""
        for _ in range(number // step):
            self.stage.clock.advance(step - 1.0)
            self.turn(1, **sample)
            self.apply()


@pytest.fixture
def run(sqlite_maker, tmp_path):
    with staged(sqlite_maker, tmp_path) as stage:
        yield Overloaded(stage, tmp_path)


def test_an_overloaded_run_goes_simpler_step_by_step_and_returns_with_hysteresis(database_maker, tmp_path):
    with staged(database_maker, tmp_path) as stage:
        run = Overloaded(stage, tmp_path)
        run.seconds(9, **SLOW)
        assert run.asked == []
        run.seconds(3, **SLOW)
        assert run.asked == ["no-stress"]
        assert run.rung("physics", str(stage.held.run_id)) == 2
        run.seconds(8, **SLOW)
        assert run.asked == ["no-stress"]
        run.seconds(4, **SLOW)
        assert run.asked == ["no-stress", "lumped"]
        run.seconds(60, 5, **FAST)  # but there is no time for all of it: 3 cores, as was measured
        assert run.asked == ["no-stress", "lumped"]
        with stage.uow.begin() as tx:  # somebody lowers the speed
            held = tx.live_runs.hold(stage.held.run_id)
            tx.live_runs.change(held, speed=0.2, version=held.version + 1)
        run.seconds(45, 5, **FAST)
        assert run.asked[-1] == "lumped"
        run.seconds(10, **FAST)
        assert run.asked == ["no-stress", "lumped", "full"]
        run.seconds(30, 5, **FAST)
        assert "physics" not in run.board.describe(stage.held.run_id)
        (first, *_) = run.commands
        assert (first.actor_id, first.outcome) == (None, "applied")
        events = live.read_events(stage.uow, owner_id=None, run_id=stage.held.run_id, kinds=("mode",))
        assert [event.payload["rung"] for event in events] == [1, 2, 1, 0]
        lines = list(live.export_log(stage.uow, owner_id=None, run_id=stage.held.run_id))
        assert sum('"kind":"mode"' in line.replace(" ", "") for line in lines) == 3


@pytest.mark.parametrize("policy", ["slip", "no-stress"])
def test_the_policy_of_the_run_is_the_limit(sqlite_maker, tmp_path, policy):
    with staged(sqlite_maker, tmp_path) as stage:
        run = Overloaded(stage, tmp_path, policy)
        run.seconds(60, 5, **SLOW)
        assert run.asked == ([] if policy == "slip" else ["no-stress"])
        assert run.rung("physics", str(stage.held.run_id)) == (1 if policy == "slip" else 2)


def test_a_step_that_the_engine_refuses_is_passed_over_and_not_tried_again_for_a_while(run):
    run.refuses = {"no-stress"}
    run.seconds(14, **SLOW)
    assert run.asked == ["no-stress", "lumped"]
    run.refuses = {"no-stress", "lumped"}
    run.seconds(200, 10, **SLOW)
    assert run.asked == ["no-stress", "lumped"]


def test_nothing_that_may_be_left_out_leaves_the_rung_and_lets_time_slip(run):
    run.refuses = {"no-stress", "lumped"}
    run.seconds(80, 5, **SLOW)
    assert run.asked == ["no-stress", "lumped"]
    assert run.rung("physics", str(run.stage.held.run_id)) == 1


def test_a_server_that_begins_anew_says_nothing_twice(run):
    for _ in range(30):
        run.restart()
        run.seconds(1, **SLOW)
    assert run.asked == ["no-stress", "lumped"]


def test_a_command_that_is_refused_now_is_given_again(run):
    send, refusals = run.loop.command, iter([True, True])

    def refuse_twice(order):
        if next(refusals, False):
            raise CommandLimitError("commands", 1)
        send(order)

    run.loop.command = refuse_twice
    run.seconds(13, **SLOW)
    assert run.asked == ["no-stress"]


def test_a_pause_gives_no_order_and_neither_does_a_run_that_stops(run):
    run.seconds(12, **SLOW)
    words.send(run.stage.uow, run.stage.held.run_id, CommandKind.PAUSE)
    live.pause_run(run.stage.uow, run.stage.held)
    run.seconds(60, 10)
    assert run.asked == ["no-stress"]


def test_compiling_is_no_overload(run):
    uow, held = run.stage.uow, run.stage.held
    run.seconds(2, **FAST)
    assert live.note_activity(uow, held, "compiling")
    assert "compiling" in live.describe_run(words.get(uow, held.run_id))
    run.seconds(90, 10, **SLOW)
    assert run.asked == []
    assert "physics" not in run.board.describe(held.run_id)
    run.seconds(30, 10)  # not a sign of life, but it compiles
    assert "physics" not in run.board.describe(held.run_id)
    assert live.note_activity(uow, held, None)
    run.seconds(12, **SLOW)
    assert run.asked == ["no-stress"]


def test_what_the_machine_lacks_counts_for_the_return(run):
    """Ticks that wait for a processor twice as long as they use it would do so with nothing left out as well."""
    dear = {"ratio": 0.3, "processor_s": 0.02, "wall_s": 0.1}  # 0.6 cores, of a machine that gives a fifth
    run.seconds(12, **dear)
    run.seconds(60, 5, ratio=1.0, processor_s=0.001, wall_s=0.002)
    assert run.asked == ["no-stress"]
    run.seconds(55, 5, ratio=1.0, processor_s=0.001, wall_s=0.001)
    assert run.asked == ["no-stress", "full"]


def test_grid_alone_sends_modes_with_a_known_word_and_is_not_held_up_by_a_flood(run):
    uow, held = run.stage.uow, run.stage.held
    for payload, field in (({"physics": "none"}, "physics"), ({"physics": "full", "x": 1}, "x")):
        with pytest.raises(FieldError) as caught:
            words.send(uow, held.run_id, CommandKind.MODE, payload)
        assert caught.value.field == field
    with pytest.raises(FieldError, match="Grid alone"):
        words.send(uow, held.run_id, CommandKind.MODE, {"physics": "full"}, actor=run.stage.owner)
    limits = LiveLimits(commands=3, command_burst=3, commands_per_s=0.1)
    for _ in range(3):
        words.send(uow, held.run_id, CommandKind.SPEED, {"speed": 1.0}, limits=limits)
    with pytest.raises(CommandLimitError):
        words.send(uow, held.run_id, CommandKind.SPEED, {"speed": 1.0}, limits=limits)
    assert words.send(uow, held.run_id, CommandKind.MODE, {"physics": "full"}, limits=limits) == 4


def test_a_policy_is_one_of_three_and_a_branch_has_its_parents(run):
    uow, owner = run.stage.uow, run.stage.owner
    with pytest.raises(FieldError) as caught:
        words.submit(uow, owner, policy="fast")
    assert (caught.value.field, str(caught.value).count("no-stress")) == ("policy", 1)
    assert words.submit(uow, owner, policy="no-stress").overload_policy == "no-stress"
    assert words.submit(uow, owner).overload_policy == RunSpec().policy == "slip"


def log(commands):
    """What a log of commands says; each is (physics, outcome, second)."""
    return AskedPhysics.of([
        LiveCommandRecord(
            run_id=new_id(), seq=seq, client_id="", fingerprint="", kind=CommandKind.MODE, payload={"physics": physics},
            at_s=None, actor_id=None, created_at=NOW + timedelta(seconds=second), tick=None, outcome=outcome,
            reason=None, effective=None, applied_at=NOW + timedelta(seconds=second) if outcome else None,
        )
        for seq, (physics, outcome, second) in enumerate(commands, start=1)
    ])  # fmt: skip


def choose(commands, policy="lumped", at=100.0, low=0.0, *, is_simpler=True):
    """What a run that has been overloaded since `low` is to compute."""
    low_since = None if low is None else NOW + timedelta(seconds=low)
    now = NOW + timedelta(seconds=at)
    return choose_physics(log(commands), policy, now, is_simpler=is_simpler, low_since=low_since)


def test_the_next_step_waits_for_the_one_before_and_for_overload_in_spite_of_it():
    assert choose([]) == "no-stress"
    assert choose([("no-stress", None, 50)]) == "no-stress"
    after = DEEPER_AFTER.total_seconds()
    assert choose([("no-stress", "applied", 100 - after)]) == "lumped"
    assert choose([("no-stress", "applied", 101 - after)]) == "no-stress"
    assert choose([("no-stress", "applied", 50)], low=101 - after) == "no-stress"
    assert choose([("no-stress", "applied", 50)], low=None) == "no-stress"
    assert choose([("no-stress", "applied", 50)], policy="no-stress") == "no-stress"
    assert choose([("no-stress", "refused", 50)]) == "lumped"
    both = [("no-stress", "refused", 50), ("lumped", "refused", 51)]
    assert choose(both) == "full"
    assert choose(both, at=50 + REFUSED_FOR.total_seconds()) == "no-stress"


@pytest.mark.parametrize("commands", [[], [("lumped", None, 1)], [("lumped", "applied", 1), ("full", "refused", 2)]])
def test_a_run_that_is_not_overloaded_is_full(commands):
    assert choose(commands, is_simpler=False) == "full"


def test_what_was_asked_is_the_last_that_was_not_refused():
    entries = [("no-stress", "applied", 1), ("lumped", "refused", 2), ("full", "applied", 3), ("lumped", None, 4)]
    found = [log(entries[:count]) for count in range(5)]

    assert [one.physics for one in found] == ["full", "no-stress", "no-stress", "full", "lumped"]
    assert [one.is_pending for one in found] == [False, False, False, False, True]
    assert found[4].refused == {"lumped": NOW + timedelta(seconds=2)}
