"""The ledger of live runs against its model: random histories of runs, commands, losses and late answers, on both
databases.

`GRID_HISTORIES` sets how many histories are tried; without it 40 on SQLite and 10 on PostgreSQL, which is asked by the
same code. `make test-faults` tries 2,000.
"""

import os
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, event, select, update
from sqlalchemy.exc import IntegrityError
from tests.support import live_runs as words
from tests.support.databases import HandClock, opened
from tests.support.ledgers import add_owner
from tests.support.live_model import LEASE_S, LiveModel, ModelRun
from tests.support.live_runs import BURST, SPEC, WIDE

from grid.database.live_commands import CommandSettlement, live_commands
from grid.database.live_events import NewLiveEvent, live_events
from grid.database.live_runs import live_runs
from grid.database.outbox import outbox
from grid.database.uow import UnitOfWork
from grid.schemas.live import RUN_LEASED, RUN_TERMINAL, RUN_TRANSITIONS, CommandKind, RunClaim, RunReason, RunState
from grid.services import live
from grid.services.live import CommandRequest, EventConflictError, Look, RunStateError

FEW = {"sqlite": 40, "postgresql": 10}
STEPS = 40
MOST_RUNS = 3  # of one worker
CORES = 0.7
JUMPS = (0.0, 1.0, 5.0, 10.5, 10.5, 30.0, 95.0, 700.0)
ROW = select(live_runs).order_by(live_runs.c.id)
COMMANDS = select(live_commands).order_by(live_commands.c.run_id, live_commands.c.seq)
EVENTS = select(live_events.c.run_id, live_events.c.n).order_by(live_events.c.run_id, live_events.c.n)
OUTBOX = select(outbox.c.aggregate, outbox.c.version)
FREE = replace(WIDE, commands_per_s=1e6, command_burst=10**6, open_events=10**6)

PATHS = (
    "new pause continue pause want-stop conclude",
    "new pause want-pause snapshot park want-resume claim begin",
    "new pause want-pause snapshot park want-stop",
    "new pause fail",
    "new pause hand-back claim begin-paused",
    "new want-stop fail",
    "new want-stop lapse claim resume-stop conclude",
    "new child child lapse",
    "new hand-back want-stop",
    "new own-end conclude",
    "new fail",
    "new child fail",
    "submit claim begin-paused",
    "submit claim want-stop conclude",
    "submit claim fail",
    "submit claim hand-back",
    "submit stop-it",
)

picks = st.integers(0, 10_000)  # which one of a list that only the history knows: taken modulo its length
kinds = st.sampled_from(["event", "event", "event", "pause", "resume", "stop"])


