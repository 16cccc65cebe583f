"""Streams of a live run by server-sent events: its events, and its metrics."""

import time
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from grid.api.dependencies import FromDishka, Router
from grid.api.live.readers import LEAST_SAMPLES_HZ, MOST_SAMPLES_HZ, SAMPLES_HZ
from grid.api.live.serving import Hub
from grid.api.live.sse import Welcome, stream_events, stream_samples
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import FreshUser, get_claims, is_welcome
from grid.api.stream_places import StreamPlaces, find_places
from grid.api.streams import StreamResponse
from grid.core.tokens import Claims
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import UnitOfWork
from grid.services import live
from grid.services.sessions import Principal, SessionDirectory

router = Router(prefix="/engine/runs", tags=["live runs"])

LastEventId = Annotated[str | None, Header(max_length=64, description="Where to go on")]
Places = Annotated[StreamPlaces, Depends(find_places)]
MOST_DIGITS = 16
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    **problems(403, 404, 429),
}


async def find_welcome(
    user: FreshUser, claims: Annotated[Claims, Depends(get_claims)], sessions: FromDishka[SessionDirectory]
) -> Welcome:
    """Return how long the caller may read."""
    expires_at = time.monotonic() + (user.expires_at - datetime.now(UTC)).total_seconds()
    return Welcome(expires_at, partial(is_welcome, sessions, claims))


async def find_run(run_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> LiveRunRecord:
    """Return the run, if the caller may see it."""
    run, _ = await run_in_threadpool(live.get_run, uow, owner_id=owner_id, run_id=run_id)
    return run


Run = Annotated[LiveRunRecord, Depends(find_run)]
Reader = Annotated[Welcome, Depends(find_welcome)]


@router.get("/{run_id}/events/stream", response_class=StreamingResponse, responses=_STREAM)
async def stream_run_events(
    run: Run, user: FreshUser, hub: Hub, places: Places, reader: Reader, last_event_id: LastEventId = None
) -> StreamResponse:
    """Follow the events of a run (server-sent events): each once, by number, from the first or behind the last known.

    The kind is that of the event, the id its number; at last one `end`. A `gap` says that the reader fell behind and
    has to come back.
    """
    places.take(user.id)
    topic = hub.hold(run.id, run.tick_s)
    after = _read_id(last_event_id) or 0
    events = stream_events(topic, hub, after=after, welcome=reader)
    return StreamResponse(events, partial(_leave, topic.release, places, user))


@router.get("/{run_id}/metrics/stream", response_class=StreamingResponse, responses=_STREAM)
async def stream_run_metrics(
    run: Run,
    user: FreshUser,
    hub: Hub,
    places: Places,
    reader: Reader,
    hz: Annotated[float, Query(ge=LEAST_SAMPLES_HZ, le=MOST_SAMPLES_HZ, description="Samples a second")] = SAMPLES_HZ,
    last_event_id: LastEventId = None,
) -> StreamResponse:
    """Follow the metrics of a run (server-sent events): the latest sample, with the peaks of those it stands for.

    The id of a `sample` is the tick behind the last that it covers. A reader that comes back gets what it missed,
    coarser if need be, after a `gap` where nothing is left; at last one `end`.
    """
    places.take(user.id)
    topic = hub.hold(run.id, run.tick_s)
    samples = stream_samples(topic, hub, after=_read_id(last_event_id), hz=hz, welcome=reader)
    return StreamResponse(samples, partial(_leave, topic.release, places, user))


def _leave(release: Any, places: StreamPlaces, user: Principal) -> None:
    places.give_back(user.id)
    release()


def _read_id(text: str | None) -> int | None:
    """Read the number of an event or a tick; anything else is none of ours."""
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return int(text) if text is not None and is_number else None
