"""Rows of the service's performance table: a figure of Grid, what the same run measured beside it, and their ratio."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal


@dataclass(frozen=True)
class Bar:
    """How large a ratio may be at most, or has to be at least."""

    kind: Literal["at most", "at least"]
    ratio: float

    def is_met_by(self, ratio: float) -> bool:
        """Tell whether a ratio keeps it."""
        return ratio <= self.ratio if self.kind == "at most" else ratio >= self.ratio

    def __str__(self) -> str:
        return f"{self.kind} {self.ratio:g}"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: The figure.
        unit: Of both sides.
        grid: Samples of Grid.
        peer: What was measured beside it.
        beside: Its samples: as many as Grid's where both were measured in turn.
        bar: What the ratio of Grid to the peer has to keep; None where nothing is promised.
        database: Of both sides.
    """

    what: str
    unit: str
    grid: Sequence[float]
    peer: str
    beside: Sequence[float]
    bar: Bar | None = None
    database: str = ""

    @property
    def ratios(self) -> list[float]:
        """Grid over the peer: turn by turn where there are as many samples, else each over the peer's median."""
        if len(self.grid) == len(self.beside):
            return [own / other for own, other in zip(self.grid, self.beside, strict=True)]
        return [own / median(self.beside) for own in self.grid]

    @property
    def is_met(self) -> bool | None:
        """Whether the median of the ratios keeps the bar; None without one."""
        return self.bar.is_met_by(median(self.ratios)) if self.bar is not None else None


def percentile(values: Sequence[float], fraction: float) -> float:
    """Return the nearest-rank percentile: the least value that is not below that fraction of all."""
    return sorted(values)[max(0, math.ceil(fraction * len(values)) - 1)]


def render_table(rows: Sequence[Row]) -> str:
    """Return Markdown, ready for README: the databases beside each other, medians, extremes in brackets."""
    databases = list(dict.fromkeys(row.database for row in rows))
    lines: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        lines[row.what, row.peer][row.database] = row
    heads = [f"{database}: Grid, beside it, **ratio**" for database in databases]
    table = [f"| what | beside it, in the same run | {' | '.join(heads)} | bar |", "|---" * (3 + len(heads)) + "|"]
    for (what, peer), found in lines.items():
        cells = [_render_cell(found.get(database)) for database in databases]
        bar = next(iter(found.values())).bar
        table.append(f"| {what} | {peer} | {' | '.join(cells)} | {bar or ''} |")
    return "\n".join(table)


def _render_cell(row: Row | None) -> str:
    if row is None:
        return ""
    verdict = ", missed" if row.is_met is False else ""
    return f"{median(row.grid):.3g}, {median(row.beside):.3g} {row.unit}, **{_spread(row.ratios)}**{verdict}"


def _spread(values: Sequence[float]) -> str:
    shown = f"{median(values):.3g}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.3g} .. {max(values):.3g})"
