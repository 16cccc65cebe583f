"""What is done about the runs that a worker holds: children, their messages, commands, events, snapshots and ends.

All calls come from the loop of `LiveSupervisor`; what the ledger answers comes back there.
"""

import selectors
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from grid.core.errors import StorageFullError, UnavailableError
from grid.core.ids import new_id
from grid.core.logging import get_logger
from grid.core.storable import storable_text
from grid.database.live_snapshots import NewSnapshot
from grid.runtime.live.messages import (
    CaughtUp,
    Committed,
    Compiling,
    Control,
    LiveCommand,
    Looked,
    NeedsRenewal,
    Propose,
    Proposed,
    RunEnded,
    RunStarted,
    Snapshotted,
)
from grid.runtime.messages import ChildReady
from grid.schemas.live import CommandKind, RunClaim, RunReason
from grid.services.live import ClaimedRun, EventConflictError
from grid.tasks.children import Child, Factory
from grid.tasks.live.faults import find_fault
from grid.tasks.live.files import LiveFiles
from grid.tasks.live.ledger import LiveLedger
from grid.tasks.live.run import (
    END_REASONS,
    HeldRun,
    list_snapshots,
    list_steps,
    make_checkpoint_settlement,
    make_command,
    make_event,
    make_manifest,
    make_sample,
    make_settlement,
    make_start,
)
from grid.tasks.live.writer import LiveWriter

log = get_logger(__name__)

MOST_ROWS = 10_000  # of samples that wait for the database; the oldest go then


