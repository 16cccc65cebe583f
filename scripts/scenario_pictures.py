#!/usr/bin/env python3
"""Write docs/images/scenarios/*.png: each scenario at a telling moment, with its course.

.venv/bin/python scripts/scenario_pictures.py                # all, some minutes
.venv/bin/python scripts/scenario_pictures.py burst cascade  # these
"""

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from grid.engine.live.clock import plan_clock
from grid.engine.live.scene import Scene
from grid.engine.live.session import FieldName, Session
from grid.engine.live.summary import TickSummary
from grid.engine.results.plot import COLOUR_OF, INK, Picture
from grid.engine.space.mesh import centres
from grid.engine.values.operations import FloatArray
from grid.plugins.registry import load_registry
from grid.schemas.scenarios import Expectation, Scenario

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images" / "scenarios"
DOTS, COLOURS = 100, 200  # [1/inch] resolution; [-] colours of a picture
MOST_BYTES = 60_000
SHADE = "#dbe9f6"  # spans of the lumped model
STRESS, DAMAGE = "#6a51a3", "#238b45"
LEVELS = 8  # [-] contour lines
CLOSE = {"columnspacing": 1.0, "handlelength": 1.5, "handletextpad": 0.5, "borderpad": 0.2}  # of a legend


@dataclass(frozen=True)
class View:
    """What a picture shows.

    Args:
        time_s: Of the field [s].
        field: Which.
        label: Of the field, with its unit.
        trend: Numbers of the lower curve, as fields of a summary, with label and scale.
        cells: Grid, where it is not the default one.
        is_even: True where the field is the same everywhere: the course up to the time is shown instead.
        colours: Of the picture's palette.
        is_hottest: True where the places of expected temperatures are the hottest.
    """

    time_s: float
    label: str = "temperature [°C]"
    field: FieldName = "temperature"
    trend: tuple[str, str, float] = ("peak_stress", "peak stress [MPa]", 1e-6)
    cells: tuple[int, ...] = ()
    is_hottest: bool = False
    is_even: bool = False
    colours: int = COLOURS


VIEWS = {
    "burst": View(100.0, is_hottest=True),
    "flow": View(900.0),
    "overload": View(1000.0),
    "burst-train": View(1485.0),
    "hot-spot-drift": View(1000.0),
    "cooling-failure": View(1000.0),
    "cascade": View(370.0, trend=("failed_regions", "failed modules", 1.0)),
    "thermal-cycling": View(1600.0, trend=("damage", "damage (Miner)", 1.0), is_even=True, colours=48),
}


def main(arguments: Sequence[str]) -> int:
    """Write the pictures that are asked for."""
    scenarios = load_registry().scenarios()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios; all without any")
    for name in parser.parse_args(arguments).names or VIEWS:
        path = FOLDER / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = draw(scenarios[name], VIEWS[name])
        size = write(picture, path, VIEWS[name].colours)
        print(f"{path.relative_to(ROOT)}: {size} bytes")
        if size > MOST_BYTES:
            return 1
    return 0


def draw(scenario: Scenario, view: View) -> Picture:
    """Run a scenario with its defaults and draw it."""
    params = scenario.params_model()
    timing = scenario.timing(params)
    scene = Scene.from_json(scenario.scene(params, view.cells or scenario.cells))
    session = Session(scene, plan_clock(scene, timing.tick_s))
    for event in scenario.events(params):
        session.apply(event["event"], at_s=event["at_s"])
    summaries: list[TickSummary] = [session.summary]
    moment = round(view.time_s / timing.tick_s)
    session.advance(moment, summaries.append)
    field = session.field(view.field)
    session.advance(timing.ticks - moment, summaries.append)
    picture = Picture(10.0, 4.2)
    left, right = picture.subfigures(1, 2, width_ratios=(1.0, 1.25))
    if view.is_even:
        draw_begin(left.subplots(2, 1, sharex=True), summaries[: moment + 1])
    else:
        draw_field(left.subplots(), session, field, view)
    upper, lower = right.subplots(2, 1, sharex=True, height_ratios=(1.6, 1.0))
    draw_course(upper, lower, summaries, view, timing.tick_s)
    mark_expected(upper, lower, scenario.expected(params), view)
    for rule in scenario.rules(params):
        if rule["metric"] in ("highest", "mean"):
            shown = "alert" if "alert" not in upper.get_legend_handles_labels()[1] else None
            upper.axhline(rule["raise"], color=COLOUR_OF[rule["metric"]], lw=0.9, ls="--", label=shown)
    upper.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, **CLOSE)
    picture.suptitle(scenario.title, fontsize=11)
    return picture


