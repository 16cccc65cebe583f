"""Frames as files, with what a decoder has to read from each: the contract between encoder, client and web page.

    python -m tests.support.frame_fixtures    writes `tests/fixtures/frames` anew

Each `NAME.bin` has a `NAME.json`: the header, the codes and the values (null: no value), or the reason of a refusal.
"""

import io
import json
import math
import struct
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from grid.runtime.field_frames import encode_field
from grid.runtime.live.frames import FrameEncoder, Stamp
from grid.runtime.records import RecordReader
from grid.schemas.fields import FieldAxis, FieldPart, FieldRequest, RecordField
from grid.schemas.frames import HEADER, Frame, FrameError, decode_frame

FOLDER = Path(__file__).parents[1] / "fixtures" / "frames"
STAMP = Stamp(5472, 182.4, epoch=3, computed_ms=1_764_500_000_123, run=bytes(range(1, 9)), flags=33)
CASES: dict[str, tuple[str, tuple[int, ...], dict[str, Any], str]] = {  # field, shape, options, codec
    "planar-12-none": ("temperature", (6, 5), {}, "none"),
    "planar-12-deflate": ("temperature", (6, 5), {}, "deflate"),
    "planar-12-zstd": ("temperature", (6, 5), {}, "zstd"),
    "planar-16-none": ("stress", (5, 7), {"bits": 16}, "none"),
    "planar-16-deflate": ("stress", (5, 7), {"bits": 16}, "deflate"),
    "planar-16-zstd": ("stress", (5, 7), {"bits": 16}, "zstd"),
    "planar-8-none": ("state", (4, 4), {}, "none"),
    "plain-8-none": ("state", (4, 4), {"filtered": False}, "none"),
    "plain-12-none": ("utilisation", (4, 6), {"filtered": False}, "none"),
    "plain-16-deflate": ("damage", (4, 6), {"filtered": False, "bits": 16}, "deflate"),
    "masked-12-none": ("temperature", (6, 6), {"masked": True}, "none"),
    "masked-16-zstd": ("temperature", (6, 6), {"masked": True, "bits": 16}, "zstd"),
    "empty-12-none": ("temperature", (3, 3), {"masked": None}, "none"),
    "rod-12-none": ("temperature", (9,), {}, "none"),
    "body-12-none": ("temperature", (3, 4, 5), {}, "none"),
    "half-12-none": ("temperature", (7, 5), {"level": 1}, "none"),
    "quarter-16-none": ("stress", (9, 10), {"level": 2, "bits": 16}, "none"),
    "region-12-none": ("temperature", (4, 3), {"origin": (16, 32)}, "none"),
    "constant-16-none": ("requested", (3, 3), {"bits": 16, "constant": True}, "none"),
}


def make_values(name: str, shape: tuple[int, ...], *, constant: bool = False) -> np.ndarray:
    """A field of sums and products of whole numbers, the same on every machine."""
    if constant:
        return np.full(shape, 293.15)
    places = np.indices(shape).reshape(len(shape), -1)
    wave = sum((axis + 2) * place * (7 - place) for axis, place in enumerate(places)).reshape(shape)
    if name == "state":
        return np.array(wave % 3, np.float64)
    return 300.0 + 1.25 * wave if name == "temperature" else 0.75 * wave - 4.0


def make_mask(shape: tuple[int, ...], masked: bool | None) -> np.ndarray | None:
    """True in every cell but some of the first axis; None of the cells where `masked` is None."""
    if masked is False:
        return None
    places = np.indices(shape).sum(axis=0)
    return places % 5 != 2 if masked else np.zeros(shape, bool)


def make_frame(name: str) -> bytes:
    """The frame of a case."""
    field, shape, options, codec = CASES[name]
    options = dict(options)
    mask = make_mask(shape, options.pop("masked", False))
    values = make_values(field, shape, constant=options.pop("constant", False))
    return FrameEncoder(field, **options).quantise(values, STAMP, mask).pack(codec)


REQUESTED = {  # of a finished job: shape, whether the body is masked, request
    "requested-plane-16-deflate": ((4, 5, 6), False, FieldRequest(axis="y", index=3)),
    "requested-means-12-none": ((20, 13), True, FieldRequest(max_cells=12, bits=12, codec="none")),
    "requested-rod-16-zstd": ((11,), False, FieldRequest(codec="zstd")),
}


def make_requested(name: str) -> bytes:
    """The frame of a field of a finished job."""
    shape, masked, request = REQUESTED[name]
    record = np.zeros((), [("final", "<f8", shape)])
    record["final"] = make_values("temperature", shape)
    axes = tuple(FieldAxis(axis, "m", "cell", count, 0.0, 0.5) for axis, count in zip("xyz", shape, strict=False))
    body = (lambda first, stop: make_mask(shape, masked)[first:stop]) if masked else None
    part = FieldPart(60.0, "final")
    field = RecordField("temperature", "T", "K", "cividis", axes, (part,), is_complete=True, body=body)
    reader = RecordReader(io.BytesIO(record.tobytes()), 0, record.dtype)
    return encode_field(reader, field, request, run=STAMP.run, computed_ms=STAMP.computed_ms)


def make_broken() -> dict[str, bytes]:
    """Bytes that no decoder may take."""
    whole = make_frame("planar-12-none")
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = bomb.compress(bytes(1 << 20)) + bomb.flush()
    head = bytearray(make_frame("planar-12-deflate")[: HEADER.size])
    struct.pack_into("<II", head, 76, len(payload), zlib.crc32(payload))
    return {
        "truncated-header": whole[:95],
        "truncated-payload": whole[:-1],
        "wrong-magic": b"GRF2" + whole[4:],
        "future-version": whole[:11] + b"\x02" + whole[12:],
        "wrong-checksum": whole[:-1] + bytes([whole[-1] ^ 1]),
        "trailing-bytes": whole + b"\0",
        "no-cells": whole[:12] + b"\0\0" + whole[14:],
        "bomb": bytes(head) + payload,
    }


def describe(data: bytes) -> dict[str, Any]:
    """What a decoder has to read."""
    try:
        frame = decode_frame(data)
    except FrameError as error:
        return {"error": error.reason}
    return {"header": describe_header(frame), "shape": list(frame.codes.shape), **describe_cells(frame)}


def describe_header(frame: Frame) -> dict[str, Any]:
    return asdict(frame.header) | {"run": frame.header.run.hex()}


def describe_cells(frame: Frame) -> dict[str, Any]:
    values = [None if math.isnan(value) else value for value in frame.values.ravel().tolist()]
    return {"codes": frame.codes.ravel().tolist(), "values": values}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    frames = {name: make_frame(name) for name in CASES} | {name: make_requested(name) for name in REQUESTED}
    for name, data in (frames | make_broken()).items():
        (FOLDER / f"{name}.bin").write_bytes(data)
        (FOLDER / f"{name}.json").write_text(json.dumps(describe(data)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
