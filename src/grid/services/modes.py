"""Degraded modes: each part of the service has a ladder of rungs, rung 0 being full service.

    state = start_mode("store", now)
    state = advance_mode("store", state, Signals(commit_s=1.4, disk_free=0.3), now)

A rung is entered as soon as its condition has held for its time, whatever rungs lie between. It is left when the
condition for leaving, which is harder to meet, has held for longer; the mode then goes back to the next rung towards 0
that was entered as well, whose own time for leaving begins. Rungs that were never entered are not passed on the way
back. A signal that is not known neither enters nor leaves a rung.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from grid.core.errors import FieldError

Part = Literal["physics", "stream", "store", "workers", "bell", "notices", "optimizer", "artifacts"]
PARTS: Final = get_args(Part)


@dataclass(frozen=True)
class Signals:
    """What is known of the service at a moment; None is not known.

    Args:
        ratio: Real-time ratio of the run, 1 on time.
        may_simplify: True where the run's policy allows simpler physics.
        full_load: Price of a tick at full physics times the rate [cores].
        is_ticking: False where a tick is due for too long, or the field is not finite.
        encode_share: Share of a core that encoding frames takes, or would take at the rates that are asked for.
        has_stopped_frames: True where even rare frames take too much, so that none are made.
        has_frames: False where no frames come from the run's process.
        commit_s: Duration of the last commit [s]; infinite where it failed.
        disk_free: Free share of the disk.
        is_leased: False where the lease cannot be renewed in time.
        living_workers, free_slots: Numbers of them.
        does_ring: False where the bell fails.
        oldest_notice_s: Age of the oldest notice that waits [s].
        is_optimizer_on: False where the optimizer is off.
        can_store: False where results cannot be stored: their store is away, refuses, or has no room.
    """

    ratio: float | None = None
    may_simplify: bool | None = None
    full_load: float | None = None
    is_ticking: bool | None = None
    encode_share: float | None = None
    has_stopped_frames: bool | None = None
    has_frames: bool | None = None
    commit_s: float | None = None
    disk_free: float | None = None
    is_leased: bool | None = None
    living_workers: int | None = None
    free_slots: int | None = None
    does_ring: bool | None = None
    oldest_notice_s: float | None = None
    is_optimizer_on: bool | None = None
    can_store: bool | None = None


Condition = Callable[[Signals], bool]


@dataclass(frozen=True)
class Rung:
    """One rung of a ladder.

    Args:
        name: One word or two.
        reason: Cause, for the reader of a banner.
        uses: Signals that are evidence of it.
        enter, enter_s: Condition, and how long it has to hold [s].
        leave, leave_s: The same for leaving it.
    """

    name: str
    reason: str
    uses: tuple[str, ...]
    enter: Condition
    enter_s: float
    leave: Condition
    leave_s: float


@dataclass(frozen=True)
class ModeState:
    """The mode of a part.

    Args:
        part: Name of the part.
        rung: In force; 0 for full service.
        since: When it came into force [s].
        reason: Of the rung; empty for full service.
        evidence: Signals by which it was last changed, by name.
        entered: Rungs that are in force, the largest of which is `rung`.
        entering: For each rung, since when its condition has held [s]; None where it does not.
        leaving: Since when the condition for leaving `rung` has held [s].
    """

    part: Part
    rung: int
    since: float
    reason: str = ""
    evidence: tuple[tuple[str, float | None], ...] = ()
    entered: frozenset[int] = frozenset()
    entering: tuple[float | None, ...] = ()
    leaving: float | None = None

    @property
    def name(self) -> str:
        """Name of the rung."""
        return LADDERS[self.part][self.rung - 1].name if self.rung else "full"


def start_mode(part: Part, now: float, rung: int = 0) -> ModeState:
    """The mode of a part as it is known at the beginning; times are counted from now on.

    Raises:
        FieldError: There is no such part or rung.
    """
    if part not in LADDERS:
        raise FieldError("part", f"one of {', '.join(PARTS)}")
    ladder = LADDERS[part]
    if not 0 <= rung <= len(ladder):
        raise FieldError("rung", f"0 to {len(ladder)}")
    reason, entered = (ladder[rung - 1].reason, frozenset({rung})) if rung else ("", frozenset[int]())
    return ModeState(part, rung, now, reason, entered=entered, entering=(None,) * len(ladder))


def advance_mode(part: Part, state: ModeState, signals: Signals, now: float) -> ModeState:
    """The mode of a part after a look at the signals; at most one change.

    Args:
        part: Name of the part.
        state: Before the look.
        signals: What is known now.
        now: Any clock that never goes back [s].

    Raises:
        FieldError: The state is of another part.
    """
    if state.part != part:
        raise FieldError("state", f"of the part {part}")
    ladder = LADDERS[part]
    entering = _count_entering(ladder, state, signals, now)
    held = [since is not None and now - since >= rung.enter_s for rung, since in zip(ladder, entering, strict=True)]
    ready = {number for number, is_ready in enumerate(held, start=1) if is_ready}
    after = replace(state, entering=entering, entered=state.entered | ready)
    if max(ready, default=0) > state.rung:
        return _change(after, max(ready), ladder[max(ready) - 1], signals, now)
    if not state.rung:
        return replace(after, leaving=None)
    top = ladder[state.rung - 1]
    does_leave = state.rung not in ready and top.leave(signals)
    after = replace(after, leaving=_since(does_leave, state.leaving, now))
    if after.leaving is None or now - after.leaving < top.leave_s:
        return after
    after = replace(after, entered=after.entered - {state.rung})
    return _change(after, max(after.entered, default=0), top, signals, now)


def describe_modes(states: Iterable[ModeState]) -> str:
    """The value of the header `Grid-Mode`: `full`, or `degraded; physics=1; store=1`."""
    degraded = sorted((state for state in states if state.rung), key=lambda state: PARTS.index(state.part))
    return "; ".join(["degraded", *(f"{state.part}={state.rung}" for state in degraded)]) if degraded else "full"


def _count_entering(
    ladder: tuple[Rung, ...], state: ModeState, signals: Signals, now: float
) -> tuple[float | None, ...]:
    """For each rung, since when its condition has held."""
    pairs = zip(ladder, state.entering, strict=True)
    return tuple(_since(rung.enter(signals), before, now) for rung, before in pairs)


def _since(holds: bool, before: float | None, now: float) -> float | None:
    return (now if before is None else before) if holds else None


def _change(state: ModeState, rung: int, cause: Rung, signals: Signals, now: float) -> ModeState:
    """The state on another rung; `cause` is the rung that was entered or left."""
    reason = LADDERS[state.part][rung - 1].reason if rung else ""
    evidence = tuple((name, getattr(signals, name)) for name in cause.uses)
    return replace(state, rung=rung, since=now, reason=reason, evidence=evidence, leaving=None)


def _below(name: str, limit: float) -> Condition:
    return lambda signals: _read(signals, name) < limit


def _above(name: str, limit: float) -> Condition:
    return lambda signals: _read(signals, name) > limit


def _read(signals: Signals, name: str) -> float:
    value: float | None = getattr(signals, name)
    return math.nan if value is None else float(value)


def _is(name: str, wanted: bool) -> Condition:
    return lambda signals: getattr(signals, name) is wanted


def _simplifies(signals: Signals) -> bool:
    return signals.may_simplify is True and _read(signals, "ratio") < 0.5


def _affords_full(signals: Signals) -> bool:
    """There is time for all of it again, or nothing that may be left out."""
    return signals.may_simplify is False or _read(signals, "full_load") < 0.8


LADDERS: Final[dict[Part, tuple[Rung, ...]]] = {
    "physics": (
        Rung(
            "slower", "ticks take longer than they may", ("ratio",),
            _below("ratio", 0.9), 3, _above("ratio", 0.98), 15,
        ),
        Rung(
            "simpler", "ticks take twice as long as they may", ("ratio", "full_load"),
            _simplifies, 10, _affords_full, 50,
        ),
        Rung("frozen", "no tick is finished", ("is_ticking",), _is("is_ticking", False), 0, _is("is_ticking", True), 0),
    ),
    "stream": (
        Rung(
            "thinned", "encoding frames takes too much of a tick", ("encode_share",),
            _above("encode_share", 0.3), 1, _below("encode_share", 0.3), 10,
        ),
        Rung(
            "metrics only", "encoding thinned frames takes too much of a tick", ("encode_share", "has_stopped_frames"),
            _is("has_stopped_frames", True), 0, _is("has_stopped_frames", False), 10,
        ),
        Rung("poll", "no frames arrive", ("has_frames",), _is("has_frames", False), 1, _is("has_frames", True), 10),
    ),
    "store": (
        Rung(
            "holding", "the database is slow or away", ("commit_s",),
            _above("commit_s", 1.0), 0, _below("commit_s", 0.2), 10,
        ),
        Rung(
            "read-only", "the disk is nearly full", ("disk_free",),
            _below("disk_free", 0.05), 0, _above("disk_free", 0.08), 30,
        ),
        Rung(
            "fenced", "the lease cannot be renewed", ("is_leased",),
            _is("is_leased", False), 0, _is("is_leased", True), 0,
        ),
    ),
    "workers": (
        Rung("full", "every slot is taken", ("free_slots",), _below("free_slots", 1), 0, _above("free_slots", 0), 5),
        Rung(
            "none living", "no worker lives", ("living_workers",),
            _below("living_workers", 1), 0, _above("living_workers", 0), 5,
        ),
    ),
    "bell": (
        Rung(
            "polling", "the bell does not ring", ("does_ring",),
            _is("does_ring", False), 2, _is("does_ring", True), 10,
        ),
    ),
    "notices": (
        Rung(
            "delayed", "notices wait", ("oldest_notice_s",),
            _above("oldest_notice_s", 60.0), 0, _below("oldest_notice_s", 5.0), 60,
        ),
    ),
    "artifacts": (
        Rung(
            "waiting", "results cannot be stored", ("can_store",),
            _is("can_store", False), 0, _is("can_store", True), 10,
        ),
    ),
    "optimizer": (
        Rung(
            "off", "the optimizer is off", ("is_optimizer_on",),
            _is("is_optimizer_on", False), 0, _is("is_optimizer_on", True), 0,
        ),
    ),
}  # fmt: skip
