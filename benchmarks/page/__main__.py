"""Figures of the web page in headless Chromium, beside a bare React page with the same Mantine shell in the same run:

    python -m benchmarks.page [--only view,scroll,sweep,pictures,drag,peers] [--repeats 3] [--json FILE]
    python -m benchmarks.page --open 30        # minutes that a page stays open: slope of its heap

A service of its own runs meanwhile, and Chromium as it is on this machine. Times of the main thread are `TaskDuration`
of its own counters, in processor time. Bars of times in the page hold where the bare page takes 0.35 s of main thread,
and scale with it where it takes more; those of streams of pictures do not. Above a load of 2 a run says that its wall
times are no measurement.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.e2e.conftest import FLAGS
from tests.support.server import Server, serve

from benchmarks.page.browsing import Bench
from benchmarks.page.dragging import measure_drag
from benchmarks.page.figures import Figure, report
from benchmarks.page.first_view import find_scale, measure_bare, measure_view
from benchmarks.page.peers import measure_peers
from benchmarks.page.pictures import measure_pictures
from benchmarks.page.scroll import measure_scroll
from benchmarks.page.soak import measure_open
from benchmarks.page.sweep import measure_sweep
from benchmarks.runs import Run

# WebGL in software, beside a page that is put together as without it
WEBGL = [*FLAGS, "--disable-gpu-compositing"]
PARTS: dict[str, Callable[[Bench, Server], list[Figure]]] = {
    "view": measure_view,
    "scroll": measure_scroll,
    "sweep": measure_sweep,
    "pictures": measure_pictures,
    "drag": measure_drag,
    "peers": measure_peers,
}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="comma-separated: " + ", ".join(PARTS))
    parser.add_argument("--open", type=float, metavar="MINUTES", help="measure the heap of a page that stays open")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--json", type=Path, help="write the figures into this file as well")
    options = parser.parse_args()
    options.parts = options.only.split(",")
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    return options


def main() -> int:
    options, run, notes = read_options(), Run(), list[str]()
    flags = ["--disable-background-networking", *(() if os.geteuid() else ("--no-sandbox",))]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=flags)
        webgl = playwright.chromium.launch(executable_path=options.chromium, args=[*WEBGL, *flags])
        bench = Bench(browser, webgl, options.repeats, 1.0, notes.append)
        if options.open is not None:
            with serve(Path(folder) / "open") as server:
                figures = measure_open(bench, server, options.open)
        else:
            bare = measure_bare(bench)
            bench = replace(bench, scale=find_scale(bare))
            figures = [Figure("main thread of a bare React page", "s", bare)]
            for name in options.parts:
                print(f"{name} ...", file=sys.stderr)
                with serve(Path(folder) / name / "home") as server:  # each with nothing but its own
                    found = PARTS[name](bench, server)
                print("\n".join(figure.line() for figure in found), file=sys.stderr)
                figures += found
        version = browser.version
        for one in (browser, webgl):
            one.close()
    report(run.describe(f"page in Chromium {version}"), figures, notes, options.json)
    return 0 if all(figure.is_kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
