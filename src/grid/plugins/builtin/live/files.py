"""The files of one point of `live`, from its record alone."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from grid.plugins.builtin.live.params import LiveParams
from grid.plugins.builtin.live.picture import FloatArray, LivePicture, draw_live
from grid.plugins.builtin.live.record import LiveRecord, read_row
from grid.plugins.builtin.writing import write_csv, write_json
from grid.schemas.jobs import JsonObject
from grid.schemas.live import TICK_METRICS
from grid.schemas.live_log import write_lines

UNITS = {"K": "K", "degC": "°C", "relative": "relative"}
WORDS = ("min", "max", "mean", "last")
OTHERS_NAMES = {
    "utilisation": "Largest stress over the yield stress [-]",
    "share": "Largest measure of the choice of model, over its limit [-]",
    "gradient": "Largest gradient [K/m]",
}
OTHERS = tuple(OTHERS_NAMES)  # the first of them that is known is drawn
FIGURES = ("highest", "mean", "ticks", "lumped_ticks", "switches", "alerts", "failed_cells", "failed_regions")


def render(names: Sequence[str], params: LiveParams, row: "np.void", folder: Path, version: str) -> None:
    """Write the named files into `folder`."""
    record = read_row(row)
    if "result.csv" in names:
        write_history(folder / "result.csv", record)
    if "events.ndjson" in names:
        write_text(folder / "events.ndjson", (json.dumps(one) + "\n" for one in record.document["events"]))
    if "log.ndjson" in names:
        write_text(folder / "log.ndjson", write_lines(record.document["log"]))
    if "meta.json" in names:
        write_json(folder / "meta.json", make_meta(params, record, version))
    if "simulation_results.png" in names:
        draw_live(folder / "simulation_results.png", make_picture(record))
    if "temperature.npy" in names:
        np.save(folder / "temperature.npy", np.ascontiguousarray(record.final, dtype="<f8"), allow_pickle=False)


def write_history(path: Path, record: LiveRecord) -> None:
    """Write the metrics: a row for each tick boundary, or for 2^level of them with least, largest, mean and last.

    A row of several begins at the boundary that its tick names. An empty cell is a metric without a value.
    """
    size, tick_s = 1 << record.level, record.document["tick_s"]
    words = WORDS if record.level else ("",)
    columns = [f"{name}_{word}" if word else name for name in TICK_METRICS for word in words]
    rows = record.history if record.level else record.history[:, :, 3:]

    def lines() -> Iterator[list[float | int | str]]:
        for index, row in enumerate(rows.reshape(len(rows), -1).tolist()):
            tick = (record.place + index) * size
            yield [tick, tick * tick_s, *("" if value != value else value for value in row)]

    write_csv(path, ("tick", "time_s", *columns), lines())


def write_text(path: Path, lines: Iterator[str]) -> None:
    """Write lines that have their line ends."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(lines)


def make_meta(params: LiveParams, record: LiveRecord, version: str) -> JsonObject:
    """Return the contents of `meta.json`."""
    kept = {name: value for name, value in record.document.items() if name not in {"events", "log"}}
    given = params.model_dump(mode="json", exclude={"log"})
    header = {name: value for name, value in record.document["log"]["header"].items() if name != "scene"}
    return {
        "simulation": "live",
        "numerics_version": version,
        "parameters": given | {"log": None if params.log is None else "log.ndjson"},
        "header": header,
        "grid": {"cells": record.final.shape, "field": "cell centres, axes x, y, z, C order"},
        "history": {"ticks_a_row": 1 << record.level, "rows": len(record.history)},
        **kept,
    }


def make_picture(record: LiveRecord) -> LivePicture:
    """Put together what is drawn."""
    document = record.document
    header, verdict = document["log"]["header"], document["verdict"]
    domain = header["scene"]["case"]["domain"]
    axes = [axis for axis, cells in enumerate(record.final.shape) if cells > 1] or [0]

    def column(name: str, side: int = 3) -> FloatArray:
        return record.history[:, TICK_METRICS.index(name), side]

    tick_s, metrics = document["tick_s"], document["metrics"]
    other = next((name for name in OTHERS if np.isfinite(column(name, 1)).any()), OTHERS[-1])
    named = [(name.replace("_", " "), metrics.get(name)) for name in FIGURES]
    figures = [
        (name, value if isinstance(value, str) else f"{value:.6g}") for name, value in named if value is not None
    ]
    what = header.get("scenario") or "live run"
    return LivePicture(
        title=f"{what}: {' x '.join(map(str, record.final.shape))} cells, {document['method']}"
        + (f", {verdict['word']}" if verdict else ""),
        unit=UNITS[document["unit"]],
        final=record.final.reshape([record.final.shape[axis] for axis in axes]),
        axes="".join("xyz"[axis] for axis in axes),
        size=tuple(float(domain["size"][axis]) for axis in axes),
        origin=tuple(float((domain.get("origin") or [0.0] * 3)[axis]) for axis in axes),
        time=(record.place + np.arange(len(record.history))) * (1 << record.level) * tick_s,
        mean=column("mean", 2),
        highest=column("highest", 1),
        lowest=column("lowest", 0),
        other=(OTHERS_NAMES[other], column(other, 1)),
        is_lumped=column("is_lumped", 2),
        switches=[one["tick"] * tick_s for one in document["switches"]],
        audits=document["audits"],
        figures=figures,
    )
