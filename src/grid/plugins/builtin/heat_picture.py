"""The picture of a `heat` problem: the field, its history and its verdicts. Matplotlib's object API only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from grid.schemas.jobs import Audit, JsonObject

FloatArray = npt.NDArray[np.floating]
_CURVES = 6  # profiles of one panel: more cannot be told apart
_PIXELS = 500  # cells along an axis that a panel can show
_INK = "#333333"
_AXES = "xyz"
_COLOUR_OF = {"passed": "#1b7837", "failed": "#b2182b", "not_applicable": "#777777"}


@dataclass(frozen=True)
class HeatPicture:
    """Data of the picture: coordinates in m, times in s, temperatures in `unit`."""

    unit: str
    size: tuple[float, ...]
    origin: tuple[float, ...]
    final: FloatArray  # shape cells
    snapshots: FloatArray  # shape (s, *cells)
    snapshot_time: FloatArray  # shape (s,)
    is_steady: bool
    time: FloatArray  # shape (t,), as the curves below
    mean: FloatArray
    highest: FloatArray
    lowest: FloatArray
    method: str
    metrics: JsonObject
    audits: Sequence[Audit]

    @property
    def label(self) -> str:
        """Label of a temperature axis."""
        return f"temperature [{self.unit}]"


def draw_heat(path: Path, picture: HeatPicture) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=(11, 7.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    is_short = picture.final.ndim == 1 and picture.is_steady  # there is nothing for a third panel of the field
    panels = figure.subplot_mosaic("aa\nbd" if is_short else "ab\ncd")
    (_draw_1d, _draw_2d, _draw_3d)[picture.final.ndim - 1](figure, panels, picture)
    _draw_verdicts(panels["d"], picture)
    figure.suptitle(_title(picture), fontsize=11, color=_INK)
    figure.savefig(path, format="png", metadata={"Software": None})


def _draw_1d(figure: Figure, panels: Mapping[str, Axes], picture: HeatPicture) -> None:
    _draw_profiles(figure, panels["a"], picture)
    if picture.is_steady:
        _draw_gradient(panels["b"], picture)
    else:
        _draw_place_and_time(figure, panels["b"], picture)
        _draw_history(panels["c"], picture)


def _draw_2d(figure: Figure, panels: Mapping[str, Axes], picture: HeatPicture) -> None:
    _draw_plane(figure, panels["a"], picture, picture.final, (0, 1), f"Temperature {_when(picture)}")
    _draw_cuts(panels["b"], picture)
    if picture.is_steady:
        _draw_steepness(figure, panels["c"], picture)
    else:
        _draw_history(panels["c"], picture)


def _draw_3d(figure: Figure, panels: Mapping[str, Axes], picture: HeatPicture) -> None:
    for panel, normal in (("a", 2), ("b", 1), ("c", 0)):
        across = [axis for axis in range(3) if axis != normal]
        middle = picture.final.take(picture.final.shape[normal] // 2, axis=normal)
        title = f"Temperature {_when(picture)}, middle of {_AXES[normal]}"
        _draw_plane(figure, panels[panel], picture, middle, (across[0], across[1]), title)


def _title(picture: HeatPicture) -> str:
    cells = " x ".join(f"{count:,}" for count in picture.final.shape)
    size = " x ".join(f"{length:g}" for length in picture.size)
    return f"Heat conduction on a grid: {size} m, {cells} cells, {picture.method}"


def _when(picture: HeatPicture) -> str:
    return "of the steady state" if picture.is_steady else f"at {picture.time[-1]:g} s"


def _centres(picture: HeatPicture, axis: int) -> FloatArray:
    count = picture.final.shape[axis]
    centres: FloatArray = picture.origin[axis] + (np.arange(count) + 0.5) * picture.size[axis] / count
    return centres


def _style(axes: Axes) -> None:
    axes.margins(x=0)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_profiles(figure: Figure, axes: Axes, picture: HeatPicture) -> None:
    place, end = _centres(picture, 0), float(picture.time[-1])
    scale = ScalarMappable(Normalize(0.0, end or 1.0), "viridis_r")
    for row in np.unique(np.round(np.linspace(0, len(picture.snapshots) - 1, _CURVES)).astype(int)):
        colour = "#b2182b" if picture.is_steady else scale.to_rgba(picture.snapshot_time[row])
        axes.plot(place, picture.snapshots[row], color=colour, linewidth=1.8)
    if not picture.is_steady:
        figure.colorbar(scale, ax=axes, label="time [s]")
    axes.set(title="Temperature along x", xlabel="x [m]", ylabel=picture.label)
    _style(axes)


def _draw_place_and_time(figure: Figure, axes: Axes, picture: HeatPicture) -> None:
    image = axes.pcolormesh(
        picture.snapshot_time,
        _centres(picture, 0)[:: _stride(picture.final.shape[0])],
        picture.snapshots[:, :: _stride(picture.final.shape[0])].T,
        cmap="inferno",
        shading="gouraud",
        rasterized=True,
    )
    figure.colorbar(image, ax=axes, label=picture.label)
    axes.set(title="Temperature in place and time", xlabel="time [s]", ylabel="x [m]")


def _draw_gradient(axes: Axes, picture: HeatPicture) -> None:
    """Draw the slope of a steady profile: with equal materials, it is the heat flux but for a factor."""
    place = _centres(picture, 0)
    if len(place) > 1:
        slope = np.gradient(picture.final, place)
        axes.plot(place, slope, color="#4d4d4d", linewidth=1.8)
        low, high = min(0.0, 1.1 * float(slope.min())), max(0.0, 1.1 * float(slope.max()))
        axes.set_ylim(low, high if high > low else low + 1.0)  # with zero in it, or roundings would fill the panel
    axes.set(title="Temperature gradient", xlabel="x [m]", ylabel="gradient [K/m]")
    _style(axes)


def _stride(count: int) -> int:
    return max(1, count // _PIXELS)


def _draw_plane(
    figure: Figure, axes: Axes, picture: HeatPicture, field: FloatArray, across: tuple[int, int], title: str
) -> None:
    low = [picture.origin[axis] for axis in across]
    high = [picture.origin[axis] + picture.size[axis] for axis in across]
    ratio = (high[1] - low[1]) / (high[0] - low[0])
    image = axes.imshow(
        field[:: _stride(field.shape[0]), :: _stride(field.shape[1])].T,
        origin="lower",
        extent=(low[0], high[0], low[1], high[1]),
        aspect="equal" if 0.2 <= ratio <= 5 else "auto",
        cmap="inferno",
        interpolation="bilinear",
        vmin=float(picture.final.min()),
        vmax=float(picture.final.max()),
    )
    figure.colorbar(image, ax=axes, label=picture.label)
    axes.set(title=title, xlabel=f"{_AXES[across[0]]} [m]", ylabel=f"{_AXES[across[1]]} [m]")


def _draw_steepness(figure: Figure, axes: Axes, picture: HeatPicture) -> None:
    """Draw how steep the temperature is."""
    if min(picture.final.shape) < 2:  # a single row of cells has no slope across
        axes.set_axis_off()
        return
    slopes = np.gradient(picture.final, *(_centres(picture, axis) for axis in range(2)))
    extent = [edge for low, length in zip(picture.origin, picture.size, strict=True) for edge in (low, low + length)]
    image = axes.imshow(
        np.hypot(*slopes)[:: _stride(picture.final.shape[0]), :: _stride(picture.final.shape[1])].T,
        origin="lower",
        extent=(extent[0], extent[1], extent[2], extent[3]),
        aspect="equal" if 0.2 <= picture.size[1] / picture.size[0] <= 5 else "auto",
        cmap="viridis",
        vmin=0.0,
    )
    figure.colorbar(image, ax=axes, label="gradient [K/m]")
    axes.set(title="Steepness", xlabel="x [m]", ylabel="y [m]")


def _draw_cuts(axes: Axes, picture: HeatPicture) -> None:
    columns = picture.final.shape
    axes.plot(_centres(picture, 0), picture.final[:, columns[1] // 2], color="#b2182b", label="along x, middle of y")
    axes.plot(_centres(picture, 1), picture.final[columns[0] // 2, :], color="#2166ac", label="along y, middle of x")
    axes.set(title=f"Cuts through the middle {_when(picture)}", xlabel="place [m]", ylabel=picture.label)
    axes.legend(frameon=False)
    _style(axes)


def _draw_history(axes: Axes, picture: HeatPicture) -> None:
    curves = (
        (picture.highest, "#b2182b", "largest"),
        (picture.mean, _INK, "mean"),
        (picture.lowest, "#2166ac", "smallest"),
    )
    for values, colour, name in curves:
        axes.plot(picture.time, values, color=colour, linewidth=1.8, label=name)
    axes.set(title="History", xlabel="time [s]", ylabel=picture.label)
    axes.legend(frameon=False)
    _style(axes)


def _draw_verdicts(axes: Axes, picture: HeatPicture) -> None:
    """Write audits and key figures as text."""
    axes.set_axis_off()
    axes.set_title("Verdicts and key figures")
    lines = [
        (audit["name"].replace("_", " "), _verdict(audit), _COLOUR_OF[audit["verdict"]]) for audit in picture.audits
    ]
    lines += [
        (name.replace("_", " "), f"{value:.6g}{_unit(name, picture)}", _INK)
        for name, value in picture.metrics.items()
        if isinstance(value, (int, float)) and name != "damped_steps"
    ]
    for number, (name, text, colour) in enumerate(lines):
        height = 0.96 - number * 0.068
        axes.text(0.02, height, name, color=_INK, fontsize=10, va="top", transform=axes.transAxes)
        axes.text(0.48, height, text, color=colour, fontsize=10, va="top", transform=axes.transAxes)


def _unit(name: str, picture: HeatPicture) -> str:
    if name.endswith("_temperature"):
        return f" {picture.unit}" if picture.unit != "relative" else ""
    if name == "hottest_above_mean":
        return " K"
    heat = "W" if picture.is_steady else "J"  # of a steady state, rates
    return f" {heat}{('/m²', '/m', '')[picture.final.ndim - 1]}" if "heat" in name else ""


def _verdict(audit: Audit) -> str:
    word = audit["verdict"].replace("_", " ")
    if audit["value"] is None or audit["limit"] is None:
        return word
    return f"{word} ({audit['value']:.2g}, limit {audit['limit']:.2g})"
