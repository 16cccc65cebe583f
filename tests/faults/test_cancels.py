"""Cancels at random moments: what the answer said is what becomes of the job."""

import time
from collections import Counter
from random import Random
from threading import Thread
from uuid import UUID

import pytest
from tests.support.faults.clients import Submission
from tests.support.faults.service import FaultyService, wait_until

pytestmark = pytest.mark.timeout(600)

CLIENTS = 4
NAP_S = 0.1


def cancel_at_random(service: FaultyService, key: str, *, count: int, seed: int) -> Counter[tuple[str, str]]:
    """Submit naps, cancel each at a random moment before, while or after it runs; return answers and ends, counted."""
    random = Random(seed)
    print(f"cancels: seed {seed}, {count} jobs, {service.url.partition(':')[0]}")
    service.expected[key] = frozenset({"success", "cancelled"})
    naps = [{"duration_s": round(random.uniform(0.0, 2 * NAP_S), 3), "payload_bytes": 48} for _ in range(count)]
    with service.watch() as observer, service.call() as caller:
        ids = caller.submit(service.history, Submission.of(key, "noop", sweep=naps))
        whole_s = count * NAP_S / 2  # two cores
        moments = sorted((random.uniform(0.0, 1.2 * whole_s), job_id) for job_id in ids)
        clients = [Thread(target=cancel_in_turn, args=(service, moments[n::CLIENTS])) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        wait_until(lambda: service.count(key, "success", "cancelled") == count, "every job had ended")
        observer.look()
    states = {job.id: job.state for job in service.dump().jobs}
    return Counter(
        (entry.state or "", states[entry.jobs[0]]) for entry in service.history.cancels() if entry.jobs[0] in set(ids)
    )


def cancel_in_turn(service: FaultyService, moments: list[tuple[float, UUID]]) -> None:
    began = time.monotonic()
    with service.call() as caller:
        for moment, job_id in moments:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            caller.cancel(service.history, job_id)


def test_fifty_cancels_do_what_their_answers_say(service: FaultyService, seed: int) -> None:
    met = cancel_at_random(service, f"cancels-{seed}", count=50, seed=seed)

    print(met)
    assert met.total() == 50
    assert service.check() == []


@pytest.mark.faults
def test_two_hundred_cancels_do_what_their_answers_say(fresh_service: FaultyService, seed: int) -> None:
    met = cancel_at_random(fresh_service, "cancels", count=200, seed=seed + 3)

    print(met)
    assert met.total() == 200
    assert {end for _, end in met} == {"success", "cancelled"}, "the cancels raced with nothing"
    assert fresh_service.check() == []
