"""Live runs of a service under test: its typed client, runs of a steel plate, and the replay that a run is held to."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.live.tick import INITIAL, STEEL, THICKNESS, find_tick
from benchmarks.service import GRID, Service
from grid.client.client import GridClient
from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import read_commands
from grid.engine.live.scene import Scene
from grid.engine.live.session import replay

PATIENCE_S = 60.0  # [s] for whatever a service should do within a few


def make_scene(cells: int) -> dict[str, Any]:
    """JSON of an insulated steel plate of 1 m x 1 m x 10 mm with stress and cycles."""
    case = {
        "domain": {"size": [1.0, 1.0], "section": THICKNESS},
        "material": STEEL,
        "initial": INITIAL,
        "resolution": {"cells": [cells, cells]},
        "temperature_unit": "K",
    }
    structure = {"reference_temperature": INITIAL, "life": {"coefficient_pa": 9e8, "exponent": -0.09}}
    return {"case": case, "structure": structure}


def make_run(cells: int, rate: float, **further: Any) -> dict[str, Any]:
    """Body of a run whose tick is 64 explicit steps' worth, always diffusive."""
    scene = make_scene(cells)
    return {"scene": scene, "tick_s": repr(find_tick(cells)), "rate": rate, "model": "diffusive", **further}


def make_burst(cells: int, seconds: float, power: float = 2e4) -> dict[str, Any]:
    """An event that lasts for so many ticks of a run at 30 ticks a second [s of wall time]."""
    duration = max(1.0, seconds * 30.0) * find_tick(cells)
    return {
        "kind": "burst", "position_m": [0.4, 0.5], "radius_m": 0.03, "power_w": power, "duration_s": duration,
    }  # fmt: skip


@contextmanager
def connected(service: Service) -> Iterator[GridClient]:
    """A client of a service; a token takes a command, so one is kept until it is refused."""
    held = [service.token]

    def find_token(*, renew: bool = False) -> str:
        if renew:
            held[0] = service.token
        return held[0]

    with GridClient(f"http://127.0.0.1:{service.port}", token=find_token) as client:
        yield client


def wait_until(condition: Callable[[], Any], what: str, *, every_s: float = 0.01) -> float:
    """Wait, and return how long it took [s].

    Raises:
        TimeoutError: It took too long.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > PATIENCE_S:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(every_s)
    return time.monotonic() - started


def find_children(home: Path) -> dict[int, list[int]]:
    """Children of live runs, by the process of their worker."""
    found = {}
    for path in (home / "run").glob("children-live-*.json"):
        words = json.loads(path.read_bytes())
        found[int(words["owner"][0])] = [int(pid) for pid, _ in words["children"]]
    return found


def start_worker(service: Service) -> subprocess.Popen[bytes]:
    """A further worker of a service."""
    return subprocess.Popen([*GRID, "worker"], env=service.environment, stdout=subprocess.DEVNULL)


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)


def replay_field(scene: dict[str, Any], method: str, log: str) -> tuple[str, str | None]:
    """Hash of the field that an exported log leads to here, and the one that its end states."""
    lines = [json.loads(line) for line in log.splitlines()]
    header, end = lines[0], lines[-1]["end"]
    names = ("seq", "kind", "payload", "tick")
    commands = [{name: line[name] for name in names} for line in lines[1:-1] if "seq" in line]
    read = Scene.from_json(scene)
    clock = plan_clock(read, float(header["tick_s"]), method=method)
    session = replay(read, clock, list(read_commands(commands)), end["tick"], seed=header["seed"])
    return session.hash(), end["field_sha256"]
