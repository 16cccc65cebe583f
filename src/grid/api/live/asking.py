"""One frame of a run for a request that wants a file of it: the newest picture, made for it where nobody looks."""

import asyncio
from typing import Final

from grid.api.live.hub import LiveHub
from grid.core.errors import FieldError, UnavailableError
from grid.database.live_runs import LiveRunRecord
from grid.schemas.frame_requests import MOST_HZ, FrameRequest
from grid.schemas.live import RunState
from grid.services.live import RunStateError

CONNECT_S: Final = 0.5  # [s] for the run's owner to be there
WAIT_S: Final = 5.0  # [s] for a picture: a paused run makes one within moments
SHOWING: Final = frozenset({RunState.RUNNING, RunState.PAUSED, RunState.STOPPING, RunState.RESUMING})


class _Asker:
    """Waits for one frame."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def on_frame(self) -> None:
        """The frame is there."""
        self._set(None)

    def on_same(self, tick: int, computed_ms: int) -> None:  # noqa: ARG002 - of the protocol
        """The frame is still there."""
        self._set(None)

    def on_refused(self, reason: str) -> None:
        """There is none."""
        self._set(reason)

    def _set(self, reason: str | None) -> None:
        if not self.answer.done():
            self.answer.set_result(reason)


async def ask_frame(hub: LiveHub, run: LiveRunRecord, request: FrameRequest) -> bytes:
    """Return the newest frame of a run.

    Raises:
        RunStateError: The run shows nothing in its state.
        FieldError: The run does not have the field, or it is too large at the level.
        UnavailableError: No picture came in time.
    """
    if run.state not in SHOWING:
        raise RunStateError(run.state, "only a run that ticks or pauses shows a picture")
    topic, asker = hub.hold(run.id, run.tick_s), _Asker()
    try:
        frame = topic.add_viewer(asker, request, MOST_HZ)
        if frame is None:
            await asyncio.wait([asker.answer], timeout=CONNECT_S)
            if topic.is_connected:
                await asyncio.wait([asker.answer], timeout=WAIT_S)
            reason = asker.answer.result() if asker.answer.done() else None
            if reason is not None:
                field, _, limit = reason.partition(": ")
                raise FieldError(field, limit)
            frame = topic.find_newest(request)
        if frame is None:
            raise UnavailableError("The run has shown no picture in time; ask again in a moment.")
        return frame.data
    finally:
        topic.remove_viewer(asker, request)
        topic.release()
