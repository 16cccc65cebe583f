import pytest
from tests.support.databases import HandClock, opened
from tests.support.ledgers import MANIFEST, add_owner, claim, get_job, submit

from grid.api.presenting import present_job
from grid.core.errors import NotFoundError
from grid.core.ids import new_id
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import Claim, JobStatus, Reason
from grid.schemas.wire import JobPage
from grid.services import ledger
from grid.services import sweeps as sweep_service
from grid.services.ledger import Failed, JobFinishedError, LogChunk, Returned, Stopped, Succeeded
from grid.services.logs import START, read_news
from grid.services.reaper import reap


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def uow(database_maker, tmp_path, clock):
    with opened(database_maker, tmp_path, clock) as database:
        yield UnitOfWork(database)


@pytest.fixture
def owner(uow):
    return add_owner(uow)


def counters(uow, owner):
    with uow.read() as tx:
        queue = tx.queues.find(owner)
    return queue.queued, queue.active


def attempts(uow, job_id):
    with uow.read() as tx:
        return tx.attempts.of_job(job_id)


def run(uow, **options):
    """Claim and begin; return the claims."""
    claims = [job.claim for job in claim(uow, **options).jobs]
    assert ledger.conclude(uow, (), begun=claims) == frozenset()
    assert {get_job(uow, one.job_id).state for one in claims} == {JobStatus.RUNNING}
    return claims


def nonzero(claim):
    return Failed(claim, JobStatus.FAILED, Reason.NONZERO_EXIT, "exit 3", 3)


def test_success_is_written_once_with_its_epoch_manifest_and_attempt(uow, owner):
    (job_id,) = submit(uow, owner)
    (claimed,) = run(uow)

    assert ledger.conclude(uow, [Succeeded(claimed, MANIFEST, {"elapsed_s": 0.5})]) == {claimed}

    row = get_job(uow, job_id)
    assert (row.state, row.reason, row.winning_epoch, row.progress) == (JobStatus.SUCCESS, Reason.OK, 1, 1.0)
    assert row.result_manifest == MANIFEST
    assert (row.lease_owner, row.lease_until, row.heartbeat_at, row.batch_id) == (None, None, None, None)
    assert row.finished_at is not None
    (attempt,) = attempts(uow, job_id)
    assert (attempt.outcome, attempt.usage, attempt.ended_at) == ("ok", {"elapsed_s": 0.5}, row.finished_at)
    assert counters(uow, owner) == (0, 0)


@pytest.mark.parametrize("ends_too", [False, True], ids=["begins", "begins and ends"])
def test_a_job_started_when_its_run_began_and_not_when_that_was_written(uow, owner, clock, ends_too):
    submit(uow, owner, 2)
    jobs = claim(uow).jobs
    clock.advance(5.0)

    outcomes = [Succeeded(job.claim, MANIFEST) for job in jobs if ends_too]
    ledger.conclude(uow, outcomes, begun={jobs[0].claim: 1.5, jobs[1].claim: 0.0})

    rows = [get_job(uow, job.id) for job in jobs]
    assert [(clock.time - row.started_at).total_seconds() for row in rows] == [1.5, 0.0]
    assert {row.state for row in rows} == {JobStatus.SUCCESS if ends_too else JobStatus.RUNNING}
    assert {row.finished_at for row in rows} == {clock.time if ends_too else None}


def test_a_second_conclusion_changes_nothing(uow, owner):
    (job_id,) = submit(uow, owner)
    (claimed,) = run(uow)
    ledger.conclude(uow, [Succeeded(claimed, MANIFEST)])
    before = get_job(uow, job_id)

    assert ledger.conclude(uow, [Succeeded(claimed, MANIFEST), nonzero(claimed)]) == frozenset()
    assert get_job(uow, job_id) == before


