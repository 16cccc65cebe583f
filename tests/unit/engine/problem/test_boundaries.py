"""Boundary laws say themselves what the rest of the engine asks, so that one made outside of it is solved as well."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grid.core.errors import UnsupportedError
from grid.engine import Domain, Flux, HeatProblem, Material, limits, solve
from grid.engine.limits import Limit
from grid.engine.problem.boundaries import BOUNDARY_TYPES, Boundary, Robin

CELLS, LENGTH, CONDUCTIVITY, CAPACITY, START, AMBIENT, STRENGTH = 8, 0.02, 15.0, 4e6, 400.0, 300.0, 12.0
TIMES = (20.0, 200.0, 1000.0)


@dataclass(frozen=True)
class NaturalConvection(Boundary):
    """q_n = strength |ambient - T_s|^(1/4) (ambient - T_s), of laminar plumes (W. H. McAdams, 1954)."""

    type: ClassVar[str] = "natural_convection"
    limits: ClassVar[dict[str, Limit]] = {"strength": limits.COEFFICIENT, "ambient": limits.TEMPERATURE}
    temperatures: ClassVar[tuple[str, ...]] = ("ambient",)
    is_linear: ClassVar[bool] = False
    strength: float
    ambient: float

    def robin(self, evaluate, /, surface=0.0, _offset=0.0):
        ambient, away = evaluate("ambient"), np.abs(evaluate("ambient") - surface)
        film = 1.25 * evaluate("strength") * away**0.25
        return Robin(film, ambient, -0.2 * film * (ambient - surface))


def follow():
    """The cells of the same wall by Radau's method, the surface temperature found by bisection."""
    spacing = LENGTH / CELLS
    half, between = 2.0 * CONDUCTIVITY / spacing, CONDUCTIVITY / spacing

    def flux(near):
        low, high = min(near, AMBIENT), max(near, AMBIENT)
        for _ in range(80):
            surface = 0.5 * (low + high)
            away = AMBIENT - surface
            low, high = (
                (surface, high) if STRENGTH * abs(away) ** 0.25 * away > half * (surface - near) else (low, surface)
            )
        return half * (surface - near)

    def rate(_time, temperature):
        flow = between * np.diff(temperature)
        net = np.append(flow, 0.0) - np.insert(flow, 0, 0.0)
        net[0] += flux(temperature[0])
        return net / (CAPACITY * spacing)

    found = solve_ivp(rate, (0.0, TIMES[-1]), np.full(CELLS, START), "Radau", TIMES, rtol=1e-9, atol=1e-9)
    return found.y.T


@pytest.mark.parametrize("method", ["implicit", "rkl2", "auto"])
def test_a_law_of_its_own_is_solved_by_every_method_that_takes_it(method):
    law = NaturalConvection(STRENGTH, AMBIENT)
    problem = HeatProblem(
        Domain((LENGTH,), (CELLS,)), (Material(CONDUCTIVITY, CAPACITY),), START, {"x_min": law}, end_time=TIMES[-1]
    )

    solution = solve(problem, times=TIMES, method=method, tolerance=1e-5)

    assert solution.is_accepted
    assert np.abs(solution.fields[1:] - follow()).max() < 2e-5 * (START - AMBIENT)


def test_its_steady_state_is_found_from_where_its_tangent_is_level():
    """No heat leaves at first, nor for a little more temperature: the law ties the body all the same."""
    problem = HeatProblem(
        Domain((LENGTH,), (CELLS,)), (Material(CONDUCTIVITY),),
        boundaries={"x_min": NaturalConvection(STRENGTH, AMBIENT), "x_max": Flux(800.0)}, steady=True, guess=AMBIENT,
    )  # fmt: skip

    solution = solve(problem)

    assert solution.is_accepted
    assert solution.temperature_at((0.0,)) - AMBIENT == pytest.approx((800.0 / STRENGTH) ** 0.8, rel=1e-9)


@pytest.mark.parametrize("cells", [(CELLS,), (CELLS, 4)])
def test_its_steady_state_has_the_surface_at_which_the_heat_leaves(cells):
    flux = 800.0
    problem = HeatProblem(
        Domain((LENGTH, 0.01)[: len(cells)], cells), (Material(CONDUCTIVITY),),
        boundaries={"x_min": NaturalConvection(STRENGTH, AMBIENT), "x_max": Flux(flux)}, steady=True, guess=START,
    )  # fmt: skip

    solution = solve(problem)

    assert solution.is_accepted
    surface = solution.temperature_at((0.0, 0.005)[: len(cells)])
    assert surface - AMBIENT == pytest.approx((flux / STRENGTH) ** 0.8, rel=1e-9)


@pytest.mark.parametrize("method", ["explicit", "exponential", "krylov", "modal", "spectral", "adi"])
def test_methods_for_linear_laws_leave_it_to_others(method):
    problem = HeatProblem(
        Domain((LENGTH, LENGTH), (CELLS, CELLS)), (Material(CONDUCTIVITY, CAPACITY),), START,
        {"x_min": NaturalConvection(STRENGTH, AMBIENT)}, end_time=1.0,
    )  # fmt: skip

    with pytest.raises(UnsupportedError):
        solve(problem, method=method)


@pytest.mark.parametrize("law", BOUNDARY_TYPES.values(), ids=list(BOUNDARY_TYPES))
def test_every_field_of_a_law_is_of_one_kind_and_has_a_limit(law):
    kinds = [*law.films, *law.temperatures, *law.fluxes]

    assert len(set(kinds)) == len(kinds)
    assert {*kinds, *law.optional, *law.of_surface} <= set(law.limits)
    assert {name for name, limit in law.limits.items() if limit == limits.TEMPERATURE} == set(law.temperatures)
    assert {name for name, limit in law.limits.items() if limit == limits.HEAT_FLUX} == set(law.fluxes)
    assert {name for name, limit in law.limits.items() if limit == limits.COEFFICIENT} == set(law.films)
