"""A worker that was stopped for longer than its lease comes back, and finds that its jobs are another's."""

import signal
import time

import pytest
from tests.support.faults.clients import Submission
from tests.support.faults.dump import can_write
from tests.support.faults.service import FaultyService, wait_until

pytestmark = pytest.mark.timeout(900)

POINTS = 4
NAP_S = 1.0


def stop_and_go_on(service: FaultyService, key: str, *, with_children: bool) -> None:
    """Stop the worker in the middle of jobs until another one has done them; then let it go on, and retire it."""
    first = service.running["worker"].pid
    with service.watch() as observer, service.call() as caller:
        naps = [{"duration_s": NAP_S, "payload_bytes": 512}] * POINTS
        caller.submit(service.history, Submission.of(key, "noop", sweep=naps))
        wait_until(lambda: count_held(service, first, "running"), "the worker ran some of them")
        stop_between_writes(service, with_children=with_children)
        held = {(attempt.job_id, attempt.epoch) for attempt in service.dump().attempts if attempt.outcome is None}
        service.start("worker-2")
        wait_until(lambda: service.count(key, "success") == POINTS, "the other worker had done everything")
        stopped_until = service.clock()
        service.signal("worker", signal.SIGCONT, with_children=with_children)
        wait_until(lambda: has_beaten_since(service, first, stopped_until), "the zombie had asked for its leases")
        service.stop("worker")  # it drains: what it could still write, it has written
        observer.look()
    outcomes = {(attempt.job_id, attempt.epoch): attempt.outcome for attempt in service.dump().attempts}
    service.running["worker"] = service.running.pop("worker-2")
    assert {outcomes[claim] for claim in held} == {"worker_lost"}


def stop_between_writes(service: FaultyService, *, with_children: bool) -> set[tuple[str, int]]:
    """Stop the worker while it has attempts, and return them; but not while it holds SQLite's one write lock.

    While it did, nobody could take over, by the lock's nature.
    """
    deadline = time.monotonic() + POINTS * NAP_S
    while time.monotonic() < deadline:
        service.signal("worker", signal.SIGSTOP, with_children=with_children)
        if can_write(service.url):
            held = {(attempt.job_id, attempt.epoch) for attempt in service.dump().attempts if attempt.outcome is None}
            if held:
                return held
        service.signal("worker", signal.SIGCONT, with_children=with_children)
        time.sleep(0.05)
    raise AssertionError("the worker held nothing whenever it was stopped")


def count_held(service: FaultyService, pid: int, state: str) -> int:
    query = "SELECT count(*) FROM jobs WHERE state = :state AND lease_owner LIKE :worker"
    return service.ask(query, state=state, worker=f"%-{pid}-%")


def has_beaten_since(service: FaultyService, pid: int, moment: object) -> bool:
    beats = service.times("SELECT last_seen_at FROM workers WHERE pid = :pid", pid=pid)
    return any(beat > moment for beat in beats)


def test_no_late_result_of_a_zombie_is_accepted(service: FaultyService, seed: int) -> None:
    stop_and_go_on(service, f"zombie-{seed}", with_children=False)

    assert service.check() == []


@pytest.mark.faults
def test_no_late_result_of_ten_zombies_is_accepted(fresh_service: FaultyService, seed: int) -> None:
    for round_ in range(10):
        stop_and_go_on(fresh_service, f"zombie-{seed}-{round_}", with_children=round_ % 2 == 1)

    assert fresh_service.check() == []