class LiveMachine(RuleBasedStateMachine):
    """One history. The ledger and the model are told the same, and must answer and hold the same."""

    uow: UnitOfWork
    clock: HandClock
    owners: list[UUID]
    moves: Counter[tuple[RunState, RunState]]

    def __init__(self) -> None:
        super().__init__()
        self.model = LiveModel()
        self.claims: list[RunClaim] = []
        self.ended: dict[UUID, tuple] = {}
        self.generation = 0
        with self.uow.begin() as tx:
            for table in (outbox, live_runs):
                tx.connection.execute(delete(table))

    def teardown(self) -> None:
        self.moves.update(self.model.moves)

    # What can happen ------------------------------------------------------------------------------------------------

    @rule(owner=picks, is_paused=st.booleans())
    def submit(self, owner, is_paused):
        owner_id = self.owners[owner % len(self.owners)]
        run = words.submissions(self.uow).submit(owner_id, replace(SPEC, is_paused=is_paused))
        self.model.submit(run.id, owner_id, is_paused, self.clock.time)

    @rule(worker=st.integers(0, 1))
    def claim(self, worker):
        worker_id = self.worker(worker)
        held = live.claim_run(self.uow, worker_id=worker_id, cores=CORES, lease_s=LEASE_S, most_runs=MOST_RUNS)
        wanted = self.model.claim(worker_id, CORES, MOST_RUNS, self.clock.time)
        assert (held.run.id if held else None) == (wanted.id if wanted else None)
        if held:
            assert [row.id for row in held.snapshots] == ([held.run.snapshot_id] if wanted.has_snapshot else [])
            self.claims.append(held.claim)

    @rule(worker=st.integers(0, 1), is_paused=st.booleans())
    def submit_claim_and_begin(self, worker, is_paused):
        known = len(self.claims)
        self.submit(worker, is_paused)
        self.claim(worker)
        if len(self.claims) > known:
            self.begin(0, is_paused)

    @precondition(lambda self: self.claims)
    @rule(which=picks, is_paused=st.booleans())
    def begin(self, which, is_paused):
        claim = self.pick(which)
        found = live.begin_run(self.uow, claim, platform="cpu-1", is_paused=is_paused)
        assert found == self.model.begin(claim, is_paused, self.clock.time)

    @precondition(lambda self: self.claims)
    @rule(
        which=picks, what=st.sampled_from(["pause", "continue", "park", "own-end", "resume-stop", "conclude", "fail"])
    )
    def an_owner_moves_its_run(self, which, what):
        claim, model, now = self.pick(which), self.model, self.clock.time
        match what:
            case "pause":
                found, wanted = live.pause_run(self.uow, claim), model.switch(claim, RunState.RUNNING, RunState.PAUSED)
            case "continue":
                found = live.continue_run(self.uow, claim)
                wanted = model.switch(claim, RunState.PAUSED, RunState.RUNNING)
            case "park":
                found, wanted = live.park_run(self.uow, claim), model.park(claim, now)
            case "own-end":
                found, wanted = live.begin_stop(self.uow, claim), model.begin_stop(claim)
            case "resume-stop":
                found, wanted = live.resume_stop(self.uow, claim), model.resume_stop(claim)
            case "conclude":
                found, wanted = live.conclude_run(self.uow, claim, {"files": []}, tick=9), model.conclude(claim, 9)
            case _:
                found = live.fail_run(self.uow, claim, RunReason.DIVERGED)
                wanted = model.fail(claim, RunReason.DIVERGED)
        assert found == wanted

    @rule(path=st.sampled_from(PATHS))
    def a_run_goes_a_long_way(self, path):
        """The newest claim goes through states that chance alone seldom brings together."""
        always = {
            "new": lambda: self.submit_claim_and_begin(0, False),
            "submit": lambda: self.submit(0, False),
            "claim": lambda: self.claim(1),
            "stop-it": lambda: self.send_to(list(self.model.runs.values())[-1], "stop", None),
        }
        of_a_claim = {
            "begin": lambda: self.begin(0, False),
            "begin-paused": lambda: self.begin(0, True),
            "snapshot": lambda: self.snapshot(0),
            "hand-back": lambda: self.hand_back([0]),
            "child": lambda: self.a_child_ends(0, 0),
            "lapse": lambda: self.reap(10.5),
            **{
                f"want-{kind}": lambda kind=kind: self.send_to(self.model.runs[self.pick(0).run_id], kind, None)
                for kind in ("pause", "resume", "stop")
            },
        }
        for what in path.split():
            if what in always:
                always[what]()
            elif self.claims:
                of_a_claim.get(what, lambda what=what: self.an_owner_moves_its_run(0, what))()

    @precondition(lambda self: self.claims)
    @rule(which=st.lists(picks, min_size=1, max_size=3))
    def hand_back(self, which):
        claims = list(dict.fromkeys(self.pick(one) for one in which))
        wanted = {claim for claim in sorted(claims) if self.model.hand_back(claim, self.clock.time)}
        assert live.hand_back_runs(self.uow, claims) == wanted

    @precondition(lambda self: self.claims)
    @rule(which=picks, worker=st.integers(0, 1))
    def a_child_ends(self, which, worker):
        claim, worker_id = self.pick(which), self.worker(worker)
        held = live.restart_run(self.uow, claim, worker_id=worker_id, lease_s=LEASE_S)
        assert (held is not None) == self.model.restart(claim, worker_id, self.clock.time)
        if held:
            self.claims.append(held.claim)

    @precondition(lambda self: self.claims)
    @rule(worker=st.integers(0, 1), which=st.lists(picks, min_size=1, max_size=4))
    def renew(self, worker, which):
        claims, worker_id = list(dict.fromkeys(self.pick(one) for one in which)), self.worker(worker)
        renewal = live.renew_leases(self.uow, claims, worker_id=worker_id, lease_s=LEASE_S)
        held = {claim for claim in claims if self.model.renew(worker_id, claim, self.clock.time)}
        assert (renewal.held.keys(), renewal.lost) == (held, set(claims) - held)
        for claim, lease in renewal.held.items():
            run = self.model.runs[claim.run_id]
            assert (lease.state, lease.wanted, lease.version) == (run.state, run.wanted, run.version)

    @precondition(lambda self: self.claims)
    @rule(which=st.lists(picks, min_size=1, max_size=3), tick=st.integers(0, 60))
    def look(self, which, tick):
        claims = list(dict.fromkeys(self.pick(one) for one in which))
        held = live.write_looks(self.uow, [Look(claim, tick, samples=(words.sample(0, tick),)) for claim in claims])
        assert held == {claim for claim in claims if self.model.look(claim, tick)}

    @precondition(lambda self: self.claims)
    @rule(which=picks)
    def snapshot(self, which):
        claim = self.pick(which)
        stored = words.snapshot(self.uow, claim, self.model.runs[claim.run_id].tick)[1]
        run = self.model.holder(claim)
        assert (stored is not None) == (run is not None)
        if run is not None:
            run.has_snapshot = True
            with self.uow.begin() as tx:  # one a run, so that a claim can be compared
                ids = [row.id for row in tx.live_snapshots.of_run(run.id)]
                newest = tx.live_runs.find(run.id).snapshot_id
                tx.live_snapshots.remove([one for one in ids if one != newest])

    @precondition(lambda self: self.model.runs)
    @rule(which=picks, kind=kinds, again=st.none() | picks)
    def send(self, which, kind, again):
        """A new command, or one that was sent before."""
        run = list(self.model.runs.values())[which % len(self.model.runs)]
        if again is not None and run.commands:
            old = run.commands[again % len(run.commands)]
            self.send_to(run, old.kind, old.client_id)
        else:
            self.send_to(run, kind, None)

    def send_to(self, run: ModelRun, kind: str, client_id: str | None) -> None:
        name = client_id or f"command-{len(run.commands) + 1}"
        request = CommandRequest(CommandKind(kind), BURST if kind == "event" else {}, name)
        service = words.commands(self.uow, FREE)
        before = run.state
        wanted = self.model.send(run, kind, name, RunReason.STOPPED_BY_USER, self.clock.time)
        if wanted is None:
            with pytest.raises(RunStateError) as caught:
                service.accept([request], actor_id=run.owner, owner_id=run.owner, run_id=run.id)
            assert caught.value.state is before
        else:
            (answer,) = service.accept([request], actor_id=run.owner, owner_id=run.owner, run_id=run.id)
            assert (answer.seq, answer.is_repeated) == (wanted, client_id is not None)

    @precondition(lambda self: self.claims)
    @rule(which=picks, lead=st.integers(0, 3), count=st.integers(1, 3))
    def commit_ticks(self, which, lead, count):
        claim = self.pick(which)
        run = self.model.runs[claim.run_id]
        waiting = [one.seq for one in run.commands if one.is_physical and one.tick is None][:count]
        last = max((one.tick for one in run.commands if one.is_physical and one.tick is not None), default=0)
        ticks = dict.fromkeys(waiting, max(last, run.tick) + lead)
        found = live.commit_ticks(self.uow, claim, ticks)
        assert found == ({} if not ticks else ticks if self.model.commit(claim, ticks) else None)
        if found:
            assert live.commit_ticks(self.uow, claim, ticks) == ticks

    @precondition(lambda self: self.claims)
    @rule(which=picks, ticks=st.dictionaries(st.integers(0, 9), st.sampled_from([0] * 30 + [1]), max_size=3))
    def record(self, which, ticks):
        """The engine says the same of a tick nearly always, and its commands are applied at their ticks."""
        claim = self.pick(which)
        run = self.model.runs[claim.run_id]
        settled = {one.seq: one.tick for one in run.commands if one.is_physical and one.tick is not None}
        settled = {seq: tick for seq, tick in settled.items() if run.commands[seq - 1].outcome in {None, "applied"}}
        events = [NewLiveEvent(tick, 64 * tick, "yield", {"value": value}) for tick, value in ticks.items()]
        settlements = [CommandSettlement(seq, tick, "applied", {"tick": tick}) for seq, tick in settled.items()]
        wanted = self.model.record(claim, ticks, settled)
        try:
            recorded = live.record_events(self.uow, claim, events, settlements=settlements)
        except EventConflictError:
            assert wanted == "conflict"
        else:
            assert (recorded is None) == (wanted == "lost")
            assert wanted != "conflict"

    @rule(seconds=st.sampled_from(JUMPS))
    def reap(self, seconds):
        """A round of the reaper, at once or after a while: time alone moves no run."""
        self.clock.advance(seconds)
        report, ends = live.reap_runs(self.uow), self.model.reap(self.clock.time)
        assert (report.interrupted, report.poisoned, report.timed_out) == (
            ends["interrupted"], ends["poison"], ends["start_timeout"],
        )  # fmt: skip

    @rule(seconds=st.sampled_from(JUMPS))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def workers_are_killed(self):
        """New ones take their places; the late answers of the old ones may still come."""
        self.generation += 1

    @precondition(lambda self: self.ended)
    @rule(which=picks, column=st.sampled_from(["tick", "state", "message", "next_event"]))
    def nobody_changes_what_has_ended(self, which, column):
        run_id = list(self.ended)[which % len(self.ended)]
        value = {"tick": 10**6, "state": RunState.QUEUED, "message": "x", "next_event": 10**6}[column]
        with pytest.raises(IntegrityError), self.uow.begin() as tx:
            tx.connection.execute(
                update(live_runs).where(live_runs.c.id == run_id)
                .values({column: value, "version": live_runs.c.version + 1})
            )  # fmt: skip

    # What always holds ----------------------------------------------------------------------------------------------

    @invariant()
    def the_rows_are_those_of_the_model(self):
        with self.uow.read() as tx:
            rows = tx.connection.execute(ROW).all()
            commands = tx.connection.execute(COMMANDS).all()
            events = tx.connection.execute(EVENTS).all()
            announced = Counter(row.aggregate for row in tx.connection.execute(OUTBOX))
        assert {row.id for row in rows} == set(self.model.runs)
        for row in rows:
            run = self.model.runs[row.id]
            self.check_row(row, run)
            log = [
                (one.seq, one.kind.value, one.client_id, one.tick, one.outcome)
                for one in commands
                if one.run_id == row.id
            ]
            assert log == [(one.seq, one.kind, one.client_id, one.tick, one.outcome) for one in run.commands]
            assert [one.n for one in events if one.run_id == row.id] == list(range(1, run.events + 1))
            assert 1 <= announced[f"run:{row.id}"] <= row.version

    def check_row(self, row, run: ModelRun) -> None:
        held = (
            row.state, row.version, row.epoch, row.wanted, row.tick, row.reason, row.loss_ticks, row.losses,
            row.healthy_since, row.lease_owner, row.lease_until, row.claimed_at, row.winning_epoch,
            row.next_seq, row.next_event, row.available_at, row.snapshot_id is not None,
        )  # fmt: skip
        wanted = (
            run.state, run.version, run.epoch, run.wanted, run.tick, run.reason, run.losses, len(run.losses),
            run.healthy, run.lease_owner, run.lease_until, run.claimed, run.winner,
            len(run.commands) + 1, run.events + 1, run.available, run.has_snapshot,
        )  # fmt: skip
        assert held == wanted
        assert (row.lease_owner is not None) == (row.state in RUN_LEASED)
        if row.id in self.ended:
            assert tuple(row) == self.ended[row.id]
        elif row.state in RUN_TERMINAL:
            assert row.finished_at is not None
            self.ended[row.id] = tuple(row)

    # Parts ----------------------------------------------------------------------------------------------------------

    def worker(self, place: int) -> str:
        return f"worker-{self.generation}-{place}"

    def pick(self, which: int) -> RunClaim:
        """Choose a claim: most often of the newest, which may still hold, and sometimes one that is long stale."""
        reach = len(self.claims) if which % 5 == 4 else min(4, len(self.claims))
        return self.claims[-1 - which % reach]


@pytest.mark.timeout(1800)  # 2,000 histories of the long form on a busy machine
def test_every_history_of_the_ledger_is_one_of_the_model(database_maker, tmp_path):
    moves: Counter[tuple[RunState, RunState]] = Counter()
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database:
        if database.kind == "sqlite":  # the laws of the ledger are tested here, not those of the disk
            event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF").close())
        histories = int(os.environ.get("GRID_HISTORIES", FEW[database.kind]))
        uow = UnitOfWork(database)
        owners = [add_owner(uow, "ada"), add_owner(uow, "bob")]

        class Machine(LiveMachine):
            pass

        Machine.uow, Machine.clock, Machine.owners, Machine.moves = uow, clock, owners, moves
        for path in PATHS:  # every transition at least once, whatever chance brings
            history = Machine()
            history.a_run_goes_a_long_way(path)
            history.the_rows_are_those_of_the_model()
            history.teardown()
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=histories,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )

    legal = {(before, after) for before, followers in RUN_TRANSITIONS.items() for after in followers}
    print({f"{before}->{after}": moves[before, after] for before, after in sorted(legal)})
    assert legal == set(moves)
