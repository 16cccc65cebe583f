"""E7: the heat sink as a sweep of 100 points through the service, beside 100 runs of E1's peer on all cores.

    python -m benchmarks.engineers --only E7

Fins, power and film vary. The sweep goes over REST to a server and a worker of its own (fresh data folder, free port);
from the request to the last result. The runs by hand go to a pool of as many processes as there are cores. Both sides
are warm: a small sweep, and some runs in each process, come first. A new service compiles kernels for minutes beside
its first jobs; that is switched off here, as it would be counted. No point is submitted twice, as results are reused.
"""

import io
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.databases import open_databases
from benchmarks.engine.table import seconds_text, verdict
from benchmarks.engineers import heat_sink, stepping
from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.heat_sink import TIMES, TOLERANCE
from benchmarks.engineers.solvers import factor_symmetric
from benchmarks.processes import find_descendants, measure_processor_s
from benchmarks.service import Service, running_service

FINS, SCALES, FILMS = (6, 8, 10, 12), (0.5, 0.75, 1.0, 1.25, 1.5), (10.0, 20.0, 30.0, 50.0, 80.0)
LEAST, AIM = 3.0, 10.0
PEER_STEP, PEER_SCHEME = 1.25, "crank_nicolson"  # 10/3 s miss the error where films are strong
CHECKED = (0, 37, 99)  # points whose fields are compared with a reference
LIMIT = 1800.0  # s for a sweep
POLL = 0.1  # s between two looks at it, oftener than the client looks


@dataclass(frozen=True)
class Point:
    """One heat sink.

    Args:
        fins: Their number.
        scale: Of the chip's power.
        film: Heat transfer coefficient [W/(m2 K)].
    """

    fins: int
    scale: float
    film: float

    def case(self) -> dict[str, Any]:
        return heat_sink.case(fins=self.fins, film=self.film, scale=self.scale)


def make_points(shift: float = 0.0) -> list[Point]:
    """100 points; `shift` is a share by which all films are larger, so that repeats are new problems."""
    return [Point(fins, scale, film * (1.0 + shift)) for fins in FINS for scale in SCALES for film in FILMS]


def run_peer(point: Point) -> float:
    """Processor seconds of one run by hand."""
    started = time.process_time()
    heat_sink.peer_constant(PEER_STEP, PEER_SCHEME, fins=point.fins, film=point.film, scale=point.scale)
    return time.process_time() - started


def time_peer(pool: Any, points: Sequence[Point]) -> tuple[float, float]:
    """Wall and processor seconds of all runs."""
    started = time.perf_counter()
    seconds = pool.map(run_peer, points, chunksize=1)
    return time.perf_counter() - started, sum(seconds)


def _body(points: Sequence[Point]) -> dict[str, Any]:
    params = [{"problem": point.case(), "tolerance": TOLERANCE, "outputs": len(TIMES)} for point in points]
    return {"simulation": "heat", "sweep": params}


def time_sweep(service: Service, points: Sequence[Point]) -> tuple[float, float, dict[str, Any]]:
    """Wall and processor seconds from the request to the last result, and the answer.

    Raises:
        RuntimeError: A point did not succeed, or the sweep passes the limit.
    """
    connection, before = service.connect(), processor_seconds(service)
    started = time.perf_counter()
    answer = connection.json("POST", "/api/v1/jobs", _body(points))
    while True:
        sweep = connection.json("GET", f"/api/v1/sweeps/{answer['sweep']}?page=1&size=1")
        wall = time.perf_counter() - started
        if sweep["is_finished"]:
            break
        if wall > LIMIT:
            raise RuntimeError(f"stopped after {LIMIT:g} s: {sweep['by_status']}")
        time.sleep(POLL)
    connection.close()
    if sweep["by_status"].get("success") != len(points):
        raise RuntimeError(f"not all points succeeded: {sweep['by_status']}")
    return wall, processor_seconds(service) - before, answer


def processor_seconds(service: Service) -> float:
    """User and system time of server, worker and all their children [s]."""
    return measure_processor_s(each for pid in service.pids().values() for each in (pid, *find_descendants(pid)))


