"""Pictures of a live run at a steady rate: gaps between those that are painted, their age, and what each costs.

Frames are recorded (`benchmarks.page.recording`) and come over the frame bus, the WebSocket and the page that live runs
have; nothing computes meanwhile.
"""

import time
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles
from typing import Any, Final

import httpx
from playwright.sync_api import Page, expect
from tests.e2e import seeding
from tests.support.server import Server

from benchmarks.live.service import make_run as describe_run
from benchmarks.page.browsing import Bench, BrowserProcesses, log_in, read_counters, tab
from benchmarks.page.figures import Figure
from benchmarks.page.recording import find_recording
from benchmarks.page.replaying import EPOCH, read_times, replaying
from benchmarks.processes import measure_processor_s

SECONDS = 10.0  # of each measurement
SETTLED_S = 3.0
YEAR_S = 3.2e7
MOST_GAP_MS, MOST_AGE_MS = 100, 250


@dataclass(frozen=True)
class Size:
    """A plate, and how many of its pictures come a second."""

    cells: int
    rate: float

    def __str__(self) -> str:
        return f"{self.cells} x {self.cells} at {self.rate:g}/s"


PICTURES: Final = (Size(512, 30.0), Size(1024, 20.0))
PAINTERS: Final = ("webgl2", "canvas2d")

# Ticks that were painted, when, and when the browser began the frame after it: what was painted is shown by then.
DRAWN = """
window.drawn = [];
new MutationObserver((changes) => {
  const { target } = changes.at(-1);
  const row = [Number(target.dataset.tick), Date.now(), 0];
  window.drawn.push(row);
  requestAnimationFrame(() => { row[2] = Date.now(); });
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-tick"] });
"""


def make_run(server: Server, size: Size) -> str:
    """Make a run whose row says that it runs, in the hands of a process of another name; return its id."""
    body = describe_run(size.cells, 1.0, name=str(size))
    headers = seeding.log_in_headers(server)
    answer = httpx.post(f"{server.url}/api/v1/engine/runs", json=body, headers=headers, timeout=60)
    answer.raise_for_status()
    run, now = str(answer.json()["id"]), time.time()
    seeding.change(
        server.home,
        "UPDATE live_runs SET state = 'running', epoch = ?, version = version + 1, lease_owner = 'replay', "
        "lease_until = ?, heartbeat_at = ?, claimed_at = ?, started_at = ?, tick = 1 WHERE id = ?",
        EPOCH, now + YEAR_S, now, now, now, run.replace("-", ""),
    )  # fmt: skip
    return run


def open_run(page: Page, run: str) -> str:
    """Open the page of a run, wait for its first picture, and return the painter."""
    page.goto(f"/runs/{run}")
    canvas = page.locator("canvas[data-tick]").first
    expect(canvas).to_be_visible(timeout=30_000)
    return str(canvas.get_attribute("data-painter"))


def measure_pictures(bench: Bench, server: Server) -> list[Figure]:
    """Both sizes, with the painter that the page picks here, and with the other one beside it."""
    return [figure for size in PICTURES for figure in measure_size(bench, server, size)]


def measure_size(bench: Bench, server: Server, size: Size) -> list[Figure]:
    """One size, with the painter that the page picks first; the bars are for that one.

    The other painter is drawn with in a browser that offers WebGL even in software.
    """
    run, recording = make_run(server, size), find_recording(size.cells)
    figures: list[Figure] = []
    with replaying(server.home, run, recording, size.rate) as replay:
        picked, found = watch(bench, server, run, size, None, replay.pid)
        figures += found
        for other in PAINTERS:
            if other != picked:
                figures += watch(bench, server, run, size, other, replay.pid)[1]
    return figures


def watch(
    bench: Bench, server: Server, run: str, size: Size, painter: str | None, replay: int
) -> tuple[str, list[Figure]]:
    """Look at a run for some seconds; return the painter and the figures."""
    choice = () if painter is None else (f"localStorage.setItem('grid-painter', '{painter}')",)
    browser = bench.webgl if painter == "webgl2" else bench.browser
    processes = BrowserProcesses(browser)
    others = {"server": server.process.pid, "replay": replay}
    with tab(browser, server.url, DRAWN, *choice) as (page, counters):
        log_in(page, server)
        used = open_run(page, run)
        page.wait_for_timeout(1000 * SETTLED_S)
        page.evaluate("window.drawn.length = 0")
        before, main = _read(processes, others), read_counters(counters)
        page.wait_for_timeout(1000 * SECONDS)
        after, now = _read(processes, others), read_counters(counters)
        drawn: list[list[int]] = page.evaluate("window.drawn.filter((row) => row[2] > 0)")
        level = page.get_by_text("coarser pictures").count()
    processes.close()
    if level:
        bench.note(f"{size}, {used}: the server took the page for slow and sent coarser pictures.")
    spent = {name: 1000 * (after[name] - before[name]) / len(drawn) for name in after}
    spent["main thread"] = 1000 * (now["TaskDuration"] - main["TaskDuration"]) / len(drawn)
    title = f"{size}, {used}{'' if painter is None else ' (beside)'}"
    return used, describe(title, drawn, read_times(server.home), spent, size, is_held=painter is None)


def _read(processes: BrowserProcesses, others: dict[str, int]) -> dict[str, float]:
    """Processor time so far [s]."""
    found = processes.read()
    page = {"page": found.get("renderer", 0.0), "graphics": found.get("GPU", 0.0), "browser": found.get("browser", 0.0)}
    return page | {name: measure_processor_s([pid]) for name, pid in others.items()}


def describe(
    title: str, drawn: list[list[int]], times: dict[int, int], spent: dict[str, float], size: Size, *, is_held: bool
) -> list[Figure]:
    """Figures of what was painted: rows of tick, time at which it was painted, time by which it was shown [ms]."""
    fresh = [row for place, row in enumerate(drawn) if place == 0 or row[0] != drawn[place - 1][0]]
    gaps = [float(after[2] - before[2]) for before, after in pairwise(fresh)]
    ages = [float(row[2] - times[row[0]]) for row in fresh if row[0] in times]
    shown = len(fresh) / ((fresh[-1][2] - fresh[0][2]) / 1000)
    bars: dict[str, Any] = {"is_worst": True} if is_held else {}
    late = quantiles(ages, n=100)[98]
    parts = ("main thread", "page", "graphics", "browser", "server", "replay")
    return [
        Figure(f"{title}: gap between painted frames", "ms", gaps, MOST_GAP_MS if is_held else None, **bars),
        Figure(f"{title}: age of the picture shown", "ms", ages, MOST_AGE_MS if is_held else None, **bars),
        Figure(f"{title}: 99 of 100 are younger than", "ms", [late]),
        Figure(f"{title}: frames shown a second, of {size.rate:g}", "1/s", [shown]),
        *(Figure(f"{title}: processor time a frame, {part}", "ms", [spent[part]]) for part in parts),
    ]
