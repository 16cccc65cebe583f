"""Verdict of a replay: what was recorded of a run against what came of its log when it was computed again.

`identical`: every recorded event, number and hash is there again. `within tolerance`: the log is of another platform or
version of the numerics, the same things happened at the same ticks, and no temperature that is known is off by more
than `TOLERANCE` of the span. `different`: anything else, with the first tick that differs as far as what was recorded
tells. `unknown`: nothing was recorded that could be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from grid.plugins.builtin.live.course import Course
from grid.plugins.builtin.live.inputs import Record
from grid.schemas.jobs import Audit
from grid.schemas.live import TICK_METRICS
from grid.schemas.live_log import MOST_EVENTS, is_before

Word = Literal["identical", "within tolerance", "different", "unknown"]
Identity = tuple[int, str, str]
AuditWord = Literal["passed", "failed", "not_applicable"]
TOLERANCE = 1e-6  # [-] of the span of temperatures: thousands of times what roundings grow to in a day of ticks
LEAST_SPAN = 1e-3  # [K] where all temperatures are the same


@dataclass(frozen=True)
class Difference:
    """The first thing that is not as it was recorded.

    Args:
        tick: Where it shows.
        after: The last boundary before at which the field was the recorded one; the cause lies between the two.
        what: In words.
    """

    tick: int
    after: int
    what: str


@dataclass(frozen=True)
class Verdict:
    """What a replay has shown.

    Args:
        word: The verdict.
        first: The first difference; None where there is none that counts.
        largest: Largest difference of a recorded temperature, in the unit of the scene; None where none was recorded.
        audits: Scene, events, fields and temperatures one by one.
    """

    word: Word
    first: Difference | None
    largest: float | None
    audits: tuple[Audit, ...]

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.first is not None:
            known = f"; the field was the same at tick {self.first.after}" if self.first.after < self.first.tick else ""
            return f"The replay differs at tick {self.first.tick}: {self.first.what}{known}."
        return {
            "identical": "The replay is identical to the run.",
            "within tolerance": f"The replay is within the tolerance; temperatures are off by {self.largest} at most.",
        }.get(self.word, "Nothing was recorded of the run that could be compared.")


@dataclass(frozen=True)
class EventFindings:
    """Recorded events against those of the course.

    Args:
        compared: How many there are in either.
        differing: How many are missing, new, or say something else.
        has_same_names: Whether the same things happened at the same ticks, whatever their numbers.
        first: The first that differs.
    """

    compared: int
    differing: int
    has_same_names: bool
    first: Difference | None


@dataclass(frozen=True)
class CheckFindings:
    """Recorded fields and temperatures against those of the course.

    Args:
        hashes: How many hashes were compared.
        wrong_hashes: How many were others.
        largest: Largest difference of a temperature; None where none was recorded.
        matched: Boundaries at which everything was the same.
        first: The first that differs.
    """

    hashes: int
    wrong_hashes: int
    largest: float | None
    matched: tuple[int, ...]
    first: Difference | None


def judge(record: Record, course: Course) -> Verdict:
    """Compare a course with what was recorded of the run."""
    here = course.session.header
    is_home = (record.numerics_version, record.platform) == (here.numerics_version, here.platform)
    is_other_spec = is_home and record.spec_hash is not None and record.spec_hash != here.spec_hash
    events, checks = compare_events(record, course), compare_checks(record, course)
    limit = TOLERANCE * find_span(course)
    found = [one for one in (events.first, checks.first) if one is not None]
    if is_other_spec:
        found.append(Difference(0, 0, "scene, tick and method are not those that the log was recorded with"))
    is_near = not is_home and events.has_same_names and checks.largest is not None and checks.largest <= limit
    word: Word = "different"
    if not found:
        word = "identical" if events.compared or checks.hashes or checks.largest is not None else "unknown"
    elif is_near:
        word = "within tolerance"
    audits = (
        _audit("replayed_scene", not is_other_spec, is_known=is_home and record.spec_hash is not None,
               detail="scene, tick and method are those of the run" if is_home
               else "the log is of another platform or version of the numerics"),
        _audit("replayed_events", events.differing == 0 or (is_near and events.has_same_names),
               is_known=events.compared > 0, value=events.differing, limit=0.0,
               detail=f"{events.compared} events, those that are missing, new, or say something else"),
        _audit("replayed_field", checks.wrong_hashes == 0 or is_near, is_known=checks.hashes > 0,
               value=checks.wrong_hashes, limit=0.0, detail=f"{checks.hashes} hashes of fields, those that differ"),
        _audit("replayed_temperatures", checks.largest is not None and checks.largest <= (0.0 if is_home else limit),
               is_known=checks.largest is not None, value=checks.largest, limit=0.0 if is_home else limit,
               detail="largest difference of a recorded temperature"),
    )  # fmt: skip
    first = _choose(found, checks.matched) if word == "different" else None
    return Verdict(word, first, checks.largest, audits)


def compare_events(record: Record, course: Course) -> EventFindings:
    """Hold the events of a course to the recorded ones, up to where both go."""
    end = course.session.tick if record.end is None else min(record.end, course.session.tick)
    latest = record.events[-1][0] if len(record.events) >= MOST_EVENTS else None  # what is beyond was not recorded

    def is_compared(identity: Identity) -> bool:
        tick, kind, _ = identity
        return kind in record.kinds and is_before(kind, tick, end) and (latest is None or tick < latest)

    then = {event[:3]: event[3] for event in record.events if is_compared(event[:3])}
    now = {identity: digest for identity, digest in course.digests.items() if is_compared(identity)}
    differing = sorted(identity for identity in then.keys() | now.keys() if then.get(identity) != now.get(identity))
    return EventFindings(
        compared=len(then.keys() | now.keys()),
        differing=len(differing),
        has_same_names=then.keys() == now.keys(),
        first=Difference(differing[0][0], 0, _describe(differing[0], then, now)) if differing else None,
    )


def compare_checks(record: Record, course: Course) -> CheckFindings:
    """Hold the fields and temperatures of a course to the recorded ones."""
    hashes = wrong = 0
    largest: float | None = None
    matched: list[int] = []
    first: Difference | None = None
    for check in record.checks:
        if check.tick not in course.seen:
            continue
        sha256, metrics = course.seen[check.tick]
        off = max((abs(metrics[name] - value) for name, value in check.metrics.items()), default=None)
        if off is not None:
            largest = off if largest is None else max(largest, off)
        is_other = check.field_sha256 is not None and check.field_sha256 != sha256
        hashes, wrong = hashes + (check.field_sha256 is not None), wrong + is_other
        if is_other or off:
            what = "the field is another one" if is_other else f"temperatures are off by {off:.3g}"
            first = first or Difference(check.tick, 0, what)
        elif check.field_sha256 is not None or off is not None:
            matched.append(check.tick)
    return CheckFindings(hashes, wrong, largest, tuple(matched), first)


def find_span(course: Course) -> float:
    """Difference between the highest and the lowest temperature of a course, in the unit of the scene."""
    low, high = (course.history[:, TICK_METRICS.index(name), side] for name, side in (("lowest", 0), ("highest", 1)))
    return max(float(np.nanmax(high) - np.nanmin(low)), LEAST_SPAN)


def _choose(found: list[Difference], matched: tuple[int, ...]) -> Difference:
    first = min(found, key=lambda one: one.tick)
    return replace(first, after=max((tick for tick in matched if tick <= first.tick), default=0))


def _describe(identity: Identity, then: Mapping[Identity, str], now: Mapping[Identity, str]) -> str:
    _, kind, key = identity
    name = f"{kind} {key}"
    if identity not in now:
        return f"{name} does not happen again"
    return f"{name} is new" if identity not in then else f"{name} says something else"


def _audit(
    name: str, has_passed: bool, *, is_known: bool, detail: str, value: float | None = None, limit: float | None = None
) -> Audit:  # fmt: skip
    verdict: AuditWord = "not_applicable" if not is_known else "passed" if has_passed else "failed"
    return Audit(name=name, verdict=verdict, value=value, limit=limit, detail=detail)
