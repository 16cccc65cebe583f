"""Events of claimed runs: numbered in the order of commit, and stored once however often their ticks are computed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from grid.core.errors import ConflictError
from grid.database.base import dump_json
from grid.database.live_commands import CommandSettlement
from grid.database.live_events import NewLiveEvent
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.live import EventOrigin, RunClaim, RunReason
from grid.services.live.effects import fail
from grid.services.live.limits import LiveLimits
from grid.services.live.rule_transitions import record_alert_events

# Stored however many events a run has.
ALWAYS_STORED: Final = frozenset(
    {"state", "applied", "refused", "switch", "failed-cell", "failed-region", "yield", "snapshot", "resumed", "end"}
)
MOST_KIND, MOST_KEY = 32, 100  # characters, as the columns have


class EventConflictError(ConflictError):
    """A tick that was computed again says something else than before; the run has failed."""

    code, title = "event-conflict", "A tick that was computed again says something else"

    def __init__(self, tick: int, kind: str, key: str) -> None:
        super().__init__(tick, kind, key)
        self.tick, self.kind, self.key = tick, kind, key

    def __str__(self) -> str:
        return f"Tick {self.tick} was computed again, and its event {self.kind} {self.key} is not what it was."


@dataclass(frozen=True)
class RecordedEvents:
    """Events that are new, with their numbers, and how many were dropped because the run has too many."""

    first: int
    events: tuple[NewLiveEvent, ...]
    dropped: int = 0


def record_events(
    uow: UnitOfWork,
    claim: RunClaim,
    events: Sequence[NewLiveEvent] = (),
    *,
    settlements: Sequence[CommandSettlement] = (),
    limits: LiveLimits | None = None,
) -> RecordedEvents | None:
    """Store events and outcomes of commands; None where the run is another owner's, and nothing was stored.

    An outcome is an event `applied` or `refused` as well, before the others. It may be repeated: what the engine has
    said before is not stored again.

    Args:
        uow: Opens the transaction.
        claim: Of the run's owner.
        events: In the order in which they get their numbers.
        settlements: Outcomes of commands at their ticks.
        limits: Of events.

    Raises:
        EventConflictError: The engine says something else of a tick than before; the run has failed as `infra`.
        ValueError: An outcome is of no command of the run, or of another tick than the command has: a fault of the
            caller. Nothing is stored.
    """
    conflict: EventConflictError | None = None
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None:
            return None
        said = [*_settle(tx, run, settlements), *events]
        try:
            new = _find_new(tx, run, said)
        except EventConflictError as error:
            fail(tx, run, RunReason.INFRA, str(error))
            conflict = error
        else:
            record_alert_events(tx, run, new)
            return _store(tx, run, new, limits or LiveLimits())
    raise conflict


def _store(tx: Transaction, run: LiveRunRecord, new: Sequence[NewLiveEvent], limits: LiveLimits) -> RecordedEvents:
    room = max(0, limits.events + 1 - run.next_event)
    kept, dropped = list[NewLiveEvent](), 0
    for event in new:
        if event.kind in ALWAYS_STORED or room > 0:
            kept.append(event)
            room -= 1
        else:
            dropped += 1
    if kept or dropped:
        tx.live_events.add(run.id, run.next_event, kept)
        tx.live_runs.change(run, next_event=run.next_event + len(kept), dropped_events=run.dropped_events + dropped)
    return RecordedEvents(run.next_event, tuple(kept), dropped)


def _find_new(tx: Transaction, run: LiveRunRecord, events: Sequence[NewLiveEvent]) -> list[NewLiveEvent]:
    """Return the events that are not stored yet.

    Raises:
        EventConflictError: One is, with another payload.
    """
    known = tx.live_events.find_known(run.id, events)
    new: list[NewLiveEvent] = []
    for event in events:
        if len(event.kind) > MOST_KIND or len(event.key) > MOST_KEY:
            raise ValueError(f"event {event.kind[:MOST_KIND]} has a name that is too long")
        if event.origin is EventOrigin.ENGINE:
            payload = json.loads(dump_json(event.payload))  # as a database gives it back: tuples are lists
            if event.identity in known:
                if known[event.identity] != payload:
                    raise EventConflictError(*event.identity)
                continue
            known[event.identity] = payload
        new.append(event)
    return new


def _settle(tx: Transaction, run: LiveRunRecord, settlements: Sequence[CommandSettlement]) -> list[NewLiveEvent]:
    """Write outcomes and return their events; of commands that only concern the wall clock once."""
    if not settlements:
        return []
    settled = set(tx.live_commands.settle(run.id, settlements))
    events = []
    for one in settlements:
        command = tx.live_commands.find(run.id, one.seq)
        if command is None:
            raise ValueError(f"the run has no command {one.seq}")
        if command.kind.is_physical and command.tick != one.tick:
            raise ValueError(f"command {one.seq} takes effect at tick {command.tick}, not at {one.tick}")
        event = _make_outcome_event(run, one)
        if command.kind.is_physical:
            events.append(event)
        elif one.seq in settled:
            events.append(replace(event, origin=EventOrigin.WALL))
    return events


def _make_outcome_event(run: LiveRunRecord, one: CommandSettlement) -> NewLiveEvent:
    step = one.tick * run.steps_per_tick
    payload: JsonObject = {"seq": one.seq, "tick": one.tick, "step": step, "time_s": one.tick * float(run.tick_s)}
    payload |= {"effective": one.effective} if one.outcome == "applied" else {"reason": one.reason}
    return NewLiveEvent(one.tick, step, one.outcome, payload, str(one.seq))
