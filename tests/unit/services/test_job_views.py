"""Verdicts, labels and attempts of jobs, and filters of sweeps by their points, on both databases."""

from uuid import uuid4

import pytest
from sqlalchemy import select
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.service import make_service
from tests.support.worker import AUDIT, HandWorker

from grid.core.errors import NotFoundError
from grid.database import label_counts
from grid.database.job_queries import JobFilter
from grid.database.jobs import jobs
from grid.database.sweeps import SweepFilter
from grid.database.verdicts import find_verdict
from grid.database.windows import Window
from grid.schemas.jobs import JobStatus, JobVerdict, Reason, judge_result
from grid.services import jobs as job_service
from grid.services import ledger
from grid.services import sweeps as sweep_service
from grid.services.ledger import Succeeded


@pytest.fixture
def service(uow, tmp_path):
    return make_service(uow, tmp_path)


@pytest.fixture
def worker(service):
    return HandWorker(service.uow, MemoryArtifactStore())


def audited(worker, claim, *verdicts):
    """End a job well, with audits of these verdicts."""
    manifest = worker.make_manifest(claim, {})
    manifest["audits"] = [{**AUDIT, "verdict": verdict} for verdict in verdicts]
    return Succeeded(claim, manifest)


@pytest.fixture
def judged(service, worker):
    """Points of a sweep, one for each way to end, by the verdict that is expected."""
    sweep_id = service.submit(simulation="noop", sweep=[{}] * 6, metadata={"n": 1}).sweep_id
    claims = worker.start()
    outcomes = [
        audited(worker, claims[0], "passed", "not_applicable"),
        audited(worker, claims[1], "passed", "failed"),
        audited(worker, claims[2], "not_applicable"),
        audited(worker, claims[3]),
        ledger.Failed(claims[4], JobStatus.FAILED, Reason.DIVERGED, "It did."),
        ledger.Failed(claims[5], JobStatus.FAILED, Reason.OOM, "It was large."),
    ]
    ledger.conclude(service.uow, outcomes)
    waiting = service.submit(simulation="noop").job_ids[0]
    expected = [
        JobVerdict.PASSED, JobVerdict.FAILED, JobVerdict.NOT_APPLICABLE, JobVerdict.NOT_APPLICABLE, JobVerdict.FAILED,
        None, None,
    ]  # fmt: skip
    return sweep_id, dict(zip([*(claim.job_id for claim in claims), waiting], expected, strict=True))


def test_the_database_judges_a_job_as_the_program_does(service, judged):
    with service.uow.read() as tx:
        found = dict(tx.connection.execute(select(jobs.c.id, find_verdict(tx.kind))).all())
        records = {job_id: tx.jobs.find(job_id) for job_id in judged[1]}

    assert found == judged[1]
    for job_id, verdict in judged[1].items():
        record = records[job_id]
        assert judge_result(record.state, record.reason, (record.result_manifest or {}).get("audits", [])) == verdict


def test_lists_filter_by_verdict_and_short_rows_carry_it(service, judged):
    def find(*verdicts):
        wanted = JobFilter(service.alice, verdicts=verdicts)
        page = job_service.list_summaries(service.uow, wanted, Window(50, None))
        assert page.count == (len(page.items), True)
        return {job.id: job.verdict for job in page.items}

    for verdict in JobVerdict:
        assert find(verdict) == {job_id: word for job_id, word in judged[1].items() if word is verdict}
    assert find(*JobVerdict) == {job_id: word for job_id, word in judged[1].items() if word is not None}
    assert find() == judged[1]


def test_sweeps_are_found_by_a_point_that_has_it_all(service, judged):
    other = service.submit(simulation="noop", sweep=[{}]).sweep_id

    def find(**wanted):
        page = sweep_service.list_sweeps(service.uow, SweepFilter(service.alice, **wanted), Window(50, None))
        assert page.count.number == len(page.items)
        return {sweep.record.id for sweep in page.items}

    assert find(statuses=[JobStatus.FAILED]) == {judged[0]} == find(reasons=[Reason.OOM])
    assert find(statuses=[JobStatus.QUEUED]) == {other}
    assert find(statuses=[JobStatus.QUEUED, JobStatus.FAILED]) == {other, judged[0]}
    assert find(verdicts=[JobVerdict.NOT_APPLICABLE]) == {judged[0]}
    assert find(statuses=[JobStatus.SUCCESS], reasons=[Reason.OOM]) == set()
    assert find(verdicts=[JobVerdict.PASSED], labels={"n": "2"}) == set()


def test_labels_are_counted_with_the_frequent_first(service):
    for metadata in ({"n": 1, "ok": True}, {"n": 1.0}, {"n": "1", "ok": False}, {"n": 2.5}, {"x": "é ü"}, {}):
        service.submit(simulation="noop", metadata=metadata)
    service.submit(service.bob, simulation="noop", metadata={"secret": "s"})

    counts = job_service.list_labels(service.uow, owner_id=service.alice)

    assert [(one.key, one.jobs, one.distinct) for one in counts] == [("n", 4, 3), ("ok", 2, 2), ("x", 1, 1)]
    assert counts[0].values[0] == (1, 2)
    assert set(counts[0].values[1:]) == {("1", 1), (2.5, 1)}
    assert {(type(value), value) for value, _ in counts[1].values} == {(bool, True), (bool, False)}
    assert counts[2].values == (("é ü", 1),)
    assert {one.key for one in job_service.list_labels(service.uow, owner_id=None)} == {"n", "ok", "x", "secret"}


def test_labels_are_cut_to_the_most_frequent(service, monkeypatch):
    monkeypatch.setattr(label_counts, "MOST_VALUES", 2)
    monkeypatch.setattr(label_counts, "MOST_KEYS", 1)
    for run in (1, 2, 2, 3, 3, 3):
        service.submit(simulation="noop", metadata={"run": run})
    service.submit(simulation="noop", metadata={"rare": "x"})

    (count,) = job_service.list_labels(service.uow, owner_id=service.alice)

    assert (count.key, count.jobs, count.distinct, count.values) == ("run", 6, 3, ((3, 3), (2, 2)))


def test_attempts_tell_every_run_of_a_job(service, worker):
    job_id = service.submit(container_image="sim:local", params={}, retries=2).job_ids[0]
    attempts = lambda: job_service.list_attempts(service.uow, owner_id=service.alice, job_id=job_id)  # noqa: E731
    assert attempts() == []

    (claim,) = worker.start()
    (running,) = attempts()
    assert (running.record.owner, running.record.outcome, running.reason) == ("hand", None, None)
    assert running.message == "The simulation runs."

    ledger.conclude(service.uow, [ledger.Returned(claim, "drain", "The worker stops.")])
    (drained,) = attempts()
    assert (drained.record.outcome, drained.reason) == ("drain", None)
    assert drained.message == "The worker was being stopped and put the job back into the queue."

    worker.fail(worker.start(), Reason.OOM)
    first, last = attempts()
    assert first.record.ended_at is not None
    assert (last.reason, last.message) == (Reason.OOM, "It did.")
    for owner, wanted in ((service.bob, job_id), (service.alice, uuid4())):
        with pytest.raises(NotFoundError):
            job_service.list_attempts(service.uow, owner_id=owner, job_id=wanted)
