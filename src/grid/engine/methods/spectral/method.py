"""Exact modes as a method: `spectral`, for homogeneous boxes under loads that are constant in time."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs.table import Work, add, price
from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Cost
from grid.engine.problem.domain import AXES
from grid.engine.problem.problem import HeatProblem
from grid.engine.values.value import Constant

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.space.space import Space

ROUNDED = 37.0  # [-] as in grid.engine.methods.spectral.stepper
FIELDS = 5.0  # [-] fields of working memory


@dataclass(frozen=True)
class SpectralMethod:
    """Modes of a homogeneous box; see `grid.engine.methods.spectral.stepper`."""

    name: str = "spectral"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        if not inputs.is_constant:
            return "the problem is not linear with coefficients and loads that are constant in time"
        return find_variation(inputs.problem)

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        cells, stop_times = inputs.cells, len(inputs.stop_times)
        work, before = (
            {"spectral": float(stop_times), "spectral_film": stop_times * _count_film_modes(inputs.problem)},
            0.0,
        )
        for stop_time in inputs.stop_times:
            work = add(work, _count_transforms(inputs, stop_time - before))
            before = stop_time
        memory = int(8 * cells * (2 * (len(inputs.times) + 1) + FIELDS)) + 2_000_000
        return Cost(stop_times, work, memory, inputs.duration)

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.spectral.stepper import SpectralStepper

        stepper = SpectralStepper(space)
        stepper.begin(inputs.stop_times[0])
        return stepper


def find_variation(problem: HeatProblem) -> str | None:
    """Give the reason why the modes of a body are not products of those along its axes; None if they are."""
    if problem.domain.active is not None:
        return "the body is not a box"
    if problem.has_phase_change:
        return "a material melts"
    if problem.has_flow:
        return "there is a flow"
    if problem.coupled_axes:
        return "the conductivity is a full tensor"
    if problem.contacts:
        return "there is a contact resistance"
    if len(problem.materials) > 1 or not all(isinstance(value, Constant) for value in problem.materials[0].values):
        return "the material is not the same everywhere"
    films = [film for law in problem.boundaries.values() for film in law.film_values]
    if not all(isinstance(film, Constant) for film in films):
        return "a heat transfer coefficient is not the same everywhere on its face"
    return None


def _count_transforms(inputs: MethodInputs, duration: float) -> Work:
    """The operations of a step: on each axis a thin product where few modes survive, else a transform."""
    problem, transforms, modes = inputs.problem, 0.0, 0.0
    films = _film_axes(problem)
    k = max(_number(value) for value in problem.materials[0].conductivity)
    for axis, (size, count) in enumerate(zip(problem.domain.size, problem.domain.cells, strict=True)):
        time = k * duration / _capacity(problem)
        many = min(count, size * math.sqrt(ROUNDED / time) / math.pi + 1.0)
        is_thin = price({"thin_cell_mode": many}) < price({"transform_cell": 1.0})
        if is_thin or axis in films:
            modes += many
        else:
            transforms += 1.0
    return {"transform_cell": transforms * inputs.cells, "thin_cell_mode": modes * inputs.cells}


def _film_axes(problem: HeatProblem) -> set[int]:
    """Axes at an end of which heat passes a film; there is no fast transform along them."""
    faces = {face for face, law in problem.boundaries.items() if law.films}
    return {axis for axis in range(problem.dimension) if {f"{AXES[axis]}_min", f"{AXES[axis]}_max"} & faces}


def _count_film_modes(problem: HeatProblem) -> float:
    """Modes and cells of the axes with films, whose modes are no sines of whole numbers."""
    return float(sum(problem.domain.cells[axis] ** 2 for axis in _film_axes(problem)))


def _number(value: object) -> float:
    return value.value if isinstance(value, Constant) else 1.0


def _capacity(problem: HeatProblem) -> float:
    material = problem.materials[0]
    if material.volumetric_heat_capacity is not None:
        return _number(material.volumetric_heat_capacity)
    return _number(material.density) * _number(material.specific_heat)
