"""Files of jobs: only what the manifest names, made on request, refused with the reason."""

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.service import make_service
from tests.support.worker import HandWorker

from grid.core.errors import AdmissionError, NotFoundError, UnavailableError
from grid.schemas.jobs import JobStatus
from grid.services import artifacts
from grid.services.artifacts import NoResultError, ResultGoneError

FILES = {"b.csv": b"2", "a.png": b"1"}


@pytest.fixture
def service(uow, tmp_path):
    return make_service(uow, tmp_path)


@pytest.fixture
def worker(service):
    return HandWorker(service.uow, MemoryArtifactStore())


def request(service, job_id, name=None, owner_id=None):
    return artifacts.request_files(
        service.uow, service.registry, service.bell, owner_id=owner_id or service.alice, job_id=job_id, name=name
    )


def find(service, wanted):
    return artifacts.find_files(service.uow, service.registry, wanted.render_id, wanted.simulation)


def finish(service, worker, files, **body):
    job_id = service.submit(**body).job_ids[0]
    worker.succeed(worker.start(), files)
    return job_id


def test_nobody_gets_files_of_anothers_job(service, worker):
    job_id = finish(service, worker, FILES, params={})

    with pytest.raises(NotFoundError):
        request(service, job_id, owner_id=service.bob)
    with pytest.raises(NotFoundError):
        artifacts.list_artifacts(service.uow, service.registry, owner_id=service.bob, job_id=job_id)


def test_files_of_a_program_are_stored_and_listed_by_name(service, worker):
    job_id = finish(service, worker, FILES, params={})

    listed = artifacts.list_artifacts(service.uow, service.registry, owner_id=service.alice, job_id=job_id)

    assert [(file.name, file.media_type, file.size) for file in listed] == [
        ("a.png", "image/png", 1),
        ("b.csv", "text/csv; charset=utf-8", 1),
    ]
    assert list(request(service, job_id).files) == listed
    assert [file.name for file in request(service, job_id, "b.csv").files] == ["b.csv"]


@pytest.mark.parametrize("name", ["c.csv", "", ".", "../b.csv", "B.CSV"])
def test_a_name_that_is_not_in_the_manifest_is_not_found(service, worker, name):
    job_id = finish(service, worker, FILES, params={})

    with pytest.raises(NotFoundError):
        request(service, job_id, name)


def test_a_job_without_a_result_says_its_state(service, worker):
    job_id = service.submit(params={}).job_ids[0]
    with pytest.raises(NoResultError, match="wait") as caught:
        request(service, job_id)
    assert caught.value.state is JobStatus.QUEUED

    worker.fail(worker.start())
    with pytest.raises(NoResultError, match="never"):
        request(service, job_id)


def test_files_on_request_come_in_the_order_of_the_simulation_and_are_made_once(service, worker):
    job_id = finish(service, worker, None, simulation="heat-rod")
    names = service.registry.get("heat-rod").files
    wanted = request(service, job_id)

    assert find(service, wanted) is None
    assert worker.render(dict.fromkeys(reversed(names), b"x"))
    assert [file.name for file in find(service, wanted)] == list(names)
    assert request(service, job_id).render_id == wanted.render_id
    assert not worker.render()


def test_a_render_that_failed_says_why(service, worker):
    gone, broken = (request(service, finish(service, worker, None, simulation="heat-rod")) for _ in range(2))
    worker.render(failure="The numerics changed.", code="gone")
    worker.render(failure="The child died.")

    with pytest.raises(ResultGoneError, match="numerics"):
        find(service, gone)
    with pytest.raises(UnavailableError, match="child"):
        find(service, broken)


def test_opening_is_all_or_nothing_and_limited(service, worker):
    job_id = finish(service, worker, FILES, params={})
    files = request(service, job_id).files

    opened = artifacts.open_all(worker.store, files, most_bytes=2)
    assert [source.read() for _, source in opened] == [b"1", b"2"]
    with pytest.raises(AdmissionError):
        artifacts.open_all(worker.store, files, most_bytes=1)
    worker.store.delete(files[1].key)
    with pytest.raises(ResultGoneError):
        artifacts.open_all(worker.store, files, most_bytes=2)