def test_a_run_begins_and_ends_in_one_call_with_two_versions(uow, owner):
    (job_id,) = submit(uow, owner)
    claimed = claim(uow).jobs[0].claim

    assert ledger.conclude(uow, [Succeeded(claimed, MANIFEST)]) == frozenset()  # it never ran
    assert ledger.conclude(uow, [Succeeded(claimed, MANIFEST)], begun=[claimed]) == {claimed}

    row = get_job(uow, job_id)
    assert (row.state, row.version) == (JobStatus.SUCCESS, 4)  # queued 1, starting 2, running 3, success 4
    assert row.started_at is not None


def test_a_stale_epoch_is_dropped_and_its_neighbours_are_kept(uow, owner, clock):
    submit(uow, owner, 3)
    first, lost, last = run(uow)
    ledger.conclude(uow, [Returned(lost, "lost")])
    again = claim(uow).jobs[0].claim
    assert again == Claim(lost.job_id, 2)

    accepted = ledger.conclude(
        uow,
        [Succeeded(each, MANIFEST) for each in (first, lost, last)],
        [LogChunk(each, 0, "said\n") for each in (first, lost, last)],
    )

    assert accepted == {first, last}
    assert get_job(uow, lost.job_id).state is JobStatus.STARTING
    with uow.read() as tx:
        assert [len(tx.logs.read(each.job_id)) for each in (first, lost, last)] == [1, 0, 1]


def test_a_failure_carries_its_reason_and_sentence(uow, owner):
    (job_id,) = submit(uow, owner)
    (claimed,) = run(uow)

    ledger.conclude(uow, [Failed(claimed, JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT, "60 s were over", usage={"s": 60})])

    row = get_job(uow, job_id)
    assert (row.state, row.reason, row.message) == (JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT, "60 s were over")
    assert (row.attempts_used, row.winning_epoch, row.result_manifest) == (1, None, None)
    with pytest.raises(ValueError, match="success"):
        Failed(claimed, JobStatus.SUCCESS, Reason.OK)


def test_a_program_that_exits_with_an_error_is_tried_as_often_as_its_user_asked(uow, owner, clock):
    (job_id,) = submit(uow, owner, max_attempts=3)
    pauses = []
    for _ in range(2):
        ledger.conclude(uow, [nonzero(run(uow)[0])])
        row = get_job(uow, job_id)
        assert row.state is JobStatus.QUEUED
        pauses.append((row.available_at - clock.time).total_seconds())
        clock.advance(pauses[-1])
    ledger.conclude(uow, [nonzero(run(uow)[0])])

    row = get_job(uow, job_id)
    assert (row.state, row.reason, row.attempts_used, row.epoch) == (JobStatus.FAILED, Reason.NONZERO_EXIT, 3, 3)
    assert 1 <= pauses[0] <= 2 <= pauses[1] <= 4
    assert [(one.outcome, one.exit_code) for one in attempts(uow, job_id)] == [("nonzero_exit", 3)] * 3


def test_a_failure_of_the_simulation_itself_is_not_tried_again(uow, owner):
    (job_id,) = submit(uow, owner, max_attempts=3)

    ledger.conclude(uow, [Failed(run(uow)[0], JobStatus.FAILED, Reason.DIVERGED)])

    assert get_job(uow, job_id).state is JobStatus.FAILED


def test_infrastructure_is_given_ten_tries_with_growing_pauses(uow, owner, clock):
    (job_id,) = submit(uow, owner, wall_limit_s=3600)
    pauses = []
    for _ in range(9):
        ledger.conclude(uow, [Returned(claim(uow).jobs[0].claim, "infra", "no room")])
        row = get_job(uow, job_id)
        assert (row.state, row.attempts_used, row.worker_losses) == (JobStatus.QUEUED, 0, 0)
        pauses.append((row.available_at - clock.time).total_seconds())
        clock.advance(pauses[-1])
    ledger.conclude(uow, [Returned(claim(uow).jobs[0].claim, "infra")])

    row = get_job(uow, job_id)
    assert (row.state, row.reason) == (JobStatus.FAILED, Reason.INFRA)
    caps = [min(300, 2 * 2**n) for n in range(9)]
    assert all(cap / 2 <= pause <= cap for pause, cap in zip(pauses, caps, strict=True))


