"""V2, V10 and V12: runs beside a sweep, beside each other, and under a storm of bad events."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from benchmarks.live.service import connected, make_burst, make_run, wait_until
from benchmarks.service import Service
from grid.client.client import GridClient

SWEEP = {
    "simulation": "heat-rod",
    "params": {"time_steps": 20_000},
    "sweep": [{"length": 1.0 + k / 500} for k in range(400)],
}


@dataclass
class Together:
    """What was found.

    Args:
        ratios, jitters_s, slips: Of each run.
        calls_s: Duration of requests meanwhile [s].
        sweep_s: Of a sweep beside the run, and alone with the same cores [s].
        answers: Numbers of answers by status.
    """

    ratios: list[float] = field(default_factory=list)
    jitters_s: list[float] = field(default_factory=list)
    slips: list[float] = field(default_factory=list)
    calls_s: list[float] = field(default_factory=list)
    sweep_s: list[float] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)


def measure_beside_sweep(service: Service, *, cells: int, rate: float) -> Together:
    """V2: a run at its rate while a sweep fills every other core token."""
    found = Together()
    with connected(service) as client:
        found.sweep_s.append(_sweep(client))
        run = _start(client, cells, rate)
        before = _mark(client, run)
        found.sweep_s.append(_sweep(client))
        _note(client, run, rate, before, found)
        _stop(client, run)
    return found


def measure_four(service: Service, *, seconds: float) -> Together:
    """V10: four runs of 128 x 128 at 30 ticks a second and one without a pace, while the service is asked."""
    found = Together()
    with connected(service) as client:
        runs = [_start(client, 128, 30.0) for _ in range(4)]
        free = _start(client, 128, 30.0, speed="max")
        marks = [_mark(client, run) for run in runs]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            client.engine.list()
            found.calls_s.append(time.monotonic() - began)
            time.sleep(0.05)
        for run, mark in zip(runs, marks, strict=True):
            _note(client, run, 30.0, mark, found)
        for run in (*runs, free):
            _stop(client, run)
    return found


def measure_storm(service: Service, *, cells: int, rate: float, seconds: float = 5.0) -> Together:
    """V12: events as fast as they can be sent, of ten megabytes, with NaN, and one many times, while a run ticks."""
    found = Together()
    with connected(service) as client:
        run = _start(client, cells, rate)
        before = _mark(client, run)
        path = f"/api/v1/engine/runs/{run}/events"
        burst = make_burst(cells, 1.0)
        bodies = [
            json.dumps({**burst, "position_m": [9.0, 9.0]}), json.dumps(burst).replace("0.03", "NaN"),
            json.dumps({**burst, "note": "x" * 10_000_000}), json.dumps({**burst, "client_id": "one"}),
        ]  # fmt: skip

        def flood(number: int) -> list[int]:
            connection = service.connect()
            end, statuses, place = time.monotonic() + seconds, [], number
            while time.monotonic() < end:
                statuses.append(connection.call("POST", path, bodies[place % 4].encode())[0])
                place += 1
            return statuses

        with ThreadPoolExecutor(4) as pool:
            for statuses in pool.map(flood, range(4)):
                for status in statuses:
                    found.answers[status] = found.answers.get(status, 0) + 1
        _note(client, run, rate, before, found)
        effects = sum(one.outcome == "applied" for one in client.engine.commands(run) if one.client_id == "one")
        found.answers[0] = effects
        _stop(client, run)
    return found


def _start(client: GridClient, cells: int, rate: float, **further: Any) -> UUID:
    run = client.engine.start(**make_run(cells, rate, **further)).id
    wait_until(lambda: client.engine.show(run).status == "running", "the run ran")
    client.engine.inject(run, make_burst(cells, 600.0))
    time.sleep(3.0)
    return run


def _mark(client: GridClient, run: UUID) -> tuple[int, float, float]:
    shown = client.engine.metrics(run)
    assert shown.sampled_at is not None
    return shown.tick, shown.sampled_at.timestamp(), shown.metrics["slips"] or 0.0


def _note(client: GridClient, run: UUID, rate: float, before: tuple[int, float, float], found: Together) -> None:
    tick, at, slips = _mark(client, run)
    found.ratios.append((tick - before[0]) / ((at - before[1]) * rate))
    found.slips.append(slips - before[2])
    found.jitters_s.append(client.engine.metrics(run).metrics["jitter_s"] or 0.0)


def _stop(client: GridClient, run: UUID) -> None:
    client.engine.stop(run)
    wait_until(lambda: client.engine.show(run).status == "stopped", "the run had ended")


def _sweep(client: GridClient) -> float:
    """Duration of a sweep [s]."""
    began = time.monotonic()
    sweep = client.submit(**SWEEP).sweep
    assert sweep is not None
    client.wait_sweep(sweep)
    return time.monotonic() - began