def draw_field(axes: Axes, session: Session, field: FloatArray, view: View) -> None:
    """The field as a map over the two longest axes, with the colours of the pictures of results."""
    domain = session.scene.problem.domain
    thin = domain.dimension == 3
    values = field[0] if thin else field
    first = 1 if thin else 0
    names = "yz" if thin else "xy"
    low = [domain.origin[axis] for axis in (first, first + 1)]
    size = [domain.size[axis] for axis in (first, first + 1)]
    is_flat = max(size) <= 5.0 * min(size)
    image = axes.imshow(
        values.T,
        origin="lower",
        extent=(low[0], low[0] + size[0], low[1], low[1] + size[1]),
        aspect="equal" if is_flat else "auto",
        cmap="inferno",
        interpolation="nearest",
    )
    changes = [float(np.ptp(values, axis=axis).max()) for axis in range(2)]
    if min(changes) > 1e-6 * max(changes) and not session.scene.problem.contacts:  # lines mean nothing across seams
        levels = np.linspace(values.min(), values.max(), LEVELS + 2)[1:-1]
        axes.contour(
            centres(domain, first), centres(domain, first + 1), values.T, levels=levels, colors="white", linewidths=0.6,
            alpha=0.8,
        )  # fmt: skip
    axes.set(xlabel=f"{names[0]} [m]", ylabel=f"{names[1]} [m]")
    axes.set_title(f"t = {view.time_s:g} s", loc="left", fontsize=9)
    axes.figure.colorbar(image, ax=axes, label=view.label, shrink=0.9)


def draw_begin(pair: NDArray[np.object_], summaries: Sequence[TickSummary]) -> None:
    """Temperature and stress up to a time, for a body that is the same everywhere."""
    times = [summary.time for summary in summaries]
    pair[0].plot(times, [summary.mean for summary in summaries], color=COLOUR_OF["mean"], lw=1.4)
    pair[1].plot(times, [1e-6 * (summary.peak_stress or 0.0) for summary in summaries], color=STRESS, lw=1.4)
    pair[0].set_ylabel("temperature [°C]")
    pair[1].set(xlabel="time [s]", ylabel="stress, its size [MPa]")
    for axes in pair:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.0)


def draw_course(upper: Axes, lower: Axes, summaries: Sequence[TickSummary], view: View, tick: float) -> None:
    """Temperatures above, stress or another number below; spans of the lumped model are shaded."""
    times = [summary.time for summary in summaries]
    width = 0.7 if view.is_even else 1.4
    for name in ("mean",) if view.is_even else ("highest", "mean"):
        upper.plot(
            times, [getattr(summary, name) for summary in summaries], color=COLOUR_OF[name], lw=width, label=name
        )
    name, label, scale = view.trend
    colour = STRESS if name == "peak_stress" else DAMAGE
    lower.plot(times, [scale * (getattr(summary, name) or 0.0) for summary in summaries], color=colour, lw=1.4)
    spans = find_spans([summary.model == "lumped" for summary in summaries[1:]])
    for axes in (upper, lower):
        for number, (first, last) in enumerate(spans):
            shown = "lumped model" if axes is upper and number == 0 else None
            axes.axvspan(first * tick, last * tick, color=SHADE, lw=0, zorder=0, label=shown)
        axes.axvline(view.time_s, color=INK, lw=0.8, ls=":")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.0)
    upper.set_ylabel("temperature [°C]")
    lower.set(xlabel="time [s]", ylabel=label)


def find_spans(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last boundary of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(flags, int), [0]))))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def mark_expected(upper: Axes, lower: Axes, expected: Sequence[Expectation], view: View) -> None:
    """Circles where a closed form says what the curves are."""
    label: str | None = "closed form"
    style = {"ls": "none", "marker": "o", "mfc": "none", "mec": INK, "ms": 5, "zorder": 5}
    for each in expected:
        drawn = ("highest", "mean", "temperature") if view.is_hottest else ("highest", "mean")
        axes, scale = (upper, 1.0) if each.quantity in drawn else (lower, view.trend[2])
        if each.quantity not in (*drawn, view.trend[0]) or isinstance(each.value, str):
            continue
        if each.measure == "first_time" and isinstance(each.level, float):
            axes.plot([each.value], [scale * each.level], label=label if axes is upper else None, **style)
        elif each.measure == "value" and each.compare == "within":
            axes.plot([each.time_s], [scale * each.value], label=label if axes is upper else None, **style)
        else:
            continue
        label = None if axes is upper else label


def write(picture: Picture, path: Path, colours: int) -> int:
    """Write a picture with few colours; return its size in bytes."""
    stream = io.BytesIO()
    picture.savefig(stream, format="png", dpi=DOTS)
    stream.seek(0)
    image = Image.open(stream).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
