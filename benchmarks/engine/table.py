"""The table: for each promise the best peer of the same run, the ratio, the least, the aim, and whether it is met."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.engine.tools import GRID, Record


@dataclass(frozen=True)
class Goal:
    """A ratio of times to the best peer that meets the error.

    Args:
        problem, precision: What the records are called.
        what: For people.
        least, aim: How many times as fast as the best peer.
        error: What a record's error may be.
    """

    problem: str
    precision: str | None
    what: str
    least: float
    aim: float
    error: float


GOALS = (
    Goal("P1", "f64", "P1 explicit 1024 x 1024, float64", 1.4, 2.0, 1e-12),
    Goal("P1L", "f64", "P1L explicit 4096 x 4096, float64", 2.7, 5.0, 1e-12),
    Goal("P2", "f64", "P2 explicit 256^3, float64", 1.7, 2.5, 1e-12),
    Goal("P1", "f32", "P1 in float32", 1.2, 1.5, 1e-4),
    Goal("P1L", "f32", "P1L in float32", 2.5, 4.0, 1e-4),
    Goal("P2", "f32", "P2 in float32", 1.6, 2.5, 1e-4),
    Goal("P3", None, "P3 stiff 512 x 512 to 1e-3, solve()", 10.0, 15.0, 1e-3),
    Goal("P3", "mixed", "P3 with mixed precision", 10.0, 20.0, 1e-3),
    Goal("P3N", None, "P3N nonlinear 256 x 256 to 1e-3, solve()", 5.0, 10.0, 1e-3),
    Goal("P4", None, "P4 homogeneous 1024 x 1024 to 1e-4, solve()", 3.0, 5.0, 1e-4),
    Goal("P5", None, "P5 one rod, 101 points, 200 steps, prepared plan", 1.0, 1.5, 1e-9),
    Goal("P5S", None, "P5 sweep of 1,000 rods, solve_batch", 3.0, 10.0, 1e-9),
)
MEMORY_LEAST, MEMORY_BYTES = 1.2, 16.0  # times what is needed; bytes a cell for two fields
COLD_LEAST, COLD_AIM = 0.8, 0.35  # s
GROWTH_LEAST = 1.3  # of the cost of a cell, from one grid to the next
HEADER = "| what | Grid | best peer | ratio | at least | aim | |\n|---|---|---|---|---|---|---|"


def render(records: Sequence[Record]) -> str:
    """Return the whole table and, below it, every record and failure, as Markdown."""
    rows = [row for goal in GOALS for row in _goal_rows(goal, records)]
    rows += [*_roofline_rows(records), *_memory_rows(records), *_cold_rows(records), *_growth_rows(records)]
    details = [_detail(record) for record in records if "seconds" in record]
    failures = [f"- failed: {record['failed']}" for record in records if "failed" in record]
    return "\n".join([HEADER, *rows, "", *DETAIL_HEADER, *details, *([""] if failures else []), *failures])


def seconds_text(seconds: float) -> str:
    """Seconds in the unit in which they are read best."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def find_fastest(records: Sequence[Record], goal: Goal, *, is_ours: bool) -> Record | None:
    """The record with the least median time among ours or the peers' that meet the error; None if there is none."""
    wanted = (goal.precision,) if is_ours or goal.problem in ("P1", "P1L", "P2") else (None,)
    found = [
        record
        for record in records
        if record.get("problem") == goal.problem
        and record.get("precision") in wanted
        and (record["tool"] == GRID) == is_ours
        and record["error"] is not None
        and record["error"] <= goal.error
    ]
    return min(found, key=lambda record: median(record["seconds"]), default=None)


def verdict(ratio: float, least: float, aim: float) -> str:
    """`aim met`, `met`, or `**missed**`."""
    if ratio >= aim:
        return "aim met"
    return "met" if ratio >= least else "**missed**"


def _goal_rows(goal: Goal, records: Sequence[Record]) -> list[str]:
    if not any(record.get("problem") == goal.problem for record in records):
        return []
    ours, peer = (find_fastest(records, goal, is_ours=is_ours) for is_ours in (True, False))
    ends = f"{goal.least:g} x | {goal.aim:g} x"
    if ours is None:
        beside = "-" if peer is None else f"{peer['tool']} {_time(peer)}"
        return [f"| {goal.what} | no run met the error | {beside} | - | {ends} | **missed** |"]
    if peer is None:
        return [f"| {goal.what} | {_time(ours)} | none ran | - | {ends} | not compared |"]
    ratio = median(peer["seconds"]) / median(ours["seconds"])
    judged = verdict(ratio, goal.least, goal.aim)
    return [f"| {goal.what} | {_time(ours)} | {peer['tool']} {_time(peer)} | {ratio:.2f} x | {ends} | {judged} |"]


