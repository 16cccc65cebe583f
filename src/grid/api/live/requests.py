"""Messages of the WebSocket from a viewer, read strictly."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast
from uuid import UUID

from grid.api.live.readers import SAMPLES_HZ, require_rate
from grid.api.live.replies import SubId
from grid.core.errors import FieldError, InputError
from grid.core.strict_json import read_json
from grid.schemas.frame_requests import FrameRequest, read_rate

MOST_BYTES: Final = 16 * 1024  # of a message
MOST_NAME: Final = 64  # characters of a subscription's name
MOST_NUMBER: Final = 2**53
KINDS: Final = frozenset({"hello", "renew", "sub", "unsub", "grant", "ping"})
_ID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TOPIC: Final = re.compile(rf"run:({_ID}):(frames|metrics|events)|(job|sweep):({_ID})|(jobs|system)", re.ASCII)
TOPICS: Final = "run:ID:frames, run:ID:metrics, run:ID:events, job:ID, sweep:ID, jobs or system"
_EVENT_ID: Final = re.compile(r"(?:job|[0-9]{1,9}):[0-9]{1,9}", re.ASCII)
MOST_RESUMED: Final = 32  # topics of a `hello`
TopicKind = Literal["frames", "metrics", "events", "job", "sweep", "jobs", "system"]
RUN_KINDS: Final = frozenset({"frames", "metrics", "events"})


@dataclass(frozen=True)
class Topic:
    """What of which run, job or sweep; `jobs` and `system` are of no single one."""

    kind: TopicKind
    subject_id: UUID | None = None


def read_message(text: str | None) -> Mapping[str, Any]:
    """Return a message, whose `type` is known.

    Raises:
        InputError: It is none.
    """
    if text is None:
        raise InputError("Messages are text.")
    data = text.encode()
    if len(data) > MOST_BYTES:
        raise InputError(f"A message has at most {MOST_BYTES} bytes.")
    document = read_json(data)
    if not isinstance(document, dict) or document.get("type") not in KINDS:
        raise InputError(f"A message is an object with a type, one of {', '.join(sorted(KINDS))}.")
    return document


def read_ticket(message: Mapping[str, Any]) -> str:
    """Return the ticket of a `hello` or `renew`; an empty text where there is none."""
    ticket = message.get("ticket")
    return ticket if isinstance(ticket, str) else ""


def read_id(message: Mapping[str, Any]) -> SubId:
    """Return the viewer's name of a subscription.

    Raises:
        FieldError: It is none.
    """
    name = message.get("id")
    is_number = isinstance(name, int) and not isinstance(name, bool) and 0 <= name <= MOST_NUMBER
    if is_number or (isinstance(name, str) and 1 <= len(name) <= MOST_NAME):
        return cast("SubId", name)
    raise FieldError("id", f"a text of 1 to {MOST_NAME} characters, or a whole number")


def read_topic(message: Mapping[str, Any]) -> Topic:
    """Return the topic of a subscription.

    Raises:
        FieldError: There is no such topic.
    """
    topic = message.get("topic")
    match = _TOPIC.fullmatch(topic) if isinstance(topic, str) else None
    if match is None:
        raise FieldError("topic", TOPICS)
    run_id, of_run, noun, subject_id, alone = match.groups()
    subject = run_id or subject_id
    return Topic(cast("TopicKind", of_run or noun or alone), None if subject is None else UUID(subject))


def read_frames(message: Mapping[str, Any]) -> tuple[FrameRequest, float]:
    """Return the frames that are asked for, and how many a second at most.

    Raises:
        FieldError: A member is outside its limits.
    """
    return FrameRequest.from_json(message), read_rate(message)


def read_samples_rate(message: Mapping[str, Any]) -> float:
    """Return how many samples a second are asked for.

    Raises:
        FieldError: It is outside its limits.
    """
    return require_rate(message.get("max_hz", SAMPLES_HZ))


def read_number(message: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number of a message; None where it is left out.

    Raises:
        FieldError: It is something else.
    """
    value = message.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_NUMBER):
        raise FieldError(name, f"a whole number, 0 to {MOST_NUMBER}")
    return value


def read_event_id(message: Mapping[str, Any], name: str) -> str | None:
    """Return the id of an event of a job; None where it is left out.

    Raises:
        FieldError: It is something else.
    """
    value = message.get(name)
    if value is not None and not (isinstance(value, str) and _EVENT_ID.fullmatch(value)):
        raise FieldError(name, "epoch:seq or job:version, as an event of the job had it")
    return value


def read_resume(message: Mapping[str, Any]) -> dict[str, int | str]:
    """Return the last ids of topics that a viewer names in its `hello`; what is no such thing is left out."""
    given = message.get("resume")
    found = list(given.items())[:MOST_RESUMED] if isinstance(given, dict) else []
    return {topic: last for topic, last in found if _is_last_id(last)}


def _is_last_id(last: object) -> bool:
    if isinstance(last, str):
        return _EVENT_ID.fullmatch(last) is not None
    return isinstance(last, int) and not isinstance(last, bool) and 0 <= last <= MOST_NUMBER


def read_echo(message: Mapping[str, Any]) -> float | str | None:
    """Return what a `ping` wants to have repeated.

    Raises:
        FieldError: It is neither a number nor a short text.
    """
    value = message.get("t")
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_NUMBER):
        return value
    if isinstance(value, str) and len(value) <= MOST_NAME:
        return value
    raise FieldError("t", f"a number, or a text of at most {MOST_NAME} characters")
