"""Runs of programs: lines as they come, ends as they are, and a stop that takes no longer than it may."""

import io
import json
import selectors
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.artifacts import MemoryArtifactStore
from tests.doubles.children import MemoryProgram
from tests.doubles.ledgers import make_batch
from tests.support.workers import wait_until

from grid.core.errors import StorageFullError, UnavailableError
from grid.core.settings import Settings
from grid.runtime.collector import OutputError, OutputTooLargeError
from grid.runtime.program_outcome import ProgramOutcome
from grid.runtime.programs import ProgramMissingError
from grid.runtime.watched_run import ProgramEnded, ProgramLog, ProgramProgress, ProgramStarted
from grid.schemas.jobs import Claim, FileEntry, JobStatus, Reason
from grid.services.ledger import ClaimedBatch, ClaimedJob, Failed, LogChunk, Outcome, Returned, Stopped, Succeeded
from grid.tasks.events import OutputCollected
from grid.tasks.program_output import MOST_METRICS, read_metrics
from grid.tasks.programs import GRACE_S, LOG_AT_ONCE, WATCHDOG_TIMEOUT_S, ProgramLauncher, Programs
from grid.tasks.runs import Run, failed

OK = ProgramOutcome(Reason.OK, "", 0, usage={"wall_s": 1.0})


