"""Other job queues beside a service on PostgreSQL: Procrastinate on a database of the same server, Celery and Dramatiq
over a Redis that has every command on the disk before it answers."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from tests.support.redis import RedisMissingError

from benchmarks.engine.environments import EnvironmentMissingError
from benchmarks.load import Endpoint
from benchmarks.procrastinate import running_procrastinate
from benchmarks.redis_queues import running_queues
from benchmarks.service import Service


class Queue(Protocol):
    """A bare route that takes jobs of one tool, and the worker of the tool."""

    name: str
    pids: dict[str, int]

    def endpoint(self, body: bytes) -> Endpoint:
        """Return where jobs are submitted."""
        ...

    def wait_until_done(self, jobs: int) -> None:
        """Wait until that many more jobs than before have ended."""
        ...

    def forget(self) -> None:
        """Leave the jobs so far out of `start_latencies`."""
        ...

    def start_latencies(self) -> list[float]:
        """Return for each job since `forget` the time from its making to its start [s]."""
        ...


@contextmanager
def with_queues(service: Service) -> Iterator[Sequence[Queue]]:
    """Run what can be had of the other tools beside a service on PostgreSQL; the reasons of others go to stderr."""
    queues: list[Queue] = []
    with ExitStack() as stack:
        if service.kind == "postgresql":
            try:
                queues.append(stack.enter_context(running_procrastinate(service.databases)))
            except EnvironmentMissingError as error:
                print(f"left out: {error}", file=sys.stderr)
            try:
                queues += stack.enter_context(running_queues())
            except RedisMissingError as error:
                print(f"left out: Celery and Dramatiq: {error}", file=sys.stderr)
        yield queues
