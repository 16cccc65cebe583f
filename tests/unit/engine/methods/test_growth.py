"""Loads that rise with temperature: growth is followed, a runaway is named, and the advice of each message works."""

import math
import random

import numpy as np
import pytest

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import SingularError, solve
from grid.engine.errors import RunawayError

COLD = {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 0.0}}
MELTING = {
    "melting_temperature": 0.5,
    "volumetric_latent_heat": 3.0,
    "solid": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
    "liquid": {"conductivity": 9.0, "volumetric_heat_capacity": 1.0},
}


def e(text):
    return {"expression": text}


def lasting(end, cells=(8,)):
    return {"cells": list(cells), "end_time": end}


@pytest.mark.parametrize("seed", range(4))
def test_a_source_that_grows_with_temperature_is_followed_however_long_the_run(make_problem, seed):
    """T' = r T, T(0) = 1: exp(r t). Steps of many e-folds would let it decay, as an L-stable scheme does beyond."""
    rng = random.Random(seed)
    rate, folds = 10 ** rng.uniform(-1, 3), rng.uniform(3, 9)
    problem = make_problem(source_term=e(f"{rate!r}*T"), resolution=lasting(folds / rate))
    solution = solve(problem, method="implicit", tolerance=1e-4)

    assert solution.is_accepted
    np.testing.assert_allclose(solution.final, math.exp(folds), rtol=1e-3)


@pytest.mark.parametrize("model", ["lumped", "corrected"])
@pytest.mark.parametrize(("folds", "tolerance"), [(2.0, 1e-4), (7.0, 1e-3)])
def test_the_lumped_model_follows_growth_within_the_tolerance(make_problem, model, folds, tolerance):
    """A step takes the source at its middle: a hundred of them were off by a tenth after many e-folds."""
    problem = make_problem(source_term=e("0.5*T"), resolution=lasting(folds / 0.5, (2,)))
    solution = solve(problem, model=model, tolerance=tolerance)

    assert solution.is_accepted
    np.testing.assert_allclose(solution.final, math.exp(folds), rtol=tolerance)


@pytest.mark.parametrize("load", ["T + x", "(3 - T)*(1 + x*0)", "-40*T**5"])
def test_rkl2_leaves_sources_of_temperature_and_fluxes_that_rise_with_it_to_others(make_problem, load):
    """Errors grow with a load that rises, and a source that falls steeply is stiffer than its stages are stable for."""
    with pytest.raises(UnsupportedError, match="the source depends on temperature"):
        solve(make_problem(source_term=e(load)), method="rkl2", tolerance=1e-4)
    rising = {"x_min": {"type": "flux", "value": e("3*T")}}
    with pytest.raises(UnsupportedError, match="a flux may rise with temperature"):
        solve(make_problem(boundaries=rising), method="rkl2", tolerance=1e-4)


@pytest.mark.parametrize(
    ("material", "options"),
    [({"conductivity": 1.0, "volumetric_heat_capacity": 1.0}, {}), (MELTING, {"tolerance": 0.01})],
)
@pytest.mark.parametrize("end", [2.0, 200.0])
def test_growth_over_hundreds_of_e_folds_is_a_runaway_and_no_decay(make_problem, material, options, end):
    with pytest.raises(RunawayError, match="source_term rises with temperature") as caught:
        solve(make_problem(material=material, source_term=e("50*T"), resolution=lasting(end)), **options)
    assert caught.value.growth_s == pytest.approx(1 / 50, rel=1e-6)
    if material is not MELTING:
        assert caught.value.temperature == pytest.approx(math.exp(50 * caught.value.time_s), rel=0.1)


