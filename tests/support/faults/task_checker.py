"""The checker of tasks and bells: what a broker may have said about the ledger, and what it must not keep.

As the checker of the ledger: pure functions that return sentences about broken promises. Whether a lost, doubled or
forged message changed anything is that checker's part; here is whether tasks told the truth.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.support.faults.broker import BrokerHistory, TaskEvent
from tests.support.faults.dump import TERMINAL, Dump, JobRow

STRETCH = 1000  # points of a sweep in one task
QUEUES = frozenset({"small", "large", "program", "docker", "live"})
NAME = "grid.run"
NOT_AN_END = frozenset({"running", "handed-back", "unwatched"})
BAD_KINDS = frozenset({"failed", "rejected", "retried", "revoked"})
SLACK_S = 0.5  # between the clocks of a task and of the database
KEYS = ("_kombu.binding", "unacked", *QUEUES)  # what may be left, by its beginning


class Unit(NamedTuple):
    """What a task stands for: its jobs, and the state that they came to together."""

    jobs: tuple[JobRow, ...]

    @property
    def statuses(self) -> Counter[str]:
        return Counter(job.state for job in self.jobs)

    @property
    def ended_at(self) -> float | None:
        ends = [job.finished_at for job in self.jobs]
        return max(end.timestamp() for end in ends if end is not None) if None not in ends else None


def check_broker(history: BrokerHistory, dump: Dump, *, forged: frozenset[str] = frozenset()) -> list[str]:
    """Check every promise about the tasks and bells of a run that is over.

    Args:
        history: Of the broker.
        dump: Of the ledger, after the run.
        forged: Ids of tasks that a test sent by itself.
    """
    units = make_units(dump)
    ours = [event for event in history.tasks if event.task_id not in forged]
    return [
        *check_names(ours, units),
        *check_arguments(ours),
        *check_courses(ours, history),
        *check_outcomes(history.tasks, units),
        *check_publications(ours, units, history),
        *check_remains(history),
        *check_rings(history),
    ]


def make_units(dump: Dump) -> dict[str, Unit]:
    """Return the units of all jobs by their ids: a job's own, or `<sweep>/<first index>` of a stretch."""
    units: defaultdict[str, list[JobRow]] = defaultdict(list)
    for job in dump.jobs:
        first = (job.sweep_index or 0) // STRETCH * STRETCH
        units[str(job.id) if job.sweep_id is None else f"{job.sweep_id}/{first}"].append(job)
    return {unit: Unit(tuple(jobs)) for unit, jobs in units.items()}


def check_names(tasks: Iterable[TaskEvent], units: Mapping[str, Unit]) -> list[str]:
    """Every task names a unit that there is, and the number of its publication."""
    problems = []
    for event in tasks:
        number = event.task_id.rpartition(":")[2]
        if not (number.isdigit() and int(number) > 0):
            problems.append(f"task without a number: {event.task_id}")
        if event.unit not in units:
            problems.append(f"task of no unit: {event.task_id}")
        if event.kind in {"sent", "received"} and event.name != NAME:
            problems.append(f"task {event.task_id} is called {event.name}")
    return problems


def check_arguments(tasks: Iterable[TaskEvent]) -> list[str]:
    """A task carries its unit and kind, and nothing of what is computed; its queue is that of the kind."""
    problems = []
    for event in tasks:
        if event.kind not in {"sent", "received"}:
            continue
        args = tuple(event.args) if isinstance(event.args, list | tuple) else (event.args,)
        if len(args) != 2 or args[0] != event.unit or args[1] not in QUEUES or event.kwargs not in ({}, None):
            problems.append(f"task {event.task_id} carries {event.args} {event.kwargs}")
        elif event.kind == "sent" and event.queue != args[1]:
            problems.append(f"task {event.task_id} of kind {args[1]} is in queue {event.queue}")
    return problems


def check_courses(tasks: Iterable[TaskEvent], history: BrokerHistory) -> list[str]:
    """A task never fails; what was begun is answered, unless its worker was killed."""
    problems, begun, answered = [], {}, set()
    for event in tasks:
        if event.kind in BAD_KINDS:
            problems.append(f"task {event.task_id} was {event.kind}: {event.result}")
        if event.kind == "started":
            begun[event.task_id] = event
        if event.kind in {"succeeded", *BAD_KINDS}:
            answered.add(event.task_id)
    problems += [
        f"task was never answered: {task_id}"
        for task_id, event in begun.items()
        if task_id not in answered and event.worker not in history.killed and not history.away
    ]
    return problems


def check_outcomes(tasks: Iterable[TaskEvent], units: Mapping[str, Unit]) -> list[str]:
    """What a task answers is what the ledger says, and not before it says so."""
    problems = []
    for event in tasks:
        if event.kind != "succeeded":
            continue
        told: Mapping[str, Any] = event.result if isinstance(event.result, Mapping) else {}
        unit, status = units.get(event.unit), told.get("status")
        if status == "unknown" and unit is None:
            continue
        if unit is None or told.get("id") != event.unit:
            problems.append(f"task {event.task_id} answered {event.result}")
        elif status in NOT_AN_END:
            continue
        elif status not in {*TERMINAL, "ended"} or not _agrees(told, unit):
            problems.append(f"task {event.task_id} answered {event.result}, its jobs are {dict(unit.statuses)}")
        elif unit.ended_at is None or event.at < unit.ended_at - SLACK_S:
            problems.append(f"task {event.task_id} told of an end before it came")
    return problems


def _agrees(told: Mapping[str, Any], unit: Unit) -> bool:
    if len(unit.jobs) == 1 and "counts" not in told:
        return told["status"] == unit.jobs[0].state and told.get("reason") == unit.jobs[0].reason
    wanted = next(iter(unit.statuses)) if len(unit.statuses) == 1 else "ended"
    return told["status"] == wanted and told.get("counts") == dict(unit.statuses)


def check_publications(tasks: Iterable[TaskEvent], units: Mapping[str, Unit], history: BrokerHistory) -> list[str]:
    """Every unit is published, and each publication is one task, unless Redis was away."""
    sent = Counter(event.task_id for event in tasks if event.kind == "sent")
    seen = {event.unit for event in tasks}
    if history.away:  # a publication may be missed then, or repeated
        return []
    problems = [f"published {count} times: {task_id}" for task_id, count in sent.items() if count > 1]
    return problems + [f"never published: {unit}" for unit in units if unit not in seen]


def check_remains(history: BrokerHistory) -> list[str]:
    """Nothing is left but bindings: no message, no result, no queue of replies."""
    problems = [f"{count} messages are left in {queue}" for queue, count in history.queues.items() if count]
    return problems + [f"left in Redis: {key}" for key in history.keys if not key.startswith(KEYS)]


def check_rings(history: BrokerHistory) -> list[str]:
    """After each ring every listener hears one, unless Redis was away; nobody hears what nobody rang."""
    problems = []
    for ring in history.rung:
        if history.was_away(ring.at):
            continue
        later = {heard.listener for heard in history.heard if heard.topic == ring.topic and heard.at >= ring.at}
        missed = set(history.listeners.get(ring.topic, ())) - later
        problems += [f"{listener} missed a ring of {ring.topic}" for listener in sorted(missed)]
    first = {ring.topic: ring.at for ring in reversed(history.rung)}
    problems += [
        f"{heard.listener} heard {heard.topic}, which nobody rang"
        for heard in history.heard
        if heard.topic not in first or heard.at < first[heard.topic]
    ]
    return problems
