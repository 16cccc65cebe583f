#!/usr/bin/env python3
"""Bring the Compose stack up, run README's job and sweep through it and in containers, and take it down again.

    python3 scripts/try_compose.py [--tool docker-compose] [--short | --production] [--beside URL] [--keep]

Needs an engine, a Compose tool and a base image; nothing else, not even `.venv`. Where no registry answers, stand-ins
of PostgreSQL and Redis are built (`infra/docker/build.sh`). It uses a project, ports and a folder of its own, ends with
0 where all was as promised, and leaves no container, volume or network behind.

--short leaves out what compiles kernels, and Flower. --production adds `docker-compose.prod.yml` with fresh secrets.
--beside runs the same jobs on another server, that of `make up` say, and compares their numbers with the stack's.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STARTED = time.monotonic()
PROJECT, IMAGE = f"grid-trial-{os.getpid()}", "grid:trial"
LIMIT_S = 600.0  # [s] for the service to be ready, and again for the jobs
JOB = {"length": 1.0, "time_steps": 200, "diffusivity": 0.01, "initial_temp": 100.0}
SWEEP = [{"diffusivity": 0.01}, {"diffusivity": 0.005, "time_steps": 400}, {"diffusivity": 0.02, "length": 0.5}]
BASE = {"length": 1.0, "time_steps": 200}
IN_CONTAINERS = (
    {"container_image": "sim:local", "params": JOB},
    {"container_image": "sim:local", "params": BASE, "sweep": SWEEP},
)
ON_SLOTS = ({"simulation": "heat-rod", "params": BASE, "sweep": SWEEP},)
ENDED = {"success", "failed", "cancelled", "timed_out", "expired"}
SAME = 1e-12  # relative: two builds of one library may round a sum in another order


class Server:
    """A server by its address, as one user."""

    def __init__(self, url: str) -> None:
        self.url, self.login = url, ""

    def call(self, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request; return status and document, or 0 where nobody answered."""
        request = urllib.request.Request(f"{self.url}{path}")  # noqa: S310 - it is the caller's own
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.login:
            request.add_header("Authorization", self.login)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _read(error.read())
        except OSError:
            return 0, None

    def log_in(self, credential: str) -> None:
        """Log in as the first administrator."""
        status, tokens = self.call("/api/v1/auth/login", json.loads(credential))
        require(f"a login at {self.url}", is_so=status == 200)
        self.login = f"Bearer {tokens['access_token']}"

    def run_jobs(self, *bodies: object) -> list[dict[str, Any]]:
        """Submit, wait until all have ended, and return the jobs as the server tells them, in order."""
        jobs: list[str] = []
        for body in bodies:
            status, accepted = self.call("/api/v1/jobs", body)
            if status != 202:
                raise SystemExit(f"{self.url} answered {status} to {body}: {accepted}")
            jobs += accepted["jobs"]
        states: dict[str, Any] = {}

        def have_ended() -> bool:
            states.update({job: self.call(f"/api/v1/jobs/{job}")[1] for job in jobs})
            return all(state and state["status"] in ENDED for state in states.values())

        wait("every job had ended", have_ended)
        return [states[job] for job in jobs]


