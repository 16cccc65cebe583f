"""A recorder of Celery's events, as Flower gets them, and of what is left in Redis; it comes back when Redis does."""

import threading
import time
from contextlib import suppress
from typing import Any, Self

from celery import Celery
from kombu import Connection
from redis import Redis
from tests.support.faults.broker import TaskEvent

QUEUES = ("small", "large", "program", "docker", "live")


class TaskRecorder:
    """Use as a context manager; entered once it listens."""

    def __init__(self, url: str) -> None:
        self.events: list[TaskEvent] = []
        self._url, self._connections = url, 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="task-recorder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._connections:
            assert time.monotonic() < deadline, "the recorder does not listen"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(10)

    def of(self, kind: str) -> list[TaskEvent]:
        return [event for event in list(self.events) if event.kind == kind]

    def answers(self) -> dict[str, Any]:
        """Return what was answered, by task."""
        return {event.task_id: event.result for event in self.of("succeeded")}

    def _run(self) -> None:
        app = Celery("recorder", broker=self._url, set_as_current=False)
        options = {"global_keyprefix": "grid:", "socket_timeout": 2, "socket_connect_timeout": 2}
        while not self._end.is_set():
            try:
                with Connection(self._url, transport_options=options) as connection:
                    receiver = app.events.Receiver(connection, handlers={"*": self._take})
                    with receiver.consumer_context(wakeup=False) as (own, _channel, _consumers):
                        self._connections += 1
                        while not self._end.is_set():
                            with suppress(TimeoutError):
                                own.drain_events(timeout=0.5)
            except Exception:  # noqa: BLE001 - Redis is away, which the test knows
                self._end.wait(0.2)

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"].startswith("task-"):
            self.events.append(TaskEvent.of(event))


def read_queues(url: str) -> dict[str, int]:
    """Return the number of messages in each queue."""
    with Redis.from_url(url) as client:
        return {queue: int(client.llen(f"grid:{queue}")) for queue in QUEUES}


def read_keys(url: str) -> list[str]:
    """Return every key of the database, without the prefix."""
    with Redis.from_url(url) as client:
        return sorted(key.decode().removeprefix("grid:") for key in client.keys("*"))