def test_a_drain_gives_the_job_back_at_once_and_costs_nothing(uow, owner):
    (job_id,) = submit(uow, owner)

    ledger.conclude(uow, [Returned(run(uow)[0], "drain")])

    row = get_job(uow, job_id)
    assert (row.state, row.attempts_used, row.worker_losses, row.infra_failures) == (JobStatus.QUEUED, 0, 0, 0)
    assert claim(uow).jobs[0].claim == Claim(job_id, 2)
    assert attempts(uow, job_id)[0].outcome == "drain"


def test_the_third_lost_worker_is_poison(uow, owner, clock):
    (job_id,) = submit(uow, owner)
    for losses in (1, 2):
        run(uow, lease_s=30)
        clock.advance(31)
        assert reap(uow).requeued == 1
        assert get_job(uow, job_id).worker_losses == losses
    run(uow, lease_s=30)
    clock.advance(31)

    assert reap(uow).poisoned == 1
    row = get_job(uow, job_id)
    assert (row.state, row.reason, row.worker_losses) == (JobStatus.FAILED, Reason.POISON, 3)
    assert [one.outcome for one in attempts(uow, job_id)] == ["worker_lost", "worker_lost", "poison"]
    assert counters(uow, owner) == (0, 0)


def test_the_reaper_leaves_living_leases_alone(uow, owner, clock):
    submit(uow, owner)
    run(uow, lease_s=30)
    clock.advance(30)

    assert reap(uow).total == 0


def test_a_renewed_lease_lives_on_and_a_stranger_cannot_renew_it(uow, owner, clock):
    submit(uow, owner)
    claims = run(uow, lease_s=30)
    clock.advance(20)

    mine = ledger.renew(uow, worker_id="worker-1", claims=claims, lease_s=30)
    theirs = ledger.renew(uow, worker_id="worker-2", claims=claims, lease_s=30)
    clock.advance(20)

    assert (mine.kept, mine.lost, mine.cancelled, mine.overdue) == (set(claims), set(), set(), set())
    assert (theirs.kept, theirs.lost) == (set(), set(claims))
    assert reap(uow).total == 0


def test_a_heartbeat_brings_the_cancel_and_the_deadline(uow, owner, clock):
    submit(uow, owner, 2, wall_limit_s=10)
    first, second = run(uow, lease_s=300)
    ledger.cancel(uow, owner_id=owner, job_id=first.job_id, by=Reason.CANCELLED_BY_USER)
    clock.advance(40)

    renewal = ledger.renew(uow, worker_id="worker-1", claims=[first, second, Claim(new_id(), 1)], lease_s=30)

    assert (renewal.cancelled, renewal.overdue) == ({first}, {first, second})
    assert len(renewal.lost) == 1


def test_the_deadline_outranks_every_retry(uow, owner, clock):
    ids = submit(uow, owner, 4, wall_limit_s=10, max_attempts=5)
    drained, broken, lost, failed = run(uow, lease_s=300)
    clock.advance(40)

    ledger.conclude(
        uow, [Returned(drained, "drain"), Returned(broken, "infra"), Returned(lost, "lost"), nonzero(failed)]
    )

    assert {(get_job(uow, job).state, get_job(uow, job).reason) for job in ids} == {
        (JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT)
    }


def test_the_reaper_ends_overdue_jobs_even_under_a_living_lease(uow, owner, clock):
    (job_id,) = submit(uow, owner, wall_limit_s=10)
    (claimed,) = run(uow, lease_s=300)
    clock.advance(40)

    assert reap(uow).timed_out == 1
    assert get_job(uow, job_id).state is JobStatus.TIMED_OUT
    assert ledger.conclude(uow, [Succeeded(claimed, MANIFEST)]) == frozenset()


def test_a_requeued_job_that_waits_beyond_its_deadline_is_timed_out(uow, owner, clock):
    submit(uow, owner, wall_limit_s=10)
    ledger.conclude(uow, [Returned(run(uow)[0], "drain")])
    clock.advance(40)

    assert claim(uow) is None
    assert reap(uow).timed_out == 1
    assert counters(uow, owner) == (0, 0)


