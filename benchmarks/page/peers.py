"""Peers of the page in the same browser: Optuna's dashboard for 10,000 points, Flower for 20,000 jobs.

Each runs in an environment of its own from hashed pins (`benchmarks/page/peers`), on a free loopback port, and is
looked at as Grid's page is: from the request of its address until what it shows of all points or jobs is there.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import expect
from tests.support.server import Server, free_port

from benchmarks.engine.environments import EnvironmentMissingError, prepare
from benchmarks.page.browsing import Bench, log_in, read_counters, tab, wait_until
from benchmarks.page.figures import Figure
from benchmarks.page.scroll import JOBS, fill
from benchmarks.page.sweep import POINTS

PINS: Final = Path(__file__).parent / "peers"
START_S = 120.0
PATIENCE_S = 120.0
SETTLED_MS = 3_000


@dataclass(frozen=True)
class Peer:
    """A program that shows much, and how one knows that it does.

    Args:
        name: Of its pins and of its program.
        path: Of the page that shows it.
        ready: A script that is true once it is shown.
        what: Of the figures.
    """

    name: str
    count: int
    path: str
    ready: str
    what: str


PEERS: Final = (
    Peer(
        "optuna", POINTS, "/dashboard/studies/0/analytics",
        "document.querySelector('.parcoords-line-layers canvas') !== null",
        "Optuna's dashboard, 10 000 trials, parallel coordinates",
    ),
    Peer(
        "flower", JOBS, "/tasks", "document.querySelectorAll('#tasks-table tbody tr').length >= 10",
        "Flower, 20 000 tasks, first page of its list",
    ),
)  # fmt: skip


def measure_peers(bench: Bench, server: Server) -> list[Figure]:
    """First views of the peers, and of Grid's list of as many jobs."""
    figures = []
    for peer in PEERS:
        try:
            with running(peer) as url:
                figures += look(bench, url, peer)
        except (EnvironmentMissingError, RuntimeError, TimeoutError) as missing:
            bench.note(f"{peer.what}: not measured, since {missing}")
    return [*figures, *look_at_jobs(bench, server)]


@contextmanager
def running(peer: Peer) -> Iterator[str]:
    """Run a peer; gives its address.

    Raises:
        EnvironmentMissingError: It cannot be installed.
        RuntimeError: It does not answer.
    """
    python, port = prepare(peer.name, PINS).python, free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python, PINS / f"{peer.name}_service.py", str(port), str(peer.count)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while not answers(url + peer.path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{peer.name} does not answer")
            time.sleep(0.2)
        yield url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    """Tell whether a page is served there."""
    try:
        return httpx.get(url, timeout=30).is_success
    except httpx.TransportError:
        return False


def look(bench: Bench, url: str, peer: Peer) -> list[Figure]:
    """Open the peer's page in a new profile, in a browser with WebGL, which it may need."""
    walls, busy = [], []
    for _ in range(bench.repeats):
        with tab(bench.webgl, url) as (page, counters):
            began = time.perf_counter()
            page.goto(peer.path)
            wait_until(page, peer.ready, PATIENCE_S)
            shown = time.perf_counter() - began
            page.wait_for_timeout(SETTLED_MS)
            walls.append(max(shown, page.evaluate("window.figures.idle") / 1000))  # it may go on drawing
            busy.append(read_counters(counters)["TaskDuration"])
    return [Figure(f"{peer.what}: first view", "s", walls), Figure(f"{peer.what}: main thread", "s", busy)]


def look_at_jobs(bench: Bench, server: Server) -> list[Figure]:
    """Open Grid's list of 20,000 jobs."""
    fill(server)
    walls, busy = [], []
    for _ in range(bench.repeats):
        with tab(bench.browser, server.url) as (page, counters):
            log_in(page, server)
            before, began = read_counters(counters)["TaskDuration"], time.perf_counter()
            page.goto("/jobs")
            expect(page.get_by_role("grid", name="Jobs").locator("[aria-rowindex='10']")).to_be_attached()
            walls.append(time.perf_counter() - began)
            page.wait_for_timeout(SETTLED_MS)
            busy.append(read_counters(counters)["TaskDuration"] - before)
    what = "Grid, 20 000 jobs, first rows of the list"
    return [Figure(f"{what}: first view", "s", walls), Figure(f"{what}: main thread", "s", busy)]
