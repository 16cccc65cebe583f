"""News of a run as its readers get them: made once for all, whatever stream they are sent by."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from grid.api.live_presenting import present_event
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.live import RunState
from grid.services import live
from grid.services.live import RunNews


class EventItem(NamedTuple):
    """An event of a run: its number, its kind, and all of it as JSON."""

    n: int
    kind: str
    text: str


@dataclass(frozen=True)
class RunUpdate:
    """State of a run, and events behind a place.

    Args:
        state: None where the run is gone.
        version: Of the state.
        state_document: State, reason, message and tick as JSON.
        events: In the order of their numbers.
        has_more: Whether there are more of them.
    """

    state: RunState | None
    version: int
    state_document: JsonObject
    events: tuple[EventItem, ...] = ()
    has_more: bool = False

    def to_json(self) -> str:
        """The state as JSON."""
        return json.dumps(self.state_document, separators=(",", ":"))

    @property
    def is_final(self) -> bool:
        """True where nothing will follow."""
        return self.state is None or (self.state.is_terminal and not self.has_more)

    @property
    def end_reason(self) -> str:
        """Why nothing will follow, as a word."""
        return "not-found" if self.state is None else "stopped"


def read_updates(
    uow: UnitOfWork, cursors: Mapping[UUID, int | None], *, limit: int = live.EVENTS_AT_ONCE
) -> dict[UUID, RunUpdate]:
    """Read news of runs; see `grid.services.live.read_news`."""
    return {run_id: make_update(news) for run_id, news in live.read_news(uow, cursors, limit=limit).items()}


def make_update(news: RunNews) -> RunUpdate:
    """Return news as they are sent."""
    run = news.run
    if run is None:
        return RunUpdate(None, -1, {"status": None, "reason": "not-found"})
    document: JsonObject = {
        "status": run.state.value,
        "reason": None if run.reason is None else run.reason.value,
        "message": live.describe_run(run),
        "tick": run.tick,
    }
    events = tuple(EventItem(one.n, one.kind, present_event(one).model_dump_json()) for one in news.events)
    return RunUpdate(run.state, run.version, document, events, news.has_more)
