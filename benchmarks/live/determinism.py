"""V8: one field whatever the pace, the viewers, the threads, the deaths; by the run, its replay and a notebook."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.live.pace import watching
from benchmarks.live.service import (
    connected,
    find_children,
    kill,
    make_burst,
    make_run,
    make_scene,
    replay_field,
    wait_until,
)
from benchmarks.service import Service
from grid.client.client import GridClient
from grid.engine.live.clock import plan_clock
from grid.engine.live.scene import Scene
from grid.engine.live.session import Session

CELLS, RATE, TICKS = 128, 30.0, 1500
VARIANTS = ("speed 0.1", "speed 1", "max", "steps", "5 viewers", "2 threads", "killed", "branched")
ARRIVALS = (7.3, 40.0, 41.5, 118.2)  # in ticks


def measure(service: Service) -> dict[str, str]:
    """Hash of the field at one tick, by way."""
    found: dict[str, str] = {}
    with connected(service) as client:
        for variant in VARIANTS:
            found[variant] = _run(service, client, variant)
    found["notebook"] = _run_here()
    return found


def _run(service: Service, client: GridClient, variant: str) -> str:
    engine, home = client.engine, Path(service.environment["GRID_HOME"])
    speed: Any = {"speed 0.1": 0.1, "max": "max"}.get(variant, 1.0)
    threads = 2 if variant == "2 threads" else 1
    run = engine.start(**make_run(CELLS, RATE, paused=True, speed=speed, threads=threads)).id
    engine.inject_all(run, _make_events())
    wait_until(lambda: engine.show(run).status == "paused", "the run was there")
    if variant != "steps":
        engine.resume(run)
        if variant == "5 viewers":
            with _watched(home, run, 5):
                time.sleep(2.0)
        else:
            time.sleep(0.05 if variant == "max" else 2.0)
        if variant == "killed":
            (pid,) = [pid for pids in find_children(home).values() for pid in pids]
            kill(pid)
            wait_until(lambda: list(engine.events(run, kind="resumed")), "the run went on")
        engine.pause(run)
        wait_until(lambda: engine.show(run).status == "paused", "the run was paused")
    if variant == "branched":
        branch = client.replays.branch(run, at_tick=30, keep_commands=True, paused=True).id
        engine.stop(run)
        run = branch
        wait_until(lambda: engine.show(run).status == "paused", "the branch was there")
    return _end(client, run)


def _end(client: GridClient, run: UUID) -> str:
    """Take the run to the tick by steps, stop it, and hold it to its replay here and by a job."""
    engine = client.engine
    time.sleep(1.2)  # the tick of a row is written once a second
    reached = engine.show(run).tick
    assert reached <= TICKS, f"it ran to {reached}"
    if reached < TICKS:
        engine.step(run, TICKS - reached)
    wait_until(lambda: engine.show(run).tick == TICKS, "the steps were taken")
    engine.stop(run)
    wait_until(lambda: engine.show(run).status == "stopped", "the run had ended")
    ended = engine.show(run)
    here, stated = replay_field(make_scene(CELLS), ended.method, engine.log(run))
    assert here == stated
    job = client.wait(client.replays.replay(run))
    assert job.metrics is not None
    assert job.metrics["verdict"] == "identical", job.metrics
    return here


def _watched(home: Path, run: UUID, viewers: int) -> ExitStack:
    stack = ExitStack()
    for _ in range(viewers):
        stack.enter_context(watching(home, run, RATE))
    return stack


def _make_events() -> list[dict[str, Any]]:
    burst = make_burst(CELLS, 1.0)
    tick = float(make_run(CELLS, RATE)["tick_s"])
    return [{**burst, "power_w": 1e4 + place, "at_s": arrival * tick} for place, arrival in enumerate(ARRIVALS)]


def _run_here() -> str:
    """The same in a notebook."""
    scene = make_scene(CELLS) | {"fidelity": {"policy": "diffusive"}}
    read = Scene.from_json(scene)
    session = Session(read, plan_clock(read, float(make_run(CELLS, RATE)["tick_s"])))
    for event in _make_events():
        session.apply({name: value for name, value in event.items() if name != "at_s"}, at_s=event["at_s"])
    session.advance(TICKS)
    return session.hash()
