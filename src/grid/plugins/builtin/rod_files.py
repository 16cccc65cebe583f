"""The files of one rod, made when they are asked for: by solving again, row by row, without holding the field."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from grid.engine.rods.rods import Rod, find_sub_steps, snapshot_rows, solve_rods, start_shape
from grid.plugins.builtin.rod_params import RodParams
from grid.plugins.builtin.rod_picture import RodPicture, draw_rod
from grid.plugins.builtin.rod_results import compute_mean, compute_metrics
from grid.plugins.builtin.writing import write_csv, write_json
from grid.schemas.jobs import JsonObject

FloatArray = npt.NDArray[np.float64]
TakeRows = Callable[[int, FloatArray], None]  # index of the first row, rows of shape (m, nodes)
HEADER = (
    "time_s",
    "mean_temperature_degC",
    "max_temperature_degC",
    "min_temperature_degC",
    "centre_temperature_degC",
)
_PICTURE_ROWS = _PICTURE_NODES = 480  # more than the picture has pixels for


def render(names: Sequence[str], params: RodParams, record: np.void, folder: Path, version: str) -> str | None:
    """Write the named files into `folder`; return the sha256 of the field where it was computed again."""
    sha256: str | None = None
    if set(names) & {"result.csv", "simulation_results.png", "temperature_field.npy"}:
        sha256 = _render_field(names, params, folder)
    if "meta.json" in names:
        write_json(folder / "meta.json", make_meta(params, record, version))
    return sha256


def _render_field(names: Sequence[str], params: RodParams, folder: Path) -> str:
    takers: list[TakeRows] = []
    series = Series(params)
    sample = Sample(params)
    with ExitStack() as stack:
        if {"result.csv", "simulation_results.png"} & set(names):
            takers.append(series.take)
        if "simulation_results.png" in names:
            takers.append(sample.take)
        if "temperature_field.npy" in names:
            stream = stack.enter_context((folder / "temperature_field.npy").open("wb"))
            takers.append(make_field_writer(stream, params))
        rod = _solve(params, takers)
    if "result.csv" in names:
        write_csv(folder / "result.csv", HEADER, series.rows())
    if "simulation_results.png" in names:
        draw_rod(folder / "simulation_results.png", sample.picture(series, rod))
    return rod.field_sha256


def _solve(params: RodParams, takers: Sequence[TakeRows]) -> Rod:
    def on_rows(_column: int, first: int, rows: FloatArray) -> None:
        for take in takers:
            take(first, rows)

    (rod,) = solve_rods(
        [params.length],
        [params.diffusivity],
        [params.initial_temp],
        [params.boundary_temp],
        [params.end_time],
        time_steps=params.time_steps,
        spatial_steps=params.spatial_steps,
        on_rows=on_rows,
    )
    if isinstance(rod, Rod):
        return rod
    raise rod or RuntimeError("a rod was left out though nothing asked for it")


def make_field_writer(stream: IO[bytes], params: RodParams) -> TakeRows:
    """Begin an NPY file of the shape ``(time_steps + 1, spatial_steps)``; return what appends rows to it."""
    header = {"descr": "<f8", "fortran_order": False, "shape": (params.time_steps + 1, params.spatial_steps)}
    np.lib.format.write_array_header_1_0(stream, header)

    def take(_first: int, rows: FloatArray) -> None:
        stream.write(rows.data)

    return take


class Series:
    """Mean, extremes, centre and error of every result."""

    def __init__(self, params: RodParams) -> None:
        self._params = params
        self.time = np.linspace(0.0, params.end_time, params.time_steps + 1)
        self.mean, self.highest, self.lowest, self.centre, self.error = np.empty((5, len(self.time)))
        self._shape = start_shape(params.spatial_steps)

    def take(self, first: int, rows: FloatArray) -> None:
        """Reduce rows, the first of which is result number `first`."""
        nodes, part = rows.shape[1], slice(first, first + len(rows))
        self.mean[part] = compute_mean(rows)
        self.highest[part] = rows.max(axis=1)
        self.lowest[part] = rows.min(axis=1)
        self.centre[part] = (rows[:, (nodes - 1) // 2] + rows[:, nodes // 2]) / 2
        exact = self._params.boundary_temp + self.exact_excess(self.time[part])[:, None] * self._shape
        self.error[part] = np.abs(rows - exact).max(axis=1)

    def exact_excess(self, time: FloatArray) -> FloatArray:
        """Return the exact temperature of the centre above the ends at each time."""
        rod = self._params
        rate = rod.diffusivity * (np.pi / rod.length) ** 2
        excess: FloatArray = (rod.initial_temp - rod.boundary_temp) * np.exp(-rate * time)
        return excess

    def rows(self) -> list[tuple[float, ...]]:
        """Return the rows of `result.csv`."""
        columns = (self.time, self.mean, self.highest, self.lowest, self.centre)
        return list(zip(*(column.tolist() for column in columns), strict=True))


class Sample:
    """As many results and nodes as a picture can show."""

    def __init__(self, params: RodParams) -> None:
        self._params = params
        self._rows = _spread(params.time_steps + 1, _PICTURE_ROWS)
        self._nodes = _spread(params.spatial_steps, _PICTURE_NODES)
        self.field = np.empty((len(self._rows), len(self._nodes)))

    def take(self, first: int, rows: FloatArray) -> None:
        """Keep what the picture shows of these rows."""
        low, high = np.searchsorted(self._rows, (first, first + len(rows)))
        self.field[low:high] = rows[np.ix_(self._rows[low:high] - first, self._nodes)]

    def picture(self, series: Series, rod: Rod) -> RodPicture:
        """Put together what is drawn."""
        params = self._params
        return RodPicture(
            parameters=params.model_dump(),
            place=np.linspace(0.0, params.length, params.spatial_steps)[self._nodes],
            sample_time=series.time[self._rows],
            field=self.field,
            time=series.time,
            centre=series.centre,
            mean=series.mean,
            exact_centre=params.boundary_temp + series.exact_excess(series.time),
            error=series.error,
            sub_steps=rod.sub_steps.count,
            mesh_fourier=rod.sub_steps.mesh_fourier,
        )


def _spread(count: int, at_most: int) -> npt.NDArray[np.int64]:
    return np.unique(np.round(np.linspace(0, count - 1, min(count, at_most))).astype(np.int64))


def make_meta(params: RodParams, record: np.void, version: str) -> JsonObject:
    """Return the contents of `meta.json`."""
    cut = find_sub_steps(
        params.length,
        params.diffusivity,
        params.end_time,
        time_steps=params.time_steps,
        spatial_steps=params.spatial_steps,
    )
    (metrics,) = compute_metrics([params], record["final"][None, :])
    fields = type(params).model_fields
    return {
        "simulation": "heat-rod",
        "numerics_version": version,
        "equation": "dT/dt = diffusivity * d2T/dx2",
        "start": "boundary_temp + (initial_temp - boundary_temp) * sin(pi * x / length)",
        "parameters": params.model_dump(),
        "units": {name: field.json_schema_extra["unit"] for name, field in fields.items()},  # type: ignore[index]
        "numerics": {
            "scheme": "explicit finite differences (FTCS) of the excess over boundary_temp",
            "sub_steps": cut.count,
            "mesh_fourier": cut.mesh_fourier,
            "mesh_fourier_limit": 0.5,
            "spacing_m": params.length / (params.spatial_steps - 1),
            "sub_step_s": params.end_time / params.time_steps / cut.count,
        },
        "results": metrics,
        "snapshots_at": snapshot_rows(params.time_steps).tolist(),
    }
