"""What a broker saw: events of tasks, rings and what was heard, and what is left in Redis; as plain records.

None of the service's own code is used here, so that a mistake there cannot hide itself.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

TaskKind = Literal["sent", "received", "started", "succeeded", "failed", "rejected", "retried", "revoked"]


@dataclass(frozen=True)
class TaskEvent:
    """One event of a task, as Flower gets it; `at` in seconds since 1970."""

    task_id: str
    kind: TaskKind
    at: float
    worker: str = ""
    name: str = "grid.run"
    queue: str = ""
    args: Any = None
    kwargs: Any = None
    result: Any = None

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "TaskEvent":
        """Read one event of Celery, whose arguments and results are texts of Python."""
        return cls(
            event["uuid"], event["type"].removeprefix("task-"), event["timestamp"], event.get("hostname", ""),
            event.get("name", ""), event.get("queue", ""),
            *(_literal(event.get(name)) for name in ("args", "kwargs", "result")),
        )  # fmt: skip

    @property
    def unit(self) -> str:
        return self.task_id.rpartition(":")[0]


@dataclass(frozen=True)
class Ring:
    """A topic that was rung, or heard by `listener`."""

    topic: str
    at: float
    listener: str = ""


@dataclass(frozen=True)
class BrokerHistory:
    """Everything that was seen of a broker during a run, and what it holds after it.

    Args:
        tasks: Events, in the order in which they came.
        rung: Rings that were made.
        heard: Rings that were heard.
        listeners: Who listened to a topic all the time.
        away: Times [s] during which Redis was away, or came back.
        killed: Celery workers that were killed.
        queues: Messages that are left, by queue.
        keys: Every key that is left, without the prefix.
    """

    tasks: Sequence[TaskEvent] = ()
    rung: Sequence[Ring] = ()
    heard: Sequence[Ring] = ()
    listeners: Mapping[str, Sequence[str]] = field(default_factory=dict)
    away: Sequence[tuple[float, float]] = ()
    killed: frozenset[str] = frozenset()
    queues: Mapping[str, int] = field(default_factory=dict)
    keys: Sequence[str] = ()

    def was_away(self, at: float) -> bool:
        """Whether Redis was away at that time."""
        return any(begin <= at <= end for begin, end in self.away)


def _literal(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