def test_growth_that_conduction_outdoes_takes_long_steps_and_dies_out(make_problem):
    """T - 1 = a sin(pi x) exp(-(pi^2 - q) t): with q = 9 it decays, though a cell alone would grow."""
    held = {face: {"type": "temperature", "value": 1.0} for face in ("x_min", "x_max")}
    start = e("1 + 0.5*sin(pi*x)")
    problem = make_problem(source_term=e("9*(T - 1)"), initial=start, boundaries=held, resolution=lasting(20.0, (64,)))
    solution = solve(problem)

    assert abs(float(solution.final.max()) - 1.0) <= 1e-6
    assert solution.metrics["steps"] < 100


def test_a_runaway_tells_when_and_how_hot_and_what_it_advises_solves(make_problem):
    """T' = T^2 from 1: 1/(1 - t), without bound at t = 1."""
    with pytest.raises(RunawayError, match=r"thermal runaway.*end the run before that time.*where\(T <") as caught:
        solve(make_problem(source_term=e("T**2"), resolution=lasting(2.0)))
    assert caught.value.time_s == pytest.approx(1.0, rel=1e-3)
    assert caught.value.temperature > 1e6

    shorter = solve(make_problem(source_term=e("T**2"), resolution=lasting(0.9)))
    np.testing.assert_allclose(shorter.final, 10.0, rtol=0.01)
    limited = solve(make_problem(source_term=e("where(T < 100, T**2, 0)"), resolution=lasting(2.0)), tolerance=0.01)
    np.testing.assert_allclose(limited.final, 100.0, rtol=0.05)
    cooled = solve(make_problem(source_term=e("T**2"), boundaries=COLD, resolution=lasting(2.0)))
    assert cooled.final.max() < 1e-3


def test_equal_steps_name_a_runaway_too(make_problem):
    with pytest.raises(RunawayError) as caught:
        solve(make_problem(source_term=e("T**2"), resolution=lasting(2.0)), method="implicit", steps=50)
    assert 0.8 <= caught.value.time_s <= 1.0


def test_a_flux_that_rises_with_temperature_runs_away_by_name(make_problem):
    flux = {"x_min": {"type": "flux", "value": e("3*T")}}
    with pytest.raises(RunawayError, match=r"boundaries\.x_min rises with temperature"):
        solve(make_problem(boundaries=flux, resolution=lasting(5.0)), tolerance=0.01)


def test_a_flux_steeper_than_half_a_cell_conducts_asks_for_cells_that_do(make_problem):
    """Half a cell of 1/8 m conducts 16 W/(m2 K); of the cells that the message asks for, twice the 30 of the flux."""
    flux = {"x_min": {"type": "flux", "value": e("30*T")}}
    with pytest.raises(SingularError, match=r"rises by 30 .* take cells of at most 0\.0333 m along x"):
        solve(make_problem(boundaries=flux, resolution=lasting(1e-3)))
    assert solve(make_problem(boundaries=flux, resolution=lasting(1e-3, (32,)))).is_accepted


def test_a_steady_state_that_heats_itself_without_end_is_refused_and_found_with_more_cooling(make_problem):
    """T'' = -b exp(T) has no solution beyond b = 3.5138 (D. A. Frank-Kamenetskii, 1938); else b = 8 s^2 with
    s = arcosh(exp(T_m/2)) exp(-T_m/2)."""

    def make(b):
        return make_problem(
            source_term=e(f"{b!r}*exp(T)"), boundaries=COLD, initial=0.0, steady=True, resolution={"cells": [64]}
        )

    with pytest.raises(SingularError, match="source_term rises with temperature, and the body went on warming"):
        solve(make(20.0))
    hottest = 0.5
    share = math.acosh(math.exp(hottest / 2)) * math.exp(-hottest / 2)
    assert float(solve(make(8 * share**2)).final.max()) == pytest.approx(hottest, rel=2e-3)


