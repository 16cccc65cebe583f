"""Other job queues beside Grid: which bars they set, and what is read of what Celery and Dramatiq leave in Redis."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from benchmarks import noop
from benchmarks.noop import PROCRASTINATE
from benchmarks.queues import with_queues
from benchmarks.redis_queues import CELERY, DRAMATIQ, RedisQueue, durable_redis
from redis import Redis

TIMES = {"made": 10.0, "started": 10.25}


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with durable_redis() as server, Redis.from_url(server.url(5), decode_responses=True) as client:
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        yield client


@pytest.mark.parametrize("tool", [CELERY, DRAMATIQ], ids=lambda tool: tool.name)
def test_latencies_are_read_of_the_jobs_since_the_last_were_forgotten(redis, tool):
    def leave(job: str) -> None:
        if tool is CELERY:
            redis.set(f"celery-task-meta-{job}", json.dumps({"status": "SUCCESS", "result": TIMES}))
        else:
            redis.lpush(f"dramatiq-results:{job}", json.dumps(TIMES))

    queue = RedisQueue(tool, 1, {}, redis)
    queue.forget()
    leave("1")
    queue.wait_until_done(1)
    queue.forget()
    leave("2")
    leave("3")
    queue.wait_until_done(1)
    queue.wait_until_done(1)

    assert queue.start_latencies() == [0.25, 0.25]


def test_a_job_that_did_not_succeed_ends_the_measurement(redis):
    redis.flushdb()
    redis.set("celery-task-meta-1", json.dumps({"status": "FAILURE", "result": {"exc_type": "OSError"}}))
    with pytest.raises(RuntimeError, match="Celery did not succeed: FAILURE"):
        RedisQueue(CELERY, 1, {}, redis).start_latencies()

    redis.flushdb()
    redis.lpush("dramatiq-results:1", json.dumps({"__t": "exn", "exn": {"type": "OSError"}}))
    with pytest.raises(RuntimeError, match="Dramatiq did not succeed"):
        RedisQueue(DRAMATIQ, 1, {}, redis).start_latencies()


def test_no_other_queue_runs_beside_sqlite():
    with with_queues(SimpleNamespace(kind="sqlite")) as queues:
        assert queues == []


def test_half_as_much_again_as_procrastinate_is_asked_for_and_nothing_of_the_others():
    sides = ("grid", "calls", "statements", "commits", PROCRASTINATE, CELERY.name)
    values = {side: [100.0] for side in sides} | {PROCRASTINATE: [50.0]}

    rows = noop._throughput_rows(values, values, [PROCRASTINATE, CELERY.name])

    bars = {row.peer: (str(row.bar), row.is_met) for row in rows if row.unit == "jobs/s" and "behind" in row.peer}
    assert bars == {
        f"{PROCRASTINATE} behind a bare route": ("at least 1.5", True),
        f"{CELERY.name} behind a bare route": ("None", None),
    }
