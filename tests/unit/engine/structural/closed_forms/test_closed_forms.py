"""Plates, strips, layers, tubes and quenched walls, by the laws that their closed forms obey."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.core.errors import FieldError
from grid.engine.structural.closed_forms.cylinder import HollowCylinder
from grid.engine.structural.closed_forms.layers import Layer, LayeredStrip
from grid.engine.structural.closed_forms.profiles import Profile, compute_flux_temperature
from grid.engine.structural.closed_forms.quadrature import find_largest, find_sign_changes, integrate
from grid.engine.structural.closed_forms.quench import compute_stress_share, find_peak, find_roots

modulus = st.floats(1e9, 4e11)
expansion = st.floats(-3e-5, 3e-5)


def make_profile(excess, *, expands=True, bends=True, low=-0.5, high=1.5, stiffness=2e6):
    return Profile(excess, low, high, stiffness, expands, bends)


@given(offset=st.floats(-100, 100), slope=st.floats(-100, 100))
def test_a_linear_temperature_stresses_no_body_that_may_stretch_and_bend(offset, slope):
    profile = make_profile(lambda s: offset + slope * s)

    assert profile.stress_at(np.linspace(-0.5, 1.5, 9)) == pytest.approx(np.zeros(9), abs=1e-4)


def test_a_free_plate_bears_no_force_and_no_moment_and_a_flat_one_no_force():
    def excess(s):
        return np.exp(s) + np.where(s > 0.3, 7.0, 0.0)

    free, flat = make_profile(excess), make_profile(excess, bends=False)
    scale = 1e-9 * free.largest_von_mises

    assert free.net_force() == pytest.approx(0.0, abs=scale)
    assert integrate(lambda s: free.stress_at(s) * s, -0.5, 1.5) == pytest.approx(0.0, abs=scale)
    assert flat.net_force() == pytest.approx(0.0, abs=scale)
    assert abs(integrate(lambda s: flat.stress_at(s) * s, -0.5, 1.5)) > 1e3 * scale


def test_a_held_plate_bears_the_whole_free_strain_and_a_bending_one_its_mean():
    held = make_profile(np.sin, expands=False, bends=False)
    bending = make_profile(lambda s: 3.0 + 0.0 * s, expands=False)

    assert held.stress_at(0.7) == pytest.approx(-2e6 * math.sin(0.7))
    assert bending.net_force() == pytest.approx(-2e6 * 3.0 * 2.0)


def test_the_largest_stress_may_lie_inside_on_a_face_or_at_a_jump():
    peak = 0.123456
    inside = make_profile(lambda s: np.exp(-((s - peak) ** 2)), expands=False, bends=False)
    jump = make_profile(lambda s: np.where(s < 0.123456, s, 0.0), expands=False, bends=False, low=0.0)

    assert inside.largest_von_mises == pytest.approx(2e6, rel=1e-12)
    assert jump.largest_von_mises == pytest.approx(2e6 * 0.123456, rel=1e-9)
    assert find_largest(lambda s: s, 0.0, 3.0) == 3.0


@given(edge=st.floats(0.01, 0.99), height=st.floats(-10, 10))
def test_an_integral_over_a_jump_is_right_to_rounding(edge, height):
    assert integrate(lambda s: np.where(s < edge, height, s), 0.0, 1.0) == pytest.approx(
        height * edge + 0.5 * (1 - edge**2), abs=1e-11
    )


def test_sign_changes_are_found_at_zeros_jumps_and_samples():
    assert find_sign_changes(np.cos, 0.0, 7.0) == pytest.approx([math.pi / 2, 3 * math.pi / 2])
    assert find_sign_changes(lambda s: np.where(s < 0.3, -1.0, 1.0), 0.0, 1.0) == pytest.approx([0.3])
    assert find_sign_changes(lambda s: s, -1.0, 1.0) == pytest.approx([0.0], abs=1e-12)
    assert find_sign_changes(lambda s: s**2, -1.0, 1.0) == []


def test_a_zero_in_the_middle_of_a_strip_counts_as_not_negative():
    profile = make_profile(lambda s: s, bends=False, low=-1.0, high=1.0)

    assert profile.zero_stress_position() == pytest.approx(0.0, abs=1e-9)


def test_a_stress_without_a_sign_change_is_refused():
    with pytest.raises(FieldError, match="sign change"):
        make_profile(lambda s: 1.0 + 0.0 * s, expands=False, bends=False).zero_stress_position()


def test_the_flux_profile_conducts_the_flux_in_and_stores_it_evenly():
    s = np.linspace(0.0, 0.03, 2001)
    for face, at in (("z_min", 0), ("z_max", -1)):
        gradient = np.gradient(compute_flux_temperature(s, 0.03, 5e4, 150.0, face), s, edge_order=2)
        inward = -gradient if face == "z_min" else gradient
        assert 150.0 * inward[at] == pytest.approx(5e4, rel=1e-9)
        assert 150.0 * inward[-1 - at if at else -1] == pytest.approx(0.0, abs=1e-6)
        assert np.diff(inward) == pytest.approx(np.full(2000, np.diff(inward)[0]), rel=1e-6)


layers = st.lists(st.builds(Layer, st.floats(1e-4, 1e-2), modulus, expansion), min_size=1, max_size=6)


@given(stack=layers, change=st.floats(-500, 500))
def test_a_layered_strip_is_in_equilibrium(stack, change):
    strip = LayeredStrip(tuple(stack), change)
    force = moment = scale = 0.0
    for number, layer in enumerate(stack, start=1):
        low, high = strip.interfaces[number - 1 : number + 1]
        ends = [strip.stress_at(z, number) for z in (low, high)]
        force += 0.5 * (ends[0] + ends[1]) * (high - low)
        moment += (high - low) * (ends[0] * (2 * low + high) + ends[1] * (low + 2 * high)) / 6
        scale += layer.young_modulus * abs(layer.thermal_expansion * change) * layer.thickness

    assert force == pytest.approx(0.0, abs=1e-9 * scale + 1e-300)
    assert moment == pytest.approx(0.0, abs=1e-9 * scale * strip.interfaces[-1] + 1e-300)


@given(stack=layers, change=st.floats(-500, 500))
def test_a_layered_strip_turned_over_bends_the_other_way(stack, change):
    strip, turned = LayeredStrip(tuple(stack), change), LayeredStrip(tuple(reversed(stack)), change)

    assert turned.curvature == pytest.approx(-strip.curvature, abs=1e-12 / strip.interfaces[-1])
    assert turned.axial_growth(2.0) == pytest.approx(strip.axial_growth(2.0), abs=1e-14)


def test_two_equal_layers_bend_as_timoshenko_says():
    strip = LayeredStrip((Layer(1e-3, 2e11, 1e-5), Layer(1e-3, 2e11, 2e-5)), 50.0)

    assert strip.curvature == pytest.approx(1.5 * 1e-5 * 50.0 / 2e-3)  # 3/2 of the difference over the thickness
    assert strip.tip_deflection(0.3) == pytest.approx(abs(strip.curvature) * 0.045)


def test_layers_and_heights_that_do_not_exist_are_refused():
    strip = LayeredStrip((Layer(1e-3, 2e11, 1e-5), Layer(1e-3, 2e11, 2e-5)), 50.0)

    with pytest.raises(FieldError, match="layer"):
        strip.stress_at(0.0, 3)
    with pytest.raises(FieldError, match=r"at\.z"):
        strip.stress_at(0.0, 2)


@given(ratio=st.floats(1.01, 50.0))
def test_a_tube_is_in_equilibrium_with_free_surfaces_and_ends(ratio):
    tube = HollowCylinder(0.1, 0.1 * ratio, 3e6, 80.0)
    scale = abs(3e6 * 80.0)
    radius = 0.1 * (1 + 0.37 * (ratio - 1))
    step = 1e-5 * radius

    assert tube.stress_at(0.1, "radial") == pytest.approx(0.0, abs=1e-9 * scale)
    assert tube.stress_at(0.1 * ratio, "radial") == pytest.approx(0.0, abs=1e-9 * scale)
    slope = ((radius + step) * tube.stress_at(radius + step, "radial") - (radius - step) * tube.stress_at(
        radius - step, "radial"
    )) / (2 * step)  # fmt: skip
    assert tube.stress_at(radius, "hoop") == pytest.approx(slope, abs=1e-5 * scale)
    force = integrate(np.vectorize(lambda r: tube.stress_at(r, "axial") * r), 0.1, 0.1 * ratio)
    assert force == pytest.approx(0.0, abs=1e-9 * scale * (0.1 * ratio) ** 2)


def test_a_thin_tube_is_a_plate_held_flat():
    tube = HollowCylinder(1.0, 1.0001, 3e6, 80.0)

    assert tube.stress_at(1.0, "hoop") == pytest.approx(-3e6 * 40.0, rel=1e-3)
    assert tube.stress_at(1.0001, "axial") == pytest.approx(3e6 * 40.0, rel=1e-3)


def test_radii_and_components_that_do_not_exist_are_refused():
    tube = HollowCylinder(1.0, 2.0, 3e6, 80.0)

    with pytest.raises(FieldError, match=r"at\.r"):
        tube.stress_at(2.5, "hoop")
    with pytest.raises(FieldError, match="component"):
        tube.stress_at(1.5, "xx")


@settings(deadline=None)  # the first example imports SciPy
@given(log_biot=st.floats(-6, 5))
def test_the_peak_of_a_quench_is_the_highest_of_its_neighbourhood(log_biot):
    biot = 10.0**log_biot
    peak = find_peak(biot)

    for factor in (0.2, 0.9, 1.1, 5.0):
        assert compute_stress_share(biot, factor * peak.fourier_number) <= peak.share * (1 + 1e-9)
    assert 0.0 < peak.share < min(1.0, biot / 3.0)


@pytest.mark.parametrize("biot", [0.1, 0.5, 1.0, 3.0, 10.0, 100.0])
def test_the_peak_is_within_seven_percent_of_mansons_fit(biot):
    manson = 1.0 / (1.5 + 3.25 / biot - 0.5 * math.exp(-16.0 / biot))

    assert find_peak(biot).share == pytest.approx(manson, rel=0.07)


def test_a_violent_quench_peaks_early_and_a_gentle_one_stays_small():
    assert find_peak(1e5).share == pytest.approx(1.0, abs=0.01)
    assert find_peak(1e5).fourier_number == pytest.approx(0.5e-5, rel=0.05)  # half-space: Fo = 1/(2 Bi)
    assert find_peak(1e-4).share == pytest.approx(1e-4 / 3.0, rel=1e-3)


@given(log_biot=st.floats(-6, 5))
def test_roots_satisfy_their_equation(log_biot):
    biot, roots = 10.0**log_biot, find_roots(10.0**log_biot, 40)

    assert roots * np.sin(roots) == pytest.approx(biot * np.cos(roots), abs=1e-10 * (biot + roots.max()))
    assert np.all(np.diff(roots) > 0)
