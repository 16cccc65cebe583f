"""A 10,000-point sweep through REST, beside one process per point; and a Latin hypercube beside equal steps."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scipy.stats import qmc

from benchmarks.bare import running_bare
from benchmarks.service import JOBS_PATH, Connection, Service
from benchmarks.table import Bar, Row

POINTS = 10_000
PEER_POINTS = 100
SHAPED_POINTS = 2_000
# Lowest and highest of every parameter of `heat-rod`; the means of the whole numbers are those of `BASE`.
RANGES = {
    "length": (0.8, 1.2),
    "time_steps": (50, 351),
    "spatial_steps": (51, 152),
    "diffusivity": (0.002, 0.02),
    "initial_temp": (50.0, 150.0),
    "boundary_temp": (-10.0, 10.0),
    "end_time": (0.5, 1.5),
}
BASE = {"time_steps": 200, "spatial_steps": 101}
RUN_SIM = Path(__file__).resolve().parent.parent / "sim" / "run_sim.py"


def make_points(count: int) -> list[dict[str, float]]:
    """Return points over a decade of diffusivities and a range of lengths."""
    return [
        {**BASE, "diffusivity": 0.002 * 10 ** (i / count), "length": 0.8 + 0.4 * ((i * 7) % count) / count}
        for i in range(count)
    ]


def make_hypercube(count: int, *, is_shaped: bool) -> list[dict[str, float]]:
    """Return a Latin hypercube over all parameters; without `is_shaped` all rods have the shape of `BASE`."""
    low, high = zip(*RANGES.values(), strict=True)
    rows = qmc.scale(qmc.LatinHypercube(len(RANGES), rng=1).random(count), low, high).tolist()
    points = [dict(zip(RANGES, row, strict=True)) for row in rows]
    shapes = [{name: int(point[name]) for name in BASE} if is_shaped else BASE for point in points]
    return [{**point, **shape} for point, shape in zip(points, shapes, strict=True)]


def measure(service: Service, *, repeats: int) -> list[Row]:
    """Measure sweeps of one shape and of many."""
    return [*measure_points(service, repeats=repeats), measure_shapes(service, repeats=repeats)]


def measure_points(service: Service, *, repeats: int) -> list[Row]:
    """Time acceptance and completion, each beside its peer; check single runs byte for byte."""
    accepted, inserted, done, alone = [], [], [], []
    points = make_points(POINTS)
    body = json.dumps({"simulation": "heat-rod", "sweep": points}).encode()
    with running_bare(service.databases) as bare:
        for _ in range(repeats):
            connection, other = service.connect(), Connection(bare.port, "")
            started = time.perf_counter()
            answer = connection.json("POST", JOBS_PATH, body)
            accepted.append(time.perf_counter() - started)
            _wait(connection, answer["sweep"], POINTS)
            done.append((time.perf_counter() - started) / POINTS * 1e3)
            started = time.perf_counter()
            other.json("POST", "/sweeps", body)
            inserted.append(time.perf_counter() - started)
            alone.append(_time_processes(points[:: POINTS // PEER_POINTS]) * 1e3)
            connection.close()
            other.close()
    _require_identical(service, answer, points)
    what = f"sweep of {POINTS:,} rods (101 nodes, 200 steps)"
    return [
        Row(f"{what} accepted", "s", accepted, "bare route, one insert of all", inserted),
        Row(
            f"{what} done, stored, queryable: a point",
            "ms",
            done,
            "a process a point",
            alone,
            Bar("at most", 0.02),
        ),
    ]


def measure_shapes(service: Service, *, repeats: int) -> Row:
    """Time sweeps in which whole numbers vary too, beside sweeps of one shape, in turn."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(repeats):
        for is_shaped, found in seconds.items():
            body = {"simulation": "heat-rod", "sweep": make_hypercube(SHAPED_POINTS, is_shaped=is_shaped)}
            connection = service.connect()
            started = time.perf_counter()
            _wait(connection, connection.json("POST", JOBS_PATH, body)["sweep"], SHAPED_POINTS)
            found.append(time.perf_counter() - started)
            connection.close()
    what = f"Latin hypercube of {SHAPED_POINTS:,} rods over all parameters"
    return Row(what, "s", seconds[True], "over all but the whole numbers", seconds[False], Bar("at most", 1.5))


def _wait(connection: Connection, sweep_id: str, points: int) -> None:
    while True:
        sweep = connection.json("GET", f"/api/v1/sweeps/{sweep_id}?page=1&size=1")
        if sweep["is_finished"]:
            break
        time.sleep(0.05)
    if sweep["by_status"].get("success") != points:
        raise RuntimeError(f"not all points succeeded: {sweep['by_status']}")
    last = connection.json("GET", f"/api/v1/sweeps/{sweep_id}?page={points // 100}&size=100")
    if len(last["rows"]) != 100 or any(row["metrics"] is None for row in last["rows"]):
        raise RuntimeError("the table of the sweep is not complete")


def _require_identical(service: Service, answer: dict[str, list[str]], points: list[dict[str, float]]) -> None:
    """Run some points alone; the hashes of their full fields and their metrics must be those of the sweep."""
    connection = service.connect()
    for index in (0, POINTS // 3, POINTS - 1):
        alone = connection.json("POST", JOBS_PATH, {"simulation": "heat-rod", "params": points[index]})["jobs"][0]
        while (job := connection.json("GET", f"{JOBS_PATH}/{alone}"))["finished_at"] is None:
            time.sleep(0.02)
        fields = [
            connection.call("GET", f"{JOBS_PATH}/{one}/artifacts/temperature_field.npy")
            for one in (alone, answer["jobs"][index])
        ]
        if fields[0] != fields[1] or fields[0][0] != 200 or job["metrics"] is None:
            raise RuntimeError(f"point {index} differs from its run alone")
    connection.close()


def _time_processes(points: list[dict[str, float]]) -> float:
    """Return seconds per point of one process per point, two at a time on two cores."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        running: list[subprocess.Popen[bytes]] = []
        for index, point in enumerate(points):
            out = Path(folder) / str(index)
            out.mkdir()
            flags = [word for name, value in point.items() for word in (f"--{name}", json.dumps(value))]
            command = [sys.executable, str(RUN_SIM), *flags, "--output_dir", str(out), "--no_plot"]
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            if len(running) == 2:
                running.pop(0).wait()
        for process in running:
            process.wait()
        return (time.perf_counter() - started) / len(points)
