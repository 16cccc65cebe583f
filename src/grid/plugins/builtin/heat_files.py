"""The files of one `heat` problem, from its record; only the whole field is solved for again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from grid.plugins.builtin.heat_picture import HeatPicture, draw_heat
from grid.plugins.builtin.heat_problem import hash_fields, make_plan, read_problem
from grid.plugins.builtin.writing import write_csv, write_json
from grid.schemas.jobs import JsonObject

if TYPE_CHECKING:
    from grid.plugins.builtin.heat_params import HeatParams


def render(names: Sequence[str], params: "HeatParams", record: np.void, folder: Path, version: str) -> str | None:
    """Write the named files into `folder`; return the sha256 of the field where it was computed again."""
    sha256: str | None = None
    if "result.csv" in names:
        write_series(folder / "result.csv", params, record)
    if "meta.json" in names:
        write_json(folder / "meta.json", make_meta(params, record, version))
    if "simulation_results.png" in names:
        draw_heat(folder / "simulation_results.png", make_picture(params, record))
    if "temperature_field.npy" in names:
        chosen: str = json.loads(bytes(record["summary"]))["plan"]["method"]
        solution = make_plan(params, chosen).solve()
        np.save(
            folder / "temperature_field.npy", np.ascontiguousarray(solution.fields, dtype="<f8"), allow_pickle=False
        )
        sha256 = hash_fields(solution)
    return sha256


def write_series(path: Path, params: "HeatParams", record: np.void) -> None:
    """Write time, mean, largest and smallest temperature; a steady state has one row and no time."""
    problem = read_problem(params)
    unit = problem.temperature_unit
    header = ("time_s", *(f"{name}_temperature_{unit}" for name in ("mean", "max", "min")))
    rows: list[list[float | str]] = record["series"].T.tolist()
    if problem.steady:
        rows = [["", *row[1:]] for row in rows]
    write_csv(path, header, rows)


def make_meta(params: "HeatParams", record: np.void, version: str) -> JsonObject:
    """Return the contents of `meta.json`."""
    domain = read_problem(params).domain
    return {
        "simulation": "heat",
        "numerics_version": version,
        "equation": "rho c dT/dt = div(K grad T) + q",
        "parameters": params.model_dump(),
        "grid": {
            "cells": domain.cells,
            "size_m": domain.size,
            "origin_m": domain.origin or (0.0,) * domain.dimension,
            "spacing_m": domain.spacing,
            "field": "cell centres, axes (time, x, y, z), C order",
        },
        "times_s": record["series"][0].tolist(),
        "snapshots_at": record["snapshot_index"].tolist(),
        **json.loads(bytes(record["summary"])),
    }


def read_warnings(record: np.void) -> list[str]:
    """Return the warnings of the plan that a record keeps."""
    plan: JsonObject = json.loads(bytes(record["summary"]))["plan"]
    warnings: list[str] = plan["warnings"]
    return warnings


def make_picture(params: "HeatParams", record: np.void) -> HeatPicture:
    """Put together what is drawn."""
    problem = read_problem(params)
    summary = json.loads(bytes(record["summary"]))
    time, mean, highest, lowest = np.array(record["series"])
    return HeatPicture(
        unit={"K": "K", "degC": "°C", "relative": "relative"}[problem.temperature_unit],
        size=problem.domain.size,
        origin=problem.domain.origin or (0.0,) * problem.dimension,
        final=np.array(record["final"]),
        snapshots=np.array(record["snapshots"]),
        snapshot_time=time[record["snapshot_index"]],
        is_steady=problem.steady,
        time=time,
        mean=mean,
        highest=highest,
        lowest=lowest,
        method=summary["plan"]["method"],
        metrics=summary["metrics"],
        audits=summary["audits"],
    )
