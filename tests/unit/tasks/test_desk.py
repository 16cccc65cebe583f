"""The desk: who works on what, in which order, and how work ends before its answer."""

import selectors
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from tests.doubles.children import MemoryChild, MemoryFactory
from tests.doubles.ledgers import make_batch, make_render

from grid.runtime.messages import Advanced, Begun, LeaveOut, PointResult, Render, Rendered, Solve, Solved
from grid.runtime.processes import ExitReason
from grid.schemas.jobs import Claim, JobStatus, Reason
from grid.services.ledger import ClaimedBatch, Failed, Outcome, Renewal, Returned, Stopped, Succeeded
from grid.services.renders import ClaimedRender, GivenBack
from grid.tasks.children import TEMPORARY_IDLE_S, Children, Seat
from grid.tasks.desk import GUEST_AFTER_S, LARGE_WAIT_S, READY_LIMIT_S, Desk, Limits
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


class Stage:
    """No programs run here; they only hold tokens."""

    def __init__(self) -> None:
        self.started: list[Run] = []
        self.stopped: list[Outcome] = []
        self.killed: list[Run] = []

    @property
    def tokens_used(self) -> int:
        return sum(1 for run in self.started if run.beyond is None)

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


class Room:
    """A desk with two small children that are up."""

    def __init__(self, tokens: int = 2, lease_s: float = 30.0) -> None:
        self.selector = selectors.DefaultSelector()
        self.factory, self.writer, self.programs, self.leases = MemoryFactory(), RecordingWriter(), Stage(), Leases()
        self.full: list[int] = []
        self.children = Children(self.factory, self.selector, small=tokens, on_readable=self.hear)
        self.desk = Desk(
            self.children,
            self.programs,  # type: ignore[arg-type]
            self.writer,  # type: ignore[arg-type]
            self.leases,
            Limits(tokens, lease_s=lease_s, start_s=60.0),
            on_storage_full=lambda: self.full.append(1),
        )
        self.now = time.monotonic()
        self.desk.tick(self.now)
        for child in self.factory.children:
            child.be_ready()
        self.listen()

    def hear(self, seat: Seat) -> None:
        self.desk.hear(seat)

    def close(self) -> None:
        self.children.close()
        self.selector.close()

    def listen(self) -> None:
        for seat in list(self.children):
            self.desk.hear(seat)

    def claim(self, batch: ClaimedBatch | None = None, render: ClaimedRender | None = None) -> ClaimedBatch | None:
        """Give the desk what the ledger writer claimed, and let it start what can start."""
        if batch is not None:
            self.leases.hold(job.claim for job in batch.jobs)
        self.desk.accept(ClaimReply(ClaimRequest(1), self.now, batch, render))
        self.desk.dispatch(self.now)
        return batch

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.desk.tick(self.now)
        self.desk.dispatch(self.now)

    def working(self) -> list[MemoryChild]:
        return [seat.child for seat in self.children if seat.work is not None]  # type: ignore[misc]

    def renew(self, **words: frozenset) -> None:
        answer = {"kept": NONE, "lost": NONE, "cancelled": NONE, "overdue": NONE, **words}
        kept, lost = answer.pop("renders_kept", frozenset()), answer.pop("renders_lost", frozenset())
        self.desk.on_leases_renewed(LeasesRenewed(Renewal(**answer), kept, lost, self.now))


@pytest.fixture
def room() -> Iterator[Room]:
    room = Room()
    yield room
    room.close()


def claims_of(batch: ClaimedBatch) -> list[Claim]:
    return [job.claim for job in batch.jobs]


def test_batches_go_to_idle_children_and_their_answers_to_the_ledger_writer(room: Room):
    first, second = room.claim(make_batch(2)), room.claim(make_batch(3))
    assert [len(child.told[0].claims) for child in room.working()] == [2, 3]
    assert room.desk.busy == 2

    for child in room.working():
        child.solve()
    room.listen()

    assert room.desk.is_quiet
    assert room.writer.begun == [*claims_of(first), *claims_of(second)]
    assert {outcome.claim for outcome in room.writer.outcomes if isinstance(outcome, Succeeded)} == {
        *claims_of(first),
        *claims_of(second),
    }


def test_one_batch_ahead_is_claimed_for_each_child_that_is_soon_done(room: Room):
    assert room.desk.capacity(room.now) == 2
    room.claim(make_batch())
    assert room.desk.capacity(room.now) == 2  # the other child, and the next batch of the first one
    room.claim(make_batch())
    room.claim(make_batch())
    assert room.desk.capacity(room.now) == 1
    assert room.desk.capacity(room.now + 60.0) <= 0  # both have worked for long: nobody knows when they end


