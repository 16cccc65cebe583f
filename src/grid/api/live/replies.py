"""Messages of the WebSocket from the server: JSON objects with a `type`; frames are binary messages by themselves."""

import json
from typing import Any, Final

from grid.api.live.samples import RunSample
from grid.api.live.updates import EventItem, RunUpdate
from grid.core.errors import FieldError

SUBPROTOCOL: Final = "grid.v1"
BAD_TICKET: Final = 4401  # close codes: no ticket, or the session has ended
STALLED: Final = 4408  # a frame was not shown for half a minute
RESTART: Final = 1012  # RFC 6455 and its registry: the server restarts

SubId = str | int


def reply(word: str, /, **members: Any) -> str:
    """A message of a type as text."""
    return json.dumps({"type": word, **members}, separators=(",", ":"))


def event_reply(sub: SubId, event: EventItem) -> str:
    """An event of a run, whose JSON is made already."""
    return f'{{"type":"event","sub":{json.dumps(sub)},"id":{event.n},"data":{event.text}}}'


def sample_reply(sub: SubId, sample: RunSample) -> str:
    """A sample of a run."""
    return f'{{"type":"event","sub":{json.dumps(sub)},"id":{sample.end_tick},"data":{sample.to_json()}}}'


def end_reply(sub: SubId, update: RunUpdate) -> str:
    """The end of a run, with its last state."""
    return reply("end", sub=sub, reason=update.end_reason, run=update.state_document)


def invalid_reply(sub: SubId | None, error: FieldError) -> str:
    """A subscription that is refused, with the field and its limit."""
    return reply("end", sub=sub, reason="invalid", field=error.field, detail=str(error))
