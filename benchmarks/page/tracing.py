"""Tasks of the page's main thread, from a trace of Chromium: the longest by the clock, and in processor time."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, Page

TASK: Final = "RunTask"
CATEGORIES: Final = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]


class Task(NamedTuple):
    """A task of the main thread [ms], and what took most of it."""

    wall_ms: float
    processor_ms: float
    parts: tuple[str, ...]


@contextmanager
def traced(browser: Browser, page: Page) -> Iterator[list[Task]]:
    """Trace a page within the block; the list has its tasks afterwards."""
    tasks: list[Task] = []
    browser.start_tracing(page=page, categories=CATEGORIES)
    try:
        yield tasks
    finally:
        tasks += read_tasks(json.loads(browser.stop_tracing())["traceEvents"])


def read_tasks(events: Sequence[dict[str, Any]]) -> Iterator[Task]:
    """Tasks of the busiest main thread of a renderer, in order."""
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    complete = [event for event in events if event.get("ph") == "X" and (event["pid"], event["tid"]) in mains]
    tasks = [event for event in complete if event["name"] == TASK]
    if not tasks:
        return
    used: dict[int, float] = {}
    for task in tasks:
        used[task["pid"]] = used.get(task["pid"], 0.0) + task.get("tdur", 0)
    busiest = max(used, key=lambda pid: used[pid])
    for task in tasks:
        if task["pid"] == busiest:
            yield Task(task["dur"] / 1000, task.get("tdur", 0) / 1000, find_parts(task, complete))


def find_parts(task: dict[str, Any], events: Sequence[dict[str, Any]], most: int = 4) -> tuple[str, ...]:
    """What took longest within a task of more than a frame."""
    if task["dur"] < 16_000:
        return ()
    end = task["ts"] + task["dur"]
    inner = [
        event for event in events
        if event["pid"] == task["pid"] and task["ts"] <= event["ts"] < end and event["name"] != TASK
    ]  # fmt: skip
    inner.sort(key=lambda event: -event["dur"])
    return tuple(f"{event['name']} {event['dur'] / 1000:.1f}" for event in inner[:most])


def find_longest(tasks: Sequence[Task]) -> Task:
    """The longest task by processor time; by the clock it may be another one, that had to wait."""
    return max(tasks, key=lambda task: task.processor_ms, default=Task(0.0, 0.0, ()))