def test_a_batch_that_finds_no_free_child_goes_back_for_others(room: Room):
    for _ in range(3):
        room.claim(make_batch())
    waiting = make_batch()
    room.claim(waiting)
    for seat in room.children.busy():
        seat.work.lease_ok_at = room.now + 1e6
    room.later(1.0)
    assert room.writer.outcomes == []

    room.later(READY_LIMIT_S)

    returned = [outcome for outcome in room.writer.outcomes if isinstance(outcome, Returned)]
    assert [outcome.claim for outcome in returned][-1:] == claims_of(waiting)
    assert {outcome.why for outcome in returned} == {"drain"}


def test_a_large_job_waits_for_its_tokens_and_nothing_small_passes_it(room: Room):
    room.claim(make_batch())
    room.claim(make_batch(slot="large"))
    room.claim(make_batch())
    assert room.desk.busy == 1

    room.working()[0].solve()
    room.listen()
    room.desk.dispatch(room.now)

    (large,) = [child for child in room.factory.children if child.kind == "large"]
    assert (large.tokens, room.desk.busy, large.told) == (2, 2, [])
    large.be_ready()
    room.listen()
    assert isinstance(large.told[0], Solve)
    large.solve()
    room.listen()
    room.desk.dispatch(room.now)
    assert room.desk.busy == 1  # the small one behind it


def test_a_large_job_starts_with_what_is_free_rather_than_wait_for_ever(room: Room):
    room.claim(make_batch())
    room.working()[0].told.clear()
    room.claim(make_batch(slot="large"))
    room.later(LARGE_WAIT_S + 1.0)
    assert [child.tokens for child in room.factory.children if child.kind == "large"] == [1]


def test_an_idle_large_child_is_used_again_and_then_let_go(room: Room):
    for _ in range(2):
        room.claim(make_batch(slot="large"))
        (large,) = [child for child in room.factory.children if child.kind == "large"]
        if not large.told:
            large.be_ready()
            room.listen()
        large.solve()
        room.listen()
    assert len(large.told) == 2

    room.later(31.0)

    assert large.is_closed
    assert {seat.kind for seat in room.children} == {"small"}


def test_a_program_takes_a_token(room: Room):
    room.claim(make_batch(slot="program", image="sim:local"))
    assert (len(room.programs.started), room.desk.busy, room.desk.capacity(room.now)) == (1, 1, 1)


def test_files_are_made_before_batches(room: Room):
    for seat in list(room.children)[1:]:
        seat.is_ready = False  # one child left
    room.desk.accept(ClaimReply(ClaimRequest(1), room.now, make_batch(), make_render()))
    room.desk.dispatch(room.now)
    (child,) = room.working()
    assert isinstance(child.told[0], Render)

    answer = Rendered(child.told[0].render_id)
    child.say(answer)
    room.listen()
    room.desk.dispatch(room.now)

    assert room.writer.renders[0][1] == answer
    assert isinstance(child.told[1], Solve)


@pytest.mark.parametrize("how", ["dies", "eats"])
def test_a_child_that_is_lost_costs_a_batch_one_try(room: Room, how: str):
    batch = room.claim(make_batch(3))
    (child,) = room.working()
    if how == "dies":
        child.die()
        room.listen()
    else:
        child.has_eaten = True
        room.later(1.0)

    assert room.writer.outcomes == [Returned(claim, "lost", child.end.sentence) for claim in claims_of(batch)]
    assert room.desk.is_quiet


@pytest.mark.parametrize("how", ["by the kernel", "by us"])
def test_too_much_memory_is_the_job_s_own_when_it_is_alone(room: Room, how: str):
    (claim,) = claims_of(room.claim(make_batch()))
    (child,) = room.working()
    if how == "by us":
        child.has_eaten = True
        room.later(1.0)
    else:
        child.die(ExitReason(signal=9, is_oom=True))
        room.listen()

    (outcome,) = room.writer.outcomes
    assert (outcome.claim, outcome.status, outcome.reason) == (claim, JobStatus.FAILED, Reason.OOM)


def test_a_dead_child_is_replaced_after_a_pause(room: Room):
    (child, other) = room.factory.children
    child.die()
    room.listen()
    room.later(60.0)
    assert [seat.child for seat in room.children] == [room.factory.children[2], other]


