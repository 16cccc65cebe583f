#!/usr/bin/env python3
"""Write docs/images/monitor/*.png: the monitor during a burst and a cascade, its dialog, without its server, as a list.

.venv/bin/python scripts/monitor_pictures.py             # all; PNG where Chromium is installed, else SVG
.venv/bin/python scripts/monitor_pictures.py burst list  # these
.venv/bin/python scripts/monitor_pictures.py --measure   # processor time of a picture of 100 x 80 characters
"""

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from textual.pilot import Pilot

from grid.cli.monitor.app import MonitorApp
from grid.cli.monitor.local import LocalSource
from grid.cli.monitor.picture import View, draw
from grid.client.frames import decode_frame
from grid.plugins.registry import load_registry
from grid.runtime.live.frames import Stamp, encode_frame

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images" / "monitor"
SIZE = 128, 40
COLOURS = 128  # [-] of a picture's palette
MOST_BYTES = 90_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60.0
Shot = Callable[[Pilot[None], LocalSource], Awaitable[None]]


def make_source(name: str = "burst", cells: tuple[int, ...] = (128, 128), speed: float = 10.0) -> LocalSource:
    """A scenario to take pictures of."""
    scenario = load_registry().get_scenario(name)
    return LocalSource(scenario, scenario.params_model(), cells, speed=speed)


async def reach(pilot: Pilot[None], tick: int) -> None:
    """Wait until a picture of this tick or a later one is drawn, and pause the run there."""
    app, source = pilot.app, pilot.app.source  # type: ignore[attr-defined]
    async with asyncio.timeout(PATIENCE_S):
        while app.picture is None or app.picture.tick < tick:
            await pilot.pause(0.02)
    await source.pause()
    await rest(pilot)


async def rest(pilot: Pilot[None]) -> None:
    """Let everything be drawn."""
    for _ in range(20):
        await pilot.pause(0.05)


async def shoot_burst(pilot: Pilot[None], source: LocalSource) -> None:
    """The field late in the burst, the run ticking."""
    await reach(pilot, 98)
    await source.resume()
    await source.set_speed(0.1)
    await rest(pilot)


async def shoot_inject(pilot: Pilot[None], _source: LocalSource) -> None:
    """The dialog of an injection at the cursor."""
    await reach(pilot, 98)
    await pilot.press("shift+right", "shift+up")
    await rest(pilot)
    await pilot.press("i")
    await rest(pilot)


async def shoot_offline(pilot: Pilot[None], source: LocalSource) -> None:
    """The last picture, after the link was lost for 4 s."""
    await reach(pilot, 98)
    app = pilot.app
    source._tell(state="running", link="lost", reason="http://127.0.0.1:8000 does not answer (connection refused)")  # noqa: SLF001
    await rest(pilot)
    now = time.time() + 4.0
    app._clock = lambda: now  # type: ignore[attr-defined]  # noqa: SLF001
    await rest(pilot)


async def shoot_list(pilot: Pilot[None], _source: LocalSource) -> None:
    """A terminal that is too small for a picture."""
    await reach(pilot, 98)
    await pilot.resize_terminal(80, 24)
    await rest(pilot)


async def shoot_cascade(pilot: Pilot[None], _source: LocalSource) -> None:
    """Regions that fail one after the other."""
    await reach(pilot, 330)


SHOTS: dict[str, tuple[Shot, Callable[[], LocalSource]]] = {
    "burst": (shoot_burst, make_source),
    "inject": (shoot_inject, make_source),
    "offline": (shoot_offline, make_source),
    "list": (shoot_list, make_source),
    "cascade": (
        shoot_cascade,
        lambda: make_source("cascade", load_registry().get_scenario("cascade").cells, 20.0),
    ),
}


async def take(name: str) -> str:
    """The screen as SVG."""
    shot, make = SHOTS[name]
    source = make()
    app = MonitorApp(source)
    async with app.run_test(size=SIZE) as pilot:
        await shot(pilot, source)
        return app.export_screenshot(title=f"grid monitor --scenario {source._run.scenario}")  # noqa: SLF001


def save(svg: str, path: Path) -> Path:
    """Write a picture: as PNG where a browser can draw it, else as SVG."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        target = path.with_suffix(".svg")
        target.write_text(svg, encoding="utf-8")
        return target
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # fonts of an outside host
    width, height = (round(float(part)) for part in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "screen.svg", Path(folder) / "screen.png"
        page.write_text(svg, encoding="utf-8")
        subprocess.run(
            [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--window-size={width},{height}", f"--screenshot={shot}", page.as_uri()],
            check=True, capture_output=True, timeout=PATIENCE_S,
        )  # fmt: skip
        image = Image.open(shot).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


async def measure(repeats: int = 60) -> None:
    """Print the processor time of pictures of 100 x 80 characters of a field that moves, least and median."""
    x, y = np.meshgrid(np.linspace(-1, 1, 512), np.linspace(-1, 1, 512), indexing="ij")

    def frame(turn: int) -> bytes:
        angle = 0.05 * turn
        spot = np.exp(-((x - 0.4 * np.cos(angle)) ** 2 + (y - 0.4 * np.sin(angle)) ** 2) / 0.08)
        return encode_frame(300.0 + 240.0 * spot, Stamp(turn, 0.1 * turn), name="temperature", level=1, codec="zstd")

    app = MonitorApp(make_source(cells=(16, 16), speed=0.1))
    times: dict[str, list[float]] = {"decode and reduce": [], "draw": []}
    async with app.run_test(size=(240, 90)) as pilot:
        await rest(pilot)
        field = app.query_one("#field")
        view = View(100, 80, (1.0, 1.0), threshold=450.0)
        segments = lines = 0
        for turn in range(repeats):
            data = frame(turn)
            began = time.process_time()
            picture = draw(decode_frame(data), view)
            times["decode and reduce"].append(time.process_time() - began)
            padded = replace(picture, keys=np.pad(picture.keys, ((0, 0), (0, field.content_size.width - 100))))
            began = time.process_time()
            lines += field.show(padded)  # type: ignore[attr-defined]
            await pilot.pause()
            times["draw"].append(time.process_time() - began)
            segments += sum(len(list(field.render_line(row))) for row in range(80))
    for name, seconds in times.items():
        print(f"{name}: least {1e3 * min(seconds):.1f} ms, median {1e3 * float(np.median(seconds)):.1f} ms")
    print(f"{lines / repeats:.0f} of 80 lines changed, {segments / repeats:.0f} segments a picture, {repeats} pictures")


def main(arguments: Sequence[str]) -> int:
    """Write the pictures that are asked for, or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SHOTS)}; all without any")
    parser.add_argument("--measure", action="store_true", help="print what a picture costs, and write nothing")
    given = parser.parse_args(arguments)
    if given.measure:
        asyncio.run(measure())
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in given.names or SHOTS:
        path = save(asyncio.run(take(name)), FOLDER / f"{name}.png")
        size = path.stat().st_size
        print(f"{path.relative_to(ROOT)}: {size} bytes")
        if path.suffix == ".png" and size > MOST_BYTES:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
