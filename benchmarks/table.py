"""Rows of the performance table: a figure, its spread, the peer's in the same run, and the goal."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    samples: Sequence[float]  # of Grid; the median is shown, the extremes beside it
    unit: str
    goal: str
    is_met: bool | None = None  # None: nothing promised
    peer: str = ""


def percentile(values: Sequence[float], fraction: float) -> float:
    """Return the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(fraction * len(ordered)) - 1))]


def print_table(rows: Sequence[Row]) -> None:
    """Print Markdown, ready for README."""
    print("| what | figure (median) | spread | beside it | goal | |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        verdict = {True: "met", False: "**missed**", None: ""}[row.is_met]
        spread = f"{min(row.samples):.4g} .. {max(row.samples):.4g}" if len(row.samples) > 1 else ""
        print(f"| {row.what} | {median(row.samples):.4g} {row.unit} | {spread} | {row.peer} | {row.goal} | {verdict} |")
