"""The table of the suite, as Markdown: each row beside each of its peers, judged by the best that meets the error."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.engine.table import seconds_text, verdict
from benchmarks.engine.tools import GRID
from benchmarks.engineers.cases import ROWS

Record = dict[str, Any]
HEADER = (
    "| what | Grid | peer | as fast, processor | as fast, wall | at least | aim | |\n|---|---|---|---|---|---|---|---|"
)
DETAIL_HEADER = (
    "| row | side | processor | least .. most | wall | cold, wall | runs | error | steps | estimate | load | with |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def render(records: Sequence[Record]) -> str:
    """Both tables and the failures."""
    names = list(dict.fromkeys(record["row"] for record in records))
    rows = [line for name in names for line in _rows(name, [one for one in records if one["row"] == name])]
    details = [_detail(record) for record in records if record["processor"]]
    failures = [f"- {one['row']} {one['side']} failed: {one['failed']}" for one in records if "failed" in one]
    return "\n".join([HEADER, *rows, "", DETAIL_HEADER, *details, "", *failures])


def meets(record: Record) -> bool:
    """Whether a side ran, within the stated error, and accepts its own result."""
    is_right = bool(record["processor"]) and record["error"] <= ROWS[record["row"]].tolerance
    return is_right and bool(record.get("is_accepted", True))


def find_ratio(ours: Record, peer: Record, clock: str) -> tuple[float, float, float]:
    """How many times as fast ours is: the ratio of medians, and the least and the most of runs side by side."""
    pairs = [theirs / own for own, theirs in zip(ours[clock], peer[clock], strict=False)]
    return median(peer[clock]) / median(ours[clock]), min(pairs), max(pairs)


def _rows(name: str, records: list[Record]) -> list[str]:
    row = ROWS[name]
    ours = next((record for record in records if record["side"] == GRID), None)
    peers = [record for record in records if record["side"] != GRID and record["processor"]]
    good = [record for record in peers if meets(record)]
    best = min(good, key=lambda record: median(record["processor"]), default=None)
    lines = []
    for peer in peers:
        beside = (
            f"{peer['side']} {seconds_text(median(peer['processor']))}{'' if meets(peer) else ', misses the error'}"
        )
        if ours is None or not ours["processor"]:
            lines.append(
                f"| {row.title} | no result | {beside} | - | - | {row.least:g} x | {row.aim:g} x | **missed** |"
            )
            continue
        own = f"{seconds_text(median(ours['processor']))}{'' if meets(ours) else ', **' + _fault(ours) + '**'}"
        ratios = [find_ratio(ours, peer, clock) for clock in ("processor", "wall")]
        texts = [f"{middle:.2f} x ({low:.2f} .. {high:.2f})" for middle, low, high in ratios]
        judged = verdict(ratios[0][0], row.least, row.aim) if meets(ours) else "**missed**"
        if peer is not best:
            judged = f"({judged})"  # what counts is the best peer
        lines.append(
            f"| {row.title} | {own} | {beside} | {texts[0]} | {texts[1]} | {row.least:g} x | {row.aim:g} x | {judged} |"
        )
    return lines


def _fault(record: Record) -> str:
    if not record.get("is_accepted", True):
        return "rejected by " + ", ".join(record["rejected_by"])
    return f"error {record['error']:.2g}"


def _detail(record: Record) -> str:
    processor, wall = record["processor"], record["wall"]
    estimate = seconds_text(record["estimate"]) if "estimate" in record else "-"
    error = f"{record['error']:.2g}" + ("" if record["error"] <= ROWS[record["row"]].tolerance else " **over**")
    return (
        f"| {record['row']} | {record['side']} | {seconds_text(median(processor))} | {seconds_text(min(processor))} .. "
        f"{seconds_text(max(processor))} | {seconds_text(median(wall))} | {seconds_text(record['cold']['wall'])} "
        f"| {len(processor)} | {error} | {record['steps']:g} | {estimate} | {record['load']:.1f} "
        f"| {record['settings']} |"
    )
