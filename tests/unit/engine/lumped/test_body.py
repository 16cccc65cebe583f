"""A lumped body against closed forms and quadrature of its law."""

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from grid.core.errors import DivergedError, FieldError, GridError, InvalidFieldsError
from grid.engine.errors import SingularError
from grid.engine.verification.lumped import prepare_case

WIRE = {"heat_capacity": 2.0, "area": 0.5, "coefficient": 8.0, "ambient": 20.0, "initial": 100.0}


def case(unit: str = "degC", *, steady: bool = False, **lumped: Any) -> dict[str, Any]:
    return {"kind": "lumped", "model": "body", "temperature_unit": unit, "lumped": lumped, "steady": steady}


def ask(problem: dict[str, Any], quantity: str, **qualifiers: Any) -> Any:
    return prepare_case(problem)({"quantity": quantity, **qualifiers})


@given(
    tau=st.floats(1e-3, 1e4), start=st.floats(-200.0, 900.0), ambient=st.floats(-200.0, 900.0), share=st.floats(0, 20)
)
@settings(max_examples=12, deadline=None)
def test_a_convective_body_follows_newtons_law(tau, start, ambient, share):
    body = case(heat_capacity=tau, area=1.0, coefficient=1.0, ambient=ambient, initial=start)

    assert ask(body, "temperature", time=share * tau) == pytest.approx(
        ambient + (start - ambient) * math.exp(-share), abs=1e-7
    )
    assert ask(body, "time_constant") == pytest.approx(tau)


def test_a_radiating_body_takes_the_time_of_its_quadrature():
    problem = case("K", heat_capacity=3.0, area=0.2, emissivity=0.7, surroundings=400.0, initial=900.0)

    def slowness(t):
        return 3.0 / (0.7 * 5.670374419e-8 * 0.2 * (t**4 - 400.0**4))

    expected, _ = quad(slowness, 500.0, 900.0, epsabs=0, epsrel=1e-12)
    assert ask(problem, "time_to_temperature", target=500.0) == pytest.approx(expected, rel=1e-8)


def test_degrees_celsius_are_made_absolute_for_radiation():
    kelvin = case("K", heat_capacity=3.0, emissivity=0.7, surroundings=400.0, initial=900.0)
    celsius = case(heat_capacity=3.0, emissivity=0.7, surroundings=126.85, initial=626.85)

    assert ask(celsius, "temperature", time=1.0) + 273.15 == pytest.approx(
        ask(kelvin, "temperature", time=1.0), abs=1e-7
    )


def test_an_ambient_that_rises_linearly_is_followed_with_its_lag():
    """C dT/dt = h A (r t - T): T = r (t - tau + tau exp(-t/tau)), from 0."""
    problem = case(
        "relative", heat_capacity=5.0, area=1.0, coefficient=1.0, ambient={"table": [[0, 0], [1000, 2000]]}, initial=0.0
    )

    assert ask(problem, "temperature", time=12.0) == pytest.approx(2.0 * (12.0 - 5.0 + 5.0 * math.exp(-2.4)), abs=1e-6)


def test_a_step_table_acts_from_its_entry_on():
    table = {"table": [[0, 1.0], [3, 5.0]], "interpolation": "previous"}
    problem = case("relative", heat_capacity=2.0, source=table, initial=0.0)

    assert ask(problem, "temperature", time=3.0) == pytest.approx(1.5, abs=1e-9)
    assert ask(problem, "temperature", time=5.0) == pytest.approx(1.5 + 5.0, abs=1e-9)


def test_a_short_pulse_in_an_expression_is_not_stepped_over():
    problem = case("relative", heat_capacity=2.0, source={"expression": "where((t > 5) & (t < 6), 4, 0)"}, initial=0.0)

    assert ask(problem, "temperature", time=100.0) == pytest.approx(2.0, rel=1e-5)


def test_phases_end_at_a_time_after_a_duration_and_when_a_temperature_is_held():
    tau, heat, cool = 4.0, {"ambient": 200.0}, {"ambient": 20.0}
    phases = [
        {"name": "heat", "until": {"temperature": 100.0, "hold": 3.0}, **heat},
        {"name": "cool", "until": {"duration": 5.0}, **cool},
        {"name": "wait", "until": {"time": 60.0}, **cool},
    ]
    problem = case(heat_capacity=4.0, area=1.0, coefficient=1.0, initial=20.0, phases=phases)
    reached = tau * math.log(180.0 / 100.0)
    top = 200.0 - 100.0 * math.exp(-3.0 / tau)
    after = 20.0 + (top - 20.0) * math.exp(-5.0 / tau)

    assert ask(problem, "time_to_temperature", target=100.0, phase="heat") == pytest.approx(reached, abs=1e-7)
    assert ask(problem, "temperature_at_phase_end", phase="heat") == pytest.approx(top, abs=1e-6)
    assert ask(problem, "temperature_at_phase_end", phase="cool") == pytest.approx(after, abs=1e-6)
    last = 20.0 + (after - 20.0) * math.exp(-(60.0 - reached - 8.0) / tau)
    assert ask(problem, "temperature", time=60.0) == pytest.approx(last, abs=1e-6)
    cooling = reached + 3.0 + tau * math.log((top - 20.0) / 80.0)
    assert ask(problem, "time_to_temperature", target=100.0, phase="cool") == pytest.approx(cooling, abs=1e-6)


