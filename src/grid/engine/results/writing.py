"""Files of a solution: NetCDF, Zarr, VTK, NPY, CSV, PNG, each written whole or not at all."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from grid.core.errors import FieldError
from grid.engine.arguments import require_path
from grid.engine.problem.domain import AXES
from grid.engine.results.atomic_write import replacing
from grid.engine.results.dataset import to_xarray

if TYPE_CHECKING:
    from grid.engine.results.fields import SolutionFields

MAX_CSV_ROWS = 2_000_000  # [-] rows of a CSV file at most


def write(solution: "SolutionFields", path: str | Path) -> Path:
    """Write a solution in the format of the name's suffix; an existing file is replaced.

    | suffix | holds |
    |---|---|
    | `.nc` | NetCDF 4, as `to_xarray` |
    | `.zarr` | a Zarr v3 folder, the same |
    | `.vti` | the last field as VTK ImageData, for ParaView |
    | `.pvd` | all fields: an index of `.vti` files in a folder of the same name |
    | `.npy` | all fields, shape (times, *cells) |
    | `.csv` | a row for each cell of the body and time |
    | `.png` | a picture of the last field |

    Returns:
        The path.

    Raises:
        FieldError: Another suffix, a folder that cannot be written to, or more than the format can hold.
        StorageFullError: The disk is full; nothing was written.
    """
    require_path("path", path)
    path = Path(path)
    require_writable(path)
    WRITERS[path.suffix.lower()](solution, path)
    return path


def require_writable(path: Path) -> None:
    """Refuse early a path to which no solution can be written: another suffix, a folder that does not exist."""
    if path.suffix.lower() not in WRITERS:
        raise FieldError("path", f"a name that ends in one of {', '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise FieldError("path", "in a folder that exists")


def write_netcdf(solution: "SolutionFields", path: Path) -> None:
    """NetCDF 4, the fields compressed without loss."""
    data = to_xarray(solution)
    encoding = {"temperature": {"zlib": True, "complevel": 1, "shuffle": True}}
    with replacing(path) as place:
        data.to_netcdf(place, engine="h5netcdf", encoding=encoding)


def write_zarr(solution: "SolutionFields", path: Path) -> None:
    """A Zarr v3 folder."""
    with replacing(path, may_replace=lambda folder: (folder / "zarr.json").is_file()) as place:
        to_xarray(solution).to_zarr(place, mode="w", zarr_format=3, consolidated=False)


def write_vti(solution: "SolutionFields", path: Path) -> None:
    """The last field as VTK ImageData."""
    from grid.engine.results.vtk import write_image

    write_image(path, solution.problem.domain, {"temperature": solution.body_fields[-1]}, time=solution.times[-1])


def write_pvd(solution: "SolutionFields", path: Path) -> None:
    """All fields as VTK ImageData, and their index."""
    from grid.engine.results.vtk import write_series

    frames = [{"temperature": field} for field in solution.body_fields]
    write_series(path, solution.problem.domain, frames, solution.times)


def write_npy(solution: "SolutionFields", path: Path) -> None:
    """All fields, shape (times, *cells), float64, NaN outside a masked body."""
    with replacing(path) as place, place.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(solution.body_fields), allow_pickle=False)


def write_csv(solution: "SolutionFields", path: Path) -> None:
    """A row for each time and cell of the body; numbers in the shortest form that reads back to the same double."""
    cells = solution.fields[0].size if solution.body is None else int(solution.body.sum())
    if cells * len(solution.times) > MAX_CSV_ROWS:
        raise FieldError("path", f"at most {MAX_CSV_ROWS} rows of CSV; write .nc, .zarr or .npy, or fewer times")
    with replacing(path) as place, place.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(_rows(solution))


def _rows(solution: "SolutionFields") -> Iterator[str]:
    problem = solution.problem
    inside = slice(None) if solution.body is None else solution.body.reshape(-1)
    open_grid = np.meshgrid(*solution.coordinates.values(), indexing="ij")
    coordinates = [
        ",".join(map(repr, row)) for row in zip(*(axis.reshape(-1)[inside].tolist() for axis in open_grid), strict=True)
    ]
    axes = ",".join(f"{axis}_m" for axis in AXES[: problem.dimension])
    yield f"time_s,{axes},temperature_{problem.temperature_unit}\n"
    for time, field in zip(solution.times, solution.fields, strict=True):
        for place, value in zip(coordinates, field.reshape(-1)[inside].tolist(), strict=True):
            yield f"{time!r},{place},{value!r}\n"


def write_png(solution: "SolutionFields", path: Path) -> None:
    """A picture of the last field."""
    from grid.engine.results.plot import plot, save

    save(plot(solution), path)


WRITERS: dict[str, Callable[["SolutionFields", Path], None]] = {
    ".nc": write_netcdf,
    ".zarr": write_zarr,
    ".vti": write_vti,
    ".pvd": write_pvd,
    ".npy": write_npy,
    ".csv": write_csv,
    ".png": write_png,
}
