"""Losses: what the end of an owner does to a run, and which command is to blame where three end alike."""

from datetime import timedelta
from typing import Any, Final

from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction
from grid.schemas.live import RunReason
from grid.services.live.effects import fail

MAX_LOSSES: Final = 3
HEALTHY: Final = timedelta(minutes=10)  # after which earlier losses are forgotten
NEAR_TICKS: Final = 10  # between a command and each loss, for it to be named


def take_loss(tx: Transaction, run: LiveRunRecord, tick: int | None = None) -> dict[str, Any] | None:
    """Return what a loss changes about a held run; None where it was the third, and the run has failed.

    Args:
        tx: The transaction that holds the run.
        run: As it was read.
        tick: The last tick that was heard of; None: that of the row.
    """
    is_healthy = run.healthy_since is not None and tx.now() - run.healthy_since >= HEALTHY
    earlier = [] if is_healthy else run.loss_ticks
    ticks = [*earlier, max(run.tick, tick or 0)]
    values = {"losses": len(ticks), "loss_ticks": ticks, "healthy_since": None}
    if len(ticks) < MAX_LOSSES:
        return values
    fail(tx, run, RunReason.POISON, _name_command(tx, run, ticks), **values)
    return None


def _name_command(tx: Transaction, run: LiveRunRecord, ticks: list[int]) -> str | None:
    """Return a sentence that names the command applied last, where every loss was within a few ticks of it.

    A run that has never had a first look was not taken down by a command.
    """
    if run.started_at is None:
        return "The run was tried three times, and no process of it came to a first look."
    command = tx.live_commands.last_before(run.id, max(ticks))
    if command is None or command.tick is None or any(abs(tick - command.tick) > NEAR_TICKS for tick in ticks):
        return None
    kind = command.payload.get("kind") if command.kind == "event" else None
    what = f"{command.kind.value} {kind}" if isinstance(kind, str) else command.kind.value
    return f"The run took its worker down three times near tick {command.tick}, of command {command.seq} ({what})."
