"""Jobs that do nothing, through the real path: HTTP, ledger, slot child, artifact, ledger."""

import threading
import time
from datetime import datetime
from statistics import median

from benchmarks.service import Service
from benchmarks.table import Row, percentile

CLIENTS = 8
JOBS = 3_000
OFFERED_PER_S = 50
OFFERED_S = 10
BODY = b'{"simulation": "noop", "params": {"payload_bytes": 1024}}'


def measure(service: Service, *, repeats: int) -> list[Row]:
    """Measure throughput with clients that submit as fast as they are answered, then latency at a fixed offer."""
    rates, submits = [], []
    for _ in range(repeats):
        rate, latencies = _closed_loop(service)
        rates.append(rate)
        submits.append(percentile(latencies, 0.95) * 1e3)
    starts = [_open_loop(service) for _ in range(repeats)]
    name = service.database
    aim = " (aim 500)" if name == "sqlite" else ""
    return [
        Row(f"noop jobs, submit to terminal ({name})", rates, "jobs/s", f">= 300{aim}", median(rates) >= 300),
        Row(f"submit p95 meanwhile, {CLIENTS} clients ({name})", submits, "ms", "< 50 ms", median(submits) < 50),
        Row(f"start latency p95 at 50 jobs/s ({name})", starts, "ms", "< 150 ms", median(starts) < 150),
    ]


def _closed_loop(service: Service) -> tuple[float, list[float]]:
    latencies: list[float] = []
    jobs: list[str] = []

    def client(count: int) -> None:
        connection = service.connect()
        for _ in range(count):
            started = time.perf_counter()
            answer = connection.json("POST", "/api/v1/jobs", BODY)
            latencies.append(time.perf_counter() - started)
            jobs.append(answer["jobs"][0])
        connection.close()

    probe = service.connect()
    before = _terminal(probe)
    probe.close()  # idle connections are closed by the server
    threads = [threading.Thread(target=client, args=(JOBS // CLIENTS,)) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    probe = service.connect()
    while _terminal(probe) - before < len(jobs):
        time.sleep(0.02)
    elapsed = time.perf_counter() - started
    states = {probe.json("GET", f"/api/v1/jobs/{job}")["status"] for job in jobs[:: len(jobs) // 20]}
    probe.close()
    if states != {"success"}:
        raise RuntimeError(f"noop jobs ended as {states}")
    return len(jobs) / elapsed, latencies


def _terminal(connection: object) -> int:
    counts = connection.json("GET", "/api/v1/jobs/stats")["by_status"]  # type: ignore[attr-defined]
    return sum(counts.get(state, 0) for state in ("success", "failed", "cancelled", "timed_out", "expired"))


def _open_loop(service: Service) -> float:
    """Offer jobs at a fixed rate; return the 95th percentile of the time from creation to start, in ms."""
    connection = service.connect()
    jobs: list[str] = []
    started = time.perf_counter()
    for index in range(OFFERED_PER_S * OFFERED_S):
        due = started + index / OFFERED_PER_S
        time.sleep(max(0.0, due - time.perf_counter()))
        jobs.append(connection.json("POST", "/api/v1/jobs", BODY)["jobs"][0])
    waits = []
    for job_id in jobs:
        while (job := connection.json("GET", f"/api/v1/jobs/{job_id}"))["finished_at"] is None:
            time.sleep(0.02)
        begun, made = (datetime.fromisoformat(job[key]) for key in ("started_at", "created_at"))
        waits.append((begun - made).total_seconds() * 1e3)
    connection.close()
    return percentile(waits, 0.95)
