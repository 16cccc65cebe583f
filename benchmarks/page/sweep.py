"""A sweep of 10,000 points that a worker has computed: its first view, and a brush over an axis of it."""

import time
from typing import Any

import httpx
from playwright.sync_api import Locator, Page
from tests.e2e import seeding
from tests.support.server import Server

from benchmarks.page.browsing import Bench, log_in, read_counters, tab, wait_until
from benchmarks.page.figures import Figure
from benchmarks.page.tracing import find_longest, traced
from benchmarks.page.working import working

POINTS = 10_000
PATIENCE_S = 300.0
VIEW_S = 60.0
MOVES = 40  # of a drag along an axis

# How long after a move of the pointer the picture of what it chose is there: a browser draws it in the frame after it
# was painted. `clearRect` is where a plot begins to be painted.
BRUSH = """
window.brush = { since: null, took: [] };
window.addEventListener("pointermove", (event) => { if (event.buttons) window.brush.since = event.timeStamp; }, true);
const clear = CanvasRenderingContext2D.prototype.clearRect;
const channel = new MessageChannel();
const drawn = [];
channel.port1.onmessage = () => { const since = drawn.shift(); window.brush.took.push(performance.now() - since); };
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  const { since } = window.brush;
  window.brush.since = null;
  if (since !== null) requestAnimationFrame(() => { drawn.push(since); channel.port2.postMessage(0); });
  return clear.apply(this, box);
};
"""
# The first view is there once both plots and the table are painted.
READY = """() => {
  const canvases = [...document.querySelectorAll("main canvas")].filter((canvas) => canvas.width > 200);
  return canvases.length >= 3 && document.querySelector("[role=grid] [aria-rowindex='2']") !== null;
}"""


def compute(server: Server) -> str:
    """Let a worker compute the points; return the id of the sweep.

    Raises:
        TimeoutError: It took too long.
    """
    points = [
        {"diffusivity": 0.002 + 0.02 * (index % 100) / 100, "initial_temp": 40.0 + index // 100}
        for index in range(POINTS)
    ]
    headers = seeding.log_in_headers(server)

    def ask(method: str, path: str, **content: Any) -> Any:
        answer = httpx.request(method, f"{server.url}/api/v1{path}", headers=headers, timeout=120, **content)
        answer.raise_for_status()
        return answer.json()

    sweep = str(ask("POST", "/jobs", json={"simulation": "heat-rod", "sweep": points})["sweep"])
    deadline = time.monotonic() + PATIENCE_S
    with working(server):
        while not ask("GET", f"/sweeps/{sweep}", params={"limit": 1})["is_finished"]:
            if time.monotonic() > deadline:
                raise TimeoutError("the worker has not computed the sweep in time")
            time.sleep(0.5)
    return sweep


def measure_sweep(bench: Bench, server: Server) -> list[Figure]:
    """Open the sweep, then brush over its first axis."""
    path = f"/sweeps/{compute(server)}"
    walls, busy, brushes, longest, used = [], [], [], [], []
    for _ in range(bench.repeats):
        with tab(bench.browser, server.url, BRUSH) as (page, counters):
            log_in(page, server)
            before, began = read_counters(counters)["TaskDuration"], time.perf_counter()
            page.goto(path)
            wait_until(page, f"({READY})()", VIEW_S)
            walls.append(time.perf_counter() - began)
            busy.append(read_counters(counters)["TaskDuration"] - before)
            page.wait_for_timeout(1_000)
            with traced(bench.browser, page) as tasks:
                brush(page, page.get_by_test_id("parallel"))
            brushes += page.evaluate("window.brush.took")
            longest.append(max(task.wall_ms for task in tasks))
            used.append(find_longest(tasks).processor_ms)
    return [
        Figure("first view of a sweep of 10 000 points, painted", "s", walls, 1.5, bench.scale),
        Figure("main thread for it", "s", busy),
        Figure("a move of the brush over 10 000 points, until it is painted", "ms", brushes, 50, bench.scale),
        Figure("longest task while the brush moves", "ms", longest),
        Figure("processor time of the longest task while it moves", "ms", used),
    ]


def brush(page: Page, plot: Locator) -> None:
    """Draw a range along the first axis, and let it grow."""
    axis = plot.locator("rect").first
    box = axis.bounding_box()
    if box is None:
        raise RuntimeError("there is no axis in sight")
    x, y = box["x"] + box["width"] / 2, box["y"] + 10
    page.mouse.move(x, y)
    page.mouse.down()
    for move in range(1, MOVES + 1):
        page.mouse.move(x, y + (box["height"] - 20) * move / MOVES)
        page.wait_for_timeout(30)
    page.mouse.up()
    page.wait_for_timeout(300)
