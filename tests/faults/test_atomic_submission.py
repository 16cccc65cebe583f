"""A sweep is submitted whole or not at all, and once, wherever the server is killed on the way."""

import time
from collections import Counter
from random import Random
from threading import Thread

import pytest
from tests.support.faults.checker import check_counters, check_submissions
from tests.support.faults.clients import Submission
from tests.support.faults.service import FaultyService, wait_until

pytestmark = pytest.mark.timeout(1800)

PART = 4  # of the measured submission; price and size of a sweep grow alike


def make_sweep(key: str, points: int) -> Submission:
    return Submission.of(key, "noop", sweep=[{"payload_bytes": 16}] * points)


def measure_submission(service: FaultyService, points: int, name: str) -> float:
    """Return about how long an undisturbed submission takes."""
    with service.call() as caller:
        caller.log_in()
        began = time.monotonic()
        caller.submit(service.history, make_sweep(name, points // PART))
        return PART * (time.monotonic() - began)


def submit_while_the_server_is_killed(service: FaultyService, submission: Submission, wait_s: float) -> bool:
    """Submit once, and kill the server so long after the request began; return whether an answer came."""
    with service.call() as caller:
        caller.log_in()
        client = Thread(target=caller.submit_once, args=(service.history, submission))
        client.start()
        time.sleep(wait_s)
        service.kill("server")
        client.join()
    return service.history.entries[-1].kind == "ok"


def require_all_or_nothing(service: FaultyService, *, rounds: int, points: int, seed: int) -> Counter[str]:
    """Kill, look, start, try again with the same key, twice; return how the rounds went."""
    random, met = Random(seed), Counter[str]()
    print(f"submissions: seed {seed}, {rounds} of {points} points, {service.url.partition(':')[0]}")
    whole_s = measure_submission(service, points, f"measure-{seed}")
    for round_ in range(rounds):
        submission = make_sweep(f"atomic-{seed}-{round_}", points)
        wait_s = random.uniform(0.05, 1.1) * whole_s
        was_answered = submit_while_the_server_is_killed(service, submission, wait_s)
        before = service.count(submission.key)
        assert before in {0, points}, f"seed {seed}, round {round_}: {before} rows of {points}"
        assert before == points or not was_answered, "accepted, and not stored"
        met[f"{before} rows, {'answered' if was_answered else 'unanswered'}"] += 1
        service.start("server")
        with service.call() as caller:
            first, second = (caller.submit(service.history, submission) for _ in range(2))
        assert first == second
        assert service.count(submission.key) == points
    return met


def test_a_sweep_is_whole_or_absent_after_the_server_was_killed(service: FaultyService, seed: int) -> None:
    print(require_all_or_nothing(service, rounds=1, points=2_000, seed=seed))

    wait_until(service.is_over, "every point had ended")
    assert service.check() == []


@pytest.mark.faults
def test_twenty_sweeps_of_ten_thousand_are_whole_or_absent(fresh_service: FaultyService, seed: int) -> None:
    fresh_service.stop("worker")  # nothing is computed here: 202,500 jobs wait

    met = require_all_or_nothing(fresh_service, rounds=20, points=10_000, seed=seed + 2)

    print(met)
    dump = fresh_service.dump()
    assert [*check_submissions(fresh_service.history, dump), *check_counters(dump)] == []
    assert len(dump.jobs) == 202_500
    assert len(met) > 1, f"the kills all came at the same stage: {met}"