class LiveRuns:
    """The runs of a worker, each with its child.

    Args:
        ledger: Its calls.
        writer: Makes them.
        files: Stores what children leave.
        factory: Starts children.
        selector: Each child's descriptor is registered here with a callable for when it is readable.
        socket_of: Path at which a run's child answers servers of viewers.
        on_change: Called with the living children after each start and end, to record them.
        on_written: Called after what others wait for was written, to ring and relay; never blocks.
        on_room: Called when a run has gone and another may be claimed.
    """

    def __init__(
        self,
        ledger: LiveLedger,
        writer: LiveWriter,
        files: LiveFiles,
        factory: Factory,
        selector: selectors.BaseSelector,
        *,
        socket_of: Callable[[RunClaim], str],
        on_change: Callable[[list[Child]], None],
        on_written: Callable[[], None],
        on_room: Callable[[], None],
    ) -> None:
        self._ledger, self._writer, self._factory, self._selector = ledger, writer, factory, selector
        self._files = files
        self._socket_of, self._on_change, self._on_written, self._on_room = socket_of, on_change, on_written, on_room
        self._runs: dict[RunClaim, HeldRun] = {}
        self.claims: frozenset[RunClaim] = frozenset()  # of them, for any thread

    def __len__(self) -> int:
        return len(self._runs)

    def all(self) -> list[HeldRun]:
        """Return the runs that are held now."""
        return list(self._runs.values())

    def find(self, claim: RunClaim) -> HeldRun | None:
        """Return the run of a claim; None where it is not held."""
        return self._runs.get(claim)

    def hold(self, claimed: ClaimedRun) -> None:
        """Take a claimed run up: start its child, and read what the child needs."""
        now = time.monotonic()
        run = HeldRun(claimed, now, now, claimed.run.speed, heard_at=now, tick=claimed.run.tick)
        run.is_paused = claimed.run.wanted == "pause"
        run.paused_at = now
        self._runs[run.claim] = run
        self.claims = frozenset(self._runs)
        if run.claim.epoch > 1:  # the owner before may have been killed with its child
            self._clear_up(RunClaim(run.claim.run_id, run.claim.epoch - 1))
        try:
            child = self._factory.start("live")
        except (UnavailableError, OSError) as error:
            log.warning("live.child_not_started", run_id=str(run.claim.run_id), error=str(error))
            self._restart(run)
            return
        run.child = child
        self._selector.register(child.fileno(), selectors.EVENT_READ, lambda: self._on_readable(run))
        self._call(run, lambda: self._ledger.read_start(run.claim), lambda found: self._on_start_read(run, *found))
        run.is_fetched = not claimed.snapshots
        if claimed.snapshots:
            self._files.fetch(list_snapshots(claimed), lambda: self._on_fetched(run))

    def _on_fetched(self, run: HeldRun) -> None:
        run.is_fetched = True
        if self._runs.get(run.claim) is run:
            self._send_start(run)

    def _on_start_read(self, run: HeldRun, resume: Any, waiting: Any) -> None:
        run.start = make_start(run.claimed, resume, waiting, self._socket_of(run.claim))
        # A stop that the child before has taken up is no longer among those that wait.
        run.must_stop = run.claimed.run.wanted == "stop" and all(one.kind is not CommandKind.STOP for one in waiting)
        run.sent |= {command.seq for command in run.start.waiting}
        self._send_start(run)

    def _send_start(self, run: HeldRun) -> None:
        if run.is_ready and run.is_fetched and run.start is not None and run.child is not None and not run.has_ended:
            run.child.send(run.start)
            run.start = None
            if run.must_stop:
                self._ask(run, Control(LiveCommand(0, "stop", {})))
            self.read_commands(run)

    def _on_readable(self, run: HeldRun) -> None:
        child = run.child
        if child is None:
            return
        try:
            while child.poll():
                self._on_message(run, child.receive())
                if run.child is not child:
                    return
        except (EOFError, OSError):
            self._on_child_ended(run)

    def _on_message(self, run: HeldRun, message: object) -> None:
        run.heard_at, run.asked_at = time.monotonic(), None
        if isinstance(message, ChildReady):
            run.is_ready = True
            self._changed()
            self._send_start(run)
        elif isinstance(message, NeedsRenewal):
            run.is_renewing = True
            self.ask_for_snapshot(run)
        elif isinstance(message, Compiling):
            self._on_compiling(run, is_on=message.is_on)
        elif isinstance(message, RunStarted):
            run.is_started, run.platform, run.tick = True, message.platform, message.tick
            self._files.remove_fetched(list_snapshots(run.claimed))
        elif isinstance(message, CaughtUp):
            run.is_caught_up, run.tick = True, message.tick
            self._call(
                run, lambda: self._ledger.begin(run.claim, platform=run.platform, is_paused=message.is_paused),
                lambda _: self._on_written(),
            )  # fmt: skip
        elif isinstance(message, Proposed):
            self._commit(run, dict(message.ticks))
        elif isinstance(message, Looked):
            self._on_looked(run, message)
        elif isinstance(message, Snapshotted):
            self._on_snapshot(run, message)
        elif isinstance(message, RunEnded):
            self._on_ended(run, message)
        else:
            log.warning("live.unknown_message", kind=type(message).__name__)

    def _on_compiling(self, run: HeldRun, *, is_on: bool) -> None:
        if run.is_compiling != is_on:  # it is told again while it lasts
            run.is_compiling = is_on
            self._call(run, lambda: self._ledger.note_compiling(run.claim, is_on=is_on), lambda _: self._on_written())

    def _call(
        self,
        run: HeldRun,
        call: Callable[[], Any],
        then: Callable[[Any], None] = lambda _: None,
        *,
        is_urgent: bool = False,
    ) -> None:
        """Call the ledger about a run; an error that no repetition mends ends it here, and the lease lapses."""

        def answer(result: Any) -> None:
            if self._runs.get(run.claim) is run:
                then(result)

        def fail(error: Exception) -> None:
            log.error("live.call_failed", run_id=str(run.claim.run_id), exc_info=error)
            if self._runs.get(run.claim) is run:
                if not isinstance(error, EventConflictError):  # that one has failed the run itself
                    words = storable_text(str(error), 500) or type(error).__name__
                    self._writer.submit(lambda: self._ledger.fail(run.claim, RunReason.INFRA, words))
                self.drop(run)

        self._writer.submit(call, answer, fail, is_urgent=is_urgent)

    # -- commands ----------------------------------------------------------------------------------------------------

    def read_commands(self, run: HeldRun) -> None:
        """Read the commands that wait, unless they are being read: then once more afterwards."""
        if run.child is None or not run.is_ready or run.start is not None or run.has_ended:
            return
        if run.is_reading:
            run.must_read = True
            return
        run.is_reading, run.must_read = True, False
        self._call(
            run, lambda: self._ledger.read_waiting(run.claim), lambda found: self._deliver(run, found), is_urgent=True
        )

    def _deliver(self, run: HeldRun, found: Any) -> None:
        """Hand commands to the child that it does not have: physical ones get their ticks there."""
        run.is_reading = False
        new = [command for command in found if command.seq not in run.sent]
        run.sent |= {command.seq for command in new}
        physical = tuple(make_command(command) for command in new if command.kind.is_physical)
        if run.child is not None:
            if physical:
                self._ask(run, Propose(physical, run.lead))
            for command in new:
                if not command.kind.is_physical:
                    self._ask(run, Control(make_command(command)))
        if run.must_read:
            self.read_commands(run)

    def _ask(self, run: HeldRun, message: Propose | Control) -> None:
        """Send what a child answers; one that does not, in a pause as well, is frozen."""
        if run.child is not None:
            run.child.send(message)
            run.asked_at = time.monotonic() if run.asked_at is None else run.asked_at

    def _commit(self, run: HeldRun, ticks: dict[int, int]) -> None:
        started = time.monotonic()
        run.proposed += 1

        def done(written: dict[int, int] | None) -> None:
            run.proposed -= 1
            run.commits.append(time.monotonic() - started)
            if written is None:
                self.drop(run)
            elif run.child is not None:
                run.child.send(Committed(tuple(sorted(ticks))))

        self._call(run, lambda: self._ledger.commit_ticks(run.claim, ticks), done, is_urgent=True)

    # -- events, samples, snapshots ----------------------------------------------------------------------------------

    def _on_looked(self, run: HeldRun, looked: Looked) -> None:
        if looked.sample is not None and looked.sample.last > run.tick:
            run.tick, run.paused_at = looked.sample.last, time.monotonic()  # in a pause: steps, which are not cut off
        was_paused = run.is_paused
        for event in looked.events:
            settlement = make_settlement(event)
            if settlement is not None:
                run.settlements.append(settlement)
            if event.kind == "state":
                run.is_paused = bool(event.payload.get("paused"))
                run.is_ending |= event.payload.get("kind") == "stop"
            elif settlement is None:
                run.events.append(make_event(event))
        run.rows += [make_sample(row) for row in looked.rows]
        del run.rows[:-MOST_ROWS]
        self._record(run)
        if run.is_paused != was_paused:
            run.paused_at = time.monotonic()
            move = self._ledger.pause if run.is_paused else self._ledger.go_on
            self._call(run, lambda: move(run.claim), lambda _: self._on_written())

    def _record(self, run: HeldRun) -> None:
        """Write events and outcomes, all that wait in one transaction, one transaction at a time."""
        if run.is_recording or not (run.events or run.settlements):
            return
        run.is_recording = True

        def done(recorded: object) -> None:
            run.is_recording = False
            if recorded is None:
                self.drop(run)
                return
            self._on_written()
            self._record(run)

        self._write_said(run, done)

    def flush(self, run: HeldRun) -> None:
        """Have all that a run has said written before what is submitted next: its end, or a state that follows it."""
        if run.events or run.settlements:
            self._write_said(run)

    def _write_said(self, run: HeldRun, then: Callable[[Any], None] = lambda _: None) -> None:
        events, run.events = run.events, []
        settlements, run.settlements = run.settlements, []
        steps = list_steps(settlements)

        def stored(recorded: Any) -> None:
            if steps and recorded is not None and run.child is not None:
                run.child.send(Committed(steps))
            then(recorded)

        self._call(run, lambda: self._ledger.record(run.claim, events, settlements), stored)

    def _on_snapshot(self, run: HeldRun, message: Snapshotted) -> None:
        """Store the file, then write the row."""

        def stored(error: Exception | None) -> None:
            if self._runs.get(run.claim) is run:
                failure = message if error is None else replace(message, file=None, failure=str(error))
                self._on_snapshot_stored(run, failure)

        self._files.store(run, () if message.file is None else (message.file,), stored)

    def _on_snapshot_stored(self, run: HeldRun, message: Snapshotted) -> None:
        if message.file is None:
            log.warning("live.snapshot_failed", run_id=str(run.claim.run_id), reason=message.failure)
            run.is_parking, run.paused_at = False, time.monotonic()  # parked later, when there may be room
            run.is_renewing = False
        else:
            self._add_snapshot(run, message, kind="user" if message.seq else "auto")
        if message.seq:
            run.settlements.append(make_checkpoint_settlement(message))
            self._record(run)
        if message.file is None:
            return
        if run.is_renewing and message.seq == 0 and not run.is_ending:
            self.close(run)
            self._restart(run, is_loss=False)
        elif run.is_parking and message.seq == 0:
            self._call(run, lambda: self._ledger.park(run.claim), lambda parked: self._on_parked(run, parked))

    def _add_snapshot(self, run: HeldRun, message: Snapshotted, kind: Any) -> None:
        if message.file is None:
            return
        row = NewSnapshot(
            new_id(), message.tick, message.applied_seq, message.file.key, message.file.bytes, message.file.sha256,
            kind=kind, pinned=kind in {"user", "final"},
        )  # fmt: skip
        self.flush(run)  # a resume from this state does not say it again
        self._call(run, lambda: self._ledger.add_snapshot(run.claim, row), self._files.remove_stored)

    def _on_parked(self, run: HeldRun, parked: bool) -> None:
        run.is_parking = False
        if parked:
            self.drop(run)
            self._on_written()

    # -- ends --------------------------------------------------------------------------------------------------------

    def _on_ended(self, run: HeldRun, message: RunEnded) -> None:
        """Store what a child has left at its end, then write the end."""
        run.has_ended, run.tick = True, max(run.tick, message.tick)
        self.flush(run)
        last = message.snapshot.file if message.snapshot is not None else None

        def stored(error: Exception | None) -> None:
            if self._runs.get(run.claim) is not run:
                return
            if error is None:
                self._write_end(run, message)
            elif not message.files:  # a run that failed, without its last state
                self._write_end(run, replace(message, snapshot=None))
            elif isinstance(error, StorageFullError):
                self._write_end(run, replace(message, reason="storage_full", message=str(error), snapshot=None))
            else:  # it goes on from its last state, and ends once more when the store answers
                log.warning("live.result_not_stored", run_id=str(run.claim.run_id), error=str(error))
                self._restart(run, is_loss=False)

        self._files.store(run, [*message.files, *([last] if last is not None else [])], stored)

    def _write_end(self, run: HeldRun, message: RunEnded) -> None:
        if message.snapshot is not None:
            self._add_snapshot(run, message.snapshot, kind="final")
        reason = END_REASONS.get(message.reason)
        if reason is not None:
            self._call(run, lambda: self._ledger.fail(run.claim, reason, message.message), lambda _: self._over(run))
            return
        manifest = make_manifest(message)

        def conclude() -> bool:
            self._ledger.begin_stop(run.claim)  # where nobody has asked for the stop
            return self._ledger.conclude(run.claim, manifest, message.tick)

        self._call(run, conclude, lambda _: self._over(run))

    def _over(self, run: HeldRun) -> None:
        self.drop(run)
        self._on_written()
        self._on_room()

    def _on_child_ended(self, run: HeldRun) -> None:
        """The child is gone: a run that has not ended goes on in a new one."""
        child = run.child
        if child is None:
            return
        reason = child.exit_reason()
        self.close(run)
        if run.has_ended:
            return
        log.warning(
            "live.child_ended", run_id=str(run.claim.run_id), tick=run.tick,
            reason=reason.sentence if reason is not None else None,
        )  # fmt: skip
        if reason is not None and reason.is_oom:
            self._call(run, lambda: self._ledger.fail(run.claim, RunReason.OOM, ""), lambda _: self._over(run))
            return
        self._restart(run)

    def _restart(self, run: HeldRun, *, is_loss: bool = True) -> None:
        """Claim the run anew for a new child."""

        def done(claimed: ClaimedRun | None) -> None:
            self.drop(run)
            self._on_written()
            if claimed is not None:
                self.hold(claimed)

        self.flush(run)
        self._call(run, lambda: self._ledger.restart(run.claim, run.tick, is_loss=is_loss), done)

    def check(self, run: HeldRun, now: float) -> None:
        """End what is past its time."""
        fault = None if run.has_ended else find_fault(run, now, self._ledger.lease_s)
        if fault is None:
            return
        if fault == "rests":
            self.ask_for_snapshot(run)
            run.is_parking = True
            return
        log.error(
            f"live.{fault}", run_id=str(run.claim.run_id), tick=run.tick, is_started=run.is_started,
            ledger_away_s=round(self._writer.away_s, 1),
        )  # fmt: skip
        if fault == "fenced":
            self.drop(run)
            return
        self.close(run, is_oom=fault == "oom")
        if fault == "frozen":
            self._restart(run)
            return
        run.has_ended = True
        self._call(run, lambda: self._ledger.fail(run.claim, RunReason(fault), ""), lambda _: self._over(run))

    def ask_for_snapshot(self, run: HeldRun) -> None:
        """Have the child store its state."""
        self._ask(run, Control(LiveCommand(0, "checkpoint", {})))

    def close(self, run: HeldRun, *, is_oom: bool = False) -> None:
        """End the child of a run."""
        child, run.child = run.child, None
        if child is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(child.fileno())
            child.kill(is_oom=is_oom)
            self._clear_up(run.claim)
            self._changed()

    def _clear_up(self, claim: RunClaim) -> None:
        """Remove socket and drafts of a child that may have been killed; one that ended in order has done it."""
        if path := self._socket_of(claim):
            Path(path).unlink(missing_ok=True)
        self._files.remove_drafts(claim)

    def drop(self, run: HeldRun) -> None:
        """Let a run go: its child ends, and nothing is written about it any more."""
        self.close(run)
        self._files.drop(run)
        self._runs.pop(run.claim, None)
        self.claims = frozenset(self._runs)

    def _changed(self) -> None:
        self._on_change([run.child for run in self._runs.values() if run.child is not None and run.is_ready])