class RecordingWriter:
    """A ledger writer that only keeps what it is handed."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.begun: list[Claim] = []
        self.logs: list[LogChunk] = []
        self.progress: list[dict[Claim, float]] = []

    def write(self, *, outcomes=(), begun=(), logs=(), progress=None, renders=()) -> None:  # type: ignore[no-untyped-def]
        self.outcomes += outcomes
        self.begun += begun
        self.logs += logs
        if progress:
            self.progress.append(progress)


class ProgramsHarness:
    """Programs with everything around them; launching gives what the test put there."""

    def __init__(self, folder: Path) -> None:
        self.selector, self.writer, self.store = selectors.DefaultSelector(), RecordingWriter(), MemoryArtifactStore()
        self.events: list[OutputCollected] = []
        self.program = MemoryProgram(folder)
        self.answer: object = self.program
        self.programs = Programs(self, self.selector, self.writer, self.store, self.events.append)  # type: ignore[arg-type]

    def launch(self, batch: ClaimedBatch, job: ClaimedJob) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def start(self) -> Run:
        now = time.monotonic()
        run = Run(make_batch(slot="program", image="sim:local"), lease_ok_at=now, claimed_at=now)
        run.started_at = now
        self.programs.start(run)
        return run

    def receive(self, *messages: object) -> None:
        self.program.say(*messages)  # type: ignore[arg-type]
        for key in list(self.selector.get_map().values()):
            key.data()

    def take_events(self) -> None:
        wait_until(lambda: self.events, "the outputs were taken in")
        self.programs.on_output_collected(self.events.pop())


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ProgramsHarness]:
    harness = ProgramsHarness(tmp_path)
    yield harness
    harness.program.close()
    harness.selector.close()


def test_a_program_that_ends_well_leaves_its_files_its_lines_and_its_usage(harness: ProgramsHarness):
    run = harness.start()
    (claim,) = run.open
    assert (harness.programs.tokens_used, harness.programs.runs()) == (1, [run])

    harness.receive(ProgramStarted(1, 1), ProgramLog("one\n"), ProgramLog("two\n"), ProgramEnded(OK))
    harness.take_events()

    assert harness.writer.begun == [claim]
    assert harness.writer.outcomes == [Succeeded(claim, {"files": [], "metrics": {}, "audits": []}, {"wall_s": 1.0})]
    assert [chunk.text for chunk in harness.writer.logs] == ["one\ntwo\n"]
    assert (harness.programs.tokens_used, harness.program.is_closed, harness.selector.get_map()) == (0, True, {})


@pytest.mark.parametrize(
    ("ended", "status", "reason"),
    [
        (ProgramOutcome(Reason.NONZERO_EXIT, "exit 3", 3), JobStatus.FAILED, Reason.NONZERO_EXIT),
        (ProgramOutcome(Reason.OOM, "too much", signal=9), JobStatus.FAILED, Reason.OOM),
        (ProgramOutcome(Reason.WALL_TIMEOUT, "too long", signal=9), JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT),
        (ProgramOutcome(Reason.CPU_TIMEOUT, "too long", signal=24), JobStatus.TIMED_OUT, Reason.CPU_TIMEOUT),
    ],
)
def test_a_program_that_ends_badly_says_how(
    harness: ProgramsHarness, ended: ProgramOutcome, status: JobStatus, reason: Reason
):
    harness.start()
    harness.receive(ProgramStarted(1, 1), ProgramEnded(ended))
    (outcome,) = harness.writer.outcomes
    assert isinstance(outcome, Failed)
    assert (outcome.state, outcome.reason, outcome.exit_code) == (status, reason, ended.exit_code)


def test_a_watchdog_that_is_lost_is_not_the_program_s_fault(harness: ProgramsHarness):
    harness.start()
    harness.receive(ProgramEnded(ProgramOutcome.lost()))
    (outcome,) = harness.writer.outcomes
    assert isinstance(outcome, Returned)
    assert outcome.why == "infra"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, Reason.SANDBOX_UNAVAILABLE),
        (ProgramMissingError("gone"), Reason.IMAGE_UNAVAILABLE),
        (UnavailableError("no process"), "infra"),
        (OSError(24, "too many files"), "infra"),
    ],
)
def test_a_program_that_cannot_start_is_concluded_at_once(harness: ProgramsHarness, answer: object, kind: object):
    harness.answer = answer
    run = harness.start()
    (outcome,) = harness.writer.outcomes
    assert (outcome.why if isinstance(outcome, Returned) else outcome.reason) == kind  # type: ignore[union-attr]
    assert (harness.programs.tokens_used, run.open) == (0, {})


@pytest.mark.parametrize(
    ("error", "expected", "is_full"),
    [
        (OutputError("a link"), Reason.BAD_OUTPUT, False),
        (OutputTooLargeError("9 GiB"), Reason.OUTPUT_TOO_LARGE, False),
        (StorageFullError("no room"), "infra", True),
        (OSError(5, "I/O error"), "infra", False),
    ],
)
def test_outputs_that_cannot_be_stored(harness: ProgramsHarness, error: Exception, expected: object, is_full: bool):
    harness.start()
    harness.program.collected = error
    harness.receive(ProgramEnded(OK))
    wait_until(lambda: harness.events, "the outputs were looked at")
    assert harness.events[0].is_storage_full is is_full
    harness.take_events()
    (outcome,) = harness.writer.outcomes
    assert (outcome.why if isinstance(outcome, Returned) else outcome.reason) == expected  # type: ignore[union-attr]


def test_a_program_told_to_stop_ends_as_stopped_whatever_it_does(harness: ProgramsHarness):
    run = harness.start()
    (claim,) = run.open
    harness.programs.stop(run, Stopped(claim))
    harness.programs.stop(run, failed(claim, Reason.WALL_TIMEOUT))
    assert harness.program.is_cancelled
    harness.receive(ProgramEnded(OK))
    assert harness.writer.outcomes == [Stopped(claim)]


def test_a_program_stopped_while_its_output_is_stored_is_stopped(harness: ProgramsHarness):
    run = harness.start()
    (claim,) = run.open
    harness.receive(ProgramEnded(OK))
    harness.programs.stop(run, Stopped(claim))
    harness.take_events()
    assert harness.writer.outcomes == [Stopped(claim)]


def test_a_program_that_does_not_stop_is_ended_by_force(harness: ProgramsHarness):
    run = harness.start()
    (claim,) = run.open
    harness.programs.stop(run, Stopped(claim))
    harness.programs.tick(time.monotonic() + GRACE_S)
    assert not harness.program.is_killed
    harness.programs.tick(time.monotonic() + GRACE_S + WATCHDOG_TIMEOUT_S + 1)
    assert harness.program.is_killed
    assert harness.writer.outcomes == [Stopped(claim)]


def test_a_program_that_does_not_start_is_timed_out(harness: ProgramsHarness):
    harness.start()
    harness.programs.tick(time.monotonic() + 61.0)
    (outcome,) = harness.writer.outcomes
    assert (outcome.state, outcome.reason) == (JobStatus.TIMED_OUT, Reason.START_TIMEOUT)  # type: ignore[union-attr]


def test_a_killed_program_is_left_without_a_word(harness: ProgramsHarness):
    run = harness.start()
    harness.receive(ProgramStarted(1, 1))
    harness.programs.kill(run)
    assert (harness.program.is_killed, harness.writer.outcomes, harness.programs.runs()) == (True, [], [])


def test_what_a_killed_program_leaves_is_passed_over(harness: ProgramsHarness):
    run = harness.start()
    harness.receive(ProgramEnded(OK))
    harness.programs.kill(run)
    harness.take_events()
    assert harness.writer.outcomes == []


def test_lines_are_written_in_pieces_and_progress_once_a_second(harness: ProgramsHarness):
    run = harness.start()
    (claim,) = run.open
    harness.receive(ProgramStarted(1, 1), ProgramLog("x" * LOG_AT_ONCE), ProgramProgress(0.25), ProgramProgress(0.5))
    assert [len(chunk.text) for chunk in harness.writer.logs] == [LOG_AT_ONCE]
    assert harness.writer.progress == [{claim: 0.25}]
    harness.receive(ProgramLog("later\n"))
    harness.programs.tick(time.monotonic() + 1.0)
    assert [chunk.seq for chunk in harness.writer.logs] == [0, 1]


def test_the_launcher_knows_listed_programs_only(tmp_path: Path):
    launcher = ProgramLauncher.from_settings(Settings(_env_file=None, grid_home=tmp_path))
    strange, listed = (make_batch(slot="program", image=image) for image in ("docker.io/strange", "sim:local"))
    assert launcher.launch(strange, strange.jobs[0]) is None
    program = launcher.launch(listed, listed.jobs[0])
    assert program is not None
    program.kill()


def make_entry(store: MemoryArtifactStore, text: bytes) -> FileEntry:
    store.put("jobs/a/1/meta.json", io.BytesIO(text))
    return FileEntry(name="meta.json", size=len(text), sha256="", media_type="", key="jobs/a/1/meta.json")


@pytest.mark.parametrize("text", [b"", b"[1]", b'{"results": 3}', b"\xff", b'{"other": 1}', b"[" * 100_000])
def test_a_description_that_cannot_be_read_gives_no_metrics(text: bytes):
    store = MemoryArtifactStore()
    assert read_metrics([make_entry(store, text)], store) == {}
    assert read_metrics([], store) == {}


@given(
    st.dictionaries(
        st.text(max_size=120),
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=600), st.lists(st.none())),
        max_size=90,
    )
)
def test_metrics_of_a_program_are_scalars_that_every_database_takes(results: dict[str, object]):
    store = MemoryArtifactStore()
    metrics = read_metrics([make_entry(store, json.dumps({"results": results}).encode())], store)
    assert len(metrics) <= MOST_METRICS
    text = json.dumps(metrics, allow_nan=False)
    assert "\\u0000" not in json.dumps(list(metrics.values()))
    assert all(not isinstance(value, int) or abs(value) < 1 << 63 for value in json.loads(text).values())
