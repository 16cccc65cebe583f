"""Covers of rules: why a rule's value is not to be trusted at present, by the service's clock.

A run that should tick and has no sample for a while is stale, then without data. A pause is neither: it suspends, and
time without samples counts from its end. The end of a run closes its rules for good. All functions here are pure; what
they decide follows from the row of the run, so that a loop which stood still says the same as one that did not.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from grid.database.live_runs import LiveRunRecord
from grid.schemas.live import RunState

Phase = Literal["ticks", "rests", "waits", "ended"]
CoverInput = Literal["sample", "stale", "no_data", "paused", "resumed", "ended"]

TICKS_MISSED: Final = 3  # ticks that a slow run may take before it counts as stale
_WAITS: Final = frozenset({RunState.QUEUED, RunState.STARTING, RunState.STOPPING})
_RESTS: Final = frozenset({RunState.PAUSED, RunState.PARKED})


@dataclass(frozen=True)
class Covered:
    """A rule's cover.

    Args:
        cover: `stale`, `no_data`, `suspended` or `closed`; None: none.
        beneath: Cover to which the end of a pause returns.
        counted_from: End of the last pause.
    """

    cover: str | None = None
    beneath: str | None = None
    counted_from: datetime | None = None


@dataclass(frozen=True)
class Sighting:
    """What is known of a run at a moment.

    Args:
        phase: `ticks` where it should, `rests` in a pause, `waits` before the first tick and while it stops, `ended`.
        now: The moment, by the database's clock.
        seen_at: When its last sample was written, or it was started.
        has_samples: False before the first.
        least_s: Time that several of its ticks take, below which nothing is stale [s].
    """

    phase: Phase
    now: datetime
    seen_at: datetime | None
    has_samples: bool = True
    least_s: float = 0.0

    @classmethod
    def of(cls, run: LiveRunRecord, now: datetime) -> "Sighting":
        """What the row of a run says."""
        interval = 0.0 if run.speed is None else 1.0 / (run.rate * run.speed)
        seen_at = run.sampled_at or run.started_at
        return cls(find_phase(run), now, seen_at, run.sampled_at is not None, TICKS_MISSED * interval)

    def age_s(self, counted_from: datetime | None) -> float:
        """Time without a sample, the pause before it left out [s]."""
        begins = [at for at in (self.seen_at, counted_from) if at is not None]
        return (self.now - max(begins)).total_seconds() if begins else 0.0


def find_phase(run: LiveRunRecord) -> Phase:
    """Tell whether a run should tick now."""
    if run.state.is_terminal:
        return "ended"
    if run.started_at is None or run.state in _WAITS:
        return "waits"
    if run.state in _RESTS or (run.wanted == "pause" and run.state is not RunState.RUNNING):
        return "rests"
    return "ticks"


def list_inputs(covered: Covered, seen: Sighting, *, stale_after: float, no_data_after: float) -> list[CoverInput]:
    """Return what a rule is to be told now, in order; nothing where nothing is new.

    Args:
        covered: Its cover so far.
        seen: The run.
        stale_after, no_data_after: Of the rule [s].
    """
    if covered.cover == "closed" or seen.phase == "waits":
        return []
    if seen.phase == "ended":
        return ["ended"]
    if seen.phase == "rests":
        return [] if covered.cover == "suspended" else ["paused"]
    inputs: list[CoverInput] = []
    if covered.cover == "suspended":
        inputs, covered = ["resumed"], apply_input(covered, "resumed", seen.now)
    age = seen.age_s(covered.counted_from)
    if age <= max(stale_after, seen.least_s):
        is_newer = covered.counted_from is None or (seen.seen_at is not None and seen.seen_at > covered.counted_from)
        return [*inputs, "sample"] if covered.cover is not None and seen.has_samples and is_newer else inputs
    if covered.cover is None:
        inputs.append("stale")
    if age > max(no_data_after, seen.least_s) and covered.cover != "no_data":
        inputs.append("no_data")
    return inputs


def apply_input(covered: Covered, told: CoverInput, now: datetime) -> Covered:
    """Return the cover after an input of `list_inputs`."""
    match told:
        case "ended":
            return Covered("closed", None, covered.counted_from)
        case "paused":
            return Covered("suspended", covered.cover, covered.counted_from)
        case "resumed":
            return Covered(covered.beneath, None, now)
        case "sample":
            return replace(covered, cover=None, beneath=None)
        case "stale" | "no_data":
            return replace(covered, cover=told)
