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
from grid.database import job_queries
from grid.database.sweeps import SweepFilter
from grid.database.windows import Window
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


def table(service, sweep_id, page=1, size=100):
    window = Window(size, page)
    return sweep_service.read_table(service.uow, owner_id=service.alice, sweep_id=sweep_id, window=window)


def test_nobody_reads_or_cancels_what_is_anothers(service):
    sweep_id = service.submit(simulation="noop", sweep=[{}]).sweep_id
    for owner_id, wanted in ((service.bob, sweep_id), (service.alice, uuid4())):
        for call in (sweep_service.get_sweep, lambda uow, **who: next(sweep_service.stream_csv(uow, **who))):
            with pytest.raises(NotFoundError, match="sweep"):
                call(service.uow, owner_id=owner_id, sweep_id=wanted)
        with pytest.raises(NotFoundError):
            sweep_service.read_table(service.uow, owner_id=owner_id, sweep_id=wanted, window=Window())
        with pytest.raises(NotFoundError):
            sweep_service.cancel_sweep(service.uow, service.bell, actor_id=owner_id, owner_id=owner_id, sweep_id=wanted)
    assert sweep_service.list_sweeps(service.uow, SweepFilter(service.bob), Window()).items == []


def test_counts_by_state_add_up_to_the_points_at_every_moment(service, worker):
    sweep_id = service.submit(simulation="noop", sweep=[{}] * 5).sweep_id

    def counts():
        state = sweep_service.get_sweep(service.uow, owner_id=service.alice, sweep_id=sweep_id)
        assert sum(state.by_state.values()) == 5
        return {status: number for status, number in state.by_state.items() if number}, state.ended

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

    assert state.by_state[JobStatus.SUCCESS] == 1
    assert state.by_state[JobStatus.CANCELLING] == 3
    assert again.by_state == state.by_state
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

    page = sweep_service.list_sweeps(service.uow, SweepFilter(service.alice), Window(2))
    rest = sweep_service.list_sweeps(service.uow, SweepFilter(service.alice), Window(2, None, page.next))

    assert [sweep.record.id for sweep in page.items] == made[:0:-1]
    assert (page.count.number, page.pages, page.next) == (3, 2, made[1])
    assert ([sweep.record.id for sweep in rest.items], rest.pages, rest.next) == (made[:1], None, None)


def test_sweeps_are_found_by_label_and_simulation(service):
    first = service.submit(simulation="noop", sweep=[{}], metadata={"project": "bridge", "n": 3}).sweep_id
    second = service.submit(simulation="heat-rod", sweep=[{}], metadata={"project": "bridge"}).sweep_id

    def find(**wanted):
        found = sweep_service.list_sweeps(service.uow, SweepFilter(service.alice, **wanted), Window())
        return {sweep.record.id for sweep in found.items}

    assert find(labels={"project": "bridge"}) == {first, second}
    assert find(labels={"project": "bridge", "n": "3"}) == {first}
    assert find(simulation="heat-rod") == {second}
    assert find(search="bridge") == {first, second}
    assert find(search=str(first)) == find(search="3") == {first}
    assert find(search="bridge", simulation="heat-rod") == {second}
    made = sweep_service.get_sweep(service.uow, owner_id=service.alice, sweep_id=first).record.created_at
    assert first in find(created_from=made)
    assert first not in find(created_to=made)


def test_the_points_of_a_sweep_are_read_once_each_while_points_are_removed(service, worker):
    """Points are removed behind and before the cursor, the one that it names among them."""
    sweep_id = service.submit(simulation="noop", sweep=[{}] * 9).sweep_id
    worker.succeed(worker.start())
    seen, after = [], None
    for removed in ({0, 2}, {5}, set()):
        _, part = sweep_service.read_table(
            service.uow, owner_id=service.alice, sweep_id=sweep_id, window=Window(3, None, after)
        )
        seen += [point.sweep_index for point in part.items]
        after = part.next
        with service.uow.begin() as tx:
            for point in tx.jobs.points(sweep_id):
                if point.sweep_index in removed:
                    assert job_queries.remove(tx, point.id)

    assert seen == list(range(9))
    assert after is None


@given(st.text(max_size=20))
def test_no_text_cell_begins_as_a_formula_does(text):
    cell = safe_cell(text)

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in {text, f"'{text}"}


@given(st.integers() | st.floats(allow_nan=False) | st.booleans())
def test_numbers_stay_numbers(number):
    assert safe_cell(number) is number
