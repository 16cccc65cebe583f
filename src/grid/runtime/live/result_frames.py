"""Frames of a run that has ended, from the fields of its stored result. Loads NumPy, and no Numba."""

import time
from collections.abc import Callable
from typing import BinaryIO
from uuid import UUID

import numpy as np

from grid.core.errors import FieldError
from grid.runtime.live import frame_passes
from grid.runtime.live.frame_cache import FrameCache, Picture
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.frames import FrameFlag
from grid.schemas.jobs import JsonObject

SUFFIX = ".npy"


def encode_result(
    open_file: Callable[[str], BinaryIO], manifest: JsonObject, request: FrameRequest, *, run_id: UUID, time_s: float
) -> bytes:
    """The frame of a field at the end of a run.

    Args:
        open_file: Opens a stored file by its key.
        manifest: What the run has left.
        request: What of it.
        run_id: Of the run.
        time_s: Simulated time of its end [s].

    Raises:
        FieldError: The result does not have the field, or the region or level is outside of it.
        NotFoundError: The file is not there any more.
    """
    keys = {file["name"].removesuffix(SUFFIX): file["key"] for file in manifest.get("files", ())}
    if request.field not in keys:
        raise FieldError("field", f"must be one of {', '.join(keys)}")
    with open_file(keys[request.field]) as file:
        values = np.load(file, allow_pickle=False)
    picture = Picture(
        int(manifest["tick"]), time_s, int(FrameFlag.NOT_LIVE), time.time_ns() // 1_000_000, {request.field: values}
    )
    cache = FrameCache(run_id.bytes[:8], 0, passes=frame_passes)
    return cache.encode(request, picture, time.monotonic()).data
