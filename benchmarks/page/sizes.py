"""Sizes of what the page loads, as a browser gets it: compressed by brotli."""

import json
from collections.abc import Iterable
from pathlib import Path

from scripts.page import CSS_BYTES, JS_BYTES, LAZY_BYTES, ROUTE, find_files

from benchmarks.page.figures import Figure
from grid.api.page_files import SHIPPED

FIRST = {
    ".js": ("scripts of the first view, brotli", JS_BYTES / 1e3),
    ".css": ("styles of the first view, brotli", CSS_BYTES / 1e3),
}


def measure_sizes() -> list[Figure]:
    """Sizes of the first view and of lazy parts [kB]: what no other page loads, and all of it."""
    document = (SHIPPED / "index.html").read_text(encoding="utf-8")
    assets = [path.relative_to(SHIPPED).as_posix() for path in (SHIPPED / "assets").iterdir()]
    first = {name for name in assets if Path(name).name in document and Path(name).suffix in FIRST}
    figures = [Figure(what, "kB", [weigh(name for name in first if name.endswith(ending))], most)
               for ending, (what, most) in FIRST.items()]  # fmt: skip
    manifest = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))
    for what, (modules, most) in LAZY_BYTES.items():
        own = {key for key in manifest if key.endswith(modules)}
        files = find_files(manifest, own) - first
        others = find_files(manifest, [key for key in manifest if key.endswith(ROUTE) and key not in own])
        figures.append(Figure(f"lazy part: {what}, brotli", "kB", [weigh(files - others)], most / 1e3))
        figures.append(Figure(f"lazy part: {what}, and what other pages load too", "kB", [weigh(files)]))
    return figures


def weigh(names: Iterable[str]) -> float:
    """Size of files of the page in the form that a browser gets [kB]."""
    packed = ((SHIPPED / f"{name}.br", SHIPPED / name) for name in names)
    return sum((small if small.exists() else plain).stat().st_size for small, plain in packed) / 1000
