"""The first view of somebody who is logged in, beside a bare React page with the same Mantine shell."""

import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import expect
from tests.support.server import Server

from benchmarks.page.bare import build, served
from benchmarks.page.browsing import Bench, log_in, read_counters, tab
from benchmarks.page.figures import Figure
from benchmarks.page.sizes import measure_sizes

BARE_S = 0.35  # main-thread time of the bare page on the machine for which the bars are
SETTLED_MS = 2_000


def measure_bare(bench: Bench) -> list[float]:
    """Main-thread time of the bare page [s]."""
    used = []
    with tempfile.TemporaryDirectory() as folder, served(build(Path(folder))) as url:
        for _ in range(bench.repeats):
            with tab(bench.browser, url) as (page, counters):
                page.goto(url)
                expect(page.get_by_role("heading")).to_be_visible()
                page.wait_for_timeout(SETTLED_MS)
                used.append(read_counters(counters)["TaskDuration"])
    return used


def find_scale(bare: list[float]) -> float:
    """By how much bars of times are larger than on the machine for which they are."""
    return max(1.0, median(bare) / BARE_S)


def measure_view(bench: Bench, server: Server) -> list[Figure]:
    """Open the overview; nothing is cached."""
    ours, paints = [], []
    for _ in range(bench.repeats):
        with tab(bench.browser, server.url) as (page, counters):
            log_in(page, server)
            page.wait_for_timeout(SETTLED_MS)
            ours.append(read_counters(counters)["TaskDuration"])
            paints.append(page.evaluate("window.figures.lcp") / 1000)
    return [
        Figure("main thread of the first view", "s", ours, 0.7, bench.scale),
        Figure("largest contentful paint of the first view", "s", paints, 1.2, bench.scale),
        *measure_sizes(),
    ]
