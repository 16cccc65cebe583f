"""`grid metrics`: the newest metrics of a live run, again and again with `--watch`, or a span of them."""

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.connection import connected
from grid.cli.live_runs import WatchedRun, find_watched
from grid.cli.output import JsonFlag, console, format_cell, show, table

if TYPE_CHECKING:
    from uuid import UUID

    from grid.client.client import GridClient
    from grid.schemas.wire.live_metrics import MetricHistoryOut, MetricsOut

EVERY_S = 1.0  # between two looks: a run stores a sample a second
ENDED = ("stopped", "failed")
WATCHED = ("highest", "mean", "peak_stress", "utilisation", "damage", "ratio")  # columns of a line
TEMPERATURES = ("lowest", "highest", "mean")  # in the unit of the scene
UNITS = {
    "gradient": "K/m", "stored_heat": "J", "time_error": "K", "peak_stress": "Pa", "peak_by_potential": "Pa",
    "shed_w": "W", "simulated_rate": "s/s", "slipped_s": "s", "processor_s": "s", "wall_s": "s", "lag_s": "s",
    "jitter_s": "s",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(metrics)


def metrics(
    run: WatchedRun = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="A line each second until the run ends; with --json a document a line.")
    ] = False,
    history: Annotated[
        list[str] | None, typer.Option("--history", help="A metric over all ticks; may be given again.")
    ] = None,
    points: Annotated[int, typer.Option(min=1, max=2000, help="Rows of a history, at least.")] = 20,
    csv: Annotated[bool, typer.Option("--csv", help="Print the history as CSV.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show the newest metrics of a live run with its model and the age of the data, or their history."""
    with connected() as client:
        found = find_watched(client, run)
        if csv:
            sys.stdout.write(client.engine.history_csv(found, metrics=history or [], points=points))
        elif history:
            span = client.engine.history(found, metrics=history, points=points)
            show(span.model_dump(mode="json"), as_json=as_json, view=lambda: _history_table(span))
        elif watch:
            follow(client, found, as_json=as_json)
        else:
            newest = client.engine.metrics(found)
            unit = None if as_json else client.engine.show(found).temperature_unit
            show(newest.model_dump(mode="json"), as_json=as_json, view=lambda: _metrics_table(newest, unit))


def follow(client: "GridClient", run: "UUID", *, as_json: bool, every_s: float = EVERY_S) -> None:
    """Print a line for each look until the run has ended."""
    if not as_json:
        console().print(
            f"{'tick':>10} {'t, s':>10} {'model':>9} " + " ".join(f"{name:>12}" for name in WATCHED) + "  age"
        )
    while True:
        newest = client.engine.metrics(run)
        if as_json:
            sys.stdout.write(json.dumps(newest.model_dump(mode="json"), allow_nan=False) + "\n")
            sys.stdout.flush()
        else:
            console().print(format_line(newest))
        if newest.status in ENDED:
            return
        time.sleep(every_s)


def format_line(newest: "MetricsOut") -> str:
    """Return the newest metrics as one line under the head of `follow`."""
    values = " ".join(f"{format_cell(newest.metrics.get(name)):>12}" for name in WATCHED)
    time_s = format_cell(newest.time_s)
    return f"{newest.tick:>10} {time_s:>10} {newest.model or '-':>9} {values}  {describe_age(newest)}"


def describe_age(newest: "MetricsOut") -> str:
    """Say how old the metrics are, or why they do not change."""
    if newest.age_s is None or newest.status != "running":
        return str(newest.status)
    return f"{newest.age_s:.1f} s"


def _metrics_table(newest: "MetricsOut", temperature_unit: str | None) -> Any:
    temperature = "" if temperature_unit in (None, "relative") else str(temperature_unit)
    units = {**UNITS, **dict.fromkeys(TEMPERATURES, temperature)}
    rows: list[tuple[str, object, str]] = [
        ("status", newest.message, ""),
        ("tick", newest.tick, ""),
        ("simulated time", newest.time_s, "s"),
        ("model", newest.model, f"policy {newest.policy}"),
        ("age of the data", newest.age_s, "s"),
    ]
    if newest.status in ENDED:
        rows[-1] = ("data", "the last: the run has ended", "")
    known = [(name, value) for name, value in newest.metrics.items() if value is not None and name != "is_lumped"]
    rows += [(name, value, units.get(name, "")) for name, value in known]
    return table("what", "value", "unit", rows=rows)


def _history_table(span: "MetricHistoryOut") -> Any:
    names = list(span.metrics)
    columns = ["first tick", "t, s", *(f"{name} {part}" for name in names for part in ("least", "mean", "largest"))]
    rows = []
    for index, tick in enumerate(span.first_tick):
        row: list[object] = [tick, span.time_s[index]]
        for name in names:
            one = span.metrics[name]
            row += [one.min[index], one.mean[index], one.max[index]]
        rows.append(row)
    sizes = {end - first for first, end in zip(span.first_tick, span.end_tick, strict=True)}
    size = f"{span.ticks_of_a_row}" if len(sizes) < 2 else f"{min(sizes)} to {max(sizes)}"
    return table(*columns, rows=rows, title=f"a row is {size} ticks of {span.tick_s} s")