def test_a_child_that_cannot_be_started_is_tried_again(room: Room):
    room.factory.refusals = 2
    room.factory.children[0].die()
    room.listen()
    room.later(60.0)
    room.later(60.0)
    assert len(room.factory.children) == 2
    room.later(60.0)
    assert len(room.factory.children) == 3


def test_a_cancelled_column_is_left_out_and_the_last_one_takes_the_child_along(room: Room):
    first, second = claims_of(room.claim(make_batch(2)))
    (child,) = room.working()

    room.renew(kept=frozenset({first, second}), cancelled=frozenset({first}))
    assert child.told[1:] == [LeaveOut(child.told[0].batch_id, frozenset({first.job_id}))]
    assert room.writer.outcomes == [Stopped(first)]

    room.renew(kept=frozenset({second}), cancelled=frozenset({second}))
    assert child.was_killed
    assert room.writer.outcomes == [Stopped(first), Stopped(second)]


def test_an_overdue_job_is_timed_out_and_a_lost_one_is_left_without_a_word(room: Room):
    overdue, lost, good = claims_of(room.claim(make_batch(3)))
    (child,) = room.working()

    room.renew(kept=frozenset({overdue, good}), overdue=frozenset({overdue}), lost=frozenset({lost}))

    (outcome,) = room.writer.outcomes
    assert (outcome.claim, outcome.status, outcome.reason) == (overdue, JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT)
    assert lost not in room.leases.jobs()
    child.solve()
    room.listen()
    assert [outcome.claim for outcome in room.writer.outcomes] == [overdue, good]


def test_a_cancel_reaches_what_waits(room: Room):
    for _ in range(2):
        room.claim(make_batch())
    (waiting,) = claims_of(room.claim(make_batch()))
    room.renew(kept=frozenset({waiting}), cancelled=frozenset({waiting}))
    assert room.writer.outcomes == [Stopped(waiting)]


def test_a_cancel_reaches_programs(room: Room):
    (stopped,) = claims_of(room.claim(make_batch(slot="program")))
    (lost,) = claims_of(room.claim(make_batch(slot="program")))
    room.renew(kept=frozenset({stopped}), cancelled=frozenset({stopped}), lost=frozenset({lost}))
    assert room.programs.stopped == [Stopped(stopped)]
    assert [list(run.open) for run in room.programs.killed] == [[]]


def test_work_without_a_renewed_lease_is_killed_before_the_lease_ends():
    room = Room(lease_s=12.0)  # given up after 9 s
    for _ in range(3):  # the third one waits
        room.claim(make_batch())
    room.desk.accept(ClaimReply(ClaimRequest(1), room.now, None, make_render()))
    children = room.working()

    room.later(8.9)
    assert not any(child.was_killed for child in children)
    room.now += 0.2
    room.desk.tick(room.now)

    assert all(child.was_killed for child in children)
    assert room.leases.count() == 0
    assert room.writer.outcomes == []
    assert room.desk.is_quiet
    room.close()


def test_a_program_without_a_renewed_lease_is_killed(room: Room):
    room.claim(make_batch(slot="program"))
    room.later(25.1)
    assert len(room.programs.killed) == 1
    assert room.leases.count() == 0


def test_a_renewed_lease_lets_work_go_on(room: Room):
    batch, render = room.claim(make_batch()), make_render()
    room.claim(render=render)
    room.later(20.0)
    room.renew(kept=frozenset(claims_of(batch)), renders_kept=frozenset({render.claim}))
    room.later(20.0)
    assert len(room.working()) == 2


def test_a_render_that_is_lost_is_dropped_and_one_that_takes_too_long_costs_a_loss(room: Room):
    lost, slow = make_render(), make_render()
    room.claim(render=lost)
    room.claim(render=slow)
    room.renew(renders_kept=frozenset({slow.claim}), renders_lost=frozenset({lost.claim}))
    assert len(room.working()) == 1
    (seat,) = room.children.busy()
    seat.work.lease_ok_at = room.now + 1e6
    room.later(601.0)
    assert room.writer.renders == [(slow.claim, GivenBack(is_loss=True))]


@pytest.mark.parametrize("how", ["dies", "eats"])
def test_a_render_whose_child_is_lost_counts_that(room: Room, how: str):
    render = make_render()
    room.claim(render=render)
    (child,) = room.working()
    if how == "dies":
        child.die()
        room.listen()
    else:
        child.has_eaten = True
        room.later(1.0)
    assert room.writer.renders == [(render.claim, GivenBack(is_loss=True))]


