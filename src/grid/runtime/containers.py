"""Runs in containers, each behind a watchdog of its own; and the containers of this installation, for their reaper."""

import fcntl
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from grid.core.errors import UnavailableError
from grid.core.logging import get_logger
from grid.runtime import container_spec as spec
from grid.runtime.collector import Store
from grid.runtime.container_files import InitProcess
from grid.runtime.container_outcome import read_outcome
from grid.runtime.docker_api import Engine, EngineAwayError
from grid.runtime.environment import PASSED_ON, THREAD_PINS
from grid.runtime.program_outcome import ProgramOutcome
from grid.runtime.scratch import make_scratch, remove_scratch
from grid.runtime.watchdog_process import WatchdogProcess, boot
from grid.runtime.watched_run import (
    OutputFolder,
    ProgramEnded,
    ProgramLog,
    ProgramMessage,
    ProgramProgress,
    ProgramStarted,
)
from grid.schemas.images import ImagePin
from grid.schemas.jobs import Claim, FileEntry

log = get_logger(__name__)

WATCHDOG = "grid.runtime.container_watchdog"
INSTALLATION_NAME = "installation.id"
END_S = 15.0  # [s] for a watchdog to end its container after its socket was closed; then others do it
CPU_SLACK = 1.1  # [-] limit of processor time over that of wall time on all CPUs
_INSTALLATION = re.compile(r"[0-9a-f]{16}")


class NoUserIdError(UnavailableError):
    """Every user id of containers is in use; one is free when a container ends."""

    code, title = "no-user-id", "No user id is free for a container"

    def __str__(self) -> str:
        return "Every user id of GRID_DOCKER_UIDS is in use."


@dataclass(frozen=True)
class ContainerLimits:
    """Largest resources of one run in a container."""

    wall_s: float
    memory_bytes: int = 2 << 30
    output_bytes: int = 1 << 30
    cpus: float = 1.0
    pids: int = 64
    tmp_bytes: int = 64 << 20
    grace_s: float = 10.0
    log_bytes: int = 1 << 20
    cpu_s: float | None = None  # None: wall time on all its CPUs, and 10 %

    @property
    def cpu_limit_s(self) -> float:
        """Processor seconds of one process."""
        return self.cpu_s if self.cpu_s is not None else self.wall_s * self.cpus * CPU_SLACK

    @property
    def threads(self) -> int:
        """Threads that numerical libraries may start."""
        return max(1, int(self.cpus))


def read_installation(home: Path) -> str:
    """Return the name of this data folder among others that use the same engine; made when first asked for."""
    path = home / INSTALLATION_NAME
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(8))
    for _ in range(100):  # another process may be writing it
        name = path.read_text(encoding="ascii")
        if _INSTALLATION.fullmatch(name):
            return name
        time.sleep(0.01)
    raise UnavailableError(f"{path} is not as it was written; remove it while no worker runs.")


