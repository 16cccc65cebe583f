"""Local programs that the administrator listed, one process a job, each behind a watchdog of its own.

By default there is one: `sim:local`, the sample simulation, run by this very Python. Code that users supply never
runs here. A program gets a read-only file of parameters, a private folder, and almost no environment.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grid
from grid.core.errors import UnavailableError
from grid.runtime.collector import Store
from grid.runtime.environment import make_child_environment
from grid.runtime.processes import find_descendants, find_start_time, is_same_process, signal_group
from grid.runtime.program_outcome import ProgramOutcome
from grid.runtime.scratch import make_scratch, remove_scratch
from grid.runtime.watchdog_process import WatchdogProcess
from grid.runtime.watched_run import (
    OutputFolder,
    ProgramEnded,
    ProgramLog,
    ProgramMessage,
    ProgramProgress,
    ProgramStarted,
)
from grid.schemas.jobs import FileEntry
from grid.utils.user_cache import KERNELS

SAMPLE = "sim:local"
CPU_SLACK = 1.1  # [-] limit of processor time over that of wall time on all CPUs


class ProgramMissingError(UnavailableError):
    """A listed program is not where the installation should have it."""

    code, title = "program-missing", "A listed program is not installed"


@dataclass(frozen=True)
class Program:
    """The command of an image name: `argv`, then `--params FILE --output_dir FOLDER`."""

    name: str
    argv: tuple[str, ...]
    required: tuple[str, ...] = ()  # outputs without which a run has failed


@dataclass(frozen=True)
class ProgramLimits:
    """Largest resources of one run."""

    wall_s: float
    memory_bytes: int = 2 << 30
    output_bytes: int = 1 << 30
    cpus: float = 1.0
    cpu_s: float | None = None  # None: wall time on all its CPUs, and 10 %
    grace_s: float = 10.0
    open_files: int = 256
    log_bytes: int = 1 << 20
    threads: int = 1

    @property
    def cpu_limit_s(self) -> float:
        """Processor seconds of one process."""
        return self.cpu_s if self.cpu_s is not None else self.wall_s * self.cpus * CPU_SLACK


def is_local_program(image: str) -> bool:
    """Return whether an image, should it be listed, can run as a program of this installation."""
    return image == SAMPLE


def find_program(image: str) -> Program | None:
    """Return the program of an image; None where it can run in a container alone.

    Raises:
        ProgramMissingError: It is not installed.
    """
    return make_sample_program() if is_local_program(image) else None


def make_sample_program() -> Program:
    """Return the sample simulation of this installation.

    Raises:
        ProgramMissingError: Neither the wheel nor the source tree has it.
    """
    package = Path(grid.__file__).parent
    places = (package / "runtime" / "programs" / "run_sim.py", package.parents[1] / "sim" / "run_sim.py")
    script = next((place for place in places if place.is_file()), None)
    if script is None:
        raise ProgramMissingError(f"{SAMPLE} is listed, but run_sim.py is not part of this installation.")
    required = ("result.csv", "meta.json", "temperature_field.npy")
    return Program(SAMPLE, (sys.executable, "-I", str(script)), required)


class ProgramRun:
    """One run of one program. Not for several threads at a time."""

    def __init__(self, program: Program, params: Mapping[str, Any], home: Path, limits: ProgramLimits) -> None:
        self.program, self.limits = program, limits
        self.folder = make_scratch(home)
        self.output = self.folder / "output"
        self.outcome: ProgramOutcome | None = None
        self._started: ProgramStarted | None = None
        try:
            self._watchdog = self._start_watchdog(self._prepare(params), home)
        except BaseException:
            remove_scratch(self.folder)
            raise
        self.start_time = find_start_time(self.pid)

    @property
    def pid(self) -> int:
        """The watchdog's process number; with `start_time` it names no other process."""
        return self._watchdog.pid

    def fileno(self) -> int:
        """Return the descriptor that is readable when `receive` has something."""
        return self._watchdog.socket.fileno()

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Return whether `receive` would return at once."""
        return self._watchdog.poll(timeout_s)

    def receive(self) -> ProgramMessage:
        """Return the next message. `ProgramEnded` comes exactly once, also where the watchdog was killed.

        Raises:
            EOFError: It has ended before.
        """
        if self.outcome is not None:
            raise EOFError
        words = self._watchdog.receive()
        with suppress(ValueError, KeyError, TypeError):  # no message of the watchdog: another process has its socket
            if words is not None:
                return self._read(words)
        return self._lose_watchdog()

    def _lose_watchdog(self) -> ProgramEnded:
        self._kill_watched()
        self._end_orphan()
        self.outcome = ProgramOutcome.unwatched() if self._started else ProgramOutcome.lost()
        return ProgramEnded(self.outcome)

    def cancel(self) -> None:
        """Ask all its processes to end, and end them after the grace; `ProgramEnded` follows."""
        self._watchdog.send("cancel")

    def kill(self) -> None:
        """End the program at once, and remove its folder. Twice is harmless."""
        if self._kill_watched():
            self._end_orphan()
        self.close()

    def _kill_watched(self) -> bool:
        """Kill the watchdog and all below it; False where it had ended by itself."""
        if self._watchdog.has_ended:
            return False
        for pid in find_descendants(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._watchdog.kill()
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Release the run: the watchdog ends the program when the socket closes. Twice is harmless."""
        self._watchdog.hang_up()
        if not self._watchdog.wait(timeout_s):
            self._watchdog.kill()
            self._watchdog.process.wait()
        remove_scratch(self.folder)

    def collect(self, store: Store, key_prefix: str) -> list[FileEntry]:
        """Store the outputs of a run that ended well.

        Raises:
            OutputError: `reason` and the message are the job's.
            StorageFullError: The store has no room.
        """
        return self._place.collect(store, key_prefix, self.limits.output_bytes, self.program.required)

    def _prepare(self, params: Mapping[str, Any]) -> list[str]:
        self.output.mkdir(mode=0o700)
        self._place = OutputFolder(self.output)
        (self.folder / "home").mkdir(mode=0o700)
        file = self.folder / "params.json"
        file.write_text(json.dumps(dict(params), allow_nan=False), encoding="utf-8")
        file.chmod(0o400)
        return [*self.program.argv, "--params", str(file), "--output_dir", str(self.output)]

    def _start_watchdog(self, argv: list[str], home: Path) -> WatchdogProcess:
        limits = self.limits
        environment = make_child_environment(home, self.folder / "home", threads=limits.threads)
        for name in ("NUMBA_CACHE_DIR", KERNELS):  # Grid's own kernels are none of its business
            del environment[name]
        config = {
            "argv": argv,
            "environment": environment,
            "folder": str(self.folder / "home"),
            "output": str(self.output),
            "measured": str(self.folder),
            "wall_s": limits.wall_s,
            "cpu_s": limits.cpu_limit_s,
            "memory_bytes": limits.memory_bytes,
            "output_bytes": limits.output_bytes,
            "open_files": limits.open_files,
            "grace_s": limits.grace_s,
            "log_bytes": limits.log_bytes,
        }
        return WatchdogProcess("grid.runtime.watchdog", config, environment, self.folder)

    def _read(self, words: dict[str, Any]) -> ProgramMessage:
        match words["type"]:
            case "started":
                self._started = ProgramStarted(words["pid"], words["start_time"])
                return self._started
            case "log":
                return ProgramLog(words["text"])
            case "progress":
                return ProgramProgress(words["fraction"])
            case _:
                self.outcome = ProgramOutcome.of(words, self.limits)
                return ProgramEnded(self.outcome)

    def _end_orphan(self) -> None:
        """End the children of a program without a watchdog; the parent-death signal has ended the program itself."""
        started = self._started
        if started and started.start_time and is_same_process(started.pid, started.start_time):
            signal_group(started.pid, signal.SIGKILL)
