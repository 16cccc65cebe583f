"""The checker of tasks and bells: clean histories raise no alarm, each planted bug is reported by the check for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from tests.support.faults.broker import BrokerHistory, Ring, TaskEvent
from tests.support.faults.dump import Dump, JobRow
from tests.support.faults.task_checker import check_broker

OWNER, SWEEP = UUID(int=1), UUID(int=2)
GOOD, BAD = UUID(int=10), UUID(int=11)


def job(job_id: UUID, state: str = "success", reason: str = "ok", sweep_id: UUID | None = None) -> JobRow:
    ended = datetime.fromtimestamp(100.0, UTC) if state in {"success", "failed"} else None
    manifest: dict[str, Any] | None = {} if state == "success" else None
    return JobRow(job_id, OWNER, sweep_id, {}, state, reason, 3, 1, 1, 0, 0.1, None, None, ended, manifest)


def points(count: int) -> tuple[JobRow, ...]:
    """Points of a sweep, the last of which failed."""
    rows = [replace(job(UUID(int=1000 + n), sweep_id=SWEEP), sweep_index=n) for n in range(count)]
    return (*rows[:-1], replace(rows[-1], state="failed", reason="diverged"))


def course(unit: str, kind: str, result: dict[str, Any], number: int = 1) -> list[TaskEvent]:
    """The events of one task from its publication to its answer."""
    event = TaskEvent(f"{unit}:{number}", "sent", 90.0, "relay", queue=kind, args=(unit, kind), kwargs={})
    return [
        event,
        replace(event, kind="received", at=91.0, worker="celery@a", queue="", args=[unit, kind]),
        replace(event, kind="started", at=92.0, worker="celery@a", name="", args=None, kwargs=None),
        TaskEvent(event.task_id, "succeeded", 100.2, "celery@a", "", result=result),
    ]


@dataclass
class Run:
    """A run that is over."""

    dump: Dump
    history: BrokerHistory

    def problems(self) -> list[str]:
        return check_broker(self.history, self.dump)

    def change(self, place: int, **values: Any) -> None:
        """Change one event."""
        tasks = list(self.history.tasks)
        tasks[place] = replace(tasks[place], **values)
        self.history = replace(self.history, tasks=tasks)


@pytest.fixture
def run() -> Run:
    """Two jobs, a sweep of 1,003 points in two tasks, and rings."""
    jobs = (job(GOOD), job(BAD, "failed", "diverged"), *points(1003))
    first, second = f"{SWEEP}/0", f"{SWEEP}/1000"
    counts = {"id": second, "status": "ended", "reason": None, "counts": {"success": 2, "failed": 1}}
    tasks = [
        *course(str(GOOD), "small", {"id": str(GOOD), "status": "success", "reason": "ok"}),
        *course(str(BAD), "program", {"id": str(BAD), "status": "failed", "reason": "diverged"}),
        *course(first, "small", {"id": first, "status": "success", "reason": None, "counts": {"success": 1000}}),
        *course(second, "small", counts),
    ]
    rung = [Ring("work", 90.0), Ring("work", 95.0)]
    heard = [Ring("work", 90.1, "a"), Ring("work", 90.2, "b"), Ring("work", 95.1, "a"), Ring("work", 95.1, "b")]
    keys = ("_kombu.binding.small", "_kombu.binding.celeryev")
    history = BrokerHistory(tasks, rung, heard, {"work": ("a", "b")}, queues={"small": 0}, keys=keys)
    return Run(Dump(jobs, (), (), (), ()), history)


def test_a_clean_run_raises_no_alarm(run: Run):
    assert run.problems() == []


def test_a_run_without_redis_for_a_time_raises_no_alarm(run: Run):
    tasks = run.history.tasks[4:]  # the first job was never published, and one answer never came
    rung = [*run.history.rung, Ring("work", 97.0)]  # nobody heard it
    run.history = replace(run.history, tasks=tasks[:-1], rung=rung, away=((96.0, 98.0),))

    assert run.problems() == []


def test_a_task_whose_worker_was_killed_and_which_was_published_again_raises_no_alarm(run: Run):
    again = course(str(GOOD), "small", {"id": str(GOOD), "status": "success", "reason": "ok"}, number=4)
    tasks = [*run.history.tasks[:3], *again, *run.history.tasks[4:]]
    run.history = replace(run.history, tasks=tasks, killed=frozenset({"celery@a"}))

    assert run.problems() == []


def test_answers_that_are_no_end_raise_no_alarm(run: Run):
    for place, status in ((3, "handed-back"), (7, "unwatched"), (11, "running")):
        run.change(place, result={"id": run.history.tasks[place].unit, "status": status, "reason": None})

    assert run.problems() == []


def lose_a_publication(run: Run) -> None:
    run.history = replace(run.history, tasks=run.history.tasks[4:])


def publish_twice(run: Run) -> None:
    run.history = replace(run.history, tasks=[run.history.tasks[0], *run.history.tasks])


def publish_what_is_not_there(run: Run) -> None:
    run.history = replace(run.history, tasks=[*run.history.tasks, *course(str(UUID(int=77)), "small", {})])


def publish_with_a_wrong_first_point(run: Run) -> None:
    run.history = replace(run.history, tasks=[*run.history.tasks, *course(f"{SWEEP}/500", "small", {})])


def forget_the_number(run: Run) -> None:
    run.change(0, task_id=f"{GOOD}:x")


def call_another_function(run: Run) -> None:
    run.change(1, name="grid.other")


def carry_parameters(run: Run) -> None:
    run.change(0, args=(str(GOOD), "small", {"diffusivity": 1.0}))


def carry_a_secret(run: Run) -> None:
    run.change(1, kwargs={"token": "canary"})


def carry_another_unit(run: Run) -> None:
    run.change(0, args=(str(BAD), "small"))


def route_to_another_queue(run: Run) -> None:
    run.change(0, queue="live")


def answer_another_state(run: Run) -> None:
    run.change(7, result={"id": str(BAD), "status": "success", "reason": "ok"})


def answer_another_reason(run: Run) -> None:
    run.change(7, result={"id": str(BAD), "status": "failed", "reason": "oom"})


def answer_wrong_counts(run: Run) -> None:
    run.change(15, result={"id": f"{SWEEP}/1000", "status": "ended", "reason": None, "counts": {"success": 3}})


def answer_for_another_unit(run: Run) -> None:
    run.change(3, result={"id": str(BAD), "status": "success", "reason": "ok"})


def answer_nothing(run: Run) -> None:
    run.change(3, result=None)


def answer_too_early(run: Run) -> None:
    run.change(3, at=95.0)


def answer_for_a_job_that_is_not_over(run: Run) -> None:
    run.dump = replace(run.dump, jobs=(job(GOOD, "running", "ok"), *run.dump.jobs[1:]))


def fail_a_task(run: Run) -> None:
    run.change(3, kind="failed", result="UnavailableError()")


def never_answer(run: Run) -> None:
    run.history = replace(run.history, tasks=run.history.tasks[:-1])


def leave_a_message(run: Run) -> None:
    run.history = replace(run.history, queues={"small": 1})


def leave_a_result(run: Run) -> None:
    run.history = replace(run.history, keys=("celery-task-meta-1",))


def leave_a_reply(run: Run) -> None:
    run.history = replace(run.history, keys=("1a2b.reply.celery.pidbox",))


def miss_a_ring(run: Run) -> None:
    run.history = replace(run.history, heard=run.history.heard[:-1])


def hear_the_rings_of_others(run: Run) -> None:
    run.history = replace(run.history, heard=[*run.history.heard, Ring("changes", 95.0, "a")])


def hear_before_it_is_rung(run: Run) -> None:
    run.history = replace(run.history, heard=[*run.history.heard, Ring("work", 80.0, "a")])


PLANTED: dict[Callable[[Run], None], str] = {
    lose_a_publication: "never published",
    publish_twice: "published 2 times",
    publish_what_is_not_there: "task of no unit",
    publish_with_a_wrong_first_point: "task of no unit",
    forget_the_number: "task without a number",
    call_another_function: "is called grid.other",
    carry_parameters: "carries",
    carry_a_secret: "carries",
    carry_another_unit: "carries",
    route_to_another_queue: "is in queue live",
    answer_another_state: "its jobs are",
    answer_another_reason: "its jobs are",
    answer_wrong_counts: "its jobs are",
    answer_for_another_unit: "answered",
    answer_nothing: "answered None",
    answer_too_early: "before it came",
    answer_for_a_job_that_is_not_over: "its jobs are",
    fail_a_task: "was failed",
    never_answer: "never answered",
    leave_a_message: "messages are left",
    leave_a_result: "left in Redis",
    leave_a_reply: "left in Redis",
    miss_a_ring: "b missed a ring of work",
    hear_the_rings_of_others: "heard changes, which nobody rang",
    hear_before_it_is_rung: "heard work, which nobody rang",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_reported(run: Run, plant: Callable[[Run], None]):
    plant(run)

    assert any(PLANTED[plant] in problem for problem in run.problems()), run.problems()