def test_a_job_never_claimed_expires(uow, owner, clock):
    (job_id,) = submit(uow, owner, queue_life_s=100)
    clock.advance(100)

    assert reap(uow).expired == 1
    row = get_job(uow, job_id)
    assert (row.state, row.reason) == (JobStatus.EXPIRED, Reason.QUEUE_EXPIRED)
    assert counters(uow, owner) == (0, 0)


def test_a_round_of_the_reaper_is_bounded(uow, owner, clock):
    submit(uow, owner, 25)
    claim(uow)
    clock.advance(31)

    assert [reap(uow, limit=10).requeued for _ in range(4)] == [10, 10, 5, 0]


def test_cancel_ends_what_waits_and_tells_what_runs(uow, owner):
    ids = submit(uow, owner, 3)
    running = claim(uow, max_jobs=2).jobs
    ledger.conclude(uow, (), begun=[running[0].claim])

    states = [ledger.cancel(uow, owner_id=owner, job_id=job, by=Reason.CANCELLED_BY_USER) for job in ids]

    assert states == [JobStatus.CANCELLING, JobStatus.CANCELLING, JobStatus.CANCELLED]
    assert counters(uow, owner) == (0, 2)
    assert ledger.cancel(uow, owner_id=owner, job_id=ids[0], by=Reason.CANCELLED_BY_USER) is JobStatus.CANCELLING
    with pytest.raises(JobFinishedError) as caught:
        ledger.cancel(uow, owner_id=owner, job_id=ids[2], by=Reason.CANCELLED_BY_USER)
    assert caught.value.state is JobStatus.CANCELLED


def test_what_is_not_yours_is_not_found(uow, owner):
    (job_id,) = submit(uow, owner)
    stranger = add_owner(uow, "eve")

    with pytest.raises(NotFoundError):
        ledger.cancel(uow, owner_id=stranger, job_id=job_id, by=Reason.CANCELLED_BY_USER)
    with pytest.raises(NotFoundError):
        ledger.cancel_sweep(uow, owner_id=stranger, sweep_id=new_id(), by=Reason.CANCELLED_BY_USER)
    assert ledger.cancel(uow, owner_id=None, job_id=job_id, by=Reason.CANCELLED_BY_ADMIN) is JobStatus.CANCELLED
    assert get_job(uow, job_id).reason is Reason.CANCELLED_BY_ADMIN


def test_a_job_being_cancelled_becomes_cancelled_whatever_came_of_the_run(uow, owner):
    ids = submit(uow, owner, 4)
    claims = run(uow)
    for job in ids:
        ledger.cancel(uow, owner_id=owner, job_id=job, by=Reason.CANCELLED_BY_ADMIN)

    accepted = ledger.conclude(
        uow,
        [Succeeded(claims[0], MANIFEST), nonzero(claims[1]), Returned(claims[2], "drain"), Stopped(claims[3])],
    )

    assert accepted == set(claims)
    for job in ids:
        row = get_job(uow, job)
        assert (row.state, row.reason) == (JobStatus.CANCELLED, Reason.CANCELLED_BY_ADMIN)
        assert (row.winning_epoch, row.result_manifest) == (None, None)
    assert counters(uow, owner) == (0, 0)


def test_stopping_a_job_that_nobody_cancelled_is_refused(uow, owner):
    submit(uow, owner)

    assert ledger.conclude(uow, [Stopped(run(uow)[0])]) == frozenset()


def test_a_cancelling_job_whose_worker_is_gone_is_cancelled_by_the_reaper(uow, owner, clock):
    (job_id,) = submit(uow, owner)
    run(uow, lease_s=30)
    ledger.cancel(uow, owner_id=owner, job_id=job_id, by=Reason.CANCELLED_BY_USER)
    clock.advance(31)

    assert reap(uow).cancelled == 1
    assert attempts(uow, job_id)[0].outcome == "cancelled_by_user"


