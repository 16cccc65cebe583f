"""A poisonous point in a batch fails alone."""

import pytest
from tests.support.faults.clients import Submission
from tests.support.faults.dump import JobRow
from tests.support.faults.service import FaultyService, wait_until

pytestmark = pytest.mark.timeout(600)


def poison_a_batch(service: FaultyService, key: str, points: int) -> None:
    """Let one point kill its process and one diverge; every other one must succeed, and lose one process at most."""
    exits_at, diverges_at = points // 3, points // 2
    service.expected[key] = frozenset({"success", "failed"})
    sweep = [{"payload_bytes": 32, "fail": "no"} for _ in range(points)]
    sweep[exits_at]["fail"], sweep[diverges_at]["fail"] = "exit", "diverge"

    with service.watch() as observer, service.call() as caller:
        ids = caller.submit(service.history, Submission.of(key, "noop", sweep=sweep))
        wait_until(lambda: service.count(key, "success", "failed") == points, "every point had ended")
        observer.look()

    jobs = {job.id: job for job in service.dump().jobs if job.meta["key"] == key}
    poison, diverged = jobs.pop(ids[exits_at]), jobs.pop(ids[diverges_at])
    assert describe(poison) == ("failed", "poison", 3)
    assert describe(diverged)[:2] == ("failed", "diverged")
    assert {job.state for job in jobs.values()} == {"success"}
    assert max(job.worker_losses for job in jobs.values()) == 1, "neighbours of the poison pay for it once, not twice"


def describe(job: JobRow) -> tuple[str, str | None, int]:
    return job.state, job.reason, job.worker_losses


def test_a_point_that_kills_its_process_and_one_that_diverges_fail_alone(service: FaultyService, seed: int) -> None:
    poison_a_batch(service, f"poison-{seed}", 150)

    assert service.check() == []


@pytest.mark.faults
def test_two_bad_points_of_a_thousand_fail_alone(fresh_service: FaultyService) -> None:
    poison_a_batch(fresh_service, "poison", 1_000)

    assert fresh_service.check() == []
