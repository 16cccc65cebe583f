#!/usr/bin/env python3
"""Write pictures of every page of the control room: light and dark, 1280 x 720 and 1600 x 1000.

    .venv/bin/python scripts/screenshots.py                    # all, into .cache/pictures/
    .venv/bin/python scripts/screenshots.py --only / /system   # these pages
    .venv/bin/python scripts/screenshots.py --docs             # those of docs/control-room.md, light, small

A service of its own runs meanwhile, with a job, a sweep, a live run and its alerts, and rows of the last hour that are
the same each time. Anything that a page says on its console fails the run.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e import seeding  # noqa: E402 -- the folder above is no package
from tests.e2e.browsing import Words, open_page  # noqa: E402
from tests.e2e.conftest import FLAGS  # noqa: E402
from tests.support.server import Server, environment, free_port  # noqa: E402

SIZES = {"1280x720": (1280, 720), "1600x1000": (1600, 1000)}
SCHEMES = ("light", "dark")
DOCS = ROOT / "docs" / "pictures" / "control-room"
DOCUMENT = ROOT / "docs" / "control-room.md"
SCRATCH = ROOT / ".cache" / "pictures"
COLOURS = 200  # [-] of a picture's palette
MOST_BYTES = 120_000
PATIENCE_S = 120.0
NOTHING = "There is nothing here"
VOLUMES = 'localStorage.setItem("grid-painter", "webgl2")'  # in software, too, so that a body has its volume
SETTLE_MS, RUN_SETTLE_MS = 1_200, 5_000  # [ms]; the second where fields, trends or many lines are drawn


@dataclass(frozen=True)
class Things:
    """Ids of what the pages show."""

    job: str
    sweep: str
    points: list[str]
    run: str | None
    rod: str | None
    body: str | None
    incident: str | None


def routes(things: Things) -> dict[str, str]:
    """Return the address of each page by the name of its picture."""
    pages = {
        "overview": "/",
        "jobs": "/jobs",
        "job": f"/jobs/{things.job}",
        "job-field": f"/jobs/{things.job}?tab=field",
        "new-job": "/jobs/new?sim=heat-rod",
        "sweeps": "/sweeps",
        "sweep": f"/sweeps/{things.sweep}",
        "compare": f"/compare?a={things.points[0]}&b={things.points[-1]}",
        "runs": "/runs",
        "scenarios": "/scenarios",
        "alerts": "/alerts",
        "incidents": "/incidents",
        "rules": "/rules",
        "system": "/system",
        "audit": "/system?tab=audit",
        "users": "/users",
        "account": "/me",
    }
    for name, run in (("run", things.run), ("run-rod", things.rod), ("run-body", things.body)):
        if run is not None:
            pages[name] = f"/runs/{run}"
    if things.incident is not None:
        pages["incident"] = f"/incidents/{things.incident}"
    return pages


@contextmanager
def service(home: Path) -> Iterator[Server]:
    """Run server and worker until the end of the block."""
    port = free_port()
    variables = {**environment(home, port), "GRID_LIVE_RUNS_OF_USER": "3"}
    grid = [sys.executable, "-m", "grid.cli.main"]
    with (home.parent / "up.log").open("wb") as log:
        started = subprocess.run([*grid, "up", "--no-sample"], env=variables, stdout=log, stderr=log, check=False)
    try:
        if started.returncode:
            raise SystemExit((home.parent / "up.log").read_text())
        yield Server(None, f"http://127.0.0.1:{port}", home, home.parent / "up.log")  # type: ignore[arg-type]
    finally:
        subprocess.run([*grid, "down"], env=variables, check=False, capture_output=True)


def fill(server: Server) -> Things:
    """Make what the pages show, and wait until it is there."""
    headers = seeding.log_in_headers(server)
    with httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60) as api:

        def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = api.post(path, json=body)
            answer.raise_for_status()
            return dict(answer.json()) if answer.content else {}

        post("/users", {"username": "vera", "password": "a long password", "role": "user"})
        post("/users", {"username": "ada", "password": "a long password", "role": "admin"})
        rod = post("/jobs", {"simulation": "heat-rod", "params": {}, "metadata": {"project": "bridge"}})["jobs"][0]
        points = [{"diffusivity": value} for value in (0.002, 0.004, 0.006, 0.008, 0.01, 0.012, 0.014, 0.016)]
        sweep = post("/jobs", {"simulation": "heat-rod", "sweep": points, "metadata": {"project": "bridge"}})
        run_id, rod_run, body_run = (
            start(api, "overload", [48, 24], "bridge deck"),
            start(api, "overload", [96], "cooling fin"),
            start(api, "overload", [24, 20, 16], "bearing block"),
        )
        wait_for(lambda: api.get("/jobs/stats").json()["by_status"]["success"] >= 1 + len(points))
        if run_id is not None:
            wait_for(lambda: api.get("/alerts", params={"run": run_id}).json()["total"] > 0, optional=True)
        incidents = api.get("/incidents").json().get("items", [])
    history(server.home, rod)
    return Things(
        rod,
        str(sweep["sweep"]),
        sweep["jobs"],
        run_id,
        rod_run,
        body_run,
        str(incidents[0]["id"]) if incidents else None,
    )


def start(api: httpx.Client, scenario: str, cells: list[int], name: str) -> str | None:
    """Start a live run; return its id, or None where this version has none."""
    run = api.post("/engine/runs", json={"scenario": scenario, "cells": cells, "name": name})
    return str(run.json()["id"]) if run.is_success else None


def history(home: Path, job: str) -> None:
    """Put jobs of the last hour behind those that ran: mostly good, some not."""
    plain = {"winning_epoch": None, "result_manifest": None}
    bad = [
        seeding.ended(
            "failed", "diverged", ago_s=240, message="The temperature grew without bound at step 812.", **plain
        ),
        seeding.ended("timed_out", "wall_timeout", ago_s=900, message="It took longer than 60 s.", **plain),
        seeding.ended("failed", "oom", ago_s=2_000, message="It needed more than 512 MB.", **plain),
    ]
    stopped = [
        seeding.ended("cancelled", "cancelled_by_user", ago_s=60 * index, message="Cancelled.", **plain)
        for index in (3, 7, 8, 8.5, 21, 22, 23, 24, 25, 26, 31, 33, 38, 44, 45, 46, 47, 52)
    ]
    seeding.copy_job(home, job, [*stopped, *bad])


def wait_for(is_there: Any, *, optional: bool = False) -> None:
    """Ask until something is there.

    Raises:
        SystemExit: It does not come, and is not optional.
    """
    deadline = time.monotonic() + (PATIENCE_S / 4 if optional else PATIENCE_S)
    while not is_there():
        if time.monotonic() > deadline:
            if optional:
                return
            raise SystemExit("What the pages are to show has not come about.")
        time.sleep(0.3)


def shoot(
    browser: Browser, server: Server, pages: dict[str, str], folder: Path, sizes: list[str], schemes: list[str]
) -> int:
    """Take the pictures; return how many messages the pages said."""
    folder.mkdir(parents=True, exist_ok=True)
    said = 0
    for scheme in schemes:
        words = Words()
        context = browser.new_context(
            base_url=server.url,
            color_scheme=scheme,
            locale="en-GB",
            timezone_id="Europe/Berlin",
            reduced_motion="reduce",
        )  # type: ignore[arg-type]
        words.listen(context)
        context.add_init_script(VOLUMES)
        page = context.new_page()
        open_page(page, server)
        for name, path in pages.items():
            for size in sizes:
                page.set_viewport_size({"width": SIZES[size][0], "height": SIZES[size][1]})
                take(page, path, folder / (f"{name}.png" if folder == DOCS else f"{name}-{scheme}-{size}.png"))
        for text in words.unexpected():
            print(f"{scheme}: {text}", file=sys.stderr)
        said += len(words.unexpected())
        context.close()
    return said


def take(page: Page, path: str, file: Path) -> None:
    """Open a page, where there is one, and keep its picture, in a palette, which is a third of the bytes."""
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if NOTHING in page.get_by_role("heading", level=1).inner_text():
        return  # this version has no such page
    page.wait_for_timeout(RUN_SETTLE_MS if path.startswith(("/runs/", "/sweeps/", "/compare")) else SETTLE_MS)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    for colours in (COLOURS, COLOURS // 2, COLOURS // 4):
        picture.quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size <= MOST_BYTES:
            break
    print(f"{file.relative_to(ROOT)} {file.stat().st_size // 1000} kB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="pages by the name of their picture, or by address")
    parser.add_argument("--docs", action="store_true", help="one of each page, for the documents")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    flags = [*FLAGS, *(() if os.geteuid() else ("--no-sandbox",))]
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder) / "home") as server,
        sync_playwright() as playwright,
    ):
        pages = routes(fill(server))
        if options.only:
            wanted = set(options.only)
            pages = {
                name: path for name, path in pages.items() if {name, re.sub(r"/[0-9a-f-]{36}", "/$id", path)} & wanted
            }
        browser = playwright.chromium.launch(executable_path=options.chromium, args=flags)
        if options.docs:
            shown = DOCUMENT.read_text(encoding="utf-8")
            pages = {name: path for name, path in pages.items() if f"/{name}.png)" in shown}
            said = shoot(browser, server, pages, DOCS, ["1280x720"], ["light"])
        else:
            said = shoot(browser, server, pages, SCRATCH, list(SIZES), list(SCHEMES))
        browser.close()
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
