"""Runs of scripts in real containers: an image that runs what its parameters say, and words about what it did."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from grid.runtime.container_spec import INSTALLATION
from grid.runtime.containers import ContainerHost, ContainerLimits, ContainerRun, UserIds, read_installation
from grid.runtime.docker_api import Engine
from grid.runtime.program_outcome import ProgramOutcome
from grid.runtime.watched_run import ProgramEnded, ProgramLog, ProgramMessage, ProgramStarted
from grid.schemas.images import ImagePin
from grid.schemas.jobs import Claim

BASE, NAME = "python:3.11-slim", "grid-test:script"
RUN = "import json, sys; exec(json.load(open(sys.argv[sys.argv.index('--params') + 1]))['script'])"
LIMITS = ContainerLimits(
    wall_s=60.0, memory_bytes=96 << 20, output_bytes=8 << 20, cpus=1.0, pids=24, tmp_bytes=4 << 20, grace_s=1.0
)
HEAD = """
import json, os, pathlib, signal, socket, subprocess, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--output_dir") + 1])
def say(*words): print(*words, flush=True)
"""


def build_image() -> str:
    """Build the image that runs scripts, where it is not there; return its id."""
    lines = [f"FROM {BASE}", "ENV PYTHONDONTWRITEBYTECODE=1", f"CMD {json.dumps(['python3', '-c', RUN])}"]
    command = ["docker", "build", "-q", "-t", NAME, "-"]
    environment = {"DOCKER_BUILDKIT": "0", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    built = subprocess.run(
        command, input="\n".join(lines), text=True, capture_output=True, check=False, env=environment
    )
    assert built.returncode == 0, built.stderr
    return built.stdout.strip()


@dataclass
class Containers:
    """Runs of scripts, all in containers of one installation."""

    engine: Engine
    host: ContainerHost
    pin: ImagePin
    runs: list[ContainerRun] = field(default_factory=list)

    def start(
        self, script: str, *, pin: ImagePin | None = None, claim: Claim | None = None, **limits: Any
    ) -> ContainerRun:
        """Start a script; `folder` and `say` are at its hand."""
        claim = claim or Claim(uuid4(), 1)
        run = ContainerRun(self.host, pin or self.pin, claim, {"script": HEAD + script}, replace(LIMITS, **limits))
        self.runs.append(run)
        return run

    def end(self, script: str, **limits: Any) -> tuple[ProgramOutcome, str]:
        """Run a script to its end; return its outcome and its log."""
        return read_to_end(self.start(script, **limits))

    def list_all(self) -> list[dict[str, Any]]:
        """Return the containers of the installation, in whatever state."""
        label = f"{INSTALLATION}={self.host.installation}"
        found: list[dict[str, Any]] = self.engine.get("/containers/json", all=1, filters=json.dumps({"label": [label]}))
        return found

    def release(self) -> None:
        """Release all runs, and see that nothing is left of them."""
        for run in self.runs:
            run.kill()
        wait_until(lambda: not self.list_all(), "no container was left")
        scratch = self.host.home / "run" / "scratch"
        wait_until(lambda: not scratch.exists() or not list(scratch.iterdir()), "no folder was left")
        self.runs.clear()


@contextmanager
def open_containers(home: Path, host: str | None, image_id: str) -> Iterator[Containers]:
    """Yield runs on an engine; at the end nothing of them is left."""
    home.mkdir(exist_ok=True)
    ids = UserIds(home, range(231_000, 231_008))
    containers = Containers(Engine(host), ContainerHost(host, home, ids), ImagePin(NAME, None, image_id))
    assert read_installation(home)
    try:
        yield containers
    finally:
        containers.release()


def read_to_end(run: ContainerRun, within_s: float = 180.0) -> tuple[ProgramOutcome, str]:
    """Read a run to its end; return its outcome and its log."""
    messages: list[ProgramMessage] = []
    deadline = time.monotonic() + within_s
    while run.poll(max(0.0, deadline - time.monotonic())):
        messages.append(run.receive())
        if isinstance(messages[-1], ProgramEnded):
            return messages[-1].outcome, "".join(one.text for one in messages if isinstance(one, ProgramLog))
    raise AssertionError(f"it did not end: {messages}")


def wait_for_text(run: ContainerRun, text: str, within_s: float = 120.0) -> str:
    """Read a run until its log has a text."""
    seen = ""
    deadline = time.monotonic() + within_s
    while text not in seen and run.poll(max(0.0, deadline - time.monotonic())):
        message = run.receive()
        assert not isinstance(message, ProgramEnded), (message, seen)
        seen += message.text if isinstance(message, ProgramLog) else ""
    assert text in seen, seen
    return seen


def wait_for_start(run: ContainerRun, within_s: float = 120.0) -> None:
    """Read a run until it is told that it has started."""
    deadline = time.monotonic() + within_s
    while run.poll(max(0.0, deadline - time.monotonic())):
        message = run.receive()
        assert not isinstance(message, ProgramEnded), message
        if isinstance(message, ProgramStarted):
            return
    raise AssertionError("it did not start")


def wait_until(claim: Callable[[], bool], what: str, within_s: float = 120.0) -> None:
    """Wait until a claim holds."""
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, f"not: {what}"
        time.sleep(0.02)
