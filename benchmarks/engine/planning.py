"""Whether the planner chooses well: its estimates beside measured times, and what its choice loses to the best.

    python -m benchmarks.engine --only planning

Each problem is solved by every method that can, in a process of its own, in the order of the estimates. A method is
stopped where it takes ten times as long as the best so far, so the whole takes about three minutes.
"""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from benchmarks.engine.own.territory import TERRITORIES, Territory

LIMIT, LEAST, RATIO = 15.0, 2.0, 10.0  # s at most; s at least, and times the best so far
STARTING = 60.0  # s more for the first run of a method, which may compile
REPEATS = 3
# on one thread processor time is what a machine that others use too can tell
CLOCK = time.process_time if os.environ.get("NUMBA_NUM_THREADS") == "1" else time.perf_counter
LOSS = 2.0  # times the best: what is worth a word


@dataclass(frozen=True)
class Row:
    """One method on one problem.

    Args:
        estimate: Of the planner [s].
        seconds: The least of the runs of `Plan.solve`; None where the method was stopped or refused it.
        limit: After which it was [s].
    """

    problem: str
    method: str
    is_chosen: bool
    estimate: float
    seconds: float | None
    limit: float
    load: float


def run(territory: Territory) -> list[Row]:
    """Every method that can, the cheapest by estimate first."""
    best, rows = float("inf"), []
    context = multiprocessing.get_context("spawn")
    waiting: list[str] | None = None
    while waiting is None or waiting:
        ours, theirs = context.Pipe()
        child = context.Process(target=_serve, args=(theirs, TERRITORIES.index(territory)))
        child.start()
        theirs.close()
        try:
            known: dict[str, float] = ours.recv()
            chosen = next(iter(known))
            waiting = sorted(known, key=known.__getitem__) if waiting is None else waiting
            while waiting:
                method, limit = waiting.pop(0), min(LIMIT, max(LEAST, RATIO * best))
                seconds = _ask(ours, method, limit)
                rows.append(
                    Row(territory.name, method, method == chosen, known[method], seconds, limit, os.getloadavg()[0])
                )
                if seconds is None:
                    break
                best = min(best, seconds)
        finally:
            child.kill()
            child.join()
            ours.close()
    return rows


def _ask(pipe: Connection, method: str, limit: float) -> float | None:
    """The least time of up to three runs after one that may compile; None where the limit is passed."""
    pipe.send(method)
    if not pipe.poll(limit + STARTING) or pipe.recv() is None:
        return None
    found: list[float] = []
    for _ in range(REPEATS):
        pipe.send(method)
        if not pipe.poll(limit):
            return min(found, default=None)
        found.append(pipe.recv())
        if sum(found) > limit:
            break
    return min(found)


def _serve(pipe: Connection, number: int) -> None:
    """Of the child: the estimates, the chosen method's first; then a run for each name that comes."""
    from grid.core.errors import GridError
    from grid.engine import prepare

    territory = TERRITORIES[number]
    problem = territory.make()
    end = problem.end_time or 0.0
    times = [end * (entry + 1) / territory.times for entry in range(territory.times)]
    summary = prepare(problem, tolerance=territory.tolerance, times=times).summary
    known = {summary.method: summary.estimate.work_s}
    pipe.send(known | {other.name: other.seconds for other in summary.alternatives if other.seconds is not None})
    while True:
        try:
            plan = prepare(problem, tolerance=territory.tolerance, times=times, method=pipe.recv())
            start = CLOCK()
            plan.solve()
        except GridError:
            pipe.send(None)
            continue
        pipe.send(CLOCK() - start)


def render(rows: list[Row]) -> str:
    """A line for each problem: what was chosen, what it lost, and estimate and time of every method."""
    lines = ["| problem | chosen | loss | estimated -> measured, by method |", "|---|---|---|---|"]
    for name in dict.fromkeys(row.problem for row in rows):
        own = [row for row in rows if row.problem == name]
        chosen = next(row for row in own if row.is_chosen)
        best = min((row.seconds for row in own if row.seconds is not None), default=None)
        loss = "-" if best is None or chosen.seconds is None else f"{chosen.seconds / best:.2f} x"
        if best is not None and (chosen.seconds is None or chosen.seconds > LOSS * best):
            loss = f"**{loss}**"
        cells = ", ".join(f"{row.method} {_text(row.estimate)} -> {_measured(row)}" for row in own)
        lines.append(f"| {name} | {chosen.method} | {loss} | {cells} |")
    return "\n".join(lines)


def _measured(row: Row) -> str:
    return _text(row.seconds) if row.seconds is not None else f"> {_text(row.limit)}"


def _text(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 1.0 else f"{1e3 * seconds:.2g} ms"


def measure() -> Iterator[Row]:
    """Run all problems, printing a JSON line for each row on the way."""
    for territory in TERRITORIES:
        for row in run(territory):
            print(json.dumps(asdict(row)), file=sys.stderr, flush=True)
            yield row
