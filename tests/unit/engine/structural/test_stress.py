"""From a heat run to its stresses."""

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import HeatProblem, solve
from grid.engine.structural.fatigue.laws import PowerLaw
from grid.engine.structural.stress import estimate_stress, make_body, solve_stress, solve_stress_run

STEEL = {"young_modulus": 2e11, "poisson_ratio": 0.3, "thermal_expansion": 1.2e-5, "yield_stress": 2.5e8}
HEAT = {"conductivity": 40.0, "volumetric_heat_capacity": 4e6}


def make_case(cells, *, faces, steady=True, material=None, **changes):
    domain = {"coordinates": "cartesian", "size": [0.1 * count / cells[0] for count in cells]}
    return {
        "dimension": len(cells),
        "steady": steady,
        "domain": domain,
        "material": material or {**HEAT, **STEEL},
        "boundaries": {name: {"type": "temperature", "value": value} for name, value in faces.items()},
        "resolution": {"cells": list(cells)} | ({} if steady else {"steps": 20, "end_time": 40.0}),
        **({} if steady else {"initial": 0.0}),
        **changes,
    }


def run(*args, times=None, **kwargs):
    return solve(HeatProblem.from_case(make_case(*args, **kwargs)), times=times)


def test_the_elastic_properties_of_a_case_arrive_at_the_body():
    soft = {**HEAT, **STEEL, "young_modulus": 1e11, "where": {"expression": "x < 0.05"}}
    stiff = {**HEAT, **STEEL, "where": {"expression": "x >= 0.05"}}
    problem = HeatProblem.from_case(make_case((8, 4), faces={"x_min": 0.0}, material=[soft, stiff]))

    body = make_body(problem, supports={"x_min": "fixed"})

    assert body.young_modulus == (1e11, 2e11)
    assert body.yield_stress == (2.5e8, 2.5e8)
    assert np.array_equal(body.material[:, 0], [0, 0, 0, 0, 1, 1, 1, 1])
    assert body.plane == "stress"


@pytest.mark.parametrize("cells", [(10, 6), (6, 4, 4)])
def test_steady_conduction_between_two_faces_stresses_no_free_body(cells):
    solution = run(cells, faces={"x_min": 0.0, "x_max": 100.0})

    stress = solve_stress(solution, reference_temperature=20.0)

    assert stress.largest_von_mises.max() < 1e-8 * 2e11 * 1.2e-5 * 100
    assert stress.minimum_safety_factor > 1e6


def test_a_held_body_bears_the_temperature_of_each_place():
    """Held all round, conduction from face to face leaves displacements along x alone, and yy = zz by Hooke's law."""
    solution = run((8, 4, 4), faces={"x_min": 0.0, "x_max": 100.0})
    supports = {f"{axis}_{end}": "symmetry" for axis in "xyz" for end in ("min", "max")}

    stress = solve_stress(solution, supports=supports, reference_temperature=0.0)

    mean = -2e11 * 1.2e-5 * 50.0 / (1 - 2 * 0.3)  # xx: no strain along x on the whole
    assert stress.stress[0] == pytest.approx(mean, rel=1e-6)
    assert stress.stress_at((0.1, 0.02, 0.02), "yy") - stress.stress_at((0.0, 0.02, 0.02), "yy") == pytest.approx(
        -2e11 * 1.2e-5 * 100 / (1 - 0.3), rel=1e-6
    )


def test_the_safety_factor_is_least_where_von_mises_is_largest():
    solution = run((10, 6), faces={"x_min": 0.0, "y_max": 80.0})

    stress = solve_stress(solution, supports={"x_min": "fixed"}, reference_temperature=0.0)

    assert stress.minimum_safety_factor == pytest.approx(2.5e8 / stress.largest_von_mises.max())
    assert np.all(stress.largest_von_mises >= stress.von_mises)
    assert np.unravel_index(stress.safety_factor.argmin(), (10, 6)) == np.unravel_index(
        stress.largest_von_mises.argmax(), (10, 6)
    )


def test_a_run_yields_first_when_a_single_solve_says_so_and_does_damage_only_where_it_is_stressed():
    solution = run((8, 8), faces={"x_min": 300.0, "x_max": 0.0}, steady=False, times=[1.0, 3.0, 10.0, 40.0])

    stresses = solve_stress_run(solution, plane="strain")

    assert stresses.times == (0.0, 1.0, 3.0, 10.0, 40.0)
    alone = solve_stress(solution, plane="strain", time=3.0)
    assert stresses.solutions[2].stress == pytest.approx(alone.stress, rel=1e-9, abs=1.0)
    moment = stresses.first_yield_time
    before = max(k for k, time in enumerate(stresses.times) if time < moment)
    assert stresses.von_mises[before].max() < 2.5e8 <= stresses.von_mises[before + 1].max()
    damage = stresses.map_damage(PowerLaw(9e8, -0.09))
    assert damage.shape == (8, 8)
    assert np.all(damage >= 0)
    assert damage.max() > 0
    assert stresses.map_damage(PowerLaw(9e8, -0.09), "zz").max() > 0
    with pytest.raises(FieldError, match="component"):
        stresses.map_damage(PowerLaw(9e8, -0.09), "rr")