def find_error(service: Service, answer: dict[str, Any], points: Sequence[Point]) -> float:
    """Largest error of the fields at all output times over the rise, of some points."""
    connection, worst = service.connect(), 0.0
    for index in CHECKED:
        path = f"/api/v1/jobs/{answer['jobs'][index]}/artifacts/temperature_field.npy"
        status, content = connection.call("GET", path)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
        expected, inside = _reference(points[index])
        fields = np.load(io.BytesIO(content))[1:, inside]
        worst = max(worst, float(np.abs(fields - expected).max()) / heat_sink.rise(expected))
    connection.close()
    return worst


def _reference(point: Point) -> tuple[FloatArray, Any]:
    sink = heat_sink.make_sink(point.fins)
    system = heat_sink.make_system(sink, point.film, point.scale)
    answer = stepping.march(system, TIMES, 1.25, factor_symmetric, stepping.sdirk4)
    return answer.fields, sink.body.cells >= 0


def peer_error(points: Sequence[Point]) -> float:
    """Largest error of the peer at the same points and all output times."""
    worst = 0.0
    for index in CHECKED:
        point = points[index]
        answer = heat_sink.peer_constant(PEER_STEP, PEER_SCHEME, fins=point.fins, film=point.film, scale=point.scale)
        expected, _ = _reference(point)
        worst = max(worst, float(np.abs(answer.fields - expected).max()) / heat_sink.rise(expected))
    return worst


def measure(repeats: int, *, with_grid: bool = True) -> dict[str, Any]:
    """Run both sides in turn; the record has the seconds of all runs."""
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # of the peers' processes
    record: dict[str, Any] = {
        "row": "E7", "load": os.getloadavg()[0], "peer": {"wall": [], "processor": []},
        "peer_error": peer_error(make_points()),
    }  # fmt: skip
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        pool.map(run_peer, make_points()[: 2 * (os.cpu_count() or 1)], chunksize=1)
        if not with_grid:
            for _ in range(repeats):
                _note(record["peer"], time_peer(pool, make_points()))
            return record
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            del os.environ[name]
        with open_databases("sqlite") as databases, running_service(databases, GRID_COMPILE_AHEAD="false") as service:
            record["grid"] = {"wall": [], "processor": []}
            time_sweep(service, make_points(-0.01)[::3])  # enough for a batch in each child
            for number in range(repeats):
                points = make_points(1e-3 * number)
                _note(record["peer"], time_peer(pool, points))
                wall, processor, answer = time_sweep(service, points)
                _note(record["grid"], (wall, processor))
            record["grid_error"] = find_error(service, answer, points)
    return record


def _note(side: dict[str, list[float]], seconds: tuple[float, float]) -> None:
    side["wall"].append(seconds[0])
    side["processor"].append(seconds[1])
    print(json.dumps(seconds), file=sys.stderr, flush=True)


def render(record: dict[str, Any]) -> str:
    """A table of both clocks."""
    lines = ["| E7, 100 points | Grid | peer | as fast | at least | aim | |", "|---|---|---|---|---|---|---|"]
    for clock in ("wall", "processor"):
        peer = record["peer"][clock]
        theirs = f"{seconds_text(median(peer))} ({seconds_text(min(peer))} .. {seconds_text(max(peer))})"
        if "grid" not in record:
            lines.append(f"| {clock} | - | {theirs} | - | {LEAST:g} x | {AIM:g} x | not compared |")
            continue
        own = record["grid"][clock]
        ratio, right = median(peer) / median(own), record["grid_error"] <= TOLERANCE
        ours = f"{seconds_text(median(own))} ({seconds_text(min(own))} .. {seconds_text(max(own))})"
        judged = verdict(ratio, LEAST, AIM) if right else "**missed**"
        lines.append(f"| {clock} | {ours} | {theirs} | {ratio:.2f} x | {LEAST:g} x | {AIM:g} x | {judged} |")
    errors = f"peer {record['peer_error']:.2g}" + (f", Grid {record['grid_error']:.2g}" if "grid" in record else "")
    lines.append(f"\nLargest errors over the rise, of {len(CHECKED)} points: {errors}.")
    return "\n".join(lines)
