"""Columns, places and another run of the points of a sweep, on both databases."""

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.service import make_service
from tests.support.worker import METRICS, HandWorker

from grid.core.errors import FieldError, NotFoundError
from grid.plugins.builtin.guides import HEAT
from grid.schemas.fields import FieldRequest
from grid.schemas.jobs import JobStatus, Reason
from grid.services import jobs as job_service
from grid.services.sweep_columns import read_columns, tag_columns
from grid.services.sweep_fields import find_sources
from grid.services.sweep_reruns import NothingToRerunError, rerun_sweep


@pytest.fixture
def service(uow, tmp_path):
    return make_service(uow, tmp_path)


@pytest.fixture
def worker(service):
    return HandWorker(service.uow, MemoryArtifactStore())


@pytest.fixture
def sweep(service, worker):
    """Four points: two that succeeded, one that failed, and one that runs."""
    sweep_id = service.submit(simulation="noop", sweep=[{"duration_s": place / 10} for place in range(4)]).sweep_id
    claims = worker.start()
    worker.succeed(claims[:2])
    worker.fail(claims[2:3])
    return sweep_id


def test_columns_are_the_rows_of_the_ledger(service, sweep):
    def read(*names):
        return read_columns(service.uow, service.registry, owner_id=service.alice, sweep_id=sweep, names=names)

    found = read("params.duration_s", "metrics.steps", "metrics.payload_bytes")

    assert [(point.place, point.state, point.reason) for point in found.points] == [
        (0, JobStatus.SUCCESS, Reason.OK), (1, JobStatus.SUCCESS, Reason.OK), (2, JobStatus.FAILED, Reason.DIVERGED),
        (3, JobStatus.RUNNING, None),
    ]  # fmt: skip
    assert [(column.name, column.title, column.unit, column.values) for column in found.columns] == [
        ("params.duration_s", "Duration", "s", [0.0, 0.1, 0.2, 0.3]),
        ("metrics.steps", "steps", None, [200, 200, None, None]),
        ("metrics.payload_bytes", "Size of the payload", "B", [None] * 4),  # which the simulation promises
    ]
    assert [column.name for column in read().columns] == ["params.duration_s", *(f"metrics.{name}" for name in METRICS)]
    assert found.tag == tag_columns(service.uow, owner_id=service.alice, sweep_id=sweep)
    with pytest.raises(FieldError, match="names"):
        read("params.nothing")
    with pytest.raises(NotFoundError, match="sweep"):
        read_columns(service.uow, service.registry, owner_id=service.bob, sweep_id=sweep)
    with pytest.raises(NotFoundError, match="sweep"):
        tag_columns(service.uow, owner_id=service.bob, sweep_id=sweep)


def test_parts_of_a_problem_have_titles_and_units_unless_points_differ_in_them(service):
    def read(sweep):
        problem = dict(HEAT.examples[1].params["problem"])
        made = service.submit(simulation="heat", params={"problem": problem}, sweep=sweep).sweep_id
        found = read_columns(service.uow, service.registry, owner_id=service.alice, sweep_id=made)
        return [(column.name, column.title, column.unit) for column in found.columns]

    law = "problem.boundaries.x_min"
    assert read([{"problem.material.conductivity": 40.0, f"{law}.value": value} for value in (80.0, 90.0)]) == [
        (f"params.{law}.value", "Temperature at low x", "degC")
    ]
    assert read([{"problem.domain.size[0]": 0.2, f"{law}.type": kind} for kind in ("temperature", "flux")]) == [
        (f"params.{law}.type", "Law at low x", "1")
    ]
    mixed = [{f"{law}.value": 80.0}, {f"{law}.type": "flux", f"{law}.value": 500.0}]
    assert (f"params.{law}.value", "Temperature at low x", None) in read(mixed)


def test_the_tag_changes_with_every_point(service, worker, sweep):
    tags = [tag_columns(service.uow, owner_id=service.alice, sweep_id=sweep)]
    with service.uow.read() as tx:
        jobs = [job.id for job in tx.jobs.points(sweep)]
    worker.succeed([worker.claims[jobs[3]]])
    tags.append(tag_columns(service.uow, owner_id=service.alice, sweep_id=sweep))
    job_service.purge_job(service.uow, worker.store, actor_id=service.alice, owner_id=service.alice, job_id=jobs[0])
    tags.append(tag_columns(service.uow, owner_id=service.alice, sweep_id=sweep))

    assert len(set(tags)) == 3


def test_points_are_found_by_their_places_where_they_have_a_result(service, sweep):
    def find(*places, **request):
        found = find_sources(
            service.uow,
            service.registry,
            owner_id=service.alice,
            sweep_id=sweep,
            places=places,
            request=FieldRequest(**request),
        )
        return [source.job.sweep_index for source in found.sources]

    assert find(0, 1, 2, 3) == [0, 1]
    assert find(1) == [1]
    assert find(2) == []
    with pytest.raises(FieldError, match="0 to 3"):
        find(0, 4)
    with pytest.raises(FieldError, match="time"):
        find(0, time="all")
    with pytest.raises(FieldError, match="max_cells: at most 3355443 for 5 points"):
        find(0, 1, 2, 3, 3, max_cells=1 << 22)


def test_points_that_ended_badly_are_submitted_again(service, sweep):
    def rerun(selection, owner_id=None, key=None):
        owner_id = owner_id or service.alice
        return rerun_sweep(
            service.submissions, actor_id=owner_id, owner_id=owner_id, sweep_id=sweep, selection=selection, key=key
        )

    first = rerun("failed", key="k")

    with service.uow.read() as tx:
        (point,) = tx.jobs.points(first.sweep_id)
    assert (point.params["duration_s"], point.state, point.meta) == (0.2, JobStatus.QUEUED, {"rerun_of": str(sweep)})
    assert rerun("failed", key="k") == first
    assert rerun("unsuccessful").sweep_id != first.sweep_id
    with pytest.raises(NothingToRerunError):
        rerun("cancelled")
    with pytest.raises(NotFoundError):
        rerun("failed", owner_id=service.bob)
    with pytest.raises(FieldError, match="select"):
        rerun("lucky")
