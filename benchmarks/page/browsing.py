"""Tabs of a browser under measurement: Chromium's own counters of them, and the processor time of its processes."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, CDPSession, Page, expect
from tests.e2e.browsing import make_link
from tests.support.server import Server

SIZE = {"width": 1280, "height": 720}
POLL_MS = 20
WATCH = """
window.figures = { idle: 0, lcp: 0 };
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  window.figures.idle = entry.startTime + entry.duration;
})).observe({ type: "longtask", buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.figures.lcp = entry.startTime; }))
  .observe({ type: "largest-contentful-paint", buffered: true });
"""


@dataclass(frozen=True)
class Bench:
    """What every part of a run measures with.

    Args:
        browser: As it is on this machine: it draws in software where there is no graphics processor.
        webgl: The same, asked to offer WebGL even in software.
        repeats: Of each measurement.
        scale: Bars of times in the page are larger by it; 1 where the bare page is as fast as promised.
        note: Takes a sentence on what could not be measured.
    """

    browser: Browser
    webgl: Browser
    repeats: int
    scale: float
    note: Callable[[str], None]


@contextmanager
def tab(browser: Browser, url: str, *scripts: str) -> Iterator[tuple[Page, CDPSession]]:
    """Open a tab with a profile of its own; scripts run in each document before those of the page."""
    context = browser.new_context(base_url=url, viewport=SIZE)
    for script in (WATCH, *scripts):
        context.add_init_script(script)
    page = context.new_page()
    counters = context.new_cdp_session(page)
    counters.send("Performance.enable", {"timeDomain": "threadTicks"})  # processor time of the main thread
    try:
        yield page, counters
    finally:
        context.close()


def log_in(page: Page, server: Server) -> None:
    """Log a tab in by a link, and wait for the overview."""
    page.goto(make_link(server))
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def wait_until(page: Page, script: str, patience_s: float) -> None:
    """Wait until a script is true in a page; the page's policy forbids what Playwright itself would do.

    Raises:
        TimeoutError: It was not.
    """
    deadline = time.monotonic() + patience_s
    while not page.evaluate(script):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {script}")
        page.wait_for_timeout(POLL_MS)


def read_counters(counters: CDPSession) -> dict[str, float]:
    """Read Chromium's counters of a tab."""
    metrics = counters.send("Performance.getMetrics")["metrics"]
    return {item["name"]: item["value"] for item in metrics}


class BrowserProcesses:
    """Processor time of the browser's processes, by their kind: `browser`, `renderer`, `GPU`, `utility` [s]."""

    def __init__(self, browser: Browser) -> None:
        self._session = browser.new_browser_cdp_session()

    def read(self) -> Mapping[str, float]:
        """Return what each kind has used so far."""
        used: dict[str, float] = {}
        for process in self._session.send("SystemInfo.getProcessInfo")["processInfo"]:
            used[process["type"]] = used.get(process["type"], 0.0) + process["cpuTime"]
        return used

    def close(self) -> None:
        """Ask no more."""
        self._session.detach()
