"""A page that stays open: what is still there after a collection, and whether that grows."""

import time
from collections.abc import Sequence

from playwright.sync_api import CDPSession, Page
from tests.e2e import seeding
from tests.support.server import Server

from benchmarks.page.browsing import Bench, log_in, read_counters, tab
from benchmarks.page.figures import Figure
from benchmarks.page.pictures import PICTURES, make_run, open_run
from benchmarks.page.recording import find_recording
from benchmarks.page.replaying import replaying

LOOK_S = 10.0
SETTLED_SHARE = 0.25  # of the time, in which queries, code and rings fill
LEAST_LOOKS = 8


def measure_open(bench: Bench, server: Server, minutes: float) -> list[Figure]:
    """Keep the overview open, then a live run whose pictures come at 30 a second, each for half the time."""
    seeding.submit(server, simulation="noop")
    figures = []
    with tab(bench.browser, server.url) as (page, counters):
        log_in(page, server)
        figures += watch(page, counters, minutes * 30, "overview")
    size = PICTURES[0]
    recording = find_recording(size.cells)
    run = make_run(server, size)
    with (
        replaying(server.home, run, recording, size.rate) as replay,
        tab(bench.browser, server.url) as (page, counters),
    ):
        log_in(page, server)
        open_run(page, run)
        figures += watch(page, counters, minutes * 30, "live run")
        if replay.poll() is not None:
            raise RuntimeError("the replay has ended before the measurement")
    return figures


def watch(page: Page, counters: CDPSession, seconds: float, what: str) -> list[Figure]:
    """Look at heap and document at equal times, after a collection each."""
    counters.send("HeapProfiler.enable")
    rows: list[tuple[float, float]] = []
    nodes: list[float] = []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        page.wait_for_timeout(1000 * min(LOOK_S, seconds / LEAST_LOOKS / (1 - SETTLED_SHARE)))
        counters.send("HeapProfiler.collectGarbage")
        now = read_counters(counters)
        rows.append((time.monotonic() - began, now["JSHeapUsedSize"]))
        nodes.append(now["Nodes"])
    late = next(place for place, (moment, _) in enumerate(rows) if moment >= SETTLED_SHARE * seconds)
    slope = find_slope(rows[late:]) * 3600 / 1e6
    heap = [size / 1e6 for _, size in rows[late:]]
    return [
        Figure(f"{what}: slope of the heap after collections", "MB/h", [slope], 1.0),
        Figure(f"{what}: heap after collections", "MB", heap),
        Figure(f"{what}: growth of the nodes of the document", "", [nodes[-1] - nodes[late]], 50),
    ]


def find_slope(rows: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line of least squares."""
    mean_x, mean_y = (sum(row[axis] for row in rows) / len(rows) for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in rows)
    return sum((x - mean_x) * (y - mean_y) for x, y in rows) / spread if spread else 0.0
