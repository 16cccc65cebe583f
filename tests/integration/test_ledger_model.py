"""The ledger against its model: histories of submissions, claims, losses, cancels and late answers, on both databases.

`GRID_HISTORIES` sets how many histories are tried on each database; without it 200 on SQLite and 50 on PostgreSQL,
which is asked by the same code. `make test-faults` tries 2,000.
"""

import os
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, event, select, update
from sqlalchemy.exc import IntegrityError
from tests.support.databases import HandClock, opened
from tests.support.ledger_model import LEASE_S, Model, ModelJob, ModelSweep
from tests.support.ledgers import MANIFEST, SLOTS, add_owner

from grid.core.ids import new_id
from grid.database.attempts import job_attempts
from grid.database.jobs import NewJob, NewJobs, jobs
from grid.database.outbox import outbox
from grid.database.queues import Delta, owner_queues
from grid.database.sweeps import sweeps
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import TERMINAL, TRANSITIONS, Claim, JobStatus, Reason
from grid.services import ledger
from grid.services.ledger import Failed, JobFinishedError, Returned, Stopped, Succeeded
from grid.services.reaper import reap

FEW = {"sqlite": 200, "postgresql": 50}
ENOUGH = 200  # to meet every transition
STEPS = 40
OUTCOMES = ("success", "success", "diverged", "timeout", "nonzero", "drain", "infra", "lost", "stop")
JUMPS = (1.0, 1.0, 5.0, 5.0, 31.0, 31.0, 45.0, 61.0, 200.0)
SEEN = (
    "id", "state", "version", "epoch", "attempts_used", "worker_losses", "infra_failures", "progress", "reason",
    "winning_epoch", "lease_owner", "lease_until", "deadline_at", "available_at", "expires_at", "cancel_requested_at",
    "finished_at",
)  # fmt: skip
ROW = select(*(jobs.c[name] for name in SEEN))
ATTEMPTS = select(job_attempts.c.job_id, job_attempts.c.epoch, job_attempts.c.ended_at, job_attempts.c.outcome)
COUNTERS = select(owner_queues.c.owner_id, owner_queues.c.queued, owner_queues.c.active)
SWEEPS = select(sweeps)

picks = st.integers(0, 10_000)  # which one of a list that only the history knows: taken modulo its length
ends_of_runs = st.sampled_from(OUTCOMES)


def make_outcome(claim: Claim, kind: str):
    match kind:
        case "success":
            return Succeeded(claim, MANIFEST)
        case "diverged":
            return Failed(claim, JobStatus.FAILED, Reason.DIVERGED)
        case "timeout":
            return Failed(claim, JobStatus.TIMED_OUT, Reason.CPU_TIMEOUT)
        case "nonzero":
            return Failed(claim, JobStatus.FAILED, Reason.NONZERO_EXIT, "exit 1", 1)
        case "stop":
            return Stopped(claim)
        case why:
            return Returned(claim, why)