def _time(record: Record) -> str:
    text = seconds_text(median(record["seconds"]))
    return f"{text} ({_rate(record)})" if "updates" in record else text


def _rate(record: Record) -> str:
    return f"{record['updates'] / median(record['seconds']) / 1e9:.2f}e9/s"


def _roofline_rows(records: Sequence[Record]) -> list[str]:
    limits = [record for record in records if record.get("tool") == "write_allocate"]
    rows = []
    for goal in GOALS:
        if goal.problem != "P1L":
            continue
        ours = find_fastest(records, goal, is_ours=True)
        limit = next((record for record in limits if record["precision"] == goal.precision), None)
        if ours is None or limit is None:
            continue
        ratio = ours["updates"] / median(ours["seconds"]) * median(limit["seconds"]) / limit["updates"]
        what = f"P1L {goal.precision} above memory without blocking"
        rows.append(
            f"| {what} | {_rate(ours)} | write-allocate {_rate(limit)} | {ratio:.2f} x | 1 x | "
            f"| {'met' if ratio >= 1.0 else '**missed**'} |"
        )
    return rows


def _memory_rows(records: Sequence[Record]) -> list[str]:
    found = {
        record["tool"]: record["bytes_per_cell"]
        for record in records
        if record.get("problem") == "P1L" and record.get("precision") == "f64" and "bytes_per_cell" in record
    }
    if GRID not in found:
        return []
    ours, peer = found[GRID], found.get("Devito")
    beside, ratio = ("none ran", "-") if peer is None else (f"Devito {peer:.1f} B", f"{ours / peer:.2f} x")
    judged = verdict(MEMORY_LEAST * MEMORY_BYTES / ours, 1.0, MEMORY_LEAST) if ours > 0 else "not measured"
    limit = f"{MEMORY_BYTES:g} B, {MEMORY_LEAST} x at most"
    return [f"| P6 bytes a cell, explicit 2D float64 | {ours:.1f} B | {beside} | {ratio} | {limit} | less | {judged} |"]


def _cold_rows(records: Sequence[Record]) -> list[str]:
    return [
        f"| cold: `grid solve` of a rod in a fresh process | {_time(record)} | - | - | {COLD_LEAST} s | {COLD_AIM} s | "
        f"{verdict(1.0 / median(record['seconds']), 1.0 / COLD_LEAST, 1.0 / COLD_AIM)} |"
        for record in records
        if record.get("problem") == "cold" and "seconds" in record
    ]


def _growth_rows(records: Sequence[Record]) -> list[str]:
    """Seconds for each cell, grid by grid, on each path; the ratio is that to the grid before."""
    rows, before = [], {}
    for record in records:
        if record.get("problem") != "growth" or "seconds" not in record:
            continue
        path, cost = record["path"], median(record["seconds"]) / record["cells"]
        ratio = cost / before[path] if path in before else None
        before[path] = cost
        judged = "" if ratio is None else verdict(GROWTH_LEAST / ratio, 1.0, GROWTH_LEAST)
        rows.append(
            f"| growth, {record['settings']} | {_time(record)}, {seconds_text(cost)} a cell | - | "
            f"{'-' if ratio is None else f'{ratio:.2f} x'} | {GROWTH_LEAST} x at most | | {judged} |"
        )
    return rows


DETAIL_HEADER = (
    "| problem | tool | median | least .. most | runs | error | load | with |",
    "|---|---|---|---|---|---|---|---|",
)


def _detail(record: Record) -> str:
    seconds = record["seconds"]
    name = " ".join(filter(None, (record["problem"], record.get("precision"))))
    error = "-" if record["error"] is None else f"{record['error']:.2g}"
    how = ", ".join(filter(None, (record.get("settings"), record.get("version"))))
    return (
        f"| {name} | {record['tool']} | {_time(record)} | {seconds_text(min(seconds))} .. {seconds_text(max(seconds))} "
        f"| {len(seconds)} | {error} | {record['load']:.1f} | {how} |"
    )
