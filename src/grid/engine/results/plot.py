"""Pictures of a solution, one call each. Matplotlib's object interface only: no window, no global state.

A `Picture` is a Matplotlib figure that a notebook shows as it is; `picture.savefig(path)` or `save` writes it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from grid.core.errors import FieldError
from grid.engine.problem.domain import AXES, Domain
from grid.engine.results.atomic_write import replacing
from grid.engine.space.mesh import centres
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.results.fields import SolutionFields

INK, LEVELS, DOTS = "#333333", 10, 130  # colour of lines; [-] contour lines; [1/inch] resolution
MAP = 5.4  # [inch] longer side of a map
SAFE = 5.0  # [-] safety factor above which the colour is the same
UNITS = {"K": "K", "degC": "°C", "relative": "relative"}
COLOUR_OF = {"highest": "#b2182b", "mean": INK, "lowest": "#2166ac"}


class Picture(Figure):
    """A figure with a canvas of its own, which a notebook shows."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        stream = BytesIO()
        self.savefig(stream, format="png", dpi=DOTS)
        return stream.getvalue()


def save(picture: Figure, path: str | Path) -> Path:
    """Write a picture as PNG, whole or not at all."""
    path = Path(path)
    with replacing(path) as place:
        picture.savefig(place, format="png", dpi=DOTS)
    return path


def plot(solution: "SolutionFields", time: float | None = None) -> Picture:
    """The field at an output time (default: the last): a profile, a map with contours, or three sections.

    A profile in 1D shows the start and times between as well; the sections go through the hottest cell.

    Raises:
        FieldError: The time was not requested.
    """
    index = solution.find_index(time)
    domain, label = solution.problem.domain, _label(solution)
    when = "steady state" if solution.problem.steady else f"t = {solution.times[index]:.6g} s"
    if domain.dimension == 1:
        return _plot_profiles(solution, index, label)
    return plot_field(domain, solution.body_fields[index], label=label, title=f"Temperature, {when}")


def plot_history(solution: "SolutionFields") -> Picture:
    """The smallest, the mean and the largest temperature along the run."""
    picture, history = Picture(7.0, 4.0), solution.history
    axes = picture.subplots()
    curves = (("highest", history.maximum), ("mean", history.mean), ("lowest", history.minimum))
    for name, values in curves:
        axes.plot(history.time, values, color=COLOUR_OF[name], linewidth=1.8, label=name)
    axes.set(title="Temperatures along the run", xlabel="time [s]", ylabel=_label(solution))
    axes.legend(frameon=False)
    _style(axes)
    return picture


def plot_field(domain: Domain, values: FloatArray, *, label: str, title: str = "") -> Picture:
    """A field over a 2D or 3D box.

    Args:
        domain: The box.
        values: Shape of `domain.cells`, NaN outside the body.
        label: What it is, with its unit.
        title: Above the picture.

    Raises:
        FieldError: The array has another shape.
    """
    return plot_panels(domain, {title: (np.asarray(values, np.float64), label)})


def plot_panels(
    domain: Domain, panels: Mapping[str, tuple[FloatArray, str]], worst: "tuple[str, FloatArray, np.intp] | None" = None
) -> Picture:
    """Maps of each field: itself in 2D; in 3D three sections, through the place where the first field is largest.

    Args:
        domain: The box.
        panels: Values and label of each field by its title.
        worst: A word, a field and the flat index of its cell to cut through and to name in the title.
    """
    picture = _draw_panels(domain, panels, None if worst is None else worst[2])
    if worst is not None:
        name, values, cell = worst
        place = np.unravel_index(int(cell), values.shape)
        where = ", ".join(f"{AXES[axis]} = {centres(domain, axis)[i]:.4g} m" for axis, i in enumerate(place))
        picture.suptitle(f"{name}: {values[place]:.4g} at {where}", fontsize=11)
    return picture


def _draw_panels(domain: Domain, panels: Mapping[str, tuple[FloatArray, str]], cell: "np.intp | None") -> Picture:
    if domain.dimension == 1:
        return _plot_lines(domain, panels)
    rows, columns = (1, len(panels)) if domain.dimension == 2 else (len(panels), 3)
    picture = Picture(*_paper(domain, rows, columns))
    grid = np.asarray(picture.subplots(rows, columns, squeeze=False), dtype=object)
    grid = grid.T if domain.dimension == 2 else grid  # one row of `grid` for each field
    first, _ = next(iter(panels.values()))
    through = np.unravel_index(int(np.nanargmax(first) if cell is None else cell), first.shape)
    for row, (title, (values, label)) in zip(grid, panels.items(), strict=True):
        if values.shape != tuple(domain.cells):
            raise FieldError("values", f"an array of shape {tuple(domain.cells)}")
        is_safety = title == "safety factor"
        limits = (0.0, SAFE) if is_safety else (float(np.nanmin(values)), float(np.nanmax(values)))
        for axes, normal in zip(row, (None,) if domain.dimension == 2 else (2, 1, 0), strict=True):
            cut = None if normal is None else (normal, int(through[normal]))
            _draw_map(axes, domain, values, cut, limits, colours="RdYlGn" if is_safety else "inferno")
        row[0].set_title(f"{title}\n{row[0].get_title(loc='left')}".strip(), loc="left")
        picture.colorbar(row[0].images[0], ax=list(row), label=label, shrink=0.95)
    return picture