class LedgerMachine(RuleBasedStateMachine):
    """One history. The ledger and the model are told the same, and must answer and hold the same."""

    uow: UnitOfWork
    clock: HandClock
    owners: list[UUID]
    moves: Counter[tuple[JobStatus, JobStatus]]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.model.turn = dict.fromkeys(self.owners)
        self.claims: list[Claim] = []
        self.ended: dict[UUID, tuple] = {}
        self.versions: dict[UUID, int] = {}
        self.generation = 0
        with self.uow.begin() as tx:
            for table in (outbox, job_attempts, jobs, sweeps, owner_queues):
                tx.connection.execute(delete(table))
            for owner in self.owners:
                tx.queues.lock(owner)

    def teardown(self) -> None:
        self.moves.update(self.model.moves)

    # What can happen ------------------------------------------------------------------------------------------------

    @rule(
        owner=picks, count=st.integers(1, 4), is_sweep=st.booleans(), key=st.sampled_from(["a", "b"]),
        wall_s=st.sampled_from([10.0, 1000.0, 1000.0]), life_s=st.sampled_from([40.0, 1e6, 1e6, 1e6]),
        max_attempts=st.integers(1, 2), priority=st.integers(0, 1),
    )  # fmt: skip
    def submit(self, owner, count, is_sweep, key, wall_s, life_s, max_attempts, priority):
        owner_id = self.owners[owner % len(self.owners)]
        ids = [new_id() for _ in range(count)]
        sweep_id = new_id() if is_sweep else None
        now = self.clock.time
        expires_at = now + timedelta(seconds=life_s)
        points = [(job, {}, "00", key, 0.001) for job in ids]
        with self.uow.begin() as tx:
            if sweep_id is not None:
                tx.sweeps.add(sweep_id, owner_id=owner_id, total=count, simulation="noop")
                self.model.sweeps[sweep_id] = ModelSweep(sweep_id, owner_id, count)
            shared = NewJobs(owner_id, "noop", None, "small", wall_s, now, expires_at, sweep_id, max_attempts, priority)
            places = range(count) if is_sweep else [None] * count
            tx.jobs.add(shared, [NewJob(*one, place) for one, place in zip(points, places, strict=True)])
            tx.queues.change({owner_id: Delta(queued=count)})
        for job in ids:
            self.model.jobs[job] = ModelJob(
                job, owner_id, sweep_id, key, wall_s, max_attempts, priority, now, expires_at
            )

    @rule(worker=st.integers(0, 1), max_jobs=st.integers(1, 4), hint=st.none() | picks)
    def claim(self, worker, max_jobs, hint):
        hinted = list(self.model.jobs)[hint % len(self.model.jobs)] if hint is not None and self.model.jobs else None
        worker_id = self.worker(worker)
        batch = ledger.claim(
            self.uow, worker_id=worker_id, host="h", slots=SLOTS, max_jobs=max_jobs, work_budget_s=2.0,
            lease_s=LEASE_S, hint=hinted,
        )  # fmt: skip
        wanted = self.model.claim(worker_id, max_jobs, self.clock.time, hinted)
        assert [job.claim for job in (batch.jobs if batch else ())] == wanted
        self.claims.extend(wanted)

    @rule(worker=st.integers(0, 1), max_jobs=st.integers(1, 4))
    def claim_and_begin(self, worker, max_jobs):
        known = len(self.claims)
        self.claim(worker, max_jobs, None)
        fresh = self.claims[known:]
        self.begin_runs(fresh)

    @rule(count=st.integers(1, 3), is_sweep=st.booleans(), worker=st.integers(0, 1))
    def submit_claim_and_begin(self, count, is_sweep, worker):
        self.submit(0, count, is_sweep, "c", 1000.0, 1e6, 2, 0)
        self.claim_and_begin(worker, 4)

    @precondition(lambda self: self.claims)
    @rule(which=st.lists(picks, min_size=1, max_size=3))
    def begin(self, which):
        self.begin_runs(self.pick(which))

    @precondition(lambda self: self.claims)
    @rule(which=picks, fraction=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    def advance(self, which, fraction):
        (claim,) = self.pick([which])
        ledger.report_progress(self.uow, {claim: fraction})
        self.model.advance(claim, fraction)

    @precondition(lambda self: self.claims)
    @rule(outcomes=st.lists(st.tuples(picks, ends_of_runs, st.booleans()), min_size=1, max_size=4))
    def conclude(self, outcomes):
        """Newest or long stale, once or twice, begun before or only now."""
        self.end({self.pick([which])[0]: (kind, begun) for which, kind, begun in outcomes})

    @rule(worker=st.integers(0, 1), ends=st.lists(st.tuples(ends_of_runs, st.booleans()), min_size=1, max_size=4))
    def claim_and_conclude(self, worker, ends):
        known = len(self.claims)
        self.claim(worker, len(ends), None)
        self.end(dict(zip(self.claims[known:], ends, strict=False)))

    def end(self, chosen: dict[Claim, tuple[str, bool]]) -> None:
        begun = [claim for claim, (_, is_begun) in chosen.items() if is_begun]
        accepted = ledger.conclude(
            self.uow, [make_outcome(claim, kind) for claim, (kind, _) in chosen.items()], begun=begun
        )
        for claim in begun:
            self.model.begin(claim)
        now = self.clock.time
        assert accepted == {claim for claim, (kind, _) in chosen.items() if self.model.conclude(claim, kind, now)}
        self.note_pauses({claim: kind for claim, (kind, _) in chosen.items() if claim in accepted})

    @precondition(lambda self: self.claims)
    @rule(why=st.sampled_from(["drain", "lost"]))
    def a_worker_stops(self, why):
        """All that is held goes back to the queue."""
        accepted = ledger.conclude(self.uow, [Returned(claim, why) for claim in self.claims])
        now = self.clock.time
        assert accepted == {claim for claim in self.claims if self.model.conclude(claim, why, now)}

    @precondition(lambda self: self.claims)
    @rule(worker=st.integers(0, 1), which=st.lists(picks, min_size=1, max_size=4))
    def renew(self, worker, which):
        claims = self.pick(which)
        worker_id = self.worker(worker)
        renewal = ledger.renew(self.uow, worker_id=worker_id, claims=claims, lease_s=LEASE_S)
        kept = {claim for claim in claims if self.model.renew(worker_id, claim, self.clock.time)}
        held = {claim: self.model.jobs[claim.job_id] for claim in kept}
        assert renewal.kept == kept
        assert renewal.lost == set(claims) - kept
        assert renewal.cancelled == {claim for claim, job in held.items() if job.state is JobStatus.CANCELLING}
        assert renewal.overdue == {claim for claim, job in held.items() if job.deadline <= self.clock.time}

    @precondition(lambda self: self.model.jobs)
    @rule(which=picks)
    def cancel(self, which):
        job = list(self.model.jobs.values())[which % len(self.model.jobs)]
        before = job.state
        state = self.model.cancel(job, Reason.CANCELLED_BY_USER, self.clock.time)
        if state is None:
            with pytest.raises(JobFinishedError) as caught:
                ledger.cancel(self.uow, owner_id=job.owner, job_id=job.id, by=Reason.CANCELLED_BY_USER)
            assert caught.value.state is before
        else:
            assert ledger.cancel(self.uow, owner_id=None, job_id=job.id, by=Reason.CANCELLED_BY_USER) is state

    @precondition(lambda self: self.model.sweeps)
    @rule(which=picks)
    def cancel_sweep(self, which):
        sweep = list(self.model.sweeps.values())[which % len(self.model.sweeps)]
        count = ledger.cancel_sweep(self.uow, owner_id=sweep.owner, sweep_id=sweep.id, by=Reason.CANCELLED_BY_SWEEP)
        assert count == self.model.cancel_sweep(sweep, Reason.CANCELLED_BY_SWEEP, self.clock.time)

    @rule(seconds=st.sampled_from((0.0, 0.0, 0.0, 31.0, 31.0, 45.0, 61.0)))
    def reap(self, seconds):
        """A round of the reaper, at once or after a while: time alone moves no job."""
        self.clock.advance(seconds)
        report = reap(self.uow)
        moved = self.model.reap(self.clock.time)
        assert (report.requeued, report.poisoned, report.cancelled, report.timed_out, report.expired) == (
            moved[JobStatus.QUEUED], moved[JobStatus.FAILED], moved[JobStatus.CANCELLED],
            moved[JobStatus.TIMED_OUT], moved[JobStatus.EXPIRED],
        )  # fmt: skip

    @rule(seconds=st.sampled_from(JUMPS))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(stage=st.sampled_from(["queued", "starting", "running", "returned", "retried"]), worker=st.integers(0, 1))
    def a_job_outlives_its_time(self, stage, worker):
        """It waits too long, or its deadline comes while it is held, or while it waits to be tried again."""
        self.submit(0, 1, False, "d", 10.0, 40.0, 2, -1)
        known = len(self.claims)
        if stage != "queued":
            self.claim(worker, 1, None)
        claims = self.claims[known:]
        if stage == "running":
            self.begin_runs(claims)
        if stage in {"returned", "retried"}:
            self.end(dict.fromkeys(claims, ("drain" if stage == "returned" else "nonzero", True)))
        self.reap(45.0)

    @rule()
    def workers_are_killed(self):
        """New ones take their places; what the old ones held stays with nobody, and their late answers may come."""
        self.generation += 1

    @precondition(lambda self: self.ended)
    @rule(which=picks, column=st.sampled_from(["progress", "state", "message", "lease_until"]))
    def nobody_changes_what_has_ended(self, which, column):
        job_id = list(self.ended)[which % len(self.ended)]
        value = {"progress": 0.5, "state": JobStatus.QUEUED, "message": "x", "lease_until": self.clock.time}[column]
        statement = update(jobs).where(jobs.c.id == job_id)
        with pytest.raises(IntegrityError), self.uow.begin() as tx:
            tx.connection.execute(statement.values({column: value, "version": jobs.c.version + 1}))

    @precondition(lambda self: self.model.jobs)
    @rule(which=picks)
    def nobody_changes_what_a_job_computes(self, which):
        job_id = list(self.model.jobs)[which % len(self.model.jobs)]
        with pytest.raises(IntegrityError), self.uow.begin() as tx:
            tx.connection.execute(update(jobs).where(jobs.c.id == job_id).values(params={"length": 2.0}))

    # What always holds ----------------------------------------------------------------------------------------------

    @invariant()
    def the_rows_are_those_of_the_model(self):
        with self.uow.read() as tx:
            rows = tx.connection.execute(ROW).all()
            attempts = tx.connection.execute(ATTEMPTS).all()
            counters = tx.connection.execute(COUNTERS).all()
            counts = tx.connection.execute(SWEEPS).all() if self.model.sweeps else []
        assert {row.id for row in rows} == set(self.model.jobs)
        for row in rows:
            self.check_row(row, self.model.jobs[row.id])
        assert {(one.job_id, one.epoch): one.outcome for one in attempts} == {
            (job.id, epoch): outcome for job in self.model.jobs.values() for epoch, outcome in job.outcomes.items()
        }
        assert {row.owner_id: (row.queued, row.active) for row in counters} == self.model.counters()
        for row in counts:
            sweep = self.model.sweeps[row.id]
            done = self.model.sweep_counts(sweep)
            assert Counter({state: getattr(row, state.value) for state in TERMINAL}) == done
            assert (row.finished_at is not None) == (done.total() == sweep.total)
            assert (row.cancel_requested_at is not None) == sweep.is_cancelled

    def check_row(self, row, job: ModelJob) -> None:
        held = (
            row.state, row.version, row.epoch, row.attempts_used, row.worker_losses, row.infra_failures, row.progress,
            row.reason, row.winning_epoch, row.lease_owner, row.lease_until, row.deadline_at, row.available_at,
            row.expires_at, row.cancel_requested_at,
        )  # fmt: skip
        wanted = (
            job.state, job.version, job.epoch, job.attempts_used, job.losses, job.infra, job.progress,
            job.reason, job.winner, job.lease_owner, job.lease_until, job.deadline, job.available_at,
            job.expires_at, job.cancel_at,
        )  # fmt: skip
        assert held == wanted
        assert row.version >= self.versions.get(row.id, 1)
        self.versions[row.id] = row.version
        assert (row.winning_epoch is not None) == (row.state is JobStatus.SUCCESS)
        if row.id in self.ended:
            assert tuple(row) == self.ended[row.id]
        elif row.state in TERMINAL:
            assert row.finished_at is not None
            self.ended[row.id] = tuple(row)

    # Parts ----------------------------------------------------------------------------------------------------------

    def begin_runs(self, claims: list[Claim]) -> None:
        """Begin as workers do, with the call that also concludes; which rows moved is compared afterwards."""
        assert ledger.conclude(self.uow, (), begun=claims) == frozenset()
        for claim in claims:
            self.model.begin(claim)

    def worker(self, place: int) -> str:
        return f"worker-{self.generation}-{place}"

    def pick(self, which: list[int]) -> list[Claim]:
        """Choose claims: most of the newest, which may still hold, and some that are long stale."""
        reach = [len(self.claims) if pick % 5 == 0 else min(6, len(self.claims)) for pick in which]
        return list(dict.fromkeys(self.claims[-1 - pick % last] for pick, last in zip(which, reach, strict=True)))

    def note_pauses(self, accepted: dict[Claim, str]) -> None:
        """Pauses are random within bounds: check those, and take over what was drawn."""
        with self.uow.read() as tx:
            for claim, kind in accepted.items():
                job = self.model.jobs[claim.job_id]
                if job.state is not JobStatus.QUEUED or kind not in {"infra", "nonzero"}:
                    continue
                row = tx.jobs.find(claim.job_id)
                failures = job.infra if kind == "infra" else job.attempts_used
                longest = min(300.0, 2.0 * 2 ** (failures - 1))
                pause = (row.available_at - self.clock.time).total_seconds()
                assert longest / 2 - 1e-5 <= pause <= longest + 1e-5
                job.available_at = row.available_at


@pytest.mark.timeout(1800)  # 2,000 histories of the long form on a busy machine
@pytest.mark.usefixtures("without_coverage")  # the tests of the ledger count its lines
def test_the_ledger_behaves_as_its_model_in_every_history(database_maker, tmp_path):
    moves: Counter[tuple[JobStatus, JobStatus]] = Counter()
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database:
        if database.kind == "sqlite":  # the laws of the ledger are tested here, not those of the disk
            event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF").close())
        histories = int(os.environ.get("GRID_HISTORIES", FEW[database.kind]))
        uow = UnitOfWork(database)
        owners = [add_owner(uow, "ada"), add_owner(uow, "bob")]

        class Machine(LedgerMachine):
            pass

        Machine.uow, Machine.clock, Machine.owners, Machine.moves = uow, clock, owners, moves
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

    legal = {(before, after) for before, followers in TRANSITIONS.items() for after in followers}
    print({f"{before}->{after}": moves[before, after] for before, after in sorted(legal)})
    assert set(moves) == legal if histories >= ENOUGH else set(moves) <= legal
