"""Runs of programs and containers: one a job, its lines written as they come, its output taken in by a thread."""

import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.core.settings import Settings
from grid.runtime.program_outcome import ProgramOutcome
from grid.runtime.programs import ProgramLimits, ProgramMissingError, ProgramRun, find_program
from grid.runtime.watched_run import (
    ProgramEnded,
    ProgramLog,
    ProgramMessage,
    ProgramProgress,
    ProgramStarted,
    WatchedRun,
)
from grid.schemas.jobs import Claim, Reason
from grid.services.ledger import ClaimedBatch, ClaimedJob, LogChunk, Outcome, Returned, Stopped
from grid.services.ports import ArtifactStore
from grid.tasks.events import OutputCollected, WorkerEvent
from grid.tasks.ledger_writer import LedgerWriter
from grid.tasks.log_chunks import LogChunker
from grid.tasks.program_output import start_collecting
from grid.tasks.runs import Run, failed

log = get_logger(__name__)

LOG_EVERY_S, LOG_AT_ONCE = 0.5, 12 * 1024  # [s], characters: a log is written when either is reached
PROGRESS_EVERY_S = 1.0  # [s] between two writes of the progress of a program
GRACE_S = 10.0  # [s] from TERM to KILL, kept by the watchdog
WATCHDOG_TIMEOUT_S = 5.0  # [s] after the grace, until the supervisor kills watchdog and program itself


class Launcher(Protocol):
    """Starts what an image names: a local program, or a container."""

    def launch(self, batch: ClaimedBatch, job: ClaimedJob) -> WatchedRun | None:
        """Start the job of a batch; None where no sandbox that may run its image is available here.

        Raises:
            ProgramMissingError: The image is not on the list any more, or not installed.
            GridError: It cannot be started now.
        """
        ...