def test_a_run_that_never_yields_says_so():
    solution = run((4, 4), faces={"x_min": 1.0}, steady=False, times=[40.0])

    assert solve_stress_run(solution).first_yield_time is None


def test_the_estimate_is_the_stress_of_a_flat_plate_and_has_no_force():
    problem = HeatProblem.from_case(make_case((10, 6), faces={"x_min": 0.0}))
    field = np.random.default_rng(3).normal(size=(10, 6))

    free, held = (estimate_stress(problem, field, support=support) for support in ("free", "held"))

    assert free == pytest.approx(2e11 * 1.2e-5 / 0.7 * (field.mean() - field))
    assert free.sum() == pytest.approx(0.0, abs=1e-6 * np.abs(free).sum())
    assert held == pytest.approx(-2e11 * 1.2e-5 / 0.7 * field)


def test_cells_outside_a_masked_body_bear_nothing_and_never_fail():
    hole = {"expression": "(x - 0.05)**2 + (y - 0.05)**2 > 0.0009"}
    domain = {"coordinates": "cartesian", "size": [0.1, 0.1], "active": hole}
    solution = run((20, 20), faces={"x_min": 0.0, "x_max": 100.0}, domain=domain)

    stress = solve_stress(solution, reference_temperature=0.0, supports={"x_min": "fixed"})

    outside = stress.body.material < 0
    assert np.any(outside)
    assert np.all(stress.stress[:, outside] == 0)
    assert np.all(np.isinf(stress.safety_factor[outside]))
    assert estimate_stress(solution.problem, solution.fields[-1])[outside] == pytest.approx(0.0)


def test_stresses_are_labelled_and_absent_outside_the_body():
    domain = {
        "coordinates": "cartesian",
        "size": [0.1, 0.05],
        "origin": [1.0, 2.0],
        "active": {"expression": "x > 1.02"},
    }
    stress = solve_stress(run((10, 5), faces={"x_max": 100.0}, domain=domain), reference_temperature=0.0)

    labelled = stress.to_xarray()

    assert labelled.stress.dims == ("component", "x", "y")
    assert float(labelled.stress.sel(component="yy", x=1.055, y=2.025)) == stress.stress[1, 5, 2]
    assert np.isnan(labelled.safety_factor.sel(x=1.005)).all()
    assert labelled.safety_factor.min() == stress.minimum_safety_factor
    assert labelled.displacement.sizes == {"direction": 2, "x_node": 11, "y_node": 6}
    assert labelled.x_node[-1] == pytest.approx(1.1)


@pytest.mark.parametrize("name", ["young_modulus", "poisson_ratio", "thermal_expansion"])
def test_a_missing_property_is_named(name):
    material = {**HEAT, **{key: value for key, value in STEEL.items() if key != name}}

    with pytest.raises(FieldError, match=f"material.{name}"):
        solve_stress(run((4, 4), faces={"x_min": 0.0}, material=material), reference_temperature=0.0)


def test_a_run_without_yield_stress_has_no_first_yield():
    material = {**HEAT, **{key: value for key, value in STEEL.items() if key != "yield_stress"}}
    solution = run((4, 4), faces={"x_min": 0.0}, material=material)

    with pytest.raises(FieldError, match="yield_stress"):
        _ = solve_stress_run(solution, reference_temperature=0.0).first_yield


def test_a_steady_run_needs_a_reference_and_a_time_must_be_one_asked():
    with pytest.raises(FieldError, match="reference_temperature"):
        solve_stress(run((4, 4), faces={"x_min": 0.0}))
    with pytest.raises(FieldError, match="time"):
        solve_stress(run((4, 4), faces={"x_min": 9.0}, steady=False, times=[40.0]), time=17.0)


def test_a_contact_resists_heat_and_joins_both_sides():
    """Held all round, sides at T1 and T2 bear -b mean(e) along x and l eps_x - b e across it, by Hooke's law."""
    supports = {f"{axis}_{end}": "symmetry" for axis in "xyz" for end in ("min", "max")}
    contacts = [{"axis": "x", "position": 0.05, "conductance": 1e-9}]
    solution = run((8, 3, 3), faces={"x_min": 0.0, "x_max": 100.0}, contacts=contacts)

    stress = solve_stress(solution, supports=supports, reference_temperature=0.0)

    e, nu, strain = 2e11, 0.3, 1.2e-5 * 100.0
    lame, beta = e * nu / ((1 + nu) * (1 - 2 * nu)), e / (1 - 2 * nu)
    stiff = lame + e / (1 + nu)
    across = [lame * beta * (own - 0.5 * strain) / stiff - beta * own for own in (0.0, strain)]
    np.testing.assert_allclose(stress.stress[0], -0.5 * beta * strain, rtol=1e-6)
    np.testing.assert_allclose(stress.stress[1, :4], across[0], rtol=1e-6)
    np.testing.assert_allclose(stress.stress[1, 4:], across[1], rtol=1e-6)
    for place, expected in ((0.045, across[0]), (0.055, across[1])):
        assert stress.stress_at({"x": place, "y": 0.01, "z": 0.01}, "yy") == pytest.approx(expected, rel=1e-6)
    assert "bonded" in " ".join(stress.notes)
    assert "bonded" in stress.to_xarray().attrs["notes"]