def test_a_solve_that_does_not_begin_is_timed_out_alone_and_tried_again_from_a_batch(room: Room):
    (alone,) = claims_of(room.claim(make_batch()))
    several = claims_of(room.claim(make_batch(2)))
    for seat in room.children.busy():
        seat.work.lease_ok_at = room.now + 1e6
    room.later(61.0)
    ends = {outcome.claim: outcome for outcome in room.writer.outcomes}
    assert (ends[alone].status, ends[alone].reason) == (JobStatus.TIMED_OUT, Reason.START_TIMEOUT)
    assert [ends[claim].why for claim in several] == ["lost", "lost"]


def test_the_wall_limit_of_a_batch_is_that_of_its_slowest_and_ends_nobody_but_the_job_that_is_alone(room: Room):
    (alone,) = claims_of(room.claim(make_batch(wall_limit_s=5.0)))
    several = claims_of(room.claim(make_batch(2, wall_limit_s=8.0)))
    for child in room.working():
        child.say(Begun(child.told[0].batch_id))
    room.listen()
    room.now = time.monotonic()
    room.later(6.0)
    (outcome,) = room.writer.outcomes
    assert (outcome.claim, outcome.reason) == (alone, Reason.WALL_TIMEOUT)
    room.later(3.0)
    assert [(end.claim, end.why) for end in room.writer.outcomes[1:]] == [(claim, "lost") for claim in several]


def test_progress_is_written_at_most_once_a_second(room: Room, monkeypatch: pytest.MonkeyPatch):
    (claim,) = claims_of(room.claim(make_batch()))
    (child,) = room.working()
    batch_id = child.told[0].batch_id
    child.say(Begun(batch_id), Advanced(batch_id, 0.1))
    room.listen()
    assert room.writer.progress == {}
    room.children.busy()[0].work.told_at -= 2.0
    child.say(Advanced(batch_id, 0.2), Advanced(batch_id, 0.3), Advanced(uuid4(), 0.9))
    room.listen()
    assert room.writer.progress == {claim: 0.2}


def test_a_full_store_returns_the_batch_and_is_reported(room: Room):
    batch = room.claim(make_batch(2))
    (child,) = room.working()
    child.say(Solved(child.told[0].batch_id, (), 0.1, 0, "no room", is_storage_full=True))
    room.listen()
    assert room.writer.outcomes == [Returned(claim, "infra", "no room") for claim in claims_of(batch)]
    assert room.full == [1]


def test_a_job_that_the_child_left_out_goes_back(room: Room):
    first, second = claims_of(room.claim(make_batch(2)))
    (child,) = room.working()
    stopped = PointResult(second, Reason.CANCELLED_BY_SWEEP)
    child.say(Solved(child.told[0].batch_id, (stopped,), 0.1, 0))
    room.listen()
    assert [type(outcome) for outcome in room.writer.outcomes] == [Stopped, Returned]
    assert room.writer.outcomes[1].claim == first


def test_a_model_that_fails_says_so_in_its_own_words(room: Room):
    (claim,) = claims_of(room.claim(make_batch()))
    (child,) = room.working()
    child.say(Solved(child.told[0].batch_id, (PointResult(claim, Reason.DIVERGED, "it blew up"),), 0.1, 7))
    room.listen()
    (outcome,) = room.writer.outcomes
    assert isinstance(outcome, Failed)
    assert (outcome.status, outcome.message) == (JobStatus.FAILED, "it blew up")
    assert outcome.usage["max_rss_bytes"] == 7


def test_words_that_nobody_asked_for_are_passed_over(room: Room):
    (child, _) = room.factory.children
    child.say("nonsense", Rendered(uuid4()), Solved(uuid4(), (), 0.0, 0))
    room.listen()
    assert room.writer.outcomes == []
    assert not child.is_dead


def test_a_drain_gives_back_what_waits_at_once_and_what_runs_at_its_end(room: Room):
    running = [claims_of(room.claim(make_batch()))[0]]
    render = make_render()
    room.claim(render=render)
    waiting = claims_of(room.claim(make_batch()))
    late = make_render()
    room.desk.accept(ClaimReply(ClaimRequest(1), room.now, None, late))

    room.desk.return_waiting()
    assert [(outcome.claim, outcome.why) for outcome in room.writer.outcomes] == [(waiting[0], "drain")]
    assert room.writer.renders == [(late.claim, GivenBack(is_loss=False))]

    room.desk.return_running()
    assert [(outcome.claim, outcome.why) for outcome in room.writer.outcomes[1:]] == [(running[0], "drain")]
    assert room.writer.renders[1:] == [(render.claim, GivenBack(is_loss=False))]
    assert room.desk.is_quiet


