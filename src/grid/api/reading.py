"""Records read in answer to a request: a few at once, and frames with a validator."""

from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request, Response

from grid.api.files import Responses, is_known, not_modified
from grid.schemas.media_types import FRAMES_MEDIA_TYPE

READERS = 2  # at once: each holds tens of megabytes at most, and keeps a core busy
T = TypeVar("T")
FRAMES: Responses = {
    200: {
        "description": "One frame, or one for each time or point behind each other",
        "content": {FRAMES_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "`If-None-Match` names these frames: they have not changed"},
}


async def read_in_turn(request: Request, work: Callable[[], T]) -> T:
    """Read records in a thread, a few at once in a server."""
    state: Any = request.app.state
    if not hasattr(state, "field_readers"):
        state.field_readers = CapacityLimiter(READERS)
    return await run_sync(work, limiter=state.field_readers)


async def respond_frames(request: Request, tag: str, make: Callable[[], bytes]) -> Response:
    """Answer with frames, or that the caller has them already.

    Args:
        request: The request.
        tag: Identifies the frames.
        make: Makes them.
    """
    is_any = request.headers.get("if-none-match", "").strip() == "*"  # names frames that can be made, whatever they are
    if not is_any and is_known(request.headers, tag):
        return not_modified(tag)
    data = await read_in_turn(request, make)
    if is_any:
        return not_modified(tag)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=FRAMES_MEDIA_TYPE, headers=headers)
