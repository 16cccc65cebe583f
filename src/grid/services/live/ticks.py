"""Ticks of commands: committed before they are computed, so that whatever anybody saw follows from the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from grid.database.live_commands import LiveCommandRecord
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.live import CommandKind, RunClaim


@dataclass(frozen=True)
class ResumeLog:
    """What a new owner repeats, and where new commands may begin.

    Args:
        commands: With a tick from that of the snapshot on, in the order of their numbers.
        first_free_tick: The first tick that a new command may get.
        shown_tick: The tick up to which anybody may have seen the run.
        steps_until: The tick up to which a paused run takes steps that it has accepted; 0 for none.
    """

    commands: tuple[LiveCommandRecord, ...]
    first_free_tick: int
    shown_tick: int
    steps_until: int = 0


def read_waiting(uow: UnitOfWork, claim: RunClaim) -> list[LiveCommandRecord]:
    """Read the commands of a run that have no tick, in the order of their numbers."""
    with uow.read() as tx:
        return tx.live_commands.read_waiting(claim.run_id)


def commit_ticks(uow: UnitOfWork, claim: RunClaim, ticks: Mapping[int, int]) -> dict[int, int] | None:
    """Write the ticks of physical commands, by their numbers; return the ticks that they have now.

    It may be repeated where its answer was lost: a tick is written once, and the answer is what is written. None: the
    run is another owner's, and nothing was written.

    Raises:
        ValueError: A command would take effect before an earlier one, or before a tick that was shown: a fault of the
            caller. Nothing is written.
    """
    if not ticks:
        return {}
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None:
            return None
        _require_order(tx, run, ticks)
        return tx.live_commands.set_ticks(run.id, ticks)


def read_resume_log(uow: UnitOfWork, claim: RunClaim, *, from_tick: int) -> ResumeLog:
    """Read what a resume from a snapshot repeats.

    Args:
        uow: Opens the transaction.
        claim: The run.
        from_tick: Tick of the snapshot; 0 where there is none.
    """
    with uow.read() as tx:
        run = tx.live_runs.find(claim.run_id)
        commands = tx.live_commands.read_from_tick(claim.run_id, from_tick)
        last = tx.live_commands.last_tick(claim.run_id)
        said = tx.live_events.last_tick(claim.run_id)
        steps = find_steps(tx, claim.run_id)
    shown = max(run.tick if run is not None else 0, said or 0)
    physical = tuple(command for command in commands if command.kind.is_physical)
    return ResumeLog(physical, max(shown, last or 0) + 1, shown, steps)


def find_steps(tx: Transaction, run_id: UUID) -> int:
    """Return the tick at which the steps of a paused run end that it has accepted last; 0 where it waits for none.

    A pause or a resume that came behind them has put them off.
    """
    last = tx.live_commands.last_applied(run_id, (CommandKind.STEP, CommandKind.PAUSE, CommandKind.RESUME))
    if last is None or last.kind is not CommandKind.STEP:
        return 0
    return int((last.effective or {}).get("until", 0))


def _require_order(tx: Transaction, run: LiveRunRecord, ticks: Mapping[int, int]) -> None:
    waiting = [command for command in tx.live_commands.read_waiting(run.id) if command.kind.is_physical]
    new = {command.seq: command for command in waiting if command.seq in ticks}
    for seq in ticks.keys() - new.keys():
        known = tx.live_commands.find(run.id, seq)
        if known is None or not known.kind.is_physical:
            raise ValueError(f"command {seq} is none that gets a tick")
    immediate = [command.seq for command in waiting if command.at_s is None]
    proposed = [seq for seq in immediate if seq in ticks]
    if proposed != immediate[: len(proposed)]:
        raise ValueError(f"an earlier command than {proposed[-1]} has no tick")
    floor = run.tick
    if proposed:
        floor = max(floor, tx.live_commands.last_immediate_tick(run.id, before=proposed[0]) or 0)
    for seq in sorted(new):
        if ticks[seq] < (floor if new[seq].at_s is None else run.tick):
            raise ValueError(f"command {seq} would take effect at {ticks[seq]}, before {floor}")
        floor = max(floor, ticks[seq]) if new[seq].at_s is None else floor
