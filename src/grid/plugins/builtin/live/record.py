"""The record of a finished point of `live`: final field, history of the metrics, and one document with all else."""

import json
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from grid.plugins.builtin.live.course import Course
from grid.plugins.builtin.live.inputs import CHECKED, LiveInput
from grid.plugins.builtin.live.verdict import Verdict
from grid.schemas.live import TICK_METRICS
from grid.schemas.live_log import COMPARED_KINDS, FORMAT, MOST_EVENTS
from grid.schemas.scenarios import Json

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = 4  # least, largest, mean, last
COMPRESSION = 6  # of zlib: the same bytes for the same document


@dataclass(frozen=True)
class LiveRecord:
    """A record, read back.

    Args:
        final: The last field, shape `cells`, in the unit of the scene.
        history: Shape `(rows, metrics, 4)`; see `Course.history`.
        place: Number of the first row.
        level: Rows cover 2^level ticks.
        document: `summary`, `events`, `counts`, `switches`, `expected`, `verdict`, `log`, `metrics`, `audits`, `unit`.
    """

    final: np.ndarray[Any, np.dtype[np.float64]]
    history: np.ndarray[Any, np.dtype[np.float64]]
    place: int
    level: int
    document: Json


def make_document(given: LiveInput, course: Course, verdict: Verdict | None) -> Json:
    """Everything of a finished point that is no array, as JSON."""
    session = course.session
    expected = []
    if course.scenario is not None:
        expected = [
            vars(each) | {"found": found, "is_met": each.is_met(found)} for each, found in course.scenario.found
        ]
    return {
        "unit": given.scene.problem.temperature_unit,
        "method": session.clock.method,
        "reason": given.clock.reason,
        "steps_per_tick": session.clock.steps,
        "tick_s": session.clock.tick,
        "summary": session.summary._asdict(),
        "counts": dict(sorted(course.counts.items())),
        "events": [*course.events, make_end(course)],
        "switches": [asdict(one) | {"bound": str(one.bound)} for one in session.state.model.switches],
        "expected": expected,
        "verdict": None if verdict is None else _describe_verdict(verdict),
        "log": make_log(given, course),
    }


def make_end(course: Course) -> Json:
    """The last event of every run: where it stands."""
    session = course.session
    at = {"tick": session.tick, "step": session.tick * session.clock.steps, "time_s": session.time}
    return {**at, "kind": "end", "key": "run", "payload": {"field_sha256": session.hash()}}


def make_log(given: LiveInput, course: Course) -> Json:
    """The log of this very run, from which it can be replayed."""
    session = course.session
    header = {
        "format": FORMAT, **given.header, **asdict(session.header), "tick_s": repr(session.clock.tick),
        "method": session.clock.method, "rules": [active.rule.to_json() for active in session.rules],
        "event_kinds": list(COMPARED_KINDS),
    }  # fmt: skip
    if given.record is not None:  # the rules at the start, which a command may have replaced
        header["rules"] = [rule.to_json() for rule in given.rules]
    summary = session.summary
    end = {name: getattr(summary, name) for name in CHECKED}
    events = sorted(course.digests.items())[:MOST_EVENTS]
    return {
        "header": header,
        "commands": [command.to_json() for command in session.commands],
        "events": [[*identity, digest] for identity, digest in events],
        "end": {"tick": session.tick, "field_sha256": session.hash(), **end},
    }


def make_row(course: Course, document: Json) -> "np.void":
    """The record as one row of a structured array."""
    history = course.history if course.level else course.history[:, :, 3:]  # rows of one tick have one value
    text = zlib.compress(json.dumps(document, allow_nan=False, sort_keys=True).encode(), COMPRESSION)
    final = course.session.field()
    dtype = np.dtype([
        ("place", "<i8", (2,)),
        ("final", "<f8", final.shape),
        ("history", "<f8", history.shape),
        ("document", "u1", (len(text),)),
    ])  # fmt: skip
    row = np.zeros(1, dtype=dtype)
    row["place"][0] = course.place, course.level
    row["final"][0] = final
    row["history"][0] = history
    row["document"][0] = np.frombuffer(text, np.uint8)
    record: np.void = row[0]
    return record


def read_row(row: "np.void") -> LiveRecord:
    """The record of such a row."""
    history = np.array(row["history"], dtype=np.float64)
    if history.shape[2] == 1:
        history = np.repeat(history, WORDS, axis=2)
    document = json.loads(zlib.decompress(row["document"].tobytes()))
    place, level = (int(value) for value in row["place"])
    return LiveRecord(np.array(row["final"], dtype=np.float64), history, place, level, document)


def count_bytes(cells: int, rows: int, level: int) -> int:
    """Size of a record without its document [B]."""
    return 8 * cells + 8 * rows * len(TICK_METRICS) * (WORDS if level else 1)


def _describe_verdict(verdict: Verdict) -> "Mapping[str, Any]":
    return {
        "word": verdict.word,
        "sentence": verdict.sentence,
        "first_difference": None if verdict.first is None else asdict(verdict.first),
        "largest_difference": verdict.largest,
    }
