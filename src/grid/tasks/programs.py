"""Runs of local programs: one process a job, its lines written as they come, its output taken in by a thread."""

import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.core.settings import Settings
from grid.runtime.endings import ProgramOutcome
from grid.runtime.programs import (
    LocalImageCatalogue,
    ProgramAdvanced,
    ProgramEnded,
    ProgramLimits,
    ProgramLog,
    ProgramMessage,
    ProgramMissingError,
    ProgramRun,
    ProgramStarted,
)
from grid.schemas.jobs import Claim, Reason
from grid.services.ledger import ClaimedJob, LogChunk, Outcome, Returned, Stopped
from grid.services.ports import ArtifactStore
from grid.tasks.collecting import start_collecting
from grid.tasks.events import OutputCollected, WorkerEvent
from grid.tasks.ledger_writer import LedgerWriter
from grid.tasks.logbook import Logbook
from grid.tasks.runs import Run, failed

log = get_logger(__name__)

LOG_EVERY_S, LOG_AT_ONCE = 0.5, 12 * 1024  # characters
PROGRESS_EVERY_S = 1.0
GRACE_S = 10.0  # from TERM to KILL, kept by the watchdog
WATCHDOG_TIMEOUT_S = 5.0  # after the grace; then the watchdog itself is not trusted any more


class Launcher(Protocol):
    """Starts the program of an image."""

    def launch(self, image: str, job: ClaimedJob) -> ProgramRun | None:
        """Start it; None where no sandbox that may run the image is available here.

        Raises:
            ProgramMissingError: It is listed and not installed.
        """
        ...


