"""VTK ImageData (`.vti`) and its index over time (`.pvd`), as ParaView reads them.

XML with the arrays as raw bytes at the end (`AppendedData`, header UInt64), by "The VTK User's Guide", 11th edition
(Kitware, 2010), section 19.3. Values belong to cells, x runs fastest.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.problem.domain import Domain
from grid.engine.results.atomic_write import replacing
from grid.engine.values.operations import FloatArray

HIDDEN_CELL = 32  # [-] vtkDataSetAttributes::HIDDENCELL
TYPES = {"float64": "Float64", "uint8": "UInt8"}


def write_image(
    path: str | Path, domain: Domain, fields: Mapping[str, FloatArray], *, time: float | None = None
) -> None:
    """Write fields over the cells of a box; cells where the first of them is NaN are hidden.

    Args:
        path: The `.vti` file.
        domain: The box.
        fields: Arrays of the shape of `domain.cells`, by name: temperatures, stresses, safety factors.
        time: Time of the fields [s].

    Raises:
        FieldError: No field, one of another shape, or a folder that cannot be written to.
        StorageFullError: The disk is full; nothing was written.
    """
    arrays = _flatten(domain, fields)
    with replacing(Path(path)) as place, place.open("wb") as stream:
        _write_image(stream, domain, arrays, time)


def write_series(
    path: str | Path, domain: Domain, frames: Sequence[Mapping[str, FloatArray]], times: Sequence[float]
) -> None:
    """Write one image for each time into the folder `NAME`, and `NAME.pvd` that lists them; see `write_image`."""
    path = Path(path)
    folder = path.with_suffix("")
    names = [f"{folder.name}_{index:04d}.vti" for index in range(len(frames))]
    with replacing(folder, may_replace=lambda old: all(entry.suffix == ".vti" for entry in old.iterdir())) as place:
        place.mkdir()
        for name, fields, time in zip(names, frames, times, strict=True):
            write_image(place / name, domain, fields, time=time)
    entries = "".join(
        f"    <DataSet timestep={quoteattr(repr(time))} file={quoteattr(f'{folder.name}/{name}')}/>\n"
        for name, time in zip(names, times, strict=True)
    )
    with replacing(path) as place:
        place.write_text(
            f'<?xml version="1.0"?>\n<VTKFile type="Collection" version="1.0">\n  <Collection>\n{entries}'
            "  </Collection>\n</VTKFile>\n",
            encoding="utf-8",
        )


def _flatten(domain: Domain, fields: Mapping[str, FloatArray]) -> dict[str, NDArray[np.generic]]:
    """The arrays in the order of VTK, with the mark of hidden cells where some are outside the body."""
    if not fields or any(np.shape(field) != tuple(domain.cells) for field in fields.values()):
        raise FieldError("fields", f"one or more arrays of shape {tuple(domain.cells)}, by name")
    arrays: dict[str, NDArray[np.generic]] = {
        name: np.asarray(field, np.float64).ravel(order="F") for name, field in fields.items()
    }
    outside = np.isnan(np.asarray(next(iter(arrays.values())), np.float64))
    if outside.any():
        arrays["vtkGhostType"] = np.where(outside, HIDDEN_CELL, 0).astype(np.uint8)
    return arrays


def _write_image(
    stream: BinaryIO, domain: Domain, arrays: Mapping[str, NDArray[np.generic]], time: float | None
) -> None:
    missing = 3 - domain.dimension
    extent = " ".join(f"0 {count}" for count in (*domain.cells, *(0,) * missing))
    origin = " ".join(map(repr, (*domain.origin, *(0.0,) * missing)))
    spacing = " ".join(map(repr, (*domain.spacing, *(1.0,) * missing)))
    offset, entries = 0, []
    for name, array in arrays.items():
        kind = TYPES[array.dtype.name]
        entries.append(
            f'        <DataArray type="{kind}" Name={quoteattr(name)} format="appended" offset="{offset}"/>\n'
        )
        offset += 8 + array.nbytes
    first = quoteattr(next(iter(arrays)))
    when = (
        ""
        if time is None
        else (
            '    <FieldData>\n      <DataArray type="Float64" Name="TimeValue" NumberOfTuples="1" format="ascii">'
            f"{time!r}</DataArray>\n    </FieldData>\n"
        )
    )
    order = "LittleEndian" if sys.byteorder == "little" else "BigEndian"
    head = (
        f'<?xml version="1.0"?>\n<VTKFile type="ImageData" version="1.0" byte_order="{order}" header_type="UInt64">\n'
        f'  <ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n{when}'
        f'    <Piece Extent="{extent}">\n      <CellData Scalars={first}>\n{"".join(entries)}      </CellData>\n'
        '    </Piece>\n  </ImageData>\n  <AppendedData encoding="raw">\n_'
    )
    stream.write(head.encode())
    for array in arrays.values():
        stream.write(np.uint64(array.nbytes).tobytes())
        stream.write(np.ascontiguousarray(array).data)
    stream.write(b"\n  </AppendedData>\n</VTKFile>\n")
