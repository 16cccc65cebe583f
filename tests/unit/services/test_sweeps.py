"""Sweeps: counts, the table, its CSV, and cancelling the rest, on both databases."""

import csv
import io
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.service import make_service
from tests.support.worker import METRICS, HandWorker

from grid.core.errors import NotFoundError
from grid.schemas.jobs import JobStatus, Reason
from grid.services import jobs as job_service
from grid.services import sweeps as sweep_service
from grid.services.sweeps import safe_cell


@pytest.fixture
def service(uow, tmp_path):
    return make_service(uow, tmp_path)


@pytest.fixture
def worker(service):
    return HandWorker(service.uow, MemoryArtifactStore())


def table(service, sweep_id, **page):
    given_page = {"page": 1, "size": 100, **page}
    return sweep_service.read_table(service.uow, owner_id=service.alice, sweep_id=sweep_id, **given_page)


def test_nobody_reads_or_cancels_what_is_anothers(service):
    sweep_id = service.submit(simulation="noop", sweep=[{}]).sweep_id
    for owner_id, wanted in ((service.bob, sweep_id), (service.alice, uuid4())):
        for call in (sweep_service.get_sweep, lambda uow, **who: next(sweep_service.stream_csv(uow, **who))):
            with pytest.raises(NotFoundError, match="sweep"):
                call(service.uow, owner_id=owner_id, sweep_id=wanted)
        with pytest.raises(NotFoundError):
            sweep_service.read_table(service.uow, owner_id=owner_id, sweep_id=wanted, page=1, size=10)
        with pytest.raises(NotFoundError):
            sweep_service.cancel_sweep(service.uow, service.bell, actor_id=owner_id, owner_id=owner_id, sweep_id=wanted)
    assert sweep_service.list_sweeps(service.uow, owner_id=service.bob, page=1, size=10).items == []


def test_counts_by_state_add_up_to_the_points_at_every_moment(service, worker):
    sweep_id = service.submit(simulation="noop", sweep=[{}] * 5).sweep_id

    def counts():
        state = sweep_service.get_sweep(service.uow, owner_id=service.alice, sweep_id=sweep_id)
        assert sum(state.by_status.values()) == 5
        return {status: number for status, number in state.by_status.items() if number}, state.ended

    assert counts() == ({JobStatus.QUEUED: 5}, 0)
    claims = worker.start()
    assert counts() == ({JobStatus.RUNNING: 5}, 0)
    worker.succeed(claims[:3])
    worker.fail(claims[3:4])
    assert counts() == ({JobStatus.RUNNING: 1, JobStatus.SUCCESS: 3, JobStatus.FAILED: 1}, 4)
    worker.succeed(claims[4:])
    assert counts() == ({JobStatus.SUCCESS: 4, JobStatus.FAILED: 1}, 5)


def test_the_table_is_in_the_order_of_the_points_and_paged(service):
    points = [{"duration_s": place / 10} for place in range(7)]
    sweep_id = service.submit(simulation="noop", sweep=points).sweep_id

    rows = [row for page in (1, 2, 3, 4) for row in table(service, sweep_id, page=page, size=3)[1].items]

    assert [row.sweep_index for row in rows] == list(range(7))
    assert [row.params["duration_s"] for row in rows] == [point["duration_s"] for point in points]


def test_a_removed_point_leaves_a_gap_and_shifts_no_other_to_another_page(service, worker):
    result = service.submit(simulation="noop", sweep=[{}] * 6)
    worker.succeed(worker.start())
    job_service.purge_job(
        service.uow, worker.store, actor_id=service.alice, owner_id=service.alice, job_id=result.job_ids[1]
    )

    pages = [
        [row.sweep_index for row in table(service, result.sweep_id, page=page, size=3)[1].items] for page in (1, 2)
    ]

    assert pages == [[0, 2], [3, 4, 5]]


def test_cancelling_stops_what_has_not_ended_and_nothing_else(service, worker):
    result = service.submit(simulation="noop", sweep=[{}] * 4)
    claims = worker.start()
    worker.succeed(claims[:1])
    call = {"actor_id": service.alice, "owner_id": service.alice, "sweep_id": result.sweep_id}

    state = sweep_service.cancel_sweep(service.uow, service.bell, **call)
    again = sweep_service.cancel_sweep(service.uow, service.bell, **call)

    assert state.by_status[JobStatus.SUCCESS] == 1
    assert state.by_status[JobStatus.CANCELLING] == 3
    assert again.by_status == state.by_status
    waiting = service.submit(simulation="noop", sweep=[{}] * 2)
    sweep_service.cancel_sweep(service.uow, service.bell, **{**call, "sweep_id": waiting.sweep_id})
    job = job_service.get_job(service.uow, owner_id=service.alice, job_id=waiting.job_ids[0])
    assert (job.state, job.reason) == (JobStatus.CANCELLED, Reason.CANCELLED_BY_SWEEP)


def test_the_csv_holds_every_point_with_parameters_and_metrics(service, worker, monkeypatch):
    monkeypatch.setattr(sweep_service, "CSV_PAGE", 2)
    result = service.submit(simulation="noop", sweep=[{"duration_s": place} for place in range(5)])
    claims = worker.start()
    worker.succeed(claims[3:])

    text = "".join(sweep_service.stream_csv(service.uow, owner_id=service.alice, sweep_id=result.sweep_id))

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["job_id"] for row in rows] == [str(job_id) for job_id in result.job_ids]
    assert [float(row["duration_s"]) for row in rows] == [0, 1, 2, 3, 4]
    assert [row["status"] for row in rows] == ["running"] * 3 + ["success"] * 2
    assert float(rows[4]["peak_temperature"]) == METRICS["peak_temperature"]
    assert rows[0]["peak_temperature"] == ""


def test_sweeps_are_listed_newest_first(service):
    made = [service.submit(simulation="noop", sweep=[{}]).sweep_id for _ in range(3)]

    page = sweep_service.list_sweeps(service.uow, owner_id=service.alice, page=1, size=2)

    assert [sweep.record.id for sweep in page.items] == made[:0:-1]
    assert (page.count.number, page.pages) == (3, 2)


@given(st.text(max_size=20))
def test_no_text_cell_begins_as_a_formula_does(text):
    cell = safe_cell(text)

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in {text, f"'{text}"}


@given(st.integers() | st.floats(allow_nan=False) | st.booleans())
def test_numbers_stay_numbers(number):
    assert safe_cell(number) is number