class Stack:
    """The stack under one project name."""

    def __init__(self, tool: str, data: Path, *, base: str, is_short: bool, is_production: bool) -> None:
        engine = Path(os.environ.get("GRID_DOCKER_SOCKET", "/var/run/docker.sock"))
        files = ["docker-compose.yml", *(["docker-compose.prod.yml"] if is_production else [])]
        self.tool = [*tool.split(), *(word for file in files for word in ("-f", file))]
        port, flower_port = find_free_ports()
        self.server, self.flower = Server(f"http://127.0.0.1:{port}"), Server(f"http://127.0.0.1:{flower_port}")
        self.flower_login = "operator:trial"
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "COMPOSE_PROFILES": "" if is_short else "flower",
            "DOCKER_GID": str(engine.stat().st_gid),
            "FLOWER_BASIC_AUTH": self.flower_login,
            "GRID_COMPILE_AHEAD": "false",
            "GRID_DATA": str(data),
            "GRID_FLOWER_PORT": str(flower_port),
            "GRID_IMAGE": IMAGE,
            "GRID_PORT": str(port),
            "GRID_SECRETS": str(data / "secrets"),
            "GRID_SKIP_PAGE": os.environ.get("GRID_SKIP_PAGE", "1"),
            **({"PYTHON_IMAGE": base} if base else {}),
        }
        if is_production:
            self.run(sys.executable, "infra/docker/make_secrets.py", str(data / "secrets"))
            self.flower_login = (data / "secrets" / "flower_basic_auth").read_text()

    def run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(words, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise SystemExit(
                f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done.stdout

    def compose(self, *words: str, check: bool = True) -> str:
        return self.run(*self.tool, *words, check=check)


def find_free_ports() -> tuple[int, int]:
    """Return two loopback ports that nobody uses now."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


def wait(what: str, is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {LIMIT_S:.0f} s: {what}")
        time.sleep(0.5)


def require(claim: str, *, is_so: bool) -> None:
    print(f"{'ok  ' if is_so else 'FAIL'} {time.monotonic() - STARTED:5.0f} s {claim}", flush=True)
    if not is_so:
        raise SystemExit(1)


def try_commands(stack: Stack) -> None:
    answer = stack.compose("exec", "-T", "db", "psql", "-U", "postgres", "-d", "physics_sim", "-c", "SELECT 1;")
    require("psql answers in db", is_so="(1 row)" in answer)
    require(
        "redis-cli answers in redis", is_so=stack.compose("exec", "-T", "redis", "redis-cli", "ping").strip() == "PONG"
    )
    stack.compose("exec", "-T", "web", "alembic", "upgrade", "head")
    require("alembic answers in web", is_so=True)
    stack.compose("exec", "-T", "worker", "grid", "images", "add", "sim:local")
    require("the image of the sample simulation is on the list", is_so=True)


def try_jobs(stack: Stack, *, is_short: bool) -> list[dict[str, Any]]:
    """Run the jobs; return those whose numbers may be compared."""
    stack.server.log_in(stack.compose("exec", "-T", "web", "cat", "/var/lib/grid/home/secrets/admin.json"))
    found = stack.server.run_jobs(*(IN_CONTAINERS[:1] if is_short else IN_CONTAINERS))
    ends = {(state["status"], state["runner"]) for state in found}
    require(f"{len(found)} jobs succeeded in containers", is_so=ends == {("success", "docker")})
    require("the result is there", is_so=stack.server.call(f"/api/v1/jobs/{found[0]['id']}/result")[0] == 200)
    if not is_short:
        points = stack.server.run_jobs(*ON_SLOTS)
        require("README's sweep succeeded", is_so={state["status"] for state in points} == {"success"})
        found += points
    return found


def compare(found: list[dict[str, Any]], other: Server) -> None:
    """Run the same jobs there, as local programs and on slots, and compare every number."""
    bodies = [*IN_CONTAINERS, *ON_SLOTS] if len(found) > 1 else IN_CONTAINERS[:1]
    expected = other.run_jobs(*bodies)
    different = [
        f"{ours['id']} {name}: {ours['metrics'].get(name)} here, {theirs['metrics'].get(name)} there"
        for ours, theirs in zip(found, expected, strict=True)
        for name in sorted({*ours["metrics"], *theirs["metrics"]})
        if not _is_same(ours["metrics"].get(name), theirs["metrics"].get(name))
    ]
    count = sum(len(one["metrics"]) for one in found)
    print("\n".join(different) or "     all are equal", flush=True)
    require(f"{count} numbers of {len(found)} jobs are those of {other.url}", is_so=count > 0 and not different)


def _is_same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return abs(ours - theirs) <= SAME * max(abs(ours), abs(theirs))
    return bool(ours == theirs)


def try_flower(stack: Stack) -> None:
    require("Flower asks for a password", is_so=stack.flower.call("/api/tasks")[0] == 401)
    stack.flower.login = f"Basic {b64encode(stack.flower_login.encode()).decode()}"
    wait("Flower shows tasks", lambda: stack.flower.call("/api/tasks")[1])
    tasks = stack.flower.call("/api/tasks")[1]
    require(f"Flower shows {len(tasks)} tasks", is_so={task["name"] for task in tasks.values()} == {"grid.run"})
    sent = stack.flower.call("/api/task/async-apply/grid.run", {"args": ["x", "small"]})[0]
    require(f"Flower can send no task ({sent})", is_so=sent >= 500)


def require_nothing_left(stack: Stack) -> None:
    kinds = [["volume", "ls"], ["network", "ls"], ["ps", "-a"]]
    left = [stack.run("docker", *kind, "-q", "--filter", f"name={PROJECT}").strip() for kind in kinds]
    require("nothing is left", is_so=not "".join(left))


def try_all(stack: Stack, options: argparse.Namespace) -> None:
    began = time.monotonic()
    stack.compose("up", "-d", "--no-build")
    wait("the service was ready", lambda: stack.server.call("/ready")[0] == 200)
    require(f"the stack is up, {time.monotonic() - began:.0f} s after `up`", is_so=True)
    try_commands(stack)
    found = try_jobs(stack, is_short=options.short)
    if not options.short:
        try_flower(stack)
    if options.beside:
        other = Server(options.beside.rstrip("/"))
        other.log_in(options.credential.read_text(encoding="utf-8"))
        compare(found, other)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", default="docker-compose")
    parser.add_argument("--base", default="", help="base image of the builds (default: what is there)")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--production", action="store_true")
    parser.add_argument("--beside", metavar="URL", default="")
    parser.add_argument(
        "--credential", type=Path, default=ROOT / ".grid/secrets/admin.json", help="of the administrator there"
    )
    parser.add_argument("--keep", action="store_true", help="leave it running")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # it takes the stack down then, too
    with tempfile.TemporaryDirectory(prefix="grid-trial-", ignore_cleanup_errors=True) as folder:
        stack = Stack(
            options.tool, Path(folder), base=options.base, is_short=options.short, is_production=options.production
        )
        print(stack.run("make", "build", "STACK=compose"), end="", flush=True)
        try:
            try_all(stack, options)
        finally:
            if not options.keep:
                stack.compose("down", "-v", "--remove-orphans", check=False)
        if not options.keep:
            require_nothing_left(stack)
    return 0


if __name__ == "__main__":
    sys.exit(main())
