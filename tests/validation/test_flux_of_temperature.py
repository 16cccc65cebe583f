"""A flux that depends on the temperature of its surface: it is the law that it says, whatever its name."""

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import HeatProblem, solve

pytestmark = pytest.mark.usefixtures("without_coverage")

SIGMA = 5.670374419e-8


def body(right, *, cells=(16,), conductivity=1.0, **more):
    case = {
        "domain": {"size": [1.0] * len(cells)},
        "material": {"conductivity": conductivity, "volumetric_heat_capacity": 1.0},
        "temperature_unit": "K",
        "initial": 400.0,
        "boundaries": {"x_max": right},
        "resolution": {"cells": list(cells), "end_time": 0.2},
    }
    return HeatProblem.from_case(case | more)


def flux(text):
    return {"type": "flux", "value": {"expression": text}}


LAWS = {
    "convection": (flux("5*(300 - T)"), {"type": "convection", "coefficient": 5.0, "ambient": 300.0}),
    "radiation": (
        flux(f"0.8*{SIGMA}*(300**4 - T**4)"),
        {"type": "radiation", "emissivity": 0.8, "surroundings": 300.0},
    ),
}


@pytest.mark.parametrize("cells", [(16,), (12, 3)])
@pytest.mark.parametrize("name", LAWS)
def test_a_flux_that_says_a_law_gives_its_field(name, cells):
    by_flux, by_law = (solve(body(law, cells=cells, conductivity=20.0), tolerance=1e-6) for law in LAWS[name])

    assert by_flux.is_accepted
    np.testing.assert_allclose(by_flux.final, by_law.final, rtol=0.0, atol=4e-6 * (400.0 - by_law.final.min()))
    assert by_flux.metrics["heat_out"] == pytest.approx(by_law.metrics["heat_out"], rel=1e-5)


@pytest.mark.parametrize("name", LAWS)
def test_a_steady_flux_that_says_a_law_gives_its_field(name):
    held = {"x_min": {"type": "temperature", "value": 500.0}}
    by_flux, by_law = (solve(body(law, steady=True, boundaries=held | {"x_max": law})) for law in LAWS[name])

    np.testing.assert_allclose(by_flux.final, by_law.final, rtol=1e-10)


def test_a_flux_that_rises_with_temperature_heats_itself():
    """k s = a (T_0 + s L) gives the slope s of the steady field."""
    right, held = flux("0.5*T"), {"x_min": {"type": "temperature", "value": 10.0}}
    steady = solve(body(right, steady=True, guess=10.0, boundaries=held | {"x_max": right}))

    slope = 0.5 * 10.0 / (1.0 - 0.5)
    np.testing.assert_allclose(steady.final, 10.0 + slope * steady.coordinates["x"], rtol=1e-10)


def test_a_fall_too_steep_for_small_steps_is_followed():
    """A flux that falls by 1e6 W/m2 for each kelvin all but holds its surface, whatever the method's step."""
    solution = solve(body(flux("1e6*(300 - T)")), method="rkl2", tolerance=1e-3)

    assert solution.is_accepted
    assert solution.temperature_at((1.0,)) == pytest.approx(300.0, abs=0.01)


def test_a_flux_that_is_not_finite_at_its_surface_is_refused_by_name():
    with pytest.raises(FieldError, match=r"boundaries\.x_max\.value"):
        solve(body(flux("1/(T - 400)")))