def _paper(domain: Domain, rows: int, columns: int) -> tuple[float, float]:
    """Width and height of the paper, so that maps fill it [inch]."""
    if domain.dimension == 3:
        return 13.0, 4.2 * rows
    ratio = domain.size[1] / domain.size[0]
    ratio = ratio if 0.2 <= ratio <= 5 else 0.75
    width, height = (MAP, MAP * ratio) if ratio < 1 else (MAP / ratio, MAP)
    return (width + 1.8) * columns, (height + 1.0) * rows


def _draw_map(
    axes: Axes,
    domain: Domain,
    values: FloatArray,
    cut: tuple[int, int] | None,
    limits: tuple[float, float],
    colours: str,
) -> None:
    """One map with contours: the field of a 2D box, or the layer of cells of a 3D box that `cut` names by axis."""
    across = [axis for axis in range(domain.dimension) if cut is None or axis != cut[0]]
    if cut is not None:
        normal, layer = cut
        values = np.take(values, layer, axis=normal)
        axes.set_title(f"{AXES[normal]} = {centres(domain, normal)[layer]:.4g} m", loc="left")
    low = [domain.origin[axis] for axis in across]
    high = [domain.origin[axis] + domain.size[axis] for axis in across]
    ratio = (high[1] - low[1]) / (high[0] - low[0])
    axes.imshow(
        values.T,
        origin="lower",
        extent=(low[0], high[0], low[1], high[1]),
        aspect="equal" if 0.2 <= ratio <= 5 else "auto",
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
    )
    if min(values.shape) > 1 and np.nanmax(values) > np.nanmin(values):
        coordinates = [centres(domain, axis) for axis in across]
        levels = np.linspace(*limits, LEVELS + 2)[1:-1]
        inside = levels[(levels > np.nanmin(values)) & (levels < np.nanmax(values))]
        if inside.size:
            axes.contour(
                *coordinates, np.ma.masked_invalid(values.T), levels=inside, colors="white", linewidths=0.6, alpha=0.8
            )
    axes.set(xlabel=f"{AXES[across[0]]} [m]", ylabel=f"{AXES[across[1]]} [m]")


def _plot_lines(domain: Domain, panels: Mapping[str, tuple[FloatArray, str]]) -> Picture:
    picture = Picture(7.0 * len(panels), 4.0)
    row = np.atleast_1d(np.asarray(picture.subplots(1, len(panels)), dtype=object))
    for axes, (title, (values, label)) in zip(row, panels.items(), strict=True):
        axes.plot(centres(domain, 0), values, color=COLOUR_OF["highest"], linewidth=1.8)
        axes.set(title=title, xlabel="x [m]", ylabel=label)
        _style(axes)
    return picture


def _plot_profiles(solution: "SolutionFields", last: int, label: str) -> Picture:
    """Profiles of a rod up to a time, at most six, redder with time; the surfaces are part of them."""
    from matplotlib import colormaps

    from grid.engine.space.interpolation import make_nodes

    picture = Picture(7.0, 4.0)
    axes, problem = picture.subplots(), solution.problem
    shown = sorted({round(step) for step in np.linspace(0, last, min(6, last + 1))})
    is_joined = problem.is_periodic[0]
    place = solution.coordinates["x"] if is_joined else make_nodes(solution.space_at(last), 0).position
    for number, index in enumerate(shown):
        values = solution.fields[index] if is_joined else solution.widened_field(index)
        if solution.body is not None:
            values = solution.body_fields[index]
            place = solution.coordinates["x"]
        colour = colormaps["coolwarm"](1.0 if len(shown) == 1 else number / (len(shown) - 1))
        name = None if problem.steady else f"t = {solution.times[index]:.4g} s"
        axes.plot(place, values, color=colour, linewidth=1.8, label=name)
    axes.set(title="Temperature" + (", steady state" if problem.steady else ""), xlabel="x [m]", ylabel=label)
    if not problem.steady:
        axes.legend(frameon=False)
    _style(axes)
    return picture


def _label(solution: "SolutionFields") -> str:
    return f"temperature [{UNITS[solution.problem.temperature_unit]}]"


def _style(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
