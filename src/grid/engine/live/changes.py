"""Changes: events with the ticks at which they act, and what was effective once times are rounded to ticks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grid.core.errors import FieldError
from grid.engine.live.clock import Clock
from grid.engine.live.event import Event
from grid.engine.live.events import Burst
from grid.engine.live.events_json import event_json, read_event
from grid.engine.live.scene import Scene
from grid.engine.problem.reader import CaseReader

MAX_AHEAD = 1_000_000  # [-] ticks ahead of now for which an event may be scheduled
MAX_TICKS = 1 << 53  # [-] ticks of an event


@dataclass(frozen=True)
class Change:
    """An event in force from one tick boundary to another.

    Args:
        seq: Number of the command that brought it; events act in this order.
        event: What.
        start: Tick at whose beginning it takes effect.
        end: Tick at whose beginning it ends; None where nothing ends it yet.
    """

    seq: int
    event: Event
    start: int
    end: int | None

    def acts(self, tick: int) -> bool:
        """Tell whether it is in force during a tick."""
        return self.start <= tick and (self.end is None or tick < self.end)

    def is_over(self, tick: int) -> bool:
        """Tell whether it has done all that it does before a tick."""
        return self.start < tick if self.event.is_lasting else self.end is not None and self.end <= tick

    @property
    def ticks(self) -> int | None:
        """Number of ticks; None where nothing ends it yet."""
        return None if self.end is None else self.end - self.start

    def to_json(self) -> dict[str, Any]:
        """The change as JSON."""
        return {"seq": self.seq, "event": event_json(self.event), "start": self.start, "end": self.end}


@dataclass(frozen=True)
class Effective:
    """What a command did, once its times were rounded to ticks.

    Args:
        tick: At whose beginning it took effect.
        step: The same in steps.
        time_s: The same in simulated time [s].
        duration_s: [s]; None where nothing ends it yet.
        power_w: Of its heat source, so that its energy is what was asked for [W]; None without one.
        energy_j: Of its heat source [J]; None without one, or without an end.
    """

    tick: int
    step: int
    time_s: float
    duration_s: float | None = None
    power_w: float | None = None
    energy_j: float | None = None


def count_ticks(duration: float, clock: Clock) -> int:
    """A length in whole ticks, one at least."""
    return min(max(1, round(duration / clock.tick)), MAX_TICKS)


def make_change(seq: int, event: Event, tick: int, clock: Clock) -> Change:
    """The change of an event that begins at a tick.

    Raises:
        FieldError: It moves over more than half a cell in a tick; see `Burst.check_speed`.
    """
    length = event.length
    return Change(seq, event, tick, None if length is None else tick + count_ticks(length, clock))


def find_start(at_s: float | None, current: int, clock: Clock) -> int:
    """The first boundary at or after a simulated time, and not before the current one.

    Raises:
        FieldError: Further ahead than allowed.
    """
    if at_s is None:
        return current
    if not math.isfinite(at_s) or at_s < 0.0:
        raise FieldError("at_s", "a simulated time of 0 or more [s]")
    tick = max(current, math.ceil(at_s / clock.tick * (1.0 - 1e-12)))
    if tick - current > MAX_AHEAD:
        raise FieldError("at_s", f"at most {MAX_AHEAD} ticks ahead, {clock.time(current + MAX_AHEAD):.6g} s")
    return tick


def describe(change: Change, clock: Clock) -> Effective:
    """What a change does, in numbers."""
    ticks = change.ticks
    power = change.event.find_power(ticks, clock.tick)
    is_source = power != 0.0 or isinstance(change.event, Burst)
    length = None if ticks is None else ticks * clock.tick
    return Effective(
        change.start,
        change.start * clock.steps,
        clock.time(change.start),
        length,
        power if is_source else None,
        power * length if is_source and length is not None else None,
    )


def read_change(raw: Mapping[str, Any], scene: Scene) -> Change:
    """The change of its JSON.

    Raises:
        FieldError, InvalidFieldsError: It is none, or not one of this scene.
    """
    reader = CaseReader()
    fields = reader.read_mapping("change", raw, allowed=("seq", "event", "start", "end"), required=("seq", "event"))
    seq, start = (reader.read_integer(f"change.{name}", fields.get(name)) for name in ("seq", "start"))
    end = None if fields.get("end") is None else reader.read_integer("change.end", fields["end"])
    reader.finish()
    return Change(seq or 0, read_event(fields["event"], scene), start or 0, end)