@dataclass(frozen=True)
class ProgramLauncher:
    """Starts the local programs of this installation."""

    home: Path
    memory_bytes: int
    output_bytes: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a launcher with the folder and limits of the settings."""
        return cls(settings.grid_home, settings.grid_job_memory_mb << 20, settings.grid_output_mb << 20)

    def launch(self, batch: ClaimedBatch, job: ClaimedJob) -> WatchedRun | None:
        """Start it behind a watchdog of its own."""
        program = find_program(batch.image or "")
        if program is None:
            return None
        limits = ProgramLimits(
            job.wall_limit_s, memory_bytes=self.memory_bytes, output_bytes=self.output_bytes, grace_s=GRACE_S
        )
        return ProgramRun(program, job.params, self.home, limits)


@dataclass(eq=False)
class ProgramSlot:
    """A slot of one running program, with log text that is not written yet."""

    run: Run
    claim: Claim
    program: WatchedRun
    chunker: LogChunker
    text: str = ""
    written_at: float = 0.0
    verdict: Outcome | None = None  # outcome of a job whose program was told to stop, whatever the program does
    stop_requested_at: float | None = None
    is_collecting: bool = False


class Programs:
    """The running programs. All calls come from the loop.

    Args:
        launcher: Starts programs.
        selector: Each program's descriptor is registered here with what to call when it is readable.
        writer: Writes beginnings, logs, progress and ends.
        store: Takes the outputs.
        post: Takes the event of the thread that stored outputs.
        start_s: How long a program may take to start.
    """

    def __init__(
        self,
        launcher: Launcher,
        selector: selectors.BaseSelector,
        writer: LedgerWriter,
        store: ArtifactStore,
        post: Callable[[WorkerEvent], None],
        *,
        start_s: float = 60.0,
    ) -> None:
        self._launcher, self._selector, self._writer, self._store = launcher, selector, writer, store
        self._post, self._start_s = post, start_s
        self._slots: dict[Claim, ProgramSlot] = {}

    @property
    def tokens_used(self) -> int:
        """Core tokens of the running programs."""
        return sum(1 for slot in self._slots.values() if slot.run.extra_share is None)

    def runs(self) -> list[Run]:
        """Return what runs."""
        return [slot.run for slot in self._slots.values()]

    def start(self, run: Run) -> None:
        """Start a claimed program; what cannot start is concluded at once."""
        ((claim, job),) = run.open.items()
        try:
            program = self._launcher.launch(run.batch, job)
        except ProgramMissingError as error:
            self._writer.write(outcomes=run.fail(Reason.IMAGE_UNAVAILABLE, str(error)))
        except (GridError, OSError) as error:
            log.exception("worker.program_not_started", job=str(claim.job_id))
            self._writer.write(outcomes=run.return_open("infra", f"The program could not be started: {error}"))
        else:
            if program is None:
                self._writer.write(outcomes=run.fail(Reason.SANDBOX_UNAVAILABLE))
                return
            slot = ProgramSlot(run, claim, program, LogChunker(claim))
            self._slots[claim] = slot
            self._selector.register(program, selectors.EVENT_READ, lambda: self._on_readable(slot))

    def stop(self, run: Run, outcome: Outcome) -> None:
        """Ask the program to end, with grace; its job then ends as `outcome` says."""
        for slot in self._of(run):
            slot.verdict = slot.verdict or outcome
            if slot.stop_requested_at is None and not slot.is_collecting:
                slot.stop_requested_at = time.monotonic()
                slot.program.cancel()

    def kill(self, run: Run) -> None:
        """End the program at once; what becomes of its job is the caller's."""
        for slot in self._of(run):
            self._leave(slot)
            slot.program.kill()

    def tick(self, now: float) -> None:
        """Write waiting log lines, and end programs that do not start or do not stop."""
        for slot in list(self._slots.values()):
            if slot.text and now - slot.written_at >= LOG_EVERY_S:
                self._writer.write(logs=self._chunks(slot, now))
            if slot.stop_requested_at is not None and now - slot.stop_requested_at > GRACE_S + WATCHDOG_TIMEOUT_S:
                self._end_by_force(slot, slot.verdict or Stopped(slot.claim))
            elif slot.run.begun_at is None and now - (slot.run.started_at or now) > self._start_s:
                self._end_by_force(slot, failed(slot.claim, Reason.START_TIMEOUT))
            elif slot.run.begun_at is not None and not slot.is_collecting and now > self._watchdog_deadline(slot):
                self._end_by_force(slot, failed(slot.claim, Reason.WALL_TIMEOUT))

    def _watchdog_deadline(self, slot: ProgramSlot) -> float:
        """Return the time by which a watchdog has ended its program, unless it was stopped by a signal."""
        return (slot.run.begun_at or 0.0) + slot.run.wall_limit_s + GRACE_S + WATCHDOG_TIMEOUT_S

    def on_output_collected(self, event: OutputCollected) -> None:
        """Conclude the job whose output a thread has stored."""
        slot = self._slots.pop(event.outcome.claim, None)
        if slot is not None:  # else it was killed meanwhile
            self._conclude(slot, slot.verdict or event.outcome)

    def _of(self, run: Run) -> list[ProgramSlot]:
        return [slot for slot in self._slots.values() if slot.run is run]

    def _on_readable(self, slot: ProgramSlot) -> None:
        while slot.claim in self._slots and not slot.is_collecting and slot.program.poll():
            self._on_message(slot, slot.program.receive())

    def _on_message(self, slot: ProgramSlot, message: ProgramMessage) -> None:
        now = time.monotonic()
        match message:
            case ProgramStarted():
                slot.run.begun_at = now
                self._writer.write(begun=[slot.claim])
            case ProgramLog(text):
                slot.text += text
                if len(slot.text) >= LOG_AT_ONCE:
                    self._writer.write(logs=self._chunks(slot, now))
            case ProgramProgress(fraction):
                if now - slot.run.progress_at >= PROGRESS_EVERY_S:
                    slot.run.progress_at = now
                    slot.run.note_progress(fraction)
                    self._writer.write(progress={slot.claim: fraction})
            case ProgramEnded(ended):
                self._ended(slot, ended)

    def _ended(self, slot: ProgramSlot, ended: ProgramOutcome) -> None:
        self._selector.unregister(slot.program)
        slot.run.note_end()
        if ended.reason is Reason.OK and slot.verdict is None:
            slot.is_collecting = True
            start_collecting(slot.program, ended, slot.claim, self._store, self._post)
            return
        del self._slots[slot.claim]
        slot.program.close()
        self._conclude(slot, slot.verdict or _outcome(slot.claim, ended))

    def _end_by_force(self, slot: ProgramSlot, outcome: Outcome) -> None:
        self._leave(slot)
        slot.program.kill()
        self._conclude(slot, outcome)

    def _conclude(self, slot: ProgramSlot, outcome: Outcome) -> None:
        slot.run.remove([slot.claim])
        self._writer.write(outcomes=[outcome], logs=self._chunks(slot, time.monotonic()))

    def _leave(self, slot: ProgramSlot) -> None:
        del self._slots[slot.claim]
        if not slot.is_collecting:
            self._selector.unregister(slot.program)

    @staticmethod
    def _chunks(slot: ProgramSlot, now: float) -> list[LogChunk]:
        text, slot.text, slot.written_at = slot.text, "", now
        return slot.chunker.chunks(text)


def _outcome(claim: Claim, ended: ProgramOutcome) -> Outcome:
    if ended.reason is Reason.INFRA:
        return Returned(claim, "infra", ended.message)
    if ended.reason is Reason.CANCELLED_BY_USER:
        return Stopped(claim)
    return failed(claim, ended.reason, ended.message, ended.exit_code, ended.usage)
