"""Figures of the web page in headless Chromium, beside a bare React page with the same Mantine shell in the same run:

    python -m benchmarks.page [--only view,scroll,sweep] [--repeats 3] [--json FILE]
    python -m benchmarks.page --open 30        # minutes that a page stays open: slope of its heap

A service of its own runs meanwhile. Main-thread time is `TaskDuration` of Chromium's own counters, in processor time.
Above a load of 2 a run says that its wall times are no measurement; processor times hold with some noise.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright
from tests.e2e import seeding
from tests.e2e.browsing import make_link
from tests.e2e.conftest import FLAGS
from tests.support.server import Server, serve

from benchmarks.page_bare import build, served
from benchmarks.runs import Run
from grid.api.page_files import SHIPPED

JOBS = 20_000
POINTS = 10_000
BARE_S = 0.35  # main-thread time of the bare page on the machine for which the bars are
CALM_LOAD = 2.0

WATCH = """
window.figures = { longest: 0, tasks: 0, lcp: 0, gaps: [] };
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  window.figures.longest = Math.max(window.figures.longest, entry.duration); window.figures.tasks += 1;
})).observe({ type: "longtask", buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.figures.lcp = entry.startTime; }))
  .observe({ type: "largest-contentful-paint", buffered: true });
"""


@dataclass(frozen=True)
class Figure:
    """One line: what was measured, its samples, and what it has to keep on this machine; None: nothing is promised."""

    what: str
    unit: str
    samples: list[float]
    most: float | None = None

    def line(self) -> str:
        """Return it as a row of the table."""
        values = f"{median(self.samples):9.3g} ({min(self.samples):.3g} to {max(self.samples):.3g})"
        bar = "" if self.most is None else f"at most {self.most:.3g}: {'kept' if self.is_kept else 'MISSED'}"
        return f"{self.what:<58} {values:>30} {self.unit:<4} {bar}"

    @property
    def is_kept(self) -> bool:
        """Tell whether the bar is kept, where there is one."""
        return self.most is None or median(self.samples) <= self.most


@contextmanager
def tab(browser: Browser, url: str) -> Iterator[tuple[Page, CDPSession]]:
    """Open a tab with a profile of its own."""
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 720})
    context.add_init_script(WATCH)
    page = context.new_page()
    counters = context.new_cdp_session(page)
    counters.send("Performance.enable", {"timeDomain": "threadTicks"})  # processor time of the main thread
    yield page, counters
    context.close()


def read_counters(counters: CDPSession) -> dict[str, float]:
    """Read Chromium's counters of a tab."""
    metrics = counters.send("Performance.getMetrics")["metrics"]
    return {item["name"]: item["value"] for item in metrics}


def measure_view(browser: Browser, server: Server, repeats: int) -> list[Figure]:
    """Open the overview of somebody who is logged in, and the bare page, in turn; nothing is cached."""
    ours: list[float] = []
    bare: list[float] = []
    paints: list[float] = []
    with tempfile.TemporaryDirectory() as folder, served(build(Path(folder))) as url:
        for _ in range(repeats):
            with tab(browser, server.url) as (page, counters):
                page.goto(make_link(server))
                expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
                page.wait_for_timeout(2_000)
                ours.append(read_counters(counters)["TaskDuration"])
                paints.append(page.evaluate("window.figures.lcp") / 1000)
            with tab(browser, url) as (page, counters):
                page.goto(url)
                expect(page.get_by_role("heading")).to_be_visible()
                page.wait_for_timeout(2_000)
                bare.append(read_counters(counters)["TaskDuration"])
    scale = max(1.0, median(bare) / BARE_S)
    sizes = {ending: sum(path.stat().st_size for path in first_files(ending)) / 1000 for ending in (".js", ".css")}
    return [
        Figure("main thread of a bare React page", "s", bare),
        Figure("main thread of the first view", "s", ours, 0.7 * scale),
        Figure("largest contentful paint of the first view", "s", paints, 1.2 * scale),
        Figure("scripts of the first view, brotli", "kB", [sizes[".js"]], 260),
        Figure("styles of the first view, brotli", "kB", [sizes[".css"]], 40),
    ]


def first_files(ending: str) -> list[Path]:
    """Return the files that the document names, in the form that a browser gets."""
    document = (SHIPPED / "index.html").read_text(encoding="utf-8")
    named = [path for path in (SHIPPED / "assets").iterdir() if path.suffix == ending and path.name in document]
    return [packed if (packed := path.with_name(f"{path.name}.br")).exists() else path for path in named]


