"""Effects of every transition of a live run, in its transaction: version, event, announcement, end of its commands."""

from itertools import pairwise
from typing import Any, Final

from grid.database.live_events import NewLiveEvent
from grid.database.live_runs import LiveRunRecord
from grid.database.outbox import Event
from grid.database.uow import Transaction
from grid.schemas.live import RUN_TRANSITIONS, EventOrigin, RunReason, RunState

ENDED: Final = "the run has ended"
EMPTY_LEASE: Final[dict[str, Any]] = dict.fromkeys(
    ("lease_owner", "lease_until", "heartbeat_at", "claimed_at", "activity")
)


def make_wall_event(run: LiveRunRecord, kind: str, key: str, payload: dict[str, Any]) -> NewLiveEvent:
    """Return an event about the present tick of a run that no replay repeats."""
    return NewLiveEvent(run.tick, run.tick * run.steps_per_tick, kind, payload, key, EventOrigin.WALL)


def move(
    tx: Transaction, run: LiveRunRecord, state: RunState, *, by_way_of: RunState | None = None, **values: Any
) -> LiveRunRecord:
    """Give a held run another state, with its event; an end closes the commands that did not take effect.

    Args:
        tx: The transaction that holds the run.
        run: As it was read.
        state: The next state.
        by_way_of: A state that it passes in the same statement, which counts a version more.
        values: Further columns.
    """
    path = [run.state, state] if by_way_of is None else [run.state, by_way_of, state]
    for before, after in pairwise(path):
        if after not in RUN_TRANSITIONS[before]:
            raise ValueError(f"a run that is {before} does not become {after}")
    if not state.is_leased:
        values |= EMPTY_LEASE
    if state.is_terminal:
        values["finished_at"] = tx.now()
    moved = tx.live_runs.change(
        run, state=state, version=run.version + len(path) - 1, next_event=run.next_event + 1, **values
    )
    tx.live_events.add(run.id, run.next_event, [make_state_event(moved)])
    tx.outbox.add([make_announcement(moved)])
    if state.is_terminal:
        tx.live_commands.close(run.id, tick=moved.tick, reason=ENDED)
    return moved


def fail(tx: Transaction, run: LiveRunRecord, reason: RunReason, message: str | None, **values: Any) -> LiveRunRecord:
    """End a held run that could not go on."""
    return move(tx, run, RunState.FAILED, reason=reason, message=message, **values)


def make_state_event(run: LiveRunRecord) -> NewLiveEvent:
    """Return the event that says which state a run has now."""
    return make_wall_event(run, "state", str(run.version), {"state": run.state.value, "reason": _reason(run)})


def make_announcement(run: LiveRunRecord) -> Event:
    """Return the event of the service's own stream about a run."""
    payload = {
        "id": str(run.id),
        "version": run.version,
        "status": run.state.value,
        "reason": _reason(run),
        "owner": str(run.owner_id),
    }
    return Event(f"run:{run.id}", run.version, f"run.{run.state.value}", payload)


def _reason(run: LiveRunRecord) -> str | None:
    return run.reason.value if run.reason is not None else None
