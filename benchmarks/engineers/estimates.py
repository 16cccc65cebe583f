"""Whether estimates are honest: `estimate` beside the processor time of `solve`, on random problems.

    python -m benchmarks.engineers --only estimates [--json FILE]

Alone it runs with one thread for BLAS and kernels, as the service's children do.

Problems run one after the other in a process of their own, warm (a first run of each compiles); a short one counts with
the least of three runs, a long one that keeps its estimate with the first. One whose estimate is above `TOO_LONG` is
skipped and counted, one that takes longer than `LIMIT` is stopped and counts as outside.
"""

import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from benchmarks.engineers.random_problems import COUNT, make

TOO_LONG, LIMIT = 20.0, 60.0  # s
SHORT, LONG = 0.3, 5.0  # s: below, the least of three; above, the first run counts
FACTORS, SHARES = (2.0, 4.0), (0.90, 0.99)  # what is promised
WORST = 15


@dataclass(frozen=True)
class Row:
    """One problem.

    Args:
        number: Of the generator.
        features: For people.
        method: What the planner chose; empty if it was not asked.
        cells: Of the box.
        steps, planned_steps: Taken, and estimated.
        estimate: Of `estimate`, which sees no field [s].
        planned: Of the plan, which does [s].
        seconds: Processor time; None where it did not end.
        trouble: Why not: skipped, stopped, the error; or the audits that rejected it.
    """

    number: int
    features: str
    method: str
    cells: int
    steps: float
    planned_steps: int
    estimate: float
    planned: float
    seconds: float | None
    trouble: str

    @property
    def ratio(self) -> float | None:
        """Time over estimate."""
        return None if self.seconds is None else self.seconds / max(self.estimate, 1e-9)


def measure(count: int = COUNT, budget: float = 1800.0) -> Iterator[Row]:
    """All problems, or as many as the budget of wall seconds allows; a line for each on the way."""
    started, context = time.monotonic(), multiprocessing.get_context("spawn")
    ours: Connection | None = None
    child = None
    try:
        for number in range(count):
            if time.monotonic() - started > budget:
                print(f"The budget of {budget:g} s ends at problem {number}.", file=sys.stderr)
                return
            if child is None or ours is None or not child.is_alive():
                ours, theirs = context.Pipe()
                child = context.Process(target=_serve, args=(theirs,), daemon=True)
                child.start()
                theirs.close()
            row = _ask(ours, number)
            if row.trouble == "stopped" or row.trouble == "died":
                child.kill()
                child.join()
                child = None
            print(describe(row), file=sys.stderr, flush=True)
            yield row
    finally:
        if child is not None:
            child.kill()
            child.join()


def _ask(pipe: Connection, number: int) -> Row:
    """The last of the rows that the child sends: first what is planned, then what was measured."""
    pipe.send(number)
    row = Row(number, "", "", 0, 0.0, 0, 0.0, 0.0, None, "died")
    deadline = time.monotonic() + 30.0
    try:
        while pipe.poll(max(deadline - time.monotonic(), 0.0)):
            kind, row = pipe.recv()
            if kind == "done":
                return row
            deadline = time.monotonic() + LIMIT + 30.0  # the first run may compile
    except EOFError:
        return row
    return Row(**{**asdict(row), "trouble": "stopped"})


def _serve(pipe: Connection) -> None:
    """Of the child: for each number that comes the plan, then the measurement."""
    while True:
        try:
            number = pipe.recv()
        except EOFError:
            return
        for kind, row in _run(number):
            pipe.send((kind, row))


