"""V7: a run whose child or worker is killed goes on, and ends with the field that the replay of its log has.

A run is killed twice (a third death within ten minutes fails it), at random ticks, with commands under way.
"""

import random
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.live.service import (
    connected,
    find_children,
    kill,
    make_burst,
    make_run,
    make_scene,
    replay_field,
    start_worker,
    wait_until,
)
from benchmarks.service import Service
from grid.client.client import GridClient
from grid.client.engine import Engine
from grid.core.errors import GridError

CELLS, RATE = 64, 30.0
KILLS_A_RUN = 2


@dataclass
class Killed:
    """What was found.

    Args:
        child_s, worker_s: From the kill until the run stood where it was [s].
        starts_s: From the submission of a run until its first tick [s].
        equal, runs: Runs whose field was that of their replay, of so many.
        lost: Commands that were acknowledged and had no effect.
        spares: Workers that were started here; the caller ends them.
    """

    child_s: list[float] = field(default_factory=list)
    worker_s: list[float] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    equal: int = 0
    runs: int = 0
    lost: int = 0
    spares: list["subprocess.Popen[bytes]"] = field(default_factory=list)


def measure(service: Service, *, children: int, workers: int, seed: int = 1) -> Killed:
    """Kill children and workers of live runs so many times."""
    found, draw = Killed(), random.Random(seed)
    try:
        with connected(service) as client:
            for victim, kills in (("child", children), ("worker", workers)):
                for done in range(0, kills, KILLS_A_RUN):
                    try:
                        _kill_one(service, client, found, draw, victim, min(kills - done, KILLS_A_RUN))
                    except (GridError, TimeoutError) as error:  # say what the service knows of it
                        (newest,) = client.engine.list(limit=1).items
                        events = [f"{one.tick} {one.kind} {one.payload}" for one in client.engine.events(newest.id)]
                        raise RuntimeError(f"{victim} {done}: {newest}\n" + "\n".join(events[-30:])) from error
    finally:
        for spare in found.spares:
            spare.terminate()
            spare.wait(30.0)
    return found


def _kill_one(
    service: Service, client: GridClient, found: Killed, draw: random.Random, victim: str, kills: int
) -> None:
    """One run from its start to its replay."""
    engine, home = client.engine, Path(service.environment["GRID_HOME"])
    began = time.monotonic()
    run = engine.start(**make_run(CELLS, RATE)).id
    wait_until(lambda: engine.show(run).status == "running", "the run ran")
    found.starts_s.append(time.monotonic() - began)
    for number in range(kills):
        engine.inject(run, make_burst(CELLS, draw.uniform(0.2, 2.0), draw.uniform(1e3, 5e4)))
        time.sleep(draw.uniform(0.1, 1.5))
        engine.inject(run, {"kind": "overload", "power_w": draw.uniform(-500.0, 2000.0), "duration_s": 1.0})
        if victim == "child":
            (pids,) = [pids for pids in find_children(home).values() if pids]
            kill(pids[0])
        else:
            found.spares.append(start_worker(service))
            (owner,) = [worker for worker, pids in find_children(home).items() if pids]
            kill(owner)
        killed = time.monotonic()
        wait_until(lambda: len(list(engine.events(run, kind="resumed"))) == number + 1, "the run went on")  # noqa: B023
        (found.child_s if victim == "child" else found.worker_s).append(time.monotonic() - killed)
        time.sleep(draw.uniform(0.0, 0.5))
    _end(engine, found, run)


def _end(engine: Engine, found: Killed, run: object) -> None:
    """Stop a run, and hold it to the replay of its log."""
    engine.stop(run)
    wait_until(lambda: engine.show(run).status in {"stopped", "failed"}, "the run had ended")
    ended = engine.show(run)
    assert ended.status == "stopped", ended.message
    stated = replay_field(make_scene(CELLS), ended.method, engine.log(run))
    found.equal += stated[0] == stated[1]
    found.runs += 1
    found.lost += sum(command.outcome is None for command in engine.commands(run))


__all__ = ["Killed", "measure"]