def test_a_phase_may_end_as_a_later_load_lets_it():
    """Nothing happens before the heater starts at t = 50."""
    heater = {"table": [[0, 0.0], [50, 3.0]], "interpolation": "previous"}
    phases = [{"name": "wait", "until": {"temperature": 10.0}}]
    problem = case("relative", heat_capacity=2.0, source=heater, initial=0.0, phases=phases)

    assert ask(problem, "time_to_temperature", target=10.0) == pytest.approx(50.0 + 20.0 / 3.0, abs=1e-6)


def test_a_temperature_that_is_never_reached_is_refused_by_name():
    with pytest.raises(FieldError, match="target"):
        ask(case(**WIRE), "time_to_temperature", target=10.0)
    with pytest.raises(FieldError, match=r"phases.cool.until.temperature"):
        prepare_case(case(**WIRE, phases=[{"name": "cool", "until": {"temperature": 10.0}}]))
    with pytest.raises(FieldError, match="time"):
        ask(case(**WIRE, phases=[{"name": "cool", "until": {"time": 10.0}}]), "temperature", time=11.0)


def test_a_runaway_is_an_error_and_no_number():
    problem = case("relative", heat_capacity=1.0, source={"expression": "exp(T)"}, initial=0.0)

    with pytest.raises((DivergedError, FieldError)):  # it is infinite at t = 1
        ask(problem, "temperature", time=2.0)


def test_a_steady_body_with_a_source_balances_it():
    """h A (T - ambient) = P."""
    problem = case(steady=True, area=0.5, coefficient=8.0, ambient=20.0, source=12.0)

    assert ask(problem, "temperature") == pytest.approx(23.0, abs=1e-9)


def test_a_steady_state_that_does_not_exist_is_singular():
    with pytest.raises(SingularError):
        ask(case(steady=True, source=1.0), "temperature")


@pytest.mark.parametrize(
    ("geometry", "length"),
    [
        ({"shape": "sphere", "diameter": 0.3}, 0.05),
        ({"shape": "cylinder", "diameter": 0.2, "length": 0.4}, 0.04),
        ({"shape": "box", "size": [1.0, 2.0, 3.0]}, 6.0 / 22.0),
        ({"shape": "plate", "thickness": 0.02, "exposed_faces": 1}, 0.02),
        ({"shape": "plate", "thickness": 0.02, "exposed_faces": 2}, 0.01),
    ],
)
def test_each_shape_has_its_ratio_of_volume_to_area(geometry, length):
    problem = case(
        geometry=geometry, density=10.0, specific_heat=3.0, conductivity=2.0, coefficient=5.0, ambient=0.0, initial=1.0
    )

    assert ask(problem, "biot_number") == pytest.approx(5.0 * length / 2.0)
    assert ask(problem, "time_constant") == pytest.approx(30.0 * length / 5.0)


def test_a_sphere_of_the_asked_diameter_has_the_asked_time_constant():
    material = {"density": 10.0, "specific_heat": 3.0, "coefficient": 5.0, "ambient": 0.0, "initial": 1.0}
    diameter = ask(
        case(geometry={"shape": "sphere", "diameter": 1.0}, **material), "diameter_for_time_constant", target=7.0
    )

    again = case(geometry={"shape": "sphere", "diameter": diameter}, **material)
    assert ask(again, "time_constant") == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"coefficient": -1.0}, "lumped.coefficient"),
        ({"emissivity": 2.0, "surroundings": 20.0}, "lumped.emissivity"),
        ({"initial": -300.0}, "lumped.initial"),
        ({"heat_capacity": 0.0}, "lumped.heat_capacity"),
        ({"area": -1.0}, "lumped.area"),
        ({"source": {"expression": "x"}}, "lumped.source"),
        ({"ambient": {"table": [[1, 0], [0, 1]]}}, "lumped.ambient.table"),
        ({"geometry": {"shape": "torus"}}, "lumped.geometry.shape"),
        ({"geometry": {"shape": "box", "size": [1.0, 1.0]}}, "lumped.geometry.size"),
        ({"geometry": {"shape": "plate", "thickness": 1.0, "exposed_faces": 3}}, "lumped.geometry.exposed_faces"),
        ({"phases": [{"name": "a", "until": {"time": 1.0, "duration": 1.0}}]}, r"lumped.phases\[0\].until"),
        ({"phases": [{"name": "a", "until": {"hold": 1.0}}]}, r"lumped.phases\[0\].until"),
        ({"warmth": 3.0}, "lumped"),
    ],
)
def test_what_is_not_physical_is_refused_by_name(change, field):
    with pytest.raises((FieldError, InvalidFieldsError), match=field):
        prepare_case(case(**(WIRE | change)))


def test_a_missing_partner_is_refused_by_name():
    problem = copy.deepcopy(case(**WIRE))
    del problem["lumped"]["ambient"]

    with pytest.raises(FieldError, match=r"lumped.ambient: required beside coefficient"):
        prepare_case(problem)


@given(
    st.dictionaries(
        st.sampled_from(["heat_capacity", "area", "coefficient", "ambient", "initial", "source", "phases", "geometry"]),
        st.one_of(st.none(), st.text(max_size=3), st.floats(), st.lists(st.integers(-2, 2), max_size=2), st.booleans()),
    )
)
@settings(max_examples=40, deadline=None)
def test_a_hostile_body_is_refused_or_computed(fields):
    try:
        value = ask(case(**(WIRE | fields)), "temperature", time=1.0)
    except GridError:
        return
    assert np.isfinite(value)