def _run(number: int) -> Iterator[tuple[str, Row]]:
    from grid.core.errors import GridError
    from grid.engine import HeatProblem, Solution, estimate, prepare, solve

    made = make(number)
    settings = {"tolerance": made.tolerance} | ({"times": made.times} if made.times else {})
    row = Row(number, ", ".join(made.features), "", 0, 0.0, 0, 0.0, 0.0, None, "")
    try:
        problem = HeatProblem.from_case(made.case)
        needed = estimate(problem, **settings)
        fields = asdict(row) | {"cells": needed.cells, "planned_steps": needed.steps, "estimate": needed.work_s}
        row = Row(**fields)
        if needed.work_s > TOO_LONG:
            yield "done", Row(**{**fields, "trouble": "skipped"})
            return
        plan = prepare(problem, **settings).summary
        fields |= {"method": plan.method, "planned": plan.estimate.work_s}
        yield "plan", Row(**fields)

        def run() -> tuple[float, Solution]:
            started = time.process_time()
            found = solve(HeatProblem.from_case(made.case), **settings)
            return time.process_time() - started, found

        seconds, solution = run()
        if seconds < LONG or seconds > FACTORS[0] * needed.work_s:  # a long first run may have compiled
            seconds, solution = run()
        if seconds < SHORT:
            seconds = min(seconds, run()[0], run()[0])
        failed = [audit.name for audit in solution.audits if audit.verdict == "failed"]
        trouble = f"rejected by {', '.join(failed)}" if failed else ""
        yield "done", Row(**fields | {"steps": solution.metrics["steps"], "seconds": seconds, "trouble": trouble})
    except GridError as error:
        yield "done", Row(**asdict(row) | {"trouble": f"{type(error).__name__}: {error}"[:200]})


def describe(row: Row) -> str:
    """One line."""
    seconds = "-" if row.seconds is None else f"{row.seconds:.4g} s"
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return (
        f"{row.number:4d} {row.method or '-':12s} {row.cells:6d} cells, {row.steps:6g} steps ({row.planned_steps}), "
        f"estimate {row.estimate:.4g} s ({row.planned:.4g}), "
        f"took {seconds}, ratio {ratio} [{row.features}] {row.trouble}"
    )


def find_share(rows: Sequence[Row], factor: float) -> float:
    """Share of the problems that ran, or were stopped, whose time is within a factor of the estimate."""
    counted = [row for row in rows if row.seconds is not None or row.trouble == "stopped"]
    inside = [row for row in counted if row.ratio is not None and 1.0 / factor <= row.ratio <= factor]
    return len(inside) / len(counted) if counted else 0.0


def render(rows: Sequence[Row]) -> str:
    """Shares, what did not run, by method, and the worst."""
    ran = [row for row in rows if row.seconds is not None]
    skipped, stopped = (sum(row.trouble == name for row in rows) for name in ("skipped", "stopped"))
    said = f"{len(rows)} problems, {len(ran)} ran, {skipped} skipped (estimate above {TOO_LONG:g} s), {stopped} stopped"
    lines = [f"Estimates: {said} (over {LIMIT:g} s)", "", "| processor time within | share | promised | |"]
    lines += ["|---|---|---|---|"]
    for factor, promised in zip(FACTORS, SHARES, strict=True):
        share = find_share(rows, factor)
        lines.append(
            f"| {factor:g} x | {share:.1%} | {promised:.0%} | {'met' if share >= promised else '**missed**'} |"
        )
    lines += ["", "| method | problems | within 2 x | least ratio | median | largest |", "|---|---|---|---|---|---|"]
    for method in sorted({row.method for row in ran}):
        own = [row for row in ran if row.method == method]
        ratios = sorted(row.ratio for row in own if row.ratio is not None)
        lines.append(
            f"| {method} | {len(own)} | {find_share(own, 2.0):.0%} | {ratios[0]:.2g} | {ratios[len(ratios) // 2]:.2g} "
            f"| {ratios[-1]:.2g} |"
        )
    worst = sorted(ran, key=lambda row: max(row.ratio or 1.0, 1.0 / max(row.ratio or 1.0, 1e-9)), reverse=True)
    lines += ["", "Worst (time over estimate):", *(f"- {describe(row)}" for row in worst[:WORST])]
    lines += ["", *(f"- {describe(row)}" for row in rows if row.trouble)]
    return "\n".join(lines)
