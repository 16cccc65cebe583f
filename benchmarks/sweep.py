"""A 10,000-point sweep through REST, beside one process per point; and a Latin hypercube beside equal steps."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scipy.stats import qmc

from benchmarks.service import Service
from benchmarks.table import Row

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


def measure_shapes(service: Service, *, repeats: int) -> Row:
    """Time sweeps in which whole numbers vary too, beside sweeps of one shape, in turn."""
    ratios: list[float] = []
    for _ in range(repeats):
        seconds = []
        for is_shaped in (False, True):
            body = {"simulation": "heat-rod", "sweep": make_hypercube(SHAPED_POINTS, is_shaped=is_shaped)}
            connection = service.connect()
            started = time.perf_counter()
            _wait(service, connection.json("POST", "/api/v1/jobs", body)["sweep"], SHAPED_POINTS)
            seconds.append(time.perf_counter() - started)
            connection.close()
        ratios.append(seconds[1] / seconds[0])
    median = sorted(ratios)[len(ratios) // 2]
    return Row(
        f"hypercube of all parameters beside equal steps ({service.database})", ratios, "x", "<= 1.5 x", median <= 1.5
    )


def measure(service: Service, *, repeats: int) -> list[Row]:
    """Time submission and completion; time the peer; check single runs byte for byte."""
    accepted, done = [], []
    points = make_points(POINTS)
    for _ in range(repeats):
        started = time.perf_counter()
        connection = service.connect()
        answer = connection.json("POST", "/api/v1/jobs", {"simulation": "heat-rod", "sweep": points})
        accepted.append(time.perf_counter() - started)
        _wait(service, answer["sweep"], POINTS)
        done.append(time.perf_counter() - started)
        connection.close()
    _require_identical(service, answer, points)
    peer = _time_peer(points[:: POINTS // PEER_POINTS])
    ratio = peer / (min(done) / POINTS), peer / (sorted(done)[len(done) // 2] / POINTS)
    beside = f"one process a point: {peer * 1e3:.0f} ms a point, {ratio[1]:.0f} x as long"
    name = service.database
    return [
        Row(f"sweep of 10,000 accepted ({name})", accepted, "s", "<= 2 s", max(accepted) <= 2),
        Row(
            f"sweep of 10,000 done and queryable ({name})",
            done,
            "s",
            "<= 12 s (aim 8)",
            sorted(done)[len(done) // 2] <= 12,
        ),
        Row(
            f"time per point ({name})",
            [d / POINTS * 1e3 for d in done],
            "ms",
            "peer >= 50 x (aim 100)",
            ratio[1] >= 50,
            beside,
        ),
        measure_shapes(service, repeats=repeats),
    ]


def _wait(service: Service, sweep_id: str, points: int) -> None:
    connection = service.connect()
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
    connection.close()


def _require_identical(service: Service, answer: dict[str, list[str]], points: list[dict[str, float]]) -> None:
    """Run some points alone; the hashes of their full fields and their metrics must be those of the sweep."""
    connection = service.connect()
    for index in (0, POINTS // 3, POINTS - 1):
        alone = connection.json("POST", "/api/v1/jobs", {"simulation": "heat-rod", "params": points[index]})["jobs"][0]
        while (job := connection.json("GET", f"/api/v1/jobs/{alone}"))["finished_at"] is None:
            time.sleep(0.02)
        fields = [
            connection.call("GET", f"/api/v1/jobs/{one}/artifacts/temperature_field.npy")
            for one in (alone, answer["jobs"][index])
        ]
        if fields[0] != fields[1] or fields[0][0] != 200 or job["metrics"] is None:
            raise RuntimeError(f"point {index} differs from its run alone")
    connection.close()


def _time_peer(points: list[dict[str, float]]) -> float:
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
