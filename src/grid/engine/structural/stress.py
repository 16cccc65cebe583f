"""Stresses of a body under the temperatures of a heat run.

    solution = solve(HeatProblem.from_case(case), times=[10.0, 60.0])
    stress = solve_stress(solution, supports={"z_min": "fixed"})
    stress.minimum_safety_factor, stress.stress_at({"x": 0.1, "y": 0.0, "z": 0.2}, "von_mises")

Materials need `young_modulus`, `poisson_ratio` and `thermal_expansion`, and `yield_stress` for safety factors. The
free strain is alpha (T - T_ref), a parabola along each axis within each cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice, require_floats, require_kind
from grid.engine.problem.domain import AXES
from grid.engine.problem.problem import HeatProblem
from grid.engine.results.solution import Solution
from grid.engine.space.regions import find_regions
from grid.engine.structural.elasticity.body import ElasticBody, Plane
from grid.engine.structural.elasticity.elasticity import ElasticSystem
from grid.engine.structural.elasticity.free_strain import make_smooth_strain
from grid.engine.structural.elasticity.solution import StressSolution
from grid.engine.structural.fatigue.laws import Life
from grid.engine.structural.fatigue.rainflow import map_damage
from grid.engine.structural.strength.integrity import COMPONENTS, compute_first_yield
from grid.engine.values.operations import FloatArray

BONDED = (
    "The body is one piece: a contact resists heat alone, and displacements and forces continue across it, as if "
    "both sides were bonded."
)


def make_body(
    problem: HeatProblem, *, supports: Mapping[str, str] | None = None, plane: Plane | None = None
) -> ElasticBody:
    """The elastic body of a heat problem.

    Args:
        supports: `free`, `symmetry` or `fixed` for each face by name; free where not named.
        plane: In 2D, `stress` (thin, the default) or `strain` (long).

    Raises:
        FieldError: A material lacks an elastic property, or the problem is in 1D.
    """
    require_kind("problem", problem, HeatProblem, "a HeatProblem; read a case by HeatProblem.from_case")
    if supports is not None:
        require_kind("supports", supports, Mapping, "free, symmetry or fixed by the name of a face")
    if plane is not None:
        require_choice("plane", plane, ("stress", "strain"))
    if problem.domain.dimension == 2 and plane is None:
        plane = "stress"
    pieces, owner = _split(problem)
    limits = [problem.materials[number].yield_stress for number in owner]
    young_modulus, poisson_ratio = (
        tuple(_properties(problem, name)[number] for number in owner) for name in ("young_modulus", "poisson_ratio")
    )
    return ElasticBody(
        problem.domain,
        pieces,
        young_modulus,
        poisson_ratio,
        dict(supports or {}),
        plane,
        None if any(limit is None for limit in limits) else tuple(limit for limit in limits if limit is not None),
    )


def _split(problem: HeatProblem) -> tuple[NDArray[np.intp], list[int]]:
    """Number of the piece of each cell, -1 outside the body, and the material of each piece.

    A contact ends a piece, because the temperature, and with it the strain, jumps there.
    """
    region, side = _regions(problem), np.zeros(problem.domain.cells, np.intp)
    for contact in problem.contacts:
        below = problem.domain.face_index(contact.axis, contact.position)
        along = np.arange(problem.domain.cells[axis := AXES.index(contact.axis)]) >= (below or 0)
        side = 2 * side + along.reshape([-1 if other == axis else 1 for other in range(problem.dimension)])
        side = np.unique(side, return_inverse=True)[1].reshape(side.shape)  # numbers stay small
    if not problem.contacts:
        return region, list(range(len(problem.materials)))
    kinds, number = np.unique(np.stack([region, side]).reshape(2, -1), axis=1, return_inverse=True)
    return number.reshape(region.shape), kinds[0].tolist()


def solve_stress(
    solution: Solution,
    *,
    supports: Mapping[str, str] | None = None,
    plane: Plane | None = None,
    time: float | None = None,
    reference_temperature: ArrayLike | None = None,
) -> StressSolution:
    """Stresses at an output time (default: the last).

    Contacts resist heat alone: mechanically both sides are bonded, which `notes` of the result says.

    Args:
        supports, plane: As in `make_body`.
        reference_temperature: Where there is no stress: a number, or a field of shape `cells`; the field at the start
            if not given.

    Raises:
        FieldError: A property is missing, the time was not requested, or a steady run has no reference temperature.
        SingularError, NotConvergedError: From the equations.
    """
    require_kind("solution", solution, Solution, "a Solution; what solve returns")
    index = solution.find_index(time)
    return _solve(solution, (index,), supports, plane, reference_temperature)[0]


@dataclass(frozen=True)
class StressRun:
    """Stresses at several times of one run.

    Args:
        times: Increasing [s].
        solutions: One for each.
    """

    times: tuple[float, ...]
    solutions: tuple[StressSolution, ...]

    @cached_property
    def von_mises(self) -> FloatArray:
        """The largest of each cell, shape (times, *cells) [Pa]."""
        return np.stack([solution.largest_von_mises for solution in self.solutions])

    @cached_property
    def first_yield(self) -> FloatArray:
        """Time at which each cell first yields, infinite where it never does, shape `cells` [s].

        Raises:
            FieldError: A material has no yield stress.
        """
        body = self.solutions[0].body
        if body.yield_stress is None:
            raise FieldError("material.yield_stress", "required for the time of first yield [Pa]")
        limit = np.asarray(body.yield_stress)[np.maximum(body.material, 0)]
        return compute_first_yield(self.times, self.von_mises, limit)

    @property
    def first_yield_time(self) -> float | None:
        """Time at which the body first yields anywhere [s]; None if it never does."""
        first = float(self.first_yield.min())
        return first if np.isfinite(first) else None

    def map_damage(self, life: Life, component: str = "signed_von_mises") -> FloatArray:
        """Miner's sum of each cell over the run once, shape `cells`.

        Args:
            life: Cycles to failure for ranges of stress.
            component: One of the six; or `signed_von_mises`, von Mises with the sign of the mean stress, so that a
                change from tension to compression counts whole.
        """
        if not callable(life):
            raise FieldError("life", "a law of life, such as PowerLaw or UniversalSlopes")
        require_choice("component", component, (*COMPONENTS, "signed_von_mises"))
        if component == "signed_von_mises":
            stress = np.stack(
                [np.where(part.stress[:3].sum(axis=0) < 0.0, -1.0, 1.0) * part.von_mises for part in self.solutions]
            )
        else:
            stress = np.stack([part.stress[COMPONENTS.index(component)] for part in self.solutions])
        return map_damage(stress, life)


def solve_stress_run(
    solution: Solution,
    *,
    supports: Mapping[str, str] | None = None,
    plane: Plane | None = None,
    reference_temperature: ArrayLike | None = None,
) -> StressRun:
    """Stresses at all output times; the equations are factorised once.

    Arguments and errors are those of `solve_stress`.
    """
    require_kind("solution", solution, Solution, "a Solution; what solve returns")
    found = _solve(solution, range(len(solution.times)), supports, plane, reference_temperature)
    return StressRun(tuple(solution.times), tuple(found))


def estimate_stress(
    problem: HeatProblem,
    temperature: FloatArray,
    *,
    reference_temperature: ArrayLike = 0.0,
    support: Literal["free", "held"] = "free",
) -> FloatArray:
    """Equal biaxial stress of each cell as if part of a plate, shape `cells` [Pa]; a quick estimate for live runs.

    sigma = E alpha / (1 - nu) (mean - T) where the plate is free to stretch, -E alpha / (1 - nu) (T - T_ref) where
    it is held; with several materials the mean is the common strain that leaves no force.
    """
    require_kind("problem", problem, HeatProblem, "a HeatProblem; read a case by HeatProblem.from_case")
    require_choice("support", support, ("free", "held"))
    temperature = require_floats("temperature", temperature, [problem.domain.cells])
    reference = require_floats("reference_temperature", reference_temperature, [(), problem.domain.cells])
    region = _regions(problem)
    inside, chosen = region >= 0, np.maximum(region, 0)
    names = ("young_modulus", "poisson_ratio", "thermal_expansion")
    modulus, nu, alpha = (np.asarray(_properties(problem, name))[chosen] for name in names)
    stiffness = np.where(inside, modulus / (1.0 - nu), 0.0)
    strain = alpha * (temperature - reference)
    common = float((stiffness * strain).sum() / stiffness.sum()) if support == "free" else 0.0
    out: FloatArray = stiffness * (common - strain)
    return out


def _regions(problem: HeatProblem) -> NDArray[np.intp]:
    """Number of the material of each cell, -1 outside the body."""
    region = find_regions(problem)
    return np.zeros(problem.domain.cells, np.intp) if region is None else region.astype(np.intp)


def _solve(
    solution: Solution,
    indices: Sequence[int],
    supports: Mapping[str, str] | None,
    plane: Plane | None,
    reference_temperature: ArrayLike | None,
) -> list[StressSolution]:
    problem = solution.problem
    if reference_temperature is None:
        if problem.steady:
            raise FieldError("reference_temperature", "required with a steady run: where there is no stress")
        reference_temperature = solution.fields[0]
    reference = require_floats("reference_temperature", reference_temperature, [(), problem.domain.cells])
    body = make_body(problem, supports=supports, plane=plane)
    alpha = np.asarray(_properties(problem, "thermal_expansion"))[np.maximum(_regions(problem), 0)]
    system = ElasticSystem(body)
    found = []
    for index in indices:
        strain = alpha * (solution.fields[index] - reference)
        solved = system.solve(make_smooth_strain(strain, body.material, system.cells))
        found.append(replace(solved, notes=(BONDED,) if problem.contacts else ()))
    return found


def _properties(problem: HeatProblem, name: str) -> tuple[float, ...]:
    """A property of all materials.

    Raises:
        FieldError: A material lacks it.
    """
    values: list[float] = []
    for index, material in enumerate(problem.materials):
        value: float | None = getattr(material, name)
        if value is None:
            path = "material" if len(problem.materials) == 1 else f"material[{index}]"
            raise FieldError(f"{path}.{name}", "required for stresses")
        values.append(value)
    return tuple(values)