@dataclass(frozen=True)
class ProgramLauncher:
    """Starts the local programs that the administrator listed."""

    images: LocalImageCatalogue
    home: Path
    memory_bytes: int
    output_bytes: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Take list, folder and limits from the settings."""
        memory, output = settings.grid_job_memory_mb << 20, settings.grid_output_mb << 20
        return cls(LocalImageCatalogue(settings.grid_images), settings.grid_home, memory, output)

    def launch(self, image: str, job: ClaimedJob) -> ProgramRun | None:
        """Start it behind a watchdog of its own."""
        program = self.images.find_program(image)
        if program is None:
            return None
        limits = ProgramLimits(
            job.wall_limit_s, memory_bytes=self.memory_bytes, output_bytes=self.output_bytes, grace_s=GRACE_S
        )
        return ProgramRun(program, job.params, self.home, limits)


@dataclass(eq=False)
class Booth:
    """One running program with what it said that is not written yet."""

    run: Run
    claim: Claim
    program: ProgramRun
    logbook: Logbook
    text: str = ""
    written_at: float = 0.0
    verdict: Outcome | None = None  # how the job ends, whatever the program does: it was told to stop
    told_to_stop_at: float | None = None
    is_collecting: bool = False


class Programs:
    """Keeps the running programs. All calls come from the loop.

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
        self._booths: dict[Claim, Booth] = {}

    @property
    def tokens_used(self) -> int:
        """Core tokens of the running programs."""
        return sum(1 for booth in self._booths.values() if booth.run.beyond is None)

    def runs(self) -> list[Run]:
        """Return what runs."""
        return [booth.run for booth in self._booths.values()]

    def start(self, run: Run) -> None:
        """Start a claimed program; what cannot start is concluded at once."""
        ((claim, job),) = run.open.items()
        try:
            program = self._launcher.launch(run.batch.image or "", job)
        except ProgramMissingError as error:
            self._writer.write(outcomes=run.fail(Reason.IMAGE_UNAVAILABLE, str(error)))
        except (GridError, OSError) as error:
            log.exception("worker.program_not_started", job=str(claim.job_id))
            self._writer.write(outcomes=run.give_back("infra", f"The program could not be started: {error}"))
        else:
            if program is None:
                self._writer.write(outcomes=run.fail(Reason.SANDBOX_UNAVAILABLE))
                return
            booth = Booth(run, claim, program, Logbook(claim))
            self._booths[claim] = booth
            self._selector.register(program, selectors.EVENT_READ, lambda: self._hear(booth))

    def stop(self, run: Run, outcome: Outcome) -> None:
        """Ask the program to end, with grace; its job then ends as `outcome` says."""
        for booth in self._of(run):
            booth.verdict = booth.verdict or outcome
            if booth.told_to_stop_at is None and not booth.is_collecting:
                booth.told_to_stop_at = time.monotonic()
                booth.program.cancel()

    def kill(self, run: Run) -> None:
        """End the program at once; what becomes of its job is the caller's."""
        for booth in self._of(run):
            self._leave(booth)
            booth.program.kill()

    def tick(self, now: float) -> None:
        """Write lines that waited, and end what does not start or does not stop."""
        for booth in list(self._booths.values()):
            if booth.text and now - booth.written_at >= LOG_EVERY_S:
                self._writer.write(logs=self._chunks(booth, now))
            if booth.told_to_stop_at is not None and now - booth.told_to_stop_at > GRACE_S + WATCHDOG_TIMEOUT_S:
                self._end_by_force(booth, booth.verdict or Stopped(booth.claim))
            elif booth.run.begun_at is None and now - (booth.run.started_at or now) > self._start_s:
                self._end_by_force(booth, failed(booth.claim, Reason.START_TIMEOUT))
            elif booth.run.begun_at is not None and not booth.is_collecting and now > self._last_moment(booth):
                self._end_by_force(booth, failed(booth.claim, Reason.WALL_TIMEOUT))

    def _last_moment(self, booth: Booth) -> float:
        """Return when a watchdog that still lives should long have ended its program: perhaps it was stopped."""
        return (booth.run.begun_at or 0.0) + booth.run.wall_limit_s + GRACE_S + WATCHDOG_TIMEOUT_S

    def on_output_collected(self, event: OutputCollected) -> None:
        """Take the word of the thread that stored outputs."""
        booth = self._booths.pop(event.outcome.claim, None)
        if booth is not None:  # else it was killed meanwhile
            self._conclude(booth, booth.verdict or event.outcome)

    def _of(self, run: Run) -> list[Booth]:
        return [booth for booth in self._booths.values() if booth.run is run]

    def _hear(self, booth: Booth) -> None:
        while booth.claim in self._booths and not booth.is_collecting and booth.program.poll():
            self._heard(booth, booth.program.receive())

    def _heard(self, booth: Booth, message: ProgramMessage) -> None:
        now = time.monotonic()
        match message:
            case ProgramStarted():
                booth.run.begun_at = now
                self._writer.write(begun=[booth.claim])
            case ProgramLog(text):
                booth.text += text
                if len(booth.text) >= LOG_AT_ONCE:
                    self._writer.write(logs=self._chunks(booth, now))
            case ProgramAdvanced(fraction):
                if now - booth.run.told_at >= PROGRESS_EVERY_S:
                    booth.run.told_at = now
                    self._writer.write(progress={booth.claim: fraction})
            case ProgramEnded(ended):
                self._ended(booth, ended)

    def _ended(self, booth: Booth, ended: ProgramOutcome) -> None:
        self._selector.unregister(booth.program)
        if ended.reason is Reason.OK and booth.verdict is None:
            booth.is_collecting = True
            start_collecting(booth.program, ended, booth.claim, self._store, self._post)
            return
        del self._booths[booth.claim]
        booth.program.close()
        self._conclude(booth, booth.verdict or _outcome(booth.claim, ended))

    def _end_by_force(self, booth: Booth, outcome: Outcome) -> None:
        self._leave(booth)
        booth.program.kill()
        self._conclude(booth, outcome)

    def _conclude(self, booth: Booth, outcome: Outcome) -> None:
        booth.run.take([booth.claim])
        self._writer.write(outcomes=[outcome], logs=self._chunks(booth, time.monotonic()))

    def _leave(self, booth: Booth) -> None:
        del self._booths[booth.claim]
        if not booth.is_collecting:
            self._selector.unregister(booth.program)

    @staticmethod
    def _chunks(booth: Booth, now: float) -> list[LogChunk]:
        text, booth.text, booth.written_at = booth.text, "", now
        return booth.logbook.chunks(text)


def _outcome(claim: Claim, ended: ProgramOutcome) -> Outcome:
    if ended.reason is Reason.INFRA:
        return Returned(claim, "infra", ended.message)
    if ended.reason is Reason.CANCELLED_BY_USER:
        return Stopped(claim)
    return failed(claim, ended.reason, ended.message, ended.exit_code, ended.usage)