def test_a_property_beyond_its_range_tells_the_temperatures_and_the_time(make_problem):
    material = {"conductivity": e("1 - T/100"), "volumetric_heat_capacity": 1.0}
    flux = {"x_min": {"type": "flux", "value": 500.0}}
    with pytest.raises(
        FieldError, match=r"material\.conductivity: .* the run had temperatures from .* at t = "
    ) as caught:
        solve(make_problem(material=material, initial=0.0, boundaries=flux, resolution=lasting(1.0)))
    time = float(str(caught.value).split("at t = ")[1].split()[0])
    assert solve(
        make_problem(material=material, initial=0.0, boundaries=flux, resolution=lasting(0.9 * time))
    ).is_accepted


@pytest.mark.parametrize("method", ["rkl2", "implicit"])
def test_a_flux_that_no_surface_lets_pass_ends_the_run_at_the_temperature_where_that_begins(make_problem, method):
    """Behind half a cell k(T) passes at most the integral of k up to its zero: q d / 2 = (100 - T)^2 / 200."""
    material = {"conductivity": e("1 - T/100"), "volumetric_heat_capacity": 1.0}
    flux = {"x_min": {"type": "flux", "value": 500.0}}
    with pytest.raises(FieldError, match=r"material\.conductivity") as caught:
        solve(make_problem(material=material, initial=0.0, boundaries=flux, resolution=lasting(0.1)), method=method)
    reached = float(str(caught.value).split(" at t = ")[0].split(" to ")[-1].split()[0])
    limit = 100.0 - math.sqrt(200.0 * 500.0 / 16.0)

    assert 0.9 * limit < reached <= 1.001 * limit


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_implicit_goes_on_where_the_conductivity_vanishes_ahead_of_a_front(make_problem, tolerance):
    """Barenblatt's wave of k = 2 T (1952): T(0, t) = A t^(-1/3) from the profile at t = 0.3; A by its front."""
    start = "0.3**(-1/3)*maximum(0.36056239257685213 - x**2/(12*0.3**(2/3)), 0)"
    problem = make_problem(
        domain={"coordinates": "cartesian", "size": [6.0], "origin": [-3.0]},
        material={"conductivity": e("2*T"), "volumetric_heat_capacity": 1.0},
        initial=e(start), boundaries={}, resolution=lasting(1.2, (150,)),
    )  # fmt: skip
    solution = solve(problem, method="implicit", tolerance=tolerance)

    assert solution.is_accepted
    assert float(solution.final.max()) == pytest.approx(0.36056239257685213 * 1.5 ** (-1 / 3), rel=2e-3)


def test_equal_steps_too_long_for_a_load_ask_for_more_steps(make_problem):
    """T' = -2 T^4 from T0: T^-3 = T0^-3 + 6 t."""

    def make(start, end):
        return make_problem(source_term=e("-2*T**4"), initial=start, resolution=lasting(end))

    with pytest.raises(FieldError, match=r"take more steps \(`steps=`\), or leave their number to the method"):
        solve(make(100.0, 10.0), method="implicit", steps=1)
    assert solve(make(5.0, 1.0)).final[0] == pytest.approx((5.0**-3 + 6.0) ** (-1 / 3), rel=5e-3)
    many = solve(make(100.0, 1e-5), method="implicit", steps=400)
    assert many.final[0] == pytest.approx((1e-6 + 6e-5) ** (-1 / 3), rel=5e-3)


@pytest.mark.parametrize("seed", range(8))
def test_a_source_that_cools_steeply_is_not_accepted_on_the_wrong_side_of_zero(make_problem, seed):
    """T' = -a T^n, n odd: T^(1-n) = T0^(1-n) + (n-1) a t, which never changes its sign."""
    rng = random.Random(seed)
    power, factor, start = rng.choice((3, 5)), 10 ** rng.uniform(0, 4), rng.uniform(3, 30)
    solution = solve(make_problem(source_term=e(f"-{factor!r}*T**{power}"), initial=start, resolution=lasting(1.0)))

    exact = (start ** (1 - power) + (power - 1) * factor) ** (1 / (1 - power))
    if solution.is_accepted:
        np.testing.assert_allclose(solution.final, exact, atol=1e-3 * start)
