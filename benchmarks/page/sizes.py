"""Sizes of what the page loads, as a browser gets it: compressed by brotli."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.page.figures import Figure
from grid.api.page_files import SHIPPED

FIRST = {".js": ("scripts of the first view, brotli", 260.0), ".css": ("styles of the first view, brotli", 40.0)}
# What a route loads beyond the first view, by the module that it begins with, and the most of it [kB].
LAZY = {
    "live run with its trends": (("features/runs/run.lazy.tsx", "draw/trends.ts", "features/runs/Trends.tsx"), 40.0),
    "sweep with its charts": (("features/sweeps/sweep.lazy.tsx", "features/sweeps/charts.ts"), 190.0),
}


def measure_sizes() -> list[Figure]:
    """Sizes of the first view and of lazy parts [kB]."""
    document = (SHIPPED / "index.html").read_text(encoding="utf-8")
    assets = [path.relative_to(SHIPPED).as_posix() for path in (SHIPPED / "assets").iterdir()]
    first = {name for name in assets if Path(name).name in document and Path(name).suffix in FIRST}
    figures = [Figure(what, "kB", [weigh(name for name in first if name.endswith(ending))], most)
               for ending, (what, most) in FIRST.items()]  # fmt: skip
    manifest = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))
    for what, (modules, most) in LAZY.items():
        files = set(find_files(manifest, modules))
        figures.append(Figure(f"lazy part: {what}, brotli", "kB", [weigh(files - first)], most))
    return figures


def find_files(manifest: dict[str, Any], modules: Iterable[str]) -> Iterator[str]:
    """Files of some modules with all that they import at once."""
    waiting = [key for key in manifest for module in modules if key.endswith(module)]
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
