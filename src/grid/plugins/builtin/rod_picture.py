"""The picture of a rod: four panels for a report. Matplotlib's object API only: pyplot is not made for a service."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from grid.schemas.jobs import JsonObject

FloatArray = npt.NDArray[np.float64]
_CURVES = 6  # profiles of one panel: more cannot be told apart
_INK = "#333333"


@dataclass(frozen=True)
class RodPicture:
    """Data of the picture: temperatures in degC, coordinates in m, times in s."""

    parameters: JsonObject
    place: FloatArray  # shape (p,)
    sample_time: FloatArray  # shape (s,)
    field: FloatArray  # shape (s, p)
    time: FloatArray  # shape (t,), as the curves below
    centre: FloatArray
    mean: FloatArray
    exact_centre: FloatArray
    error: FloatArray  # largest difference from the exact solution
    sub_steps: int
    mesh_fourier: float


def draw_rod(path: Path, picture: RodPicture) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=(11, 7.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    profiles, plane, history, errors = figure.subplots(2, 2).flat
    _draw_profiles(figure, profiles, picture)
    _draw_plane(figure, plane, picture)
    _draw_history(history, picture)
    _draw_errors(errors, picture)
    for axes in (profiles, history, errors):
        axes.grid(visible=True, color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(_title(picture), fontsize=11, color=_INK)
    figure.savefig(path, format="png", metadata={"Software": None})


def _title(picture: RodPicture) -> str:
    rod = picture.parameters
    steps = "1 sub-step" if picture.sub_steps == 1 else f"{picture.sub_steps:,} sub-steps"
    return (
        f"Heat conduction in a rod: length {rod['length']:g} m, diffusivity {rod['diffusivity']:g} m²/s, "
        f"centre {rod['initial_temp']:g} °C, ends {rod['boundary_temp']:g} °C\n"
        f"{rod['spatial_steps']:,} nodes, {rod['time_steps']:,} intervals of {steps}, "
        f"mesh Fourier number {picture.mesh_fourier:.3g}"
    )


def _draw_profiles(figure: Figure, axes: Axes, picture: RodPicture) -> None:
    scale = ScalarMappable(Normalize(0.0, float(picture.time[-1])), "viridis_r")
    chosen = np.unique(np.round(np.linspace(0, len(picture.field) - 1, _CURVES)).astype(int))
    for row in chosen:
        axes.plot(picture.place, picture.field[row], color=scale.to_rgba(picture.sample_time[row]), linewidth=1.8)
    figure.colorbar(scale, ax=axes, label="time [s]")
    axes.set(title="Temperature along the rod", xlabel="place [m]", ylabel="temperature [°C]")
    axes.margins(x=0)


def _draw_plane(figure: Figure, axes: Axes, picture: RodPicture) -> None:
    image = axes.imshow(
        picture.field.T,
        origin="lower",
        aspect="auto",
        cmap="inferno",
        interpolation="bilinear",
        extent=(0.0, float(picture.time[-1]), 0.0, float(picture.place[-1])),
    )
    figure.colorbar(image, ax=axes, label="temperature [°C]")
    axes.set(title="Temperature in place and time", xlabel="time [s]", ylabel="place [m]")


def _draw_history(axes: Axes, picture: RodPicture) -> None:
    axes.plot(picture.time, picture.centre, color="#b2182b", linewidth=1.8, label="centre")
    axes.plot(picture.time, picture.mean, color="#2166ac", linewidth=1.8, label="mean")
    every = max(1, len(picture.time) // 16)
    (exact,) = axes.plot(picture.time[::every], picture.exact_centre[::every], "o", label="centre, exact solution")
    exact.set(markersize=5, markerfacecolor="none", color=_INK)
    axes.set(title="Cooling", xlabel="time [s]", ylabel="temperature [°C]")
    axes.margins(x=0)
    axes.legend(frameon=False)


def _draw_errors(axes: Axes, picture: RodPicture) -> None:
    axes.plot(picture.time, picture.error, color="#4d4d4d", linewidth=1.8)
    axes.set(title="Largest difference from the exact solution", xlabel="time [s]", ylabel="difference [K]")
    axes.margins(x=0)
    axes.set_ylim(bottom=0.0)
