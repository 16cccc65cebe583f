#!/usr/bin/env python3
"""Bring the Compose stack up, run README's job and sweep through it in containers, and take it down again.

    python3 scripts/try_compose.py [--tool docker-compose] [--base python:3.11-slim] [--keep]

Needs an engine, a Compose tool and the base image; nothing else, not even `.venv`. Where no registry answers, stand-ins
of PostgreSQL and Redis are built (`infra/standin`). It uses a project, a port and a folder of its own, says which of
the images were stand-ins, ends with 0 where all was as promised, and leaves no container, volume or network behind.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROJECT, PORT = "grid-trial", 8466
LIMIT_S = 600.0  # [s] for the service to be ready, and again for the jobs
JOB = {"length": 1.0, "time_steps": 200, "diffusivity": 0.01, "initial_temp": 100.0}
SWEEP = [
    {"length": 1.0, "time_steps": 200, "diffusivity": 0.01},
    {"length": 1.0, "time_steps": 400, "diffusivity": 0.005},
    {"length": 0.5, "time_steps": 200, "diffusivity": 0.02},
]
ENDED = {"success", "failed", "cancelled", "timed_out", "expired"}


class Stack:
    """The stack under one project name."""

    def __init__(self, tool: str, base: str, data: Path) -> None:
        socket = Path(os.environ.get("GRID_DOCKER_SOCKET", "/var/run/docker.sock"))
        self.tool, self.base, self.token = tool.split(), base, ""
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "COMPOSE_PROFILES": "flower",
            "DOCKER_BUILDKIT": "0",
            "DOCKER_GID": str(socket.stat().st_gid),
            "FLOWER_BASIC_AUTH": "operator:trial",
            "GRID_DATA": str(data),
            "GRID_PORT": str(PORT),
        }

    def run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(words, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise SystemExit(
                f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done.stdout

    def compose(self, *words: str, check: bool = True) -> str:
        return self.run(*self.tool, *words, check=check)

    def call(self, path: str, body: object = None, *, port: int = PORT, login: str = "") -> tuple[int, Any]:
        """Send a request; return status and document."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if login or self.token:
            request.add_header("Authorization", login or f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _read(error.read())
        except OSError:
            return 0, None


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


def wait(what: str, is_so: Any) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {LIMIT_S:.0f} s: {what}")
        time.sleep(1.0)


def require(claim: str, *, is_so: bool) -> None:
    print(f"{'ok  ' if is_so else 'FAIL'} {claim}", flush=True)
    if not is_so:
        raise SystemExit(1)


def build(stack: Stack) -> None:
    stack.environment.update(PYTHON_IMAGE=stack.base, GRID_BUILD_NETWORK="host", GRID_SKIP_PAGE="1")
    for image, name in (("postgres:16", "postgres"), ("redis:7", "redis")):
        label = stack.run(
            "docker", "image", "inspect", "-f", '{{index .Config.Labels "grid.standin"}}', image, check=False
        )
        if not label.strip() and not stack.run("docker", "pull", "-q", image, check=False):
            stack.run("infra/standin/build.sh", name)
            label = "true"
        print(f"     {image}{' is a stand-in' if label.strip() == 'true' else ''}", flush=True)
    stack.run(
        "make", "build", "STACK=compose", f"PYTHON_IMAGE={stack.base}", "GRID_BUILD_NETWORK=host", "GRID_SKIP_PAGE=1"
    )


def try_commands(stack: Stack) -> None:
    answer = stack.compose("exec", "-T", "db", "psql", "-U", "postgres", "-d", "physics_sim", "-c", "SELECT 1;")
    require("psql answers in db", is_so="(1 row)" in answer)
    require(
        "redis-cli answers in redis", is_so=stack.compose("exec", "-T", "redis", "redis-cli", "ping").strip() == "PONG"
    )
    stack.compose("exec", "-T", "web", "alembic", "upgrade", "head")
    stack.compose("exec", "-T", "worker", "grid", "images", "add", "sim:local")
    require("the commands that are promised for trouble work", is_so=True)


def try_jobs(stack: Stack) -> None:
    admin = json.loads(stack.compose("exec", "-T", "web", "cat", "/var/lib/grid/home/secrets/admin.json"))
    stack.token = stack.call("/api/v1/auth/login", admin)[1]["access_token"]
    jobs: list[str] = []
    for body in ({"container_image": "sim:local", "params": JOB}, {"container_image": "sim:local", "sweep": SWEEP}):
        jobs += stack.call("/api/v1/jobs", body)[1]["jobs"]
    states: dict[str, Any] = {}

    def have_ended() -> bool:
        states.update({job: stack.call(f"/api/v1/jobs/{job}")[1] for job in jobs})
        return all(state and state["status"] in ENDED for state in states.values())

    wait("every job had ended", have_ended)
    found = {(state["status"], state["runner"]) for state in states.values()}
    require(f"{len(jobs)} jobs succeeded in containers", is_so=found == {("success", "docker")})
    require("the result is there", is_so=stack.call(f"/api/v1/jobs/{jobs[0]}/result")[0] == 200)


def try_flower(stack: Stack) -> None:
    login = f"Basic {b64encode(b'operator:trial').decode()}"
    stack.token = ""
    require("Flower asks for a password", is_so=stack.call("/api/tasks", port=5555)[0] == 401)
    wait("Flower shows tasks", lambda: stack.call("/api/tasks", port=5555, login=login)[1])
    tasks = stack.call("/api/tasks", port=5555, login=login)[1]
    require(f"Flower shows {len(tasks)} tasks", is_so={task["name"] for task in tasks.values()} == {"grid.run"})
    sent = stack.call("/api/task/async-apply/grid.run", {"args": ["x", "small"]}, port=5555, login=login)[0]
    require(f"Flower can send no task ({sent})", is_so=sent >= 500)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", default="docker-compose")
    parser.add_argument("--base", default="python:3.11-slim")
    parser.add_argument("--keep", action="store_true", help="leave it running")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="grid-trial-", ignore_cleanup_errors=True) as folder:
        stack = Stack(arguments.tool, arguments.base, Path(folder))
        build(stack)
        try:
            stack.compose("up", "-d", "--no-build")
            wait("the service was ready", lambda: stack.call("/ready")[0] == 200)
            require("the stack is up", is_so=True)
            try_commands(stack)
            try_jobs(stack)
            try_flower(stack)
        finally:
            if not arguments.keep:
                stack.compose("down", "-v", "--remove-orphans", check=False)
        if not arguments.keep:
            left = [
                stack.run("docker", kind, "ls", "-q", "--filter", f"name={PROJECT}") for kind in ("volume", "network")
            ]
            left.append(stack.run("docker", "ps", "-aq", "--filter", f"name={PROJECT}"))
            require("nothing is left", is_so=not "".join(left).strip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
