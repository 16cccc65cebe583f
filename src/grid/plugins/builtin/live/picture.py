"""The picture of a finished point of `live`: its last field, the course of its metrics, its verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from grid.schemas.jobs import Audit

FloatArray = npt.NDArray[np.float64]

_INK = "#333333"
_COLOUR_OF = {"passed": "#1b7837", "failed": "#b2182b", "not_applicable": "#777777"}
_LINES = 14  # of text that the fourth panel has room for
_LEFT, _RIGHT, _TOP, _HEIGHT = 0.02, 0.62, 0.96, 0.066  # [-] of the panel


@dataclass(frozen=True)
class LivePicture:
    """Data of the picture: lengths in m, times in s, temperatures in `unit`.

    Args:
        title: Of the whole.
        unit: Of temperatures.
        final: The last field, without axes of one cell.
        axes, size, origin: Names, lengths and beginnings of the axes that are left.
        time: Of each row of the history.
        mean, highest, lowest: Temperatures, as the rows.
        other: Another metric worth looking at, as the rows, and its name.
        is_lumped: Share of each row's ticks with the lumped model.
        switches: Times at which the model changed.
        audits: What was checked.
        figures: Names and numbers below them.
    """

    title: str
    unit: str
    final: FloatArray
    axes: str
    size: tuple[float, ...]
    origin: tuple[float, ...]
    time: FloatArray
    mean: FloatArray
    highest: FloatArray
    lowest: FloatArray
    other: tuple[str, FloatArray]
    is_lumped: FloatArray
    switches: Sequence[float]
    audits: Sequence[Audit]
    figures: Sequence[tuple[str, str]]


def draw_live(path: Path, picture: LivePicture) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=(11, 7.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplot_mosaic("ab\ncd")
    _draw_field(figure, panels["a"], picture)
    _draw_temperatures(panels["b"], picture)
    _draw_other(panels["c"], picture)
    _draw_verdicts(panels["d"], picture)
    figure.suptitle(picture.title, fontsize=11, color=_INK)
    figure.savefig(path, format="png", metadata={"Software": None})


def _draw_field(figure: Figure, axes: Axes, picture: LivePicture) -> None:
    """Draw the last field: a line, a plane, or the plane in the middle of the third axis."""
    title, label = f"Temperature at {picture.time[-1]:g} s", f"temperature [{picture.unit}]"
    names = picture.axes
    if picture.final.ndim == 1:
        count = len(picture.final)
        axes.plot(
            picture.origin[0] + (np.arange(count) + 0.5) * picture.size[0] / count, picture.final, color="#b2182b"
        )
        axes.set(title=title, xlabel=f"{names[0]} [m]", ylabel=label)
        _style(axes)
        return
    plane = picture.final if picture.final.ndim == 2 else picture.final[:, :, picture.final.shape[2] // 2]
    edges = [(low, low + length) for low, length in zip(picture.origin, picture.size, strict=True)]
    image = axes.imshow(
        plane.T, origin="lower", extent=(*edges[0], *edges[1]), cmap="inferno", interpolation="nearest",
        aspect="equal" if 0.2 <= picture.size[1] / picture.size[0] <= 5 else "auto",
    )  # fmt: skip
    figure.colorbar(image, ax=axes, label=label)
    middle = "" if picture.final.ndim == 2 else f", middle of {names[2]}"
    axes.set(title=title + middle, xlabel=f"{names[0]} [m]", ylabel=f"{names[1]} [m]")


def _draw_temperatures(axes: Axes, picture: LivePicture) -> None:
    for values, colour, name in (
        (picture.highest, "#b2182b", "highest"), (picture.mean, _INK, "mean"), (picture.lowest, "#2166ac", "lowest"),
    ):  # fmt: skip
        axes.plot(picture.time, values, color=colour, linewidth=1.8, label=name)
    _shade(axes, picture)
    axes.set(title="Temperatures", xlabel="time [s]", ylabel=f"temperature [{picture.unit}]")
    axes.legend(frameon=False)
    _style(axes)


def _draw_other(axes: Axes, picture: LivePicture) -> None:
    name, values = picture.other
    axes.plot(picture.time, values, color="#4d4d4d", linewidth=1.8)
    _shade(axes, picture)
    axes.set(title=name, xlabel="time [s]")
    _style(axes)


def _shade(axes: Axes, picture: LivePicture) -> None:
    """Shade what the lumped model advanced, and mark where the model changed."""
    low, high = axes.get_ylim()
    axes.fill_between(
        picture.time, low, high, where=(picture.is_lumped > 0.5).tolist(), color="#dddddd", linewidth=0, zorder=0
    )  # fmt: skip
    axes.vlines(picture.switches, low, high, color="#999999", linewidth=0.8, linestyle="dotted")
    axes.set_ylim(low, high)


def _draw_verdicts(axes: Axes, picture: LivePicture) -> None:
    """Write audits, failed ones first, and figures as text."""
    axes.set_axis_off()
    axes.set_title("Verdicts and figures")
    ordered = sorted(picture.audits, key=lambda audit: audit["verdict"] != "failed")
    room = _LINES - min(len(picture.figures), _LINES // 2)
    lines = [
        (one["name"].replace("_", " "), one["verdict"].replace("_", " "), _COLOUR_OF[one["verdict"]]) for one in ordered
    ]
    if len(lines) > room:
        lines = [*lines[: room - 1], (f"and {len(lines) - room + 1} more", "", _INK)]
    lines += [(name, text, _INK) for name, text in picture.figures][: _LINES - len(lines)]
    for number, (name, text, colour) in enumerate(lines):
        height = _TOP - number * _HEIGHT
        axes.text(_LEFT, height, name, color=_INK, fontsize=10, va="top", transform=axes.transAxes)
        axes.text(_RIGHT, height, text, color=colour, fontsize=10, va="top", transform=axes.transAxes)


def _style(axes: Axes) -> None:
    axes.margins(x=0)
    axes.grid(visible=True, color="#eeeeee", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
