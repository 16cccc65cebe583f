"""One picture of a live run as a file: array, numbers, image for ParaView, heat map. Loads NumPy, never Numba."""

import io
import json
import math
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import AdmissionError, FieldError
from grid.engine.live.scene import Scene
from grid.engine.problem.domain import Domain
from grid.engine.results.vtk import write_image
from grid.schemas.frames import FIELDS, LEVELS, Frame
from grid.schemas.jobs import JsonObject
from grid.utils.colour_maps import viridis

FieldFormat = Literal["npy", "json", "vti"]
MOST_JSON_CELLS: Final = 65_536
MOST_WIDTH: Final = 2_048  # pixels
LEAST_HEIGHT: Final = 16  # pixels, of a rod's strip
FloatArray = NDArray[np.float64]


def describe(frame: Frame) -> JsonObject:
    """What a picture says of itself."""
    header = frame.header
    return {
        "field": FIELDS[header.field],
        "tick": header.tick,
        "time_s": header.time_s,
        "level": header.level,
        "error": header.error,
        "computed_ms": header.computed_ms,
    }


def write_npy(frame: Frame) -> bytes:
    """The array as NumPy reads it: float64, NaN outside the body."""
    stream = io.BytesIO()
    np.save(stream, frame.values, allow_pickle=False)
    return stream.getvalue()


def write_json(frame: Frame, scene: JsonObject) -> bytes:
    """The array as nested lists, null outside the body, with its place and its moment.

    Raises:
        AdmissionError: It has more than 65,536 cells.
    """
    if frame.header.cells > MOST_JSON_CELLS:
        raise AdmissionError("cells of JSON", frame.header.cells, MOST_JSON_CELLS, "cells")
    domain = Scene.from_json(scene).problem.domain
    factor = LEVELS[frame.header.level]
    values = _replace_missing(frame.values.tolist())
    place = {"origin_m": list(domain.origin), "spacing_m": [factor * step for step in domain.spacing]}
    return json.dumps({**describe(frame), **place, "shape": list(frame.values.shape), "values": values}).encode()


def write_vti(frame: Frame, scene: JsonObject) -> bytes:
    """An image for ParaView, of the box of the scene.

    Raises:
        FieldError: The frame is not of full resolution.
    """
    domain = Scene.from_json(scene).problem.domain
    if frame.header.level != 0 or math.prod(domain.cells) != frame.header.cells:
        raise FieldError("level", "0 for an image of the box")
    fields = {FIELDS[frame.header.field]: frame.values.reshape(domain.cells)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "field.vti"
        write_image(path, domain, fields, time=frame.header.time_s)
        return path.read_bytes()


def write_png(frame: Frame, width: int) -> bytes:
    """A heat map: x to the right, y upwards, the middle plane of a body; transparent outside of it.

    Args:
        frame: Its colours span its values, from violet for the least to yellow.
        width: Pixels; cells are repeated or left out.
    """
    values = frame.values
    if values.ndim == 3:
        values = values[:, :, values.shape[2] // 2]
    plane = values.reshape(values.shape[0], -1).T[::-1]  # rows from the top
    height = max(LEAST_HEIGHT if plane.shape[0] == 1 else 1, round(width * plane.shape[0] / plane.shape[1]))
    rows = np.arange(height) * plane.shape[0] // height
    columns = np.arange(width) * plane.shape[1] // width
    return _encode_png(_colour(plane[np.ix_(rows, columns)]))


def find_cell(scene: JsonObject, position: tuple[float, ...]) -> tuple[tuple[int, int], ...]:
    """The region of the one cell at a position [m].

    Raises:
        FieldError: The position is outside the box, or has not as many numbers as it has axes.
    """
    domain: Domain = Scene.from_json(scene).problem.domain
    if len(position) != domain.dimension:
        raise FieldError("position", f"{domain.dimension} numbers, {', '.join('xyz'[: domain.dimension])}")
    region = []
    axes = zip("xyz", position, domain.origin, domain.spacing, domain.cells, strict=False)
    for name, place, origin, spacing, cells in axes:
        end = origin + spacing * cells
        if not origin <= place <= end:
            raise FieldError(name, f"{origin:g} to {end:g} m")
        cell = min(int((place - origin) / spacing), cells - 1)
        region.append((cell, cell + 1))
    return tuple(region)


def read_value(frame: Frame) -> float | None:
    """The value of a frame of one cell; None outside the body."""
    value = float(frame.values.flat[0])
    return value if math.isfinite(value) else None


def _replace_missing(values: Any) -> Any:
    if isinstance(values, list):
        return [_replace_missing(one) for one in values]
    return None if math.isnan(values) else values


def _colour(plane: FloatArray) -> NDArray[np.uint8]:
    """Codes of colours: 0 where there is no value, 1 to 255 from the least to the largest."""
    known = np.isfinite(plane)
    if not known.any():
        return np.zeros(plane.shape, np.uint8)
    low, high = float(plane[known].min()), float(plane[known].max())
    share = np.where(known, (plane - low) / (high - low), 0.0) if high > low else np.zeros(plane.shape)
    return np.where(known, 1 + np.rint(254 * share), 0).astype(np.uint8)


def _encode_png(codes: NDArray[np.uint8]) -> bytes:
    """An image with a palette (PNG, third edition, W3C 2025, sections 5 and 11); its first colour is transparent."""
    height, width = codes.shape
    palette = bytes(part for colour in ((0, 0, 0), *viridis()[1:]) for part in colour)
    lines = np.zeros((height, width + 1), np.uint8)  # no filter, then the codes
    lines[:, 1:] = codes
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(lines.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
