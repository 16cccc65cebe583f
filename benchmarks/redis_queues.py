"""Celery and Dramatiq beside Grid: the worker of each and a bare FastAPI route that sends tasks, over one Redis.

Redis writes each command to the disk before it answers (`appendfsync always`), so that a job which was accepted
outlives a crash, as Grid's does. Tasks are acknowledged when they have ended, Celery takes one ahead at most, and each
leaves its outcome in Redis.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from redis import Redis
from tests.support.redis import RedisServer, start_redis

from benchmarks.engine.environments import EnvironmentMissingError, prepare
from benchmarks.load import Endpoint, call_in_turn, is_listening, wait_for
from benchmarks.processes import running
from benchmarks.procrastinate import PINS
from benchmarks.service import find_free_port

PROCESSES = os.cpu_count() or 1  # of a worker: what both tools take by themselves
READ_AT_ONCE = 500  # outcomes
WARM_UP = b'{"simulation": "noop", "params": {"payload_bytes": 1024}}'


@dataclass(frozen=True)
class Tool:
    """How a tool is started, and where it leaves outcomes.

    Args:
        name: As people know it.
        package: Its environment and pins, and the beginning of the name of its module.
        work: The command of its worker, behind the interpreter.
        read: Asks for the outcome under a key.
        parse: Returns from the answer when the job was asked for and when it began.
    """

    name: str
    package: str
    work: Sequence[str]
    read: Callable[[Any, str], object]
    parse: Callable[[Any], dict[str, float]]


def _parse_celery(answer: str) -> dict[str, float]:
    outcome = json.loads(answer)
    if outcome["status"] != "SUCCESS":
        raise RuntimeError(f"a job of Celery did not succeed: {outcome['status']}")
    found: dict[str, float] = outcome["result"]
    return found


def _parse_dramatiq(answer: str) -> dict[str, float]:
    outcome = json.loads(answer)
    if "made" not in outcome:
        raise RuntimeError(f"a job of Dramatiq did not succeed: {outcome}")
    found: dict[str, float] = outcome
    return found


CELERY = Tool(
    "Celery",
    "celery",
    (
        *("-m", "celery", "-A", "celery_service", "worker", "-P", "prefork", "-c", str(PROCESSES), "-Ofair"),
        *("--without-gossip", "--without-mingle", "-l", "warning"),
    ),
    lambda redis, key: redis.get(key),
    _parse_celery,
)
DRAMATIQ = Tool(
    "Dramatiq",
    "dramatiq",
    ("-m", "dramatiq", "dramatiq_service", "--processes", str(PROCESSES)),
    lambda redis, key: redis.lindex(key, 0),
    _parse_dramatiq,
)
TOOLS = (CELERY, DRAMATIQ)


class RedisQueue:
    """Where the route of a tool answers, its processes, and a look at what its worker has left.

    Args:
        tool: Which.
        port: Of its route.
        pids: Its processes by role.
        outcomes: The database of Redis with one key for each job that has ended, and nothing else.
    """

    def __init__(self, tool: Tool, port: int, pids: dict[str, int], outcomes: "Redis") -> None:
        self.name, self.port, self.pids = tool.name, port, pids
        self._tool, self._outcomes = tool, outcomes
        self._submitted = 0

    def endpoint(self, body: bytes) -> Endpoint:
        """Return where jobs are submitted."""
        return Endpoint(self.port, "/jobs", body)

    def wait_until_done(self, jobs: int) -> None:
        """Wait until that many more jobs than before have ended.

        Raises:
            RuntimeError: They did not.
        """
        self._submitted += jobs
        wait_for(lambda: int(self._outcomes.dbsize()) >= self._submitted, what=f"{self.name}'s jobs")

    def forget(self) -> None:
        """Remove the outcomes so far: `start_latencies` tells of later jobs."""
        self._outcomes.flushdb()
        self._submitted = 0

    def start_latencies(self) -> list[float]:
        """Return for each job since `forget` the time from its route to its start [s].

        Raises:
            RuntimeError: One did not succeed.
        """
        found = [self._tool.parse(answer) for answer in self._read(list(self._outcomes.scan_iter(count=READ_AT_ONCE)))]
        return [outcome["started"] - outcome["made"] for outcome in found]

    def _read(self, keys: list[str]) -> Iterator[str]:
        for start in range(0, len(keys), READ_AT_ONCE):
            pipeline = self._outcomes.pipeline()
            for key in keys[start : start + READ_AT_ONCE]:
                self._tool.read(pipeline, key)
            yield from pipeline.execute()


@contextmanager
def durable_redis() -> Iterator[RedisServer]:
    """Run a Redis that has each command on the disk before it answers.

    Raises:
        RedisMissingError: There is none.
    """
    server = start_redis()
    try:
        if server.send("CONFIG", "SET", "appendfsync", "always") != b"+OK\r\n":
            raise RuntimeError("Redis does not take appendfsync always")
        yield server
    finally:
        server.stop()


@contextmanager
def running_queue(tool: Tool, redis: RedisServer, place: int) -> Iterator[RedisQueue]:
    """Run route and worker of a tool, with two databases of Redis of their own from number `place` on.

    Raises:
        EnvironmentMissingError: It cannot be installed here.
    """
    python = prepare(tool.package, PINS).python
    broker, results = redis.url(place), redis.url(place + 1)
    environment = {**os.environ, "PYTHONPATH": str(PINS), "PEER_BROKER": broker}
    if tool is not CELERY:
        environment["PEER_RESULTS"] = results
    port = find_free_port()
    serve = ["-c", f"import sys, {tool.package}_service as p; p.main()", str(port)]
    with ExitStack() as stack:
        outcomes: Redis = stack.enter_context(Redis.from_url(results, decode_responses=True))
        worker = stack.enter_context(running([python, *tool.work], {**environment, "PEER_RESULTS": results}))
        server = stack.enter_context(running([python, *serve], environment))
        wait_for(lambda: is_listening(port), what=f"{tool.name}'s route")
        queue = RedisQueue(tool, port, {"server": server, "worker": worker}, outcomes)
        queue.wait_until_done(len(call_in_turn(queue.endpoint(WARM_UP), clients=2, requests=20).answers))  # both are up
        yield queue


@contextmanager
def running_queues() -> Iterator[list[RedisQueue]]:
    """Run every tool that can be had here; the others are named on stderr."""
    with ExitStack() as stack:
        redis = stack.enter_context(durable_redis())
        queues = []
        for place, tool in enumerate(TOOLS):
            try:
                queues.append(stack.enter_context(running_queue(tool, redis, 2 * place)))
            except EnvironmentMissingError as error:
                print(f"left out: {error}", file=sys.stderr)
        yield queues
