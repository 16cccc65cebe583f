"""The dispatcher: assignment of work to slots, its order, and ends of work before its answer."""

import io
import selectors
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.doubles.children import MemoryChild, MemoryFactory
from tests.doubles.ledgers import make_batch, make_render
from tests.doubles.transfers import make_files

from grid.runtime.messages import (
    CancelPoints,
    PointResult,
    Render,
    RenderFinished,
    Solve,
    SolveFinished,
    SolveProgress,
    SolveStarted,
    SpooledFile,
)
from grid.runtime.processes import ExitReason
from grid.schemas.jobs import Claim, JobStatus, Reason
from grid.services.ledger import ClaimedBatch, Failed, Outcome, Renewal, Returned, Stopped, Succeeded
from grid.services.renders import ClaimedRender, RenderReturned
from grid.tasks.children import TEMPORARY_IDLE_S, Children, Slot
from grid.tasks.dispatcher import GUEST_AFTER_S, LARGE_WAIT_S, READY_LIMIT_S, Dispatcher, WorkerLimits
from grid.tasks.events import ClaimReply, ClaimRequest, LeasesRenewed
from grid.tasks.leases import Leases
from grid.tasks.runs import Run

NONE: frozenset[Claim] = frozenset()


class RecordingWriter:
    """A ledger writer that only keeps what it is handed."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.begun: list[Claim] = []
        self.renders: list[object] = []
        self.progress: dict[Claim, float] = {}

    def write(self, *, outcomes=(), begun=(), logs=(), progress=None, renders=()) -> None:  # type: ignore[no-untyped-def]
        self.outcomes += outcomes
        self.begun += begun
        self.progress.update(progress or {})
        self.renders += renders


class RecordingPrograms:
    """No programs run here; they only hold tokens."""

    def __init__(self) -> None:
        self.started: list[Run] = []
        self.stopped: list[Outcome] = []
        self.killed: list[Run] = []

    @property
    def tokens_used(self) -> int:
        return sum(1 for run in self.started if run.extra_share is None)

    def runs(self) -> list[Run]:
        return list(self.started)

    def start(self, run: Run) -> None:
        self.started.append(run)

    def stop(self, run: Run, outcome: Outcome) -> None:
        self.stopped.append(outcome)

    def kill(self, run: Run) -> None:
        self.started.remove(run)
        self.killed.append(run)

    def tick(self, now: float) -> None:
        pass


class DispatcherHarness:
    """A dispatcher with two small children that are ready, unless they still compile."""

    def __init__(self, folder: Path, tokens: int = 2, lease_s: float = 30.0, *, is_ready: bool = True) -> None:
        self.selector = selectors.DefaultSelector()
        self.factory, self.writer, self.programs, self.leases = (
            MemoryFactory(),
            RecordingWriter(),
            RecordingPrograms(),
            Leases(),
        )
        self.full: list[int] = []
        self.files = make_files(folder)
        self.children = Children(self.factory, self.selector, small=tokens, on_readable=self.on_readable)
        self.dispatcher = Dispatcher(
            self.children,
            self.programs,  # type: ignore[arg-type]
            self.writer,  # type: ignore[arg-type]
            self.leases,
            WorkerLimits(tokens, lease_s=lease_s, start_s=60.0),
            files=self.files,
            on_storage_full=lambda: self.full.append(1),
        )
        self.now = time.monotonic()
        self.dispatcher.tick(self.now)
        if is_ready:
            self.be_ready()

    def be_ready(self) -> None:
        for child in self.factory.children:
            child.be_ready()
        self.listen()

    def on_readable(self, slot: Slot) -> None:
        self.dispatcher.on_readable(slot)

    def close(self) -> None:
        self.children.close()
        self.selector.close()

    def listen(self) -> None:
        for slot in list(self.children):
            self.dispatcher.on_readable(slot)

    def claim(self, batch: ClaimedBatch | None = None, render: ClaimedRender | None = None) -> ClaimedBatch | None:
        """Give the dispatcher what the ledger writer claimed, and let it start what can start."""
        if batch is not None:
            self.leases.hold(job.claim for job in batch.jobs)
        self.dispatcher.accept(ClaimReply(ClaimRequest(1), self.now, batch, render))
        self.dispatcher.dispatch(self.now)
        return batch

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.dispatcher.tick(self.now)
        self.dispatcher.dispatch(self.now)

    def working(self) -> list[MemoryChild]:
        return [slot.child for slot in self.children if slot.work is not None]  # type: ignore[misc]

    def renew(self, **words: frozenset) -> None:
        answer = {"kept": NONE, "lost": NONE, "cancelled": NONE, "overdue": NONE, **words}
        kept, lost = answer.pop("renders_kept", frozenset()), answer.pop("renders_lost", frozenset())
        self.dispatcher.on_leases_renewed(LeasesRenewed(Renewal(**answer), kept, lost, self.now))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[DispatcherHarness]:
    harness = DispatcherHarness(tmp_path)
    yield harness
    harness.close()


def claims_of(batch: ClaimedBatch) -> list[Claim]:
    return [job.claim for job in batch.jobs]


def test_batches_go_to_idle_children_and_their_answers_to_the_ledger_writer(harness: DispatcherHarness):
    first, second = harness.claim(make_batch(2)), harness.claim(make_batch(3))
    assert [len(child.sent[0].claims) for child in harness.working()] == [2, 3]
    assert harness.dispatcher.busy == 2

    for child in harness.working():
        child.solve()
    harness.listen()

    assert harness.dispatcher.is_quiet
    assert harness.writer.begun == [*claims_of(first), *claims_of(second)]
    assert {outcome.claim for outcome in harness.writer.outcomes if isinstance(outcome, Succeeded)} == {
        *claims_of(first),
        *claims_of(second),
    }


def test_one_batch_ahead_is_claimed_for_each_child_that_is_soon_done(harness: DispatcherHarness):
    assert harness.dispatcher.capacity(harness.now) == 2
    harness.claim(make_batch())
    assert harness.dispatcher.capacity(harness.now) == 2  # the other child, and the next batch of the first one
    harness.claim(make_batch())
    harness.claim(make_batch())
    assert harness.dispatcher.capacity(harness.now) == 1
    assert harness.dispatcher.capacity(harness.now + 60.0) <= 0  # both have worked for long: nobody knows when they end


def test_a_batch_that_finds_no_free_child_goes_back_for_others(harness: DispatcherHarness):
    for _ in range(3):
        harness.claim(make_batch())
    waiting = make_batch()
    harness.claim(waiting)
    for slot in harness.children.busy():
        slot.work.lease_ok_at = harness.now + 1e6
    harness.later(1.0)
    assert harness.writer.outcomes == []

    harness.later(READY_LIMIT_S)

    returned = [outcome for outcome in harness.writer.outcomes if isinstance(outcome, Returned)]
    assert [outcome.claim for outcome in returned][-1:] == claims_of(waiting)
    assert {outcome.why for outcome in returned} == {"drain"}


def test_nothing_is_claimed_while_children_are_ahead_of_the_store(harness: DispatcherHarness):
    for number in range(4 * 2):
        batch = harness.claim(make_batch())
        (child,) = harness.working()
        pack = harness.files.spool.put(f"packs/{number}", io.BytesIO(b"x"))
        child.solve(pack=SpooledFile(f"packs/{number}", *pack))
        harness.listen()
        assert batch is not None
    assert (harness.dispatcher.capacity(harness.now), harness.dispatcher.extra_shares(harness.now)) == (0, ())
    assert (harness.writer.outcomes, harness.dispatcher.is_quiet) == ([], False)

    harness.later(0.1)  # the transfers are made
    assert len(harness.writer.outcomes) == 8
    assert harness.dispatcher.capacity(harness.now) == 2
    assert harness.dispatcher.is_quiet


def test_jobs_whose_pack_is_being_stored_can_be_cancelled_lost_and_fenced(harness: DispatcherHarness):
    def store(number: int) -> list[Claim]:
        batch = harness.claim(make_batch(2))
        (child,) = harness.working()
        pack = harness.files.spool.put(f"packs/{number}", io.BytesIO(b"x"))
        child.solve(pack=SpooledFile(f"packs/{number}", *pack))
        harness.listen()
        return claims_of(batch)

    first, second = store(1)
    harness.renew(kept=frozenset({first, second}), cancelled=frozenset({first}))
    assert harness.writer.outcomes == [Stopped(first)]
    harness.renew(lost=frozenset({second}))
    assert harness.dispatcher.is_quiet
    harness.later(0.1)
    assert harness.writer.outcomes == [Stopped(first)]
    assert harness.files.store.blobs == {}

    held = store(2)
    harness.files.transfers.is_holding = True
    harness.now += 20.0
    harness.renew(kept=frozenset(held))
    harness.later(20.0)
    assert not harness.dispatcher.is_quiet  # renewed 20 s ago
    harness.later(10.0)
    assert harness.dispatcher.is_quiet
    assert harness.writer.outcomes == [Stopped(first)]


def test_a_large_job_waits_for_its_tokens_and_nothing_small_passes_it(harness: DispatcherHarness):
    harness.claim(make_batch())
    harness.claim(make_batch(slot="large"))
    harness.claim(make_batch())
    assert harness.dispatcher.busy == 1

    harness.working()[0].solve()
    harness.listen()
    harness.dispatcher.dispatch(harness.now)

    (large,) = [child for child in harness.factory.children if child.kind == "large"]
    assert (large.tokens, harness.dispatcher.busy, large.sent) == (2, 2, [])
    large.be_ready()
    harness.listen()
    assert isinstance(large.sent[0], Solve)
    large.solve()
    harness.listen()
    harness.dispatcher.dispatch(harness.now)
    assert harness.dispatcher.busy == 1  # the small one behind it


def test_a_large_job_starts_with_what_is_free_rather_than_wait_for_ever(harness: DispatcherHarness):
    harness.claim(make_batch())
    harness.working()[0].sent.clear()
    harness.claim(make_batch(slot="large"))
    harness.later(LARGE_WAIT_S + 1.0)
    assert [child.tokens for child in harness.factory.children if child.kind == "large"] == [1]


def test_an_idle_large_child_is_used_again_and_then_let_go(harness: DispatcherHarness):
    for _ in range(2):
        harness.claim(make_batch(slot="large"))
        (large,) = [child for child in harness.factory.children if child.kind == "large"]
        if not large.sent:
            large.be_ready()
            harness.listen()
        large.solve()
        harness.listen()
    assert len(large.sent) == 2

    harness.later(31.0)

    assert large.is_closed
    assert {slot.kind for slot in harness.children} == {"small"}


def test_a_program_takes_a_token(harness: DispatcherHarness):
    harness.claim(make_batch(slot="program", image="sim:local"))
    assert (len(harness.programs.started), harness.dispatcher.busy, harness.dispatcher.capacity(harness.now)) == (
        1,
        1,
        1,
    )


def test_files_are_made_before_batches(harness: DispatcherHarness):
    for slot in list(harness.children)[1:]:
        slot.is_ready = False  # one child left
    harness.dispatcher.accept(ClaimReply(ClaimRequest(1), harness.now, make_batch(), make_render()))
    harness.dispatcher.dispatch(harness.now)
    (child,) = harness.working()
    assert isinstance(child.sent[0], Render)

    answer = RenderFinished(child.sent[0].render_id)
    child.say(answer)
    harness.listen()
    harness.dispatcher.dispatch(harness.now)

    assert harness.writer.renders[0][1] == answer
    assert isinstance(child.sent[1], Solve)


@pytest.mark.parametrize("how", ["dies", "eats"])
def test_a_child_that_is_lost_costs_a_batch_one_try(harness: DispatcherHarness, how: str):
    batch = harness.claim(make_batch(3))
    (child,) = harness.working()
    if how == "dies":
        child.die()
        harness.listen()
    else:
        child.is_over_limit = True
        harness.later(1.0)

    assert harness.writer.outcomes == [Returned(claim, "lost", child.end.sentence) for claim in claims_of(batch)]
    assert harness.dispatcher.is_quiet


@pytest.mark.parametrize("how", ["by the kernel", "by us"])
def test_too_much_memory_is_the_job_s_own_when_it_is_alone(harness: DispatcherHarness, how: str):
    (claim,) = claims_of(harness.claim(make_batch()))
    (child,) = harness.working()
    if how == "by us":
        child.is_over_limit = True
        harness.later(1.0)
    else:
        child.die(ExitReason(signal=9, is_oom=True))
        harness.listen()

    (outcome,) = harness.writer.outcomes
    assert (outcome.claim, outcome.state, outcome.reason) == (claim, JobStatus.FAILED, Reason.OOM)


def test_a_dead_child_is_replaced_after_a_pause(harness: DispatcherHarness):
    (child, other) = harness.factory.children
    child.die()
    harness.listen()
    harness.later(60.0)
    assert [slot.child for slot in harness.children] == [harness.factory.children[2], other]


def test_a_child_that_cannot_be_started_is_tried_again(harness: DispatcherHarness):
    harness.factory.refusals = 2
    harness.factory.children[0].die()
    harness.listen()
    harness.later(60.0)
    harness.later(60.0)
    assert len(harness.factory.children) == 2
    harness.later(60.0)
    assert len(harness.factory.children) == 3


def test_a_cancelled_column_is_left_out_and_the_last_one_takes_the_child_along(harness: DispatcherHarness):
    first, second = claims_of(harness.claim(make_batch(2)))
    (child,) = harness.working()

    harness.renew(kept=frozenset({first, second}), cancelled=frozenset({first}))
    assert child.sent[1:] == [CancelPoints(child.sent[0].batch_id, frozenset({first.job_id}))]
    assert harness.writer.outcomes == [Stopped(first)]

    harness.renew(kept=frozenset({second}), cancelled=frozenset({second}))
    assert child.was_killed
    assert harness.writer.outcomes == [Stopped(first), Stopped(second)]


def test_an_overdue_job_is_timed_out_and_a_lost_one_is_left_without_a_word(harness: DispatcherHarness):
    overdue, lost, good = claims_of(harness.claim(make_batch(3)))
    (child,) = harness.working()

    harness.renew(kept=frozenset({overdue, good}), overdue=frozenset({overdue}), lost=frozenset({lost}))

    (outcome,) = harness.writer.outcomes
    assert (outcome.claim, outcome.state, outcome.reason) == (overdue, JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT)
    assert lost not in harness.leases.jobs()
    child.solve()
    harness.listen()
    assert [outcome.claim for outcome in harness.writer.outcomes] == [overdue, good]


def test_a_cancel_reaches_what_waits(harness: DispatcherHarness):
    for _ in range(2):
        harness.claim(make_batch())
    (waiting,) = claims_of(harness.claim(make_batch()))
    harness.renew(kept=frozenset({waiting}), cancelled=frozenset({waiting}))
    assert harness.writer.outcomes == [Stopped(waiting)]


def test_a_cancel_reaches_programs(harness: DispatcherHarness):
    (stopped,) = claims_of(harness.claim(make_batch(slot="program")))
    (lost,) = claims_of(harness.claim(make_batch(slot="program")))
    harness.renew(kept=frozenset({stopped}), cancelled=frozenset({stopped}), lost=frozenset({lost}))
    assert harness.programs.stopped == [Stopped(stopped)]
    assert [list(run.open) for run in harness.programs.killed] == [[]]


def test_work_without_a_renewed_lease_is_killed_before_the_lease_ends(tmp_path: Path):
    harness = DispatcherHarness(tmp_path, lease_s=12.0)  # given up after 9 s
    for _ in range(3):  # the third one waits
        harness.claim(make_batch())
    harness.dispatcher.accept(ClaimReply(ClaimRequest(1), harness.now, None, make_render()))
    children = harness.working()

    harness.later(8.9)
    assert not any(child.was_killed for child in children)
    harness.now += 0.2
    harness.dispatcher.tick(harness.now)

    assert all(child.was_killed for child in children)
    assert harness.leases.count() == 0
    assert harness.writer.outcomes == []
    assert harness.dispatcher.is_quiet
    harness.close()


def test_a_program_without_a_renewed_lease_is_killed(harness: DispatcherHarness):
    harness.claim(make_batch(slot="program"))
    harness.later(25.1)
    assert len(harness.programs.killed) == 1
    assert harness.leases.count() == 0


def test_a_renewed_lease_lets_work_go_on(harness: DispatcherHarness):
    batch, render = harness.claim(make_batch()), make_render()
    harness.claim(render=render)
    harness.later(20.0)
    harness.renew(kept=frozenset(claims_of(batch)), renders_kept=frozenset({render.claim}))
    harness.later(20.0)
    assert len(harness.working()) == 2


def test_a_render_that_is_lost_is_dropped_and_one_that_takes_too_long_costs_a_loss(harness: DispatcherHarness):
    lost, slow = make_render(), make_render()
    harness.claim(render=lost)
    harness.claim(render=slow)
    harness.renew(renders_kept=frozenset({slow.claim}), renders_lost=frozenset({lost.claim}))
    assert len(harness.working()) == 1
    (slot,) = harness.children.busy()
    slot.work.lease_ok_at = harness.now + 1e6
    harness.later(601.0)
    assert harness.writer.renders == [(slow.claim, RenderReturned(is_loss=True))]


@pytest.mark.parametrize("how", ["dies", "eats"])
def test_a_render_whose_child_is_lost_counts_that(harness: DispatcherHarness, how: str):
    render = make_render()
    harness.claim(render=render)
    (child,) = harness.working()
    if how == "dies":
        child.die()
        harness.listen()
    else:
        child.is_over_limit = True
        harness.later(1.0)
    assert harness.writer.renders == [(render.claim, RenderReturned(is_loss=True))]


def test_a_solve_that_does_not_begin_is_timed_out_alone_and_tried_again_from_a_batch(harness: DispatcherHarness):
    (alone,) = claims_of(harness.claim(make_batch()))
    several = claims_of(harness.claim(make_batch(2)))
    for slot in harness.children.busy():
        slot.work.lease_ok_at = harness.now + 1e6
    harness.later(61.0)
    ends = {outcome.claim: outcome for outcome in harness.writer.outcomes}
    assert (ends[alone].state, ends[alone].reason) == (JobStatus.TIMED_OUT, Reason.START_TIMEOUT)
    assert [ends[claim].why for claim in several] == ["lost", "lost"]


def test_the_wall_limit_of_a_batch_is_that_of_its_slowest_and_ends_nobody_but_the_job_that_is_alone(
    harness: DispatcherHarness,
):
    (alone,) = claims_of(harness.claim(make_batch(wall_limit_s=5.0)))
    several = claims_of(harness.claim(make_batch(2, wall_limit_s=8.0)))
    for child in harness.working():
        child.say(SolveStarted(child.sent[0].batch_id))
    harness.listen()
    harness.now = time.monotonic()
    harness.later(6.0)
    (outcome,) = harness.writer.outcomes
    assert (outcome.claim, outcome.reason) == (alone, Reason.WALL_TIMEOUT)
    harness.later(3.0)
    assert [(end.claim, end.why) for end in harness.writer.outcomes[1:]] == [(claim, "lost") for claim in several]


def test_progress_is_written_at_most_once_a_second(harness: DispatcherHarness, monkeypatch: pytest.MonkeyPatch):
    (claim,) = claims_of(harness.claim(make_batch()))
    (child,) = harness.working()
    batch_id = child.sent[0].batch_id
    child.say(SolveStarted(batch_id), SolveProgress(batch_id, 0.1))
    harness.listen()
    assert harness.writer.progress == {}
    harness.children.busy()[0].work.progress_at -= 2.0
    child.say(SolveProgress(batch_id, 0.2), SolveProgress(batch_id, 0.3), SolveProgress(uuid4(), 0.9))
    harness.listen()
    assert harness.writer.progress == {claim: 0.2}


def test_a_full_store_returns_the_batch_and_is_reported(harness: DispatcherHarness):
    batch = harness.claim(make_batch(2))
    (child,) = harness.working()
    child.say(SolveFinished(child.sent[0].batch_id, (), 0.1, 0, "no room", is_storage_full=True))
    harness.listen()
    assert harness.writer.outcomes == [Returned(claim, "infra", "no room") for claim in claims_of(batch)]
    assert harness.full == [1]


def test_a_job_that_the_child_left_out_goes_back(harness: DispatcherHarness):
    first, second = claims_of(harness.claim(make_batch(2)))
    (child,) = harness.working()
    stopped = PointResult(second, Reason.CANCELLED_BY_SWEEP)
    child.say(SolveFinished(child.sent[0].batch_id, (stopped,), 0.1, 0))
    harness.listen()
    assert [type(outcome) for outcome in harness.writer.outcomes] == [Stopped, Returned]
    assert harness.writer.outcomes[1].claim == first


def test_a_model_that_fails_says_so_in_its_own_words(harness: DispatcherHarness):
    (claim,) = claims_of(harness.claim(make_batch()))
    (child,) = harness.working()
    child.say(SolveFinished(child.sent[0].batch_id, (PointResult(claim, Reason.DIVERGED, "it blew up"),), 0.1, 7))
    harness.listen()
    (outcome,) = harness.writer.outcomes
    assert isinstance(outcome, Failed)
    assert (outcome.state, outcome.message) == (JobStatus.FAILED, "it blew up")
    assert outcome.usage["max_rss_bytes"] == 7


def test_words_that_nobody_asked_for_are_passed_over(harness: DispatcherHarness):
    (child, _) = harness.factory.children
    child.say("nonsense", RenderFinished(uuid4()), SolveFinished(uuid4(), (), 0.0, 0))
    harness.listen()
    assert harness.writer.outcomes == []
    assert not child.is_dead


def test_a_drain_gives_back_what_waits_at_once_and_what_runs_at_its_end(harness: DispatcherHarness):
    running = [claims_of(harness.claim(make_batch()))[0]]
    render = make_render()
    harness.claim(render=render)
    waiting = claims_of(harness.claim(make_batch()))
    late = make_render()
    harness.dispatcher.accept(ClaimReply(ClaimRequest(1), harness.now, None, late))

    harness.dispatcher.return_waiting()
    assert [(outcome.claim, outcome.why) for outcome in harness.writer.outcomes] == [(waiting[0], "drain")]
    assert harness.writer.renders == [(late.claim, RenderReturned(is_loss=False))]

    harness.dispatcher.return_running()
    assert [(outcome.claim, outcome.why) for outcome in harness.writer.outcomes[1:]] == [(running[0], "drain")]
    assert harness.writer.renders[1:] == [(render.claim, RenderReturned(is_loss=False))]
    assert harness.dispatcher.is_quiet


def test_a_drain_ends_programs(harness: DispatcherHarness):
    (claim,) = claims_of(harness.claim(make_batch(slot="program")))
    harness.dispatcher.return_running()
    assert len(harness.programs.killed) == 1
    assert [outcome.claim for outcome in harness.writer.outcomes] == [claim]


def test_a_seat_without_a_child_hears_nothing(harness: DispatcherHarness):
    slot = Slot("small", 1)
    harness.dispatcher.on_readable(slot)
    assert harness.children.terminate(Slot("small", 1)) is None


def held(harness: DispatcherHarness, tokens: int = 2) -> None:
    """Let long work of one owner hold every core token."""
    for _ in range(tokens):
        harness.claim(make_batch())
    for child in harness.working():
        child.say(SolveStarted(child.sent[0].batch_id))
    harness.listen()
    harness.later(GUEST_AFTER_S + 1)


def newest(harness: DispatcherHarness) -> MemoryChild:
    child = harness.factory.children[-1]
    child.be_ready()
    harness.listen()
    return child


def test_long_work_of_one_owner_holds_up_nobody_else(harness: DispatcherHarness):
    held(harness)
    assert (harness.dispatcher.capacity(harness.now), harness.dispatcher.extra_shares(harness.now)) == (
        0,
        ("guest", "short"),
    )

    guest = harness.claim(make_batch(owner_id=uuid4(), share="guest"))

    assert guest is not None
    assert newest(harness).sent[0].batch_id == guest.batch_id
    assert (harness.dispatcher.busy, harness.dispatcher.capacity(harness.now)) == (2, 0)


def test_no_extra_shares_are_claimed_while_one_is_free_or_soon_will_be(harness: DispatcherHarness):
    assert harness.dispatcher.extra_shares(harness.now) == ()
    harness.claim(make_batch())
    harness.later(GUEST_AFTER_S + 1)
    assert harness.dispatcher.extra_shares(harness.now) == ()
    harness.claim(make_batch())
    assert harness.dispatcher.extra_shares(harness.now) == ()  # it began just now and may be short
    harness.later(GUEST_AFTER_S + 1)
    assert harness.dispatcher.extra_shares(harness.now) == ("guest", "short")


def test_guests_are_as_many_as_tokens_and_one_of_each_owner(harness: DispatcherHarness):
    held(harness)
    guest = uuid4()
    for owner in (guest, guest, uuid4(), uuid4()):
        harness.claim(make_batch(owner_id=owner, share="guest"))

    owners = [slot.work.batch.owner_id for slot in harness.children if isinstance(slot.work, Run) and slot.tokens == 0]
    assert (len(owners), len(set(owners)), owners.count(guest)) == (2, 2, 1)
    assert harness.dispatcher.extra_shares(harness.now) == ("short",)


def test_a_batch_that_was_claimed_ahead_becomes_a_guest_where_its_owner_has_nothing_running(harness: DispatcherHarness):
    harness.claim(make_batch())
    harness.claim(make_batch())
    harness.claim(make_batch())
    ahead = harness.claim(make_batch(owner_id=uuid4()))
    assert len(harness.factory.children) == 2

    harness.later(GUEST_AFTER_S + 0.1)

    assert ahead is not None
    assert newest(harness).sent[0].batch_id == ahead.batch_id
    assert len(harness.working()) == 3  # the batch before it is of the owner who has all tokens, and waits for one


def test_one_short_batch_of_anybody_runs_beside_long_ones(harness: DispatcherHarness):
    held(harness)
    first, second = harness.claim(make_batch(share="short")), harness.claim(make_batch(share="short"))

    child = newest(harness)
    assert first is not None
    assert second is not None
    assert child.sent[0].batch_id == first.batch_id
    child.solve()
    harness.listen()
    harness.later(0.1)
    assert child.sent[-1].batch_id == second.batch_id  # the same child, and one at a time
    assert harness.dispatcher.extra_shares(harness.now) == ("guest",)


def test_files_have_a_seat_of_their_own(harness: DispatcherHarness):
    held(harness)
    harness.claim(render=make_render())
    harness.claim(render=make_render())

    child = newest(harness)
    assert [type(message) for message in child.sent] == [Render]
    assert len(harness.working()) == 3
    child.say(RenderFinished(child.sent[0].render_id))
    harness.listen()
    harness.later(0.1)
    assert [type(message) for message in child.sent] == [Render, Render]


def test_a_program_runs_as_a_guest_too(harness: DispatcherHarness):
    held(harness)
    harness.claim(make_batch(slot="program", image="sim:local", owner_id=uuid4(), share="guest"))

    assert [run.extra_share for run in harness.programs.started] == ["guest"]
    assert harness.dispatcher.busy == 2


def test_a_child_without_core_tokens_leaves_when_nobody_needs_it(harness: DispatcherHarness):
    held(harness)
    harness.claim(make_batch(share="short"))
    child = newest(harness)
    child.solve()
    harness.listen()

    harness.later(TEMPORARY_IDLE_S + 1)

    assert child.is_closed


def test_containers_do_not_wait_for_the_first_child_which_may_compile_for_minutes(tmp_path):
    harness = DispatcherHarness(tmp_path, is_ready=False)
    assert (harness.children.has_ready, harness.dispatcher.capacity(harness.now)) == (False, 2)

    harness.claim(make_batch(slot="docker", image="sim:local"))
    assert (len(harness.programs.started), harness.dispatcher.capacity(harness.now)) == (1, 1)
    harness.be_ready()
    assert (harness.children.has_ready, harness.dispatcher.capacity(harness.now)) == (True, 1)
    harness.claim(make_batch())
    assert (len(harness.working()), harness.dispatcher.busy) == (1, 2)
    harness.close()
