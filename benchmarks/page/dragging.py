"""From a burst that is sent on the field to the first picture in which it acts, on a live run that computes."""

import time
from typing import Any

import httpx
from playwright.sync_api import Page, expect
from tests.e2e import seeding
from tests.support.server import Server

from benchmarks.page.browsing import Bench, log_in, tab
from benchmarks.page.figures import Figure
from benchmarks.page.pictures import DRAWN
from benchmarks.page.working import working

CELLS = 128
COMPILED_S = 300.0  # the first run of a machine compiles its kernels before its first tick
WARM_S = 5.0
PLACES = ((0.3, 0.3), (0.7, 0.3), (0.5, 0.6), (0.3, 0.7), (0.7, 0.7))
RADIUS = 24  # pixels
PATIENCE_S = 10.0

# When the key was pressed that sends the burst, and when the ghost of a drag was in the document.
SENT = """
window.sent = 0; window.ghost = [];
window.addEventListener("keydown", (event) => { if (event.key === "Enter") window.sent = Date.now(); }, true);
let moved = 0;
window.addEventListener("pointermove", (event) => { if (event.buttons && moved === 0) moved = event.timeStamp; }, true);
window.addEventListener("pointerdown", () => { moved = 0; }, true);
new MutationObserver(() => {
  if (moved > 0 && document.querySelector("[data-ghost=draft]")) {
    window.ghost.push(performance.now() - moved);
    moved = -1;
  }
}).observe(document, { subtree: true, childList: true });
"""


class Caller:
    """Asks the API of a server as its administrator."""

    def __init__(self, server: Server) -> None:
        self._url, self._headers = f"{server.url}/api/v1", seeding.log_in_headers(server)

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """Return the document of an answer that must be good."""
        answer = httpx.request(method, self._url + path, headers=self._headers, timeout=60, **content)
        answer.raise_for_status()
        return answer.json()


def measure_drag(bench: Bench, server: Server) -> list[Figure]:
    """Draw bursts at some places and send each."""
    caller = Caller(server)
    with working(server), tab(bench.browser, server.url, DRAWN, SENT) as (page, _):
        run = caller.ask("POST", "/engine/runs", json={"scenario": "burst", "cells": [CELLS, CELLS], "name": "drag"})[
            "id"
        ]
        log_in(page, server)
        page.goto(f"/runs/{run}")
        field = page.get_by_role("application").first
        expect(field).to_be_visible(timeout=1000 * COMPILED_S)
        page.wait_for_timeout(1000 * WARM_S)
        took = [send_burst(page, caller, run, PLACES[place % len(PLACES)]) for place in range(2 * bench.repeats)]
        ghosts = [float(one) for one in page.evaluate("window.ghost")]
        caller.ask("POST", f"/engine/runs/{run}/stop")
    drawn = [Figure("a drag begins until its ghost is in the document", "ms", ghosts)] if ghosts else []
    return [
        *drawn,
        Figure("a burst is sent until the first picture in which it acts", "ms", took, 300, bench.scale),
    ]


def send_burst(page: Page, caller: Caller, run: str, place: tuple[float, float]) -> float:
    """Draw one, send it, and wait for a picture behind the tick at which it was applied [ms].

    Raises:
        TimeoutError: It was not applied, or not shown.
    """
    field = page.get_by_role("application").first
    box = field.bounding_box()
    if box is None:
        raise RuntimeError("the field is not in sight")
    x, y = box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"]
    known = {item["seq"] for item in list_events(caller, run)}
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + RADIUS / 2, y)
    page.mouse.move(x + RADIUS, y)
    page.mouse.up()
    page.evaluate("window.drawn.length = 0")
    field.press("Enter")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        page.wait_for_timeout(200)
        ours = [item for item in list_events(caller, run) if item["seq"] not in known and item["outcome"] == "applied"]
        shown = page.evaluate("window.drawn.filter((row) => row[2] > 0)")
        found = [row[2] for row in shown if ours and row[0] > ours[0]["tick"]]
        if found:
            page.wait_for_timeout(1_500)  # so that the next one meets a run at rest
            return float(found[0] - page.evaluate("window.sent"))
    raise TimeoutError("the burst was not shown in time")


def list_events(caller: Caller, run: str) -> list[dict[str, Any]]:
    """Events of a run that somebody sent."""
    items = caller.ask("GET", f"/engine/runs/{run}/commands", params={"limit": 500})["items"]
    return [item for item in items if item["kind"] == "event"]
