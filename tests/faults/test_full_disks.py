"""A disk runs full: what cannot be stored waits or is refused, nothing is damaged, and room is all that is needed."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.faults.clients import Submission
from tests.support.faults.disks import SmallDisk, small_disk
from tests.support.faults.dump import check_file
from tests.support.faults.service import FaultyService, Kernels, faulty_service, wait_until

pytestmark = pytest.mark.timeout(300)

MEGABYTES = 24
REFUSED = {503, 507}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", MEGABYTES) as disk:
        yield disk


@pytest.fixture
def on_a_small_disk(
    request: pytest.FixtureRequest, disk: SmallDisk, tmp_path: Path, kernels: Kernels
) -> Iterator[FaultyService]:
    """A service whose results are on the small disk."""
    url = None
    if request.param == "postgresql":
        server = request.getfixturevalue("own_postgres")
        url = server.url(server.create())
    with faulty_service(tmp_path / "data", url, store=disk.root / "artifacts", kernels=kernels) as service:
        yield service


@pytest.fixture
def wholly_on_a_small_disk(disk: SmallDisk, tmp_path: Path, kernels: Kernels) -> Iterator[FaultyService]:
    """A service whose SQLite file is on the small disk, and nothing else."""
    (disk.root / "db").mkdir()
    url = f"sqlite:///{disk.root / 'db' / 'grid.db'}"
    with faulty_service(tmp_path / "data", url, kernels=kernels) as service:
        yield service


@pytest.mark.parametrize(
    "on_a_small_disk",
    [
        pytest.param("sqlite", marks=pytest.mark.xdist_group("faults-sqlite")),
        pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.xdist_group("faults-postgresql")]),
    ],
    indirect=True,
)
def test_results_that_find_no_room_wait_until_there_is_some(on_a_small_disk: FaultyService, disk: SmallDisk) -> None:
    service = on_a_small_disk
    pids = {name: process.pid for name, process in service.running.items()}
    with service.watch() as observer, service.call() as caller:
        caller.submit(service.history, Submission.of("before", "noop", payload_bytes=200_000))
        wait_until(service.is_over, "the first job had ended")
        disk.fill()
        sweep = [{"payload_bytes": 200_000}] * 8
        answer = caller.submit_once(service.history, Submission.of("full", "noop", sweep=sweep))
        assert answer is not None
        assert answer.status in {202, 507}, answer
        wait_until(lambda: says_full(service), "the service said that its disk is full")
        assert caller.send("GET", "/api/v1/jobs").is_ok, "reading goes on"
        assert service.count("full", "success", "failed") == 0, "it neither fits nor fails"
        disk.free()
        caller.submit(service.history, Submission.of("full", "noop", sweep=sweep))
        caller.submit(service.history, Submission.of("after", "noop", payload_bytes=200_000))
        wait_until(service.is_over, "every job had ended")
        observer.look()
    assert {name: process.pid for name, process in service.running.items() if process.poll() is None} == pids
    assert service.check() == []


@pytest.mark.xdist_group("faults-sqlite")
def test_a_database_without_room_refuses_and_stays_whole(
    wholly_on_a_small_disk: FaultyService, disk: SmallDisk
) -> None:
    service = wholly_on_a_small_disk
    pids = {name: process.pid for name, process in service.running.items()}
    with ExitStack() as stack:
        caller = stack.enter_context(service.call())
        caller.submit(service.history, Submission.of("before", "noop", payload_bytes=64))
        wait_until(service.is_over, "the first job had ended")
        disk.fill()
        refused = None
        for attempt in range(40):  # each takes a page or more; the log had some of its own left
            submission = Submission.of(f"full-{attempt}", "noop", sweep=[{"payload_bytes": 64}] * 50)
            answer = caller.submit_once(service.history, submission)
            assert answer is not None, "the server should answer without room"
            assert answer.is_ok or answer.status in REFUSED, answer
            if not answer.is_ok:
                refused = submission
                break
        assert refused is not None, "nothing was refused on a full disk"
        assert caller.send("GET", "/api/v1/jobs").is_ok, "reading goes on"
        disk.free()
        assert check_file(service.url) == "ok"
        caller.submit(service.history, refused)
        caller.submit(service.history, Submission.of("after", "noop", payload_bytes=64))
        wait_until(service.is_over, "every job had ended")
    assert {name: process.pid for name, process in service.running.items() if process.poll() is None} == pids
    assert service.check() == []


def says_full(service: FaultyService) -> bool:
    with service.call() as caller:
        parts = caller.send("GET", "/ready", is_public=True).document.get("parts", [])
    return any(part["name"] == "artifacts" and part["state"] != "ready" for part in parts)
