"""Looking into a solution: labelled arrays, points, planes, extremes, series."""

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import solve

HELD = {"x_min": {"type": "temperature", "value": 10.0}, "x_max": {"type": "temperature", "value": 0.0}}
NOTCH = {"size": [1.0, 1.0], "active": {"expression": "(x < 0.5) | (y < 0.5)"}}


@pytest.fixture
def cooling(make_problem):
    """A square that cools from its x faces, at three times."""
    return solve(make_problem(2, initial=5.0, boundaries=HELD), times=[0.02, 0.05, 0.1])


@pytest.fixture
def layers(make_problem):
    """Steady through k = 1 and k = 4 of half a metre each: 10 J/(m2 s) / 0.625, so 16 W/m2 and 2 at the joint."""
    material = [
        {"where": {"expression": "x < 0.5"}, "conductivity": 1.0},
        {"where": {"expression": "x >= 0.5"}, "conductivity": 4.0},
    ]
    return solve(make_problem(2, steady=True, material=material, boundaries=HELD))


def test_labelled_arrays_carry_the_field_its_places_and_its_units(cooling):
    data = cooling.to_xarray()

    assert data.temperature.dims == ("time", "x", "y")
    np.testing.assert_array_equal(data.temperature, cooling.fields)
    assert float(data.temperature.sel(time=0.05, x=0.3125, y=0.4375)) == cooling.fields[2, 2, 3]
    assert (data.temperature.units, data.x.units, data.time.units) == ("K", "m", "s")
    assert data.attrs["metric_heat_in"] == cooling.metrics["heat_in"]
    assert data.attrs["audit_energy_balance"] == "passed"
    assert (data.minimum <= data["mean"]).all()
    assert (data["mean"] <= data.maximum).all()


def test_a_masked_body_is_nan_outside(make_problem):
    solution = solve(make_problem(2, domain=NOTCH, initial={"expression": "x"}))
    field = solution.to_xarray().temperature.isel(time=-1)

    np.testing.assert_array_equal(np.isnan(field), ~solution.body)
    assert int(np.isnan(field).sum()) == 16
    assert np.isfinite(solution.fields).all()


def test_probes_agree_with_single_points_at_every_time(cooling):
    points = [(0.1, 0.2), {"x": 1.0, "y": 0.5}]
    probes = cooling.probe(points)

    expected = [[cooling.temperature_at(point, time) for point in points] for time in cooling.times]
    np.testing.assert_array_equal(probes, expected)
    np.testing.assert_array_equal(probes.x, [0.1, 1.0])
    np.testing.assert_array_equal(cooling.series(points[0]), probes[:, 0])


def test_planes_follow_the_kink_where_materials_meet(layers):
    for at, expected in ((0.0, 10.0), (0.25, 6.0), (0.47, 2.48), (0.5, 2.0), (0.53, 1.88), (1.0, 0.0)):
        np.testing.assert_allclose(layers.slice("x", at), expected, atol=1e-9)
    along = layers.slice("y", 0.5)
    np.testing.assert_allclose(along, layers.final[:, 0], atol=1e-9)
    assert along.dims == ("x",)
    assert float(along.y) == 0.5


def test_a_plane_on_a_contact_shows_the_jump(make_problem):
    """k = 1 over 1 m and a contact of 2 W/(m2 K): 10 K over 1.5 m2 K/W."""
    contact = [{"axis": "x", "position": 0.5, "conductance": 2.0}]
    solution = solve(make_problem(1, steady=True, boundaries=HELD, contacts=contact))
    below, above = (float(solution.slice("x", at)) for at in (0.5 - 1e-12, 0.5 + 1e-12))

    assert below == pytest.approx(10.0 - 0.5 * 20 / 3)
    assert above == pytest.approx(0.5 * 20 / 3)


def test_planes_of_a_masked_body_end_at_its_surface(make_problem):
    solution = solve(make_problem(2, domain=NOTCH, initial={"expression": "2*x + y"}), times=[1e-9])
    plane = solution.slice("x", 0.75, 0.0)

    np.testing.assert_allclose(plane[:4], 1.5 + solution.coordinates["y"][:4])
    assert np.isnan(plane[4:]).all()
    edge = solution.slice("x", 0.5, 0.0)  # a face of the body for y > 0.5
    np.testing.assert_allclose(edge[4:], 2 * 0.4375 + solution.coordinates["y"][4:])


def test_extremes_say_what_where_and_when(cooling):
    found = cooling.extrema()

    assert (found.maximum, found.minimum, found.time) == (pytest.approx(10.0), pytest.approx(0.0), 0.1)
    assert (found.maximum_at["x"], found.minimum_at["x"]) == (0.0, 1.0)
    assert cooling.hottest_above_mean() == pytest.approx(found.maximum - cooling.mean_temperature())


def test_extremes_of_a_periodic_and_of_a_masked_body_are_places_of_the_body(make_problem):
    wave = {"expression": "cos(2*pi*x)"}
    joined = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}
    wheel = solve(make_problem(1, initial=wave, boundaries=joined)).extrema()
    assert 0.0 < wheel.maximum_at["x"] < 1.0
    assert wheel.minimum_at["x"] == pytest.approx(0.5, abs=0.07)

    notched = solve(make_problem(2, domain=NOTCH, initial={"expression": "x"}), times=[1e-9]).extrema(0.0)
    assert notched.maximum_at["x"] > 0.9
    assert notched.maximum_at["y"] < 0.5


def test_figures_over_time_agree_with_the_solution(cooling):
    assert cooling.series("mean_temperature").values.tolist() == [cooling.mean_temperature(t) for t in cooling.times]
    heat = cooling.series("stored_heat")
    assert float(heat[-1] - heat[0]) == pytest.approx(cooling.metrics["stored_heat_change"])
    assert heat.units == "J/m"
    assert float(cooling.series("peak_temperature")[-1]) == cooling.final.max()


@pytest.mark.parametrize(
    ("look", "field"),
    [
        (lambda s: s.slice("z", 0.5), "axis"),
        (lambda s: s.slice("x", 1.5), "at"),
        (lambda s: s.slice("x", float("nan")), "at"),
        (lambda s: s.slice("x", 0.5, 0.03), "time"),
        (lambda s: s.series("entropy"), "what"),
        (lambda s: s.probe([]), "points"),
        (lambda s: s.probe([(2.0, 0.0)]), "at"),
        (lambda s: s.extrema(7.0), "time"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(cooling, look, field):
    with pytest.raises(FieldError) as caught:
        look(cooling)

    assert caught.value.field == field
