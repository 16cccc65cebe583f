"""The log of a live run as a document: everything that a replay needs, and what it is held to.

As lines of JSON (`GET /engine/runs/{id}/commands?format=ndjson`) the first is the header, then comes a line for each
command, for each event of the engine (`{"event": [tick, kind, key, digest]}`), for each check (`{"check": {...}}`), and
one for the end. As one object (`params.log` of the simulation `live`) it is
`{"header": ..., "commands": [...], "events": [...], "checks": [...], "end": {...}}`.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from grid.core.errors import FieldError

Json = dict[str, Any]

FORMAT: Final = 1  # of the document
DIGEST: Final = 16  # hexadecimal digits of an event's content: 64 bits
# Kinds of events that follow from the log. Those of the first group happen as a tick begins, the others as it ends.
AT_BEGIN: Final = ("applied", "refused", "switch")
AT_END: Final = ("alert", "failed-cell", "failed-region", "yield")
COMPARED_KINDS: Final = AT_BEGIN + AT_END
MOST_EVENTS: Final = 20_000  # of a log that is replayed; what is beyond is not compared
_PLACES: Final = frozenset({"tick", "step", "time_s"})  # of an event, which are told by its tick alone
_OUTCOMES: Final = frozenset({"applied", "refused"})


def make_alert_key(rule: str, alert: int, after: str, version: int) -> str:
    """Return the key of a transition's event, which tells it from the others of its tick.

    Rules may be replaced several times at one boundary, so versions beyond the first are told apart.
    """
    return f"{rule}-{alert}-{after}" if version == 1 else f"{rule}-{alert}-{after}-v{version}"


def digest_event(kind: str, payload: Mapping[str, Any]) -> str:
    """Return a digest of what an event says beside its kind, its key and its time.

    Of the outcome of a command that is its number with what was effective, or why it was refused.
    """
    if kind in _OUTCOMES:
        said = {name: payload.get(name) for name in ("seq", "effective", "reason") if payload.get(name) is not None}
    else:
        said = {name: value for name, value in payload.items() if name not in _PLACES}
    text = json.dumps(_plain(said), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]


def _plain(value: Any) -> Any:
    """Return JSON in which equal numbers look alike: a database may give 1e+22 back as a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Mapping | list | tuple):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return float(value)


def is_before(kind: str, tick: int, end: int) -> bool:
    """Tell whether an event belongs to a run that stands at the boundary `end`."""
    return tick < end if kind in AT_BEGIN else tick <= end


def write_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a log, each with its line end."""
    yield write_line(document["header"])
    yield from map(write_line, document.get("commands", ()))
    yield from (write_line({"event": event}) for event in document.get("events", ()))
    yield from (write_line({"check": check}) for check in document.get("checks", ()))
    if document.get("end") is not None:
        yield write_line({"end": document["end"]})


def write_line(entry: Mapping[str, Any]) -> str:
    """Return one line of a log, with its line end."""
    return json.dumps(entry, separators=(",", ":"), allow_nan=False) + "\n"


def read_lines(lines: Iterable[str]) -> Json:
    """Return the document of the lines of a log. What the engine reads of it is checked there.

    Raises:
        FieldError: A line is no JSON object, or of no kind that a log has.
    """
    document: Json = {"header": None, "commands": [], "events": [], "checks": [], "end": None}
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        entry = _read_line(text, number)
        if document["header"] is None:
            document["header"] = entry
        elif "seq" in entry:
            document["commands"].append(entry)
        elif set(entry) in ({"event"}, {"check"}):
            (name,) = entry
            document[f"{name}s"].append(entry[name])
        elif set(entry) == {"end"} and document["end"] is None:
            document["end"] = entry["end"]
        else:
            raise FieldError(f"line {number}", "a command, an event, a check, or the end, which comes once")
    if document["header"] is None:
        raise FieldError("line 1", "the header of a log")
    return document


def _read_line(text: str, number: int) -> Json:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FieldError(f"line {number}", "a JSON object") from error
    if not isinstance(entry, dict):
        raise FieldError(f"line {number}", "a JSON object")
    return entry