class UserIds:
    """User ids of containers of a data folder; each is held by a lock, so that it is free when its holder has ended."""

    def __init__(self, home: Path, ids: Sequence[int]) -> None:
        self._folder, self._ids = home / "run" / "uids", ids

    def take(self) -> tuple[int, int]:
        """Return a user id and the descriptor that holds it.

        Raises:
            NoUserIdError: All of them are in use.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in self._ids:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._folder / f"{number}.lock", flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                return number, descriptor
        raise NoUserIdError


@dataclass(frozen=True)
class ContainerHost:
    """Where containers run: the engine, the data folder whose they are, and their user ids."""

    engine: str | None  # as in DOCKER_HOST
    home: Path
    user_ids: UserIds

    @property
    def installation(self) -> str:
        """The name of the data folder."""
        return read_installation(self.home)


class ContainerRun:
    """One run of one image. Its surface is that of a local program's. Not for several threads at a time."""

    def __init__(
        self, host: ContainerHost, pin: ImagePin, claim: Claim, params: Mapping[str, Any], limits: ContainerLimits
    ) -> None:
        self.limits, self._host = limits, host
        self.name = f"grid-{host.installation}-{claim.job_id}-{claim.epoch}"
        self.folder = make_scratch(host.home)
        self.output = self.folder / "output"
        self.outcome: ProgramOutcome | None = None
        self._process: InitProcess | None = None
        self._is_released = False
        try:
            user, held = host.user_ids.take()
            try:
                self._prepare(params, user)
                self._watchdog = self._start_watchdog(pin, claim, user, held)
            finally:
                os.close(held)  # the watchdog has its own
        except BaseException:
            remove_scratch(self.folder)
            raise

    @property
    def pid(self) -> int:
        """The watchdog's process number."""
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
        if words is not None:
            return self._read(words)
        self._remove_container()
        self.outcome = ProgramOutcome.lost()  # a container cannot reach its watchdog
        return ProgramEnded(self.outcome)

    def cancel(self) -> None:
        """Ask its processes to end, and end them after the grace; `ProgramEnded` follows."""
        self._watchdog.send("cancel")

    def kill(self) -> None:
        """End the container at once; its watchdog removes it, and the folder goes with it. Returns at once."""
        if self._process is not None:
            self._process.kill()
        self.close()

    def close(self) -> None:
        """Release the run: the watchdog removes the container when the socket closes. Twice is harmless."""
        if self._is_released:
            return
        self._is_released = True
        self._watchdog.hang_up()
        if self._watchdog.wait(0.0):
            remove_scratch(self.folder)
            return
        threading.Thread(target=self._see_to_the_end, name=f"end-{self.name}", daemon=True).start()

    def collect(self, store: Store, key_prefix: str) -> list[FileEntry]:
        """Store the outputs of a run that ended well.

        Raises:
            OutputError: `reason` and the message are the job's.
            StorageFullError: The store has no room.
        """
        return self._place.collect(store, key_prefix, self.limits.output_bytes, ())

    def _see_to_the_end(self) -> None:
        """Wait until the watchdog has removed the container; an engine that hangs keeps neither from ending."""
        if not self._watchdog.wait(END_S):
            self._watchdog.kill()
            self._watchdog.wait(END_S)
            self._remove_container()
        remove_scratch(self.folder)

    def _remove_container(self) -> None:
        """Have another process remove the container of a watchdog that was killed."""
        if self._process is not None:
            self._process.kill()
        config = {"engine": self._host.engine, "remove": self.name}
        remover = boot(WATCHDOG, config, _environment(), self._host.home)
        threading.Thread(target=remover.wait, name=f"remove-{self.name}", daemon=True).start()

    def _prepare(self, params: Mapping[str, Any], user: int) -> None:
        """Write the parameters, and make the output folder the user's."""
        self.folder.chmod(0o711)
        file = self.folder / "params.json"
        file.write_text(json.dumps(dict(params), allow_nan=False), encoding="utf-8")
        file.chmod(0o444)
        self.output.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self.output, user, user)
        else:  # only root may give a folder away; nobody else passes the data folder above it
            self.output.chmod(0o777)
        self._place = OutputFolder(self.output)

    def _start_watchdog(self, pin: ImagePin, claim: Claim, user: int, held: int) -> WatchdogProcess:
        limits = self.limits
        labels = {
            spec.INSTALLATION: self._host.installation,
            spec.JOB: str(claim.job_id),
            spec.EPOCH: str(claim.epoch),
            spec.DEADLINE: f"{time.time() + limits.wall_s + limits.grace_s:.0f}",
        }
        config = {
            "engine": self._host.engine,
            "image": pin.reference,
            "image_id": pin.image_id,
            "output": str(self.output),
            "wall_s": limits.wall_s,
            "output_bytes": limits.output_bytes,
            "grace_s": limits.grace_s,
            "log_bytes": limits.log_bytes,
            "spec": {
                "name": self.name,
                "labels": labels,
                "user": user,
                "params": str(self.folder / "params.json"),
                "output": str(self.output),
                "memory_bytes": limits.memory_bytes,
                "cpus": limits.cpus,
                "cpu_s": limits.cpu_limit_s,
                "pids": limits.pids,
                "tmp_bytes": limits.tmp_bytes,
                "output_bytes": limits.output_bytes,
                "environment": _container_environment(limits.threads),
            },
        }
        return WatchdogProcess(WATCHDOG, config, _environment(), self.folder, [held])

    def _read(self, words: dict[str, Any]) -> ProgramMessage:
        match words["type"]:
            case "started":
                if words["start_time"] is not None:
                    self._process = InitProcess(words["pid"], words["start_time"], words["container"])
                return ProgramStarted(words["pid"], words["start_time"])
            case "log":
                return ProgramLog(words["text"])
            case "progress":
                return ProgramProgress(words["fraction"])
            case _:
                if words.get("detail"):
                    log.warning("container.not_started", container=self.name, detail=words["detail"])
                self.outcome = read_outcome(words, self.limits)
                return ProgramEnded(self.outcome)


def _environment() -> dict[str, str]:
    """Return the environment of a watchdog: no database, no keys, no credentials of a registry."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def _container_environment(threads: int) -> dict[str, str]:
    """Return the variables of a container beside those of its image."""
    return {"HOME": spec.TMP, "TMPDIR": spec.TMP, **dict.fromkeys(THREAD_PINS, str(threads))}


@dataclass(frozen=True)
class FoundContainer:
    """A container with the labels of this installation; `claim` is None where they are not as they were written."""

    id: str
    claim: Claim | None


def list_containers(engine: Engine, installation: str) -> list[FoundContainer]:
    """Return the containers of an installation, whatever state they are in.

    Raises:
        EngineAwayError, EngineRefusedError: The engine does not answer, or refuses.
    """
    label = f"{spec.INSTALLATION}={installation}"
    found = engine.get("/containers/json", all=1, filters=json.dumps({"label": [label]}))
    if not isinstance(found, list):
        raise EngineAwayError("The engine's list of containers is none.")
    return [FoundContainer(str(one["Id"]), _read_claim(one.get("Labels") or {})) for one in found]


def _read_claim(labels: Mapping[str, str]) -> Claim | None:
    try:
        return Claim(UUID(labels[spec.JOB]), int(labels[spec.EPOCH]))
    except (KeyError, ValueError):
        return None
