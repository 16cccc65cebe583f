"""PostgreSQL crashes in the middle of a run and comes back: nothing is lost, and no process needs a restart."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest
from tests.support.faults.clients import Caller, Submission, Submitter
from tests.support.faults.service import FaultyService, wait_until
from tests.support.faults.storm import make_submissions
from tests.support.postgres import PostgresServer

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.postgres,
    pytest.mark.xdist_group("faults-postgresql"),
]

AWAY_S = 1.5
WRITES_AGAIN_S = 10.0


@pytest.fixture
def caller(postgresql_service: FaultyService) -> Iterator[Caller]:
    with postgresql_service.call() as caller:
        yield caller.log_in()


def run_through_crashes(
    service: FaultyService, server: PostgresServer, caller: Caller, *, jobs: int, crashes: int, seed: int
) -> list[float]:
    """Crash the database in the middle of jobs; return the seconds from each return to the first successful write."""
    random, writes = Random(seed), []
    pids = {name: process.pid for name, process in service.running.items()}
    submissions = make_submissions(seed, jobs, nap_s=0.04, name=f"crash-{seed}")
    print(f"database crashes: seed {seed}, {jobs} jobs, {crashes} crashes")
    with ExitStack() as stack:
        observer = stack.enter_context(service.watch())
        observer.look()
        before = observer.ended
        submitter = Submitter(
            service.call(), service.history, submissions, lambda sent: sent - (observer.ended - before) < jobs / 2
        )
        submitter.start()
        stack.callback(submitter.stop)
        for crash in range(crashes):
            due = before + jobs * (crash + random.uniform(0.3, 0.9)) / (crashes + 1)
            wait_until(lambda due=due: observer.ended >= due and observer.held > 0, "the work was under way")
            server.crash()
            answer = caller.submit_once(service.history, Submission.of(f"away-{seed}-{crash}", "noop", payload_bytes=8))
            assert answer is not None, "the server should answer without a database"
            assert answer.status == 503, answer
            time.sleep(AWAY_S)
            server.restart()
            began = time.monotonic()
            caller.submit(service.history, Submission.of(f"back-{seed}-{crash}", "noop", payload_bytes=8))
            writes.append(round(time.monotonic() - began, 2))
        submitter.finish()
        wait_until(service.is_over, "every job had ended")
        observer.look()
    assert {name: process.pid for name, process in service.running.items() if process.poll() is None} == pids
    return writes


def test_a_crash_of_the_database_costs_nothing_but_time(
    postgresql_service: FaultyService, own_postgres: PostgresServer, caller: Caller, seed: int
) -> None:
    writes = run_through_crashes(postgresql_service, own_postgres, caller, jobs=80, crashes=1, seed=seed)

    print(f"first successful write after {writes} s")
    assert max(writes) <= WRITES_AGAIN_S
    assert postgresql_service.check() == []


@pytest.mark.faults
def test_ten_crashes_of_the_database_cost_nothing_but_time(
    postgresql_service: FaultyService, own_postgres: PostgresServer, caller: Caller, seed: int
) -> None:
    writes = run_through_crashes(postgresql_service, own_postgres, caller, jobs=2_000, crashes=10, seed=seed + 4)

    print(f"first successful write after {writes} s")
    assert max(writes) <= WRITES_AGAIN_S
    assert postgresql_service.check() == []