def test_a_worker_that_lives_but_never_stops_is_not_waited_for(uow, owner, clock):
    (job_id,) = submit(uow, owner, wall_limit_s=3600)
    run(uow, lease_s=600)
    ledger.cancel(uow, owner_id=owner, job_id=job_id, by=Reason.CANCELLED_BY_USER)
    clock.advance(61)

    assert reap(uow).cancelled == 1


def test_a_sweep_is_cancelled_as_a_whole_and_none_of_it_comes_back(uow, owner):
    ids = submit(uow, owner, 6, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    claims = run(uow, max_jobs=3)
    ledger.conclude(uow, [Succeeded(claims[0], MANIFEST)])

    assert ledger.cancel_sweep(uow, owner_id=owner, sweep_id=sweep_id, by=Reason.CANCELLED_BY_SWEEP) == 5
    assert ledger.cancel_sweep(uow, owner_id=owner, sweep_id=sweep_id, by=Reason.CANCELLED_BY_SWEEP) == 0
    ledger.conclude(uow, [Returned(claims[1], "drain"), Returned(claims[2], "lost")])

    with uow.read() as tx:
        sweep = tx.sweeps.find(sweep_id)
        counts = tx.jobs.counts(owner)
    assert counts == {JobStatus.SUCCESS: 1, JobStatus.CANCELLED: 5}
    assert (sweep.success, sweep.cancelled, sweep.finished_at is not None) == (1, 5, True)
    assert counters(uow, owner) == (0, 0)


def test_a_point_of_a_flagged_sweep_is_cancelled_instead_of_put_back(uow, owner, clock):
    """The flag alone decides, even where the point itself was not reached by the cancel."""
    ids = submit(uow, owner, 2, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    drained, _ = run(uow)
    with uow.begin() as tx:
        tx.sweeps.request_cancel(sweep_id, Reason.CANCELLED_BY_USER)

    ledger.conclude(uow, [Returned(drained, "drain")])
    clock.advance(31)
    reap(uow)

    assert {(get_job(uow, job).state, get_job(uow, job).reason) for job in ids} == {
        (JobStatus.CANCELLED, Reason.CANCELLED_BY_SWEEP)
    }


def test_progress_only_rises_and_ends_at_one(uow, owner):
    (job_id,) = submit(uow, owner)
    (claimed,) = run(uow)

    seen = []
    for fraction in (0.25, 0.1, float("nan"), 0.5, 7.0):
        ledger.report_progress(uow, {claimed: fraction})
        seen.append((get_job(uow, job_id).progress, get_job(uow, job_id).version))
    assert seen == [(0.25, 4), (0.25, 4), (0.25, 4), (0.5, 5), (1.0, 6)]


def test_logs_of_a_claim_that_is_lost_are_not_kept(uow, owner):
    (job_id,) = submit(uow, owner)
    (claimed,) = run(uow)

    ledger.append_logs(uow, [LogChunk(claimed, 0, "a\n"), LogChunk(claimed, 0, "twice\n"), LogChunk(claimed, 1, "b\n")])
    ledger.append_logs(uow, [LogChunk(Claim(job_id, 9), 0, "of nobody\n"), LogChunk(claimed, 10_000, "too much\n")])

    with uow.read() as tx:
        assert [(chunk.seq, chunk.text) for chunk in tx.logs.read(job_id)] == [(0, "a\n"), (1, "b\n")]
        assert [chunk.seq for chunk in tx.logs.read(job_id, after=(1, 0))] == [1]


def test_logs_hold_whatever_a_program_prints(uow, owner):
    (job_id,) = submit(uow, owner)
    (claimed,) = run(uow)

    ledger.append_logs(
        uow, [LogChunk(claimed, 0, "nul \x00 lone \ud800 heat ∂T/∂t"), LogChunk(claimed, 1, "é" * 20_000)]
    )

    with uow.read() as tx:
        first, second = tx.logs.read(job_id)
    assert first.text.startswith("nul \ufffd lone \ufffd")
    assert first.text.endswith("heat ∂T/∂t")
    assert len(second.text.encode()) <= 16 * 1024


def test_a_rejected_outcome_leaves_no_trace_beside_a_good_one(uow, owner):
    submit(uow, owner, 2)
    good, stale = run(uow)
    stale = Claim(stale.job_id, 7)

    assert ledger.conclude(uow, [Succeeded(good, MANIFEST), Succeeded(stale, MANIFEST)]) == {good}
    assert get_job(uow, stale.job_id).state is JobStatus.RUNNING
    assert get_job(uow, stale.job_id).version == 3


def test_an_exception_undoes_the_whole_transaction(uow, owner):
    (job_id,) = submit(uow, owner)
    before = get_job(uow, job_id)

    def cancel_and_fail():
        with uow.begin() as tx:
            assert tx.transitions.cancel(job_id, Reason.CANCELLED_BY_USER).state is JobStatus.CANCELLED
            raise RuntimeError("behind the statements")

    with pytest.raises(RuntimeError, match="behind"):
        cancel_and_fail()

    assert get_job(uow, job_id) == before


def test_a_claim_after_the_lease_is_over_but_before_the_reaper_still_wins(uow, owner, clock):
    """Late is not lost: until the row changes hands, its holder may finish."""
    (job_id,) = submit(uow, owner)
    (claimed,) = run(uow, lease_s=30)
    clock.advance(31)

    assert ledger.conclude(uow, [Succeeded(claimed, MANIFEST)]) == {claimed}
    assert reap(uow).total == 0
    assert get_job(uow, job_id).state is JobStatus.SUCCESS


NASTY = "a\0b\ud800" + "x" * 5_000
NASTY_MANIFEST = {
    **MANIFEST,
    "metrics": {NASTY: NASTY, "\0": float("nan"), "\udfff": float("inf"), "huge": 10**400, "list": [1]},
    "audits": [{"name": NASTY, "verdict": NASTY, "value": float("inf"), "limit": 10**400, "detail": NASTY}],
    "numerics_version": NASTY,
    "field_sha256": NASTY,
}


def test_nothing_that_a_run_says_keeps_it_or_its_neighbours_from_being_stored_and_shown(uow, owner):
    jobs = submit(uow, owner, 4, is_sweep=True, max_attempts=1)
    first, second, third, fourth = run(uow)
    outcomes = [
        Succeeded(first, NASTY_MANIFEST, {NASTY: NASTY}),
        Failed(second, JobStatus.FAILED, Reason.DIVERGED, NASTY, None, {"\ud800": float("nan")}),
        Returned(third, "infra", NASTY),
        Succeeded(fourth, MANIFEST),
    ]
    logs = [LogChunk(claimed, 0, NASTY) for claimed in (first, second, third, fourth)]
    assert ledger.conclude(uow, outcomes, logs) == {first, second, third, fourth}

    rows = [get_job(uow, job_id) for job_id in jobs]
    assert [row.state for row in rows] == ["success", "failed", "queued", "success"]
    page = JobPage(items=[present_job(row) for row in rows], page=1, size=4, total=4, total_is_exact=True, pages=1)
    shown = JobPage.model_validate_json(page.model_dump_json())
    assert len(shown.items[0].metrics) == 5
    assert shown.items[0].audits[0].verdict == "failed"
    csv = "".join(sweep_service.stream_csv(uow, owner_id=owner, sweep_id=rows[0].sweep_id))
    assert len(csv.encode()) > 0


def test_more_than_a_thousand_jobs_are_followed_at_once(uow, owner):
    jobs = submit(uow, owner, 1_100, is_sweep=True)
    claims = []
    while len(claims) < 1_100:
        claims += run(uow)
    ledger.conclude(uow, [Succeeded(one, MANIFEST) for one in claims], [LogChunk(one, 0, "line\n") for one in claims])

    cursors = dict.fromkeys(jobs, START)
    told = dict.fromkeys(jobs, 0)
    while cursors:
        for job_id, news in read_news(uow, cursors).items():
            told[job_id] += len(news.chunks)
            cursors[job_id] = news.cursor
            if news.is_final:
                del cursors[job_id]
    assert set(told.values()) == {1}
