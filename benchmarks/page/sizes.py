"""Sizes of what the page loads, as a browser gets it: compressed by brotli."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.page.figures import Figure
from grid.api.page_files import SHIPPED

FIRST = {".js": ("scripts of the first view, brotli", 260.0), ".css": ("styles of the first view, brotli", 40.0)}
# What a page loads beyond the first view, by the modules that it begins with, and the most of its own [kB].
LAZY = {
    "live run with its trends": (("features/runs/run.lazy.tsx", "draw/trends.ts", "features/runs/Trends.tsx"), 40.0),
    "sweep with its charts": (("features/sweeps/sweep.lazy.tsx", "features/sweeps/charts.ts"), 190.0),
}


ROUTE = ".lazy.tsx"  # how the module of each page ends


def measure_sizes() -> list[Figure]:
    """Sizes of the first view and of lazy parts [kB]: what no other page loads, and all of it."""
    document = (SHIPPED / "index.html").read_text(encoding="utf-8")
    assets = [path.relative_to(SHIPPED).as_posix() for path in (SHIPPED / "assets").iterdir()]
    first = {name for name in assets if Path(name).name in document and Path(name).suffix in FIRST}
    figures = [Figure(what, "kB", [weigh(name for name in first if name.endswith(ending))], most)
               for ending, (what, most) in FIRST.items()]  # fmt: skip
    manifest = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))
    for what, (modules, most) in LAZY.items():
        own = {key for key in manifest if key.endswith(modules)}
        files = set(find_files(manifest, own)) - first
        others = set(find_files(manifest, [key for key in manifest if key.endswith(ROUTE) and key not in own]))
        figures.append(Figure(f"lazy part: {what}, brotli", "kB", [weigh(files - others)], most))
        figures.append(Figure(f"lazy part: {what}, and what other pages load too", "kB", [weigh(files)]))
    return figures


def find_files(manifest: dict[str, Any], modules: Iterable[str]) -> Iterator[str]:
    """Files of some modules with all that they import at once."""
    waiting = list(modules)
    seen = set()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        chunk = manifest[key]
        workers = (name for name in chunk.get("assets", ()) if name.endswith(".js"))
        yield from (chunk["file"], *chunk.get("css", ()), *workers)
        waiting += chunk.get("imports", ())


def weigh(names: Iterable[str]) -> float:
    """Size of files of the page in the form that a browser gets [kB]."""
    packed = ((SHIPPED / f"{name}.br", SHIPPED / name) for name in names)
    return sum((small if small.exists() else plain).stat().st_size for small, plain in packed) / 1000