def measure_scroll(browser: Browser, server: Server, repeats: int) -> list[Figure]:
    """Scroll through 20,000 jobs by the wheel, and by leaps to the end of what is loaded."""
    form = seeding.submit(server, simulation="noop")[0]
    seeding.copy_job(
        server.home,
        form,
        (seeding.ended("cancelled", "cancelled_by_user", ago_s=JOBS - index) for index in range(JOBS)),
    )
    longest, busy, rows = [], [], []
    for _ in range(repeats):
        with tab(browser, server.url) as (page, counters):
            page.goto(make_link(server))
            expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
            page.goto("/jobs")
            grid = page.get_by_role("grid", name="Jobs")
            expect(grid.locator("[aria-rowindex='2']")).to_be_attached()
            page.wait_for_timeout(1_000)
            page.evaluate("window.figures.longest = 0")
            before = read_counters(counters)["TaskDuration"]
            grid.hover()
            for turn in range(1, 121):
                page.mouse.wheel(0, 400)
                if turn % 20 == 0:
                    grid.press("End")
                page.wait_for_timeout(16)
            page.wait_for_timeout(500)
            longest.append(page.evaluate("window.figures.longest"))
            busy.append(read_counters(counters)["TaskDuration"] - before)
            rows.append(float(grid.get_by_role("row").count()))
    return [
        Figure("longest task while 20 000 jobs scroll (0: none over 50)", "ms", longest, 50),
        Figure("main thread for 120 turns of the wheel and 6 leaps", "s", busy),
        Figure("rows in the document meanwhile", "", rows, 60),
    ]


def measure_sweep(browser: Browser, server: Server, repeats: int) -> list[Figure]:
    """Open a sweep of 10,000 points, whose points wait."""

    points = [{"diffusivity": 0.001 + 1e-6 * index} for index in range(POINTS)]
    body = {"simulation": "heat-rod", "sweep": points}
    answer = httpx.post(f"{server.url}/api/v1/jobs", json=body, headers=seeding.log_in_headers(server), timeout=120)
    answer.raise_for_status()
    path = f"/sweeps/{answer.json()['sweep_id']}"
    walls, busy = [], []
    for _ in range(repeats):
        with tab(browser, server.url) as (page, counters):
            page.goto(make_link(server))
            expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
            before, began = read_counters(counters)["TaskDuration"], time.perf_counter()
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_contain_text("10", timeout=30_000)
            expect(page.locator("canvas, [role=grid]").first).to_be_visible(timeout=30_000)
            walls.append(time.perf_counter() - began)
            busy.append(read_counters(counters)["TaskDuration"] - before)
    return [
        Figure("first view of a sweep of 10 000 points", "s", walls, 1.5),
        Figure("main thread for it", "s", busy),
    ]


def measure_open(browser: Browser, server: Server, minutes: float) -> list[Figure]:
    """Keep the overview open, and measure what is still there after a collection, every half minute."""
    seeding.submit(server, simulation="noop")
    heap: list[tuple[float, float, float]] = []
    with tab(browser, server.url) as (page, counters):
        page.goto(make_link(server))
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
        counters.send("HeapProfiler.enable")
        began = time.monotonic()
        while time.monotonic() - began < minutes * 60:
            page.wait_for_timeout(min(30_000, minutes * 60_000 / 8))
            counters.send("HeapProfiler.collectGarbage")
            now = read_counters(counters)
            heap.append((time.monotonic() - began, now["JSHeapUsedSize"], now["Nodes"]))
    late = heap[len(heap) // 4 :]  # queries and code settle first
    return [
        Figure(
            "slope of the heap after collections", "MB/h", [find_slope([row[:2] for row in late]) * 3600 / 1e6], 1.0
        ),
        Figure("growth of the nodes of the document", "", [late[-1][2] - late[0][2]], 50),
    ]


def find_slope(rows: list[tuple[float, float]]) -> float:
    """Return the slope of the line of least squares."""
    mean_x, mean_y = (sum(row[axis] for row in rows) / len(rows) for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in rows)
    return sum((x - mean_x) * (y - mean_y) for x, y in rows) / spread if spread else 0.0


PARTS: dict[str, Callable[[Browser, Server, int], list[Figure]]] = {
    "view": measure_view,
    "scroll": measure_scroll,
    "sweep": measure_sweep,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="comma-separated: " + ", ".join(PARTS))
    parser.add_argument("--open", type=float, metavar="MINUTES", help="measure the heap of a page that stays open")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--json", type=Path, help="write the figures into this file as well")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    run = Run()
    flags = [*FLAGS, *(() if os.geteuid() else ("--no-sandbox",))]
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder) / "home") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=options.chromium, args=flags)
        if options.open is not None:
            figures = measure_open(browser, server, options.open)
        else:
            figures = [figure for name in names for figure in PARTS[name](browser, server, options.repeats)]
        version = browser.version
        browser.close()
    report(run.describe(f"page in Chromium {version}"), figures, options.json)
    return 0 if all(figure.is_kept for figure in figures) else 1


def report(machine: str, figures: list[Figure], file: Path | None) -> None:
    """Print the figures, and write them into a file where one is named."""
    for figure in figures:
        print(figure.line())
    print(f"\n{machine}")
    if os.getloadavg()[0] > CALM_LOAD:
        print("The machine was busy: wall times of this run are no measurement.")
    if file is not None:
        records: list[dict[str, Any]] = [asdict(figure) for figure in figures]
        file.write_text(json.dumps({"machine": machine, "records": records}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