def test_a_drain_ends_programs(room: Room):
    (claim,) = claims_of(room.claim(make_batch(slot="program")))
    room.desk.return_running()
    assert len(room.programs.killed) == 1
    assert [outcome.claim for outcome in room.writer.outcomes] == [claim]


def test_a_seat_without_a_child_hears_nothing(room: Room):
    seat = Seat("small", 1)
    room.desk.hear(seat)
    assert room.children.bury(Seat("small", 1)) is None


def held(room: Room, tokens: int = 2) -> None:
    """Let long work of one owner hold every core token."""
    for _ in range(tokens):
        room.claim(make_batch())
    for child in room.working():
        child.say(Begun(child.told[0].batch_id))
    room.listen()
    room.later(GUEST_AFTER_S + 1)


def newest(room: Room) -> MemoryChild:
    child = room.factory.children[-1]
    child.be_ready()
    room.listen()
    return child


def test_long_work_of_one_owner_holds_up_nobody_else(room: Room):
    held(room)
    assert (room.desk.capacity(room.now), room.desk.shares_beyond(room.now)) == (0, ("guest", "short"))

    guest = room.claim(make_batch(owner_id=uuid4(), share="guest"))

    assert guest is not None
    assert newest(room).told[0].batch_id == guest.batch_id
    assert (room.desk.busy, room.desk.capacity(room.now)) == (2, 0)


def test_nothing_goes_beyond_the_tokens_while_one_is_free_or_soon_will_be(room: Room):
    assert room.desk.shares_beyond(room.now) == ()
    room.claim(make_batch())
    room.later(GUEST_AFTER_S + 1)
    assert room.desk.shares_beyond(room.now) == ()
    room.claim(make_batch())
    assert room.desk.shares_beyond(room.now) == ()  # it began just now and may be short
    room.later(GUEST_AFTER_S + 1)
    assert room.desk.shares_beyond(room.now) == ("guest", "short")


def test_guests_are_as_many_as_tokens_and_one_of_each_owner(room: Room):
    held(room)
    guest = uuid4()
    for owner in (guest, guest, uuid4(), uuid4()):
        room.claim(make_batch(owner_id=owner, share="guest"))

    owners = [seat.work.batch.owner_id for seat in room.children if isinstance(seat.work, Run) and seat.tokens == 0]
    assert (len(owners), len(set(owners)), owners.count(guest)) == (2, 2, 1)
    assert room.desk.shares_beyond(room.now) == ("short",)


def test_a_batch_that_was_claimed_ahead_becomes_a_guest_where_its_owner_has_nothing_running(room: Room):
    room.claim(make_batch())
    room.claim(make_batch())
    room.claim(make_batch())
    ahead = room.claim(make_batch(owner_id=uuid4()))
    assert len(room.factory.children) == 2

    room.later(GUEST_AFTER_S + 0.1)

    assert ahead is not None
    assert newest(room).told[0].batch_id == ahead.batch_id
    assert len(room.working()) == 3  # the batch before it is of the owner who has all tokens, and waits for one


def test_one_short_batch_of_anybody_runs_beside_long_ones(room: Room):
    held(room)
    first, second = room.claim(make_batch(share="short")), room.claim(make_batch(share="short"))

    child = newest(room)
    assert first is not None
    assert second is not None
    assert child.told[0].batch_id == first.batch_id
    child.solve()
    room.listen()
    room.later(0.1)
    assert child.told[-1].batch_id == second.batch_id  # the same child, and one at a time
    assert room.desk.shares_beyond(room.now) == ("guest",)


def test_files_have_a_seat_of_their_own(room: Room):
    held(room)
    room.claim(render=make_render())
    room.claim(render=make_render())

    child = newest(room)
    assert [type(message) for message in child.told] == [Render]
    assert len(room.working()) == 3
    child.say(Rendered(child.told[0].render_id))
    room.listen()
    room.later(0.1)
    assert [type(message) for message in child.told] == [Render, Render]


def test_a_program_runs_as_a_guest_too(room: Room):
    held(room)
    room.claim(make_batch(slot="program", image="sim:local", owner_id=uuid4(), share="guest"))

    assert [run.beyond for run in room.programs.started] == ["guest"]
    assert room.desk.busy == 2


def test_a_child_beyond_the_tokens_leaves_when_nobody_needs_it(room: Room):
    held(room)
    room.claim(make_batch(share="short"))
    child = newest(room)
    child.solve()
    room.listen()

    room.later(TEMPORARY_IDLE_S + 1)

    assert child.is_closed
