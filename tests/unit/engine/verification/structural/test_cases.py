"""Cases of stress, integrity and fatigue: what they answer, and how bad ones are refused."""

import contextlib
import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.core.errors import GridError, InputError
from grid.engine.verification.structural.cases import prepare_case
from grid.engine.verification.verification import verify_case

STEEL = {"young_modulus": 2e11, "poisson_ratio": 0.3, "thermal_expansion": 1.2e-5, "yield_stress": 2.5e8}
FREE = {"expansion": "free", "bending": "free"}


def some(*names: str) -> dict[str, float]:
    return {name: STEEL[name] for name in names}


def bar(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "stress",
        "model": "bar",
        "material": some("young_modulus", "thermal_expansion", "yield_stress"),
        "supports": {"x_min": "fixed", "x_max": "fixed"},
        "load": {"type": "uniform", "temperature_change": 80.0},
        **changes,
    }


def plate(temperature: Any = 0.0, supports: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "stress",
        "model": "plate",
        "geometry": {"shape": "plate", "thickness": 0.02},
        "material": {**STEEL, "conductivity": 20.0},
        "supports": supports or FREE,
        "load": {"type": "profile", "temperature": temperature},
        **changes,
    }


def strip(temperature: Any = 0.0, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "stress",
        "model": "strip",
        "geometry": {"shape": "strip", "half_height": 0.1},
        "material": some("young_modulus", "thermal_expansion", "yield_stress"),
        "supports": FREE,
        "load": {"type": "profile", "temperature": temperature},
        **changes,
    }


def layered(**changes: Any) -> dict[str, Any]:
    layer = {"thickness": 1e-3, "young_modulus": 2e11, "thermal_expansion": 1e-5}
    return {
        "kind": "stress",
        "model": "layered_strip",
        "geometry": {"shape": "layers", "layers": [layer, {**layer, "thermal_expansion": 2e-5}], "length": 0.2},
        "supports": {"x_min": "clamped", "x_max": "free"},
        "load": {"type": "uniform", "temperature_change": 100.0},
        **changes,
    }


def quenched(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "stress",
        "model": "quenched_plate",
        "geometry": {"shape": "wall", "half_thickness": 0.003},
        "material": {**STEEL, "conductivity": 1.1, "volumetric_heat_capacity": 2.1e6},
        "supports": FREE,
        "load": {"type": "quench", "temperature_drop": 80.0},
        **changes,
    }


def tube(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "stress",
        "model": "hollow_cylinder",
        "geometry": {"shape": "hollow_cylinder", "inner_radius": 0.04, "outer_radius": 0.06},
        "material": some("young_modulus", "poisson_ratio", "thermal_expansion"),
        "supports": {"ends": "free"},
        "load": {"type": "radial_difference", "inner_temperature": 150.0, "outer_temperature": 60.0},
        **changes,
    }


def state(**changes: Any) -> dict[str, Any]:
    stress = {"xx": 5e7, "yy": -2e7, "zz": 1e7, "xy": 3e7, "yz": 4e7, "xz": 0.0}
    return {"kind": "integrity", "model": "stress_state", "stress": stress, "material": some("yield_stress"), **changes}


def cyclic(changes: list[float], repeat: int = 1, **other: Any) -> dict[str, Any]:
    return {
        "kind": "integrity",
        "model": "cyclic_bar",
        "material": some("young_modulus", "thermal_expansion", "yield_stress"),
        "supports": {"x_min": "fixed", "x_max": "fixed"},
        "load": {"type": "history", "temperature_change": changes, "repeat": repeat},
        "fatigue": {"law": "coffin_manson", "ductility_coefficient": 0.6, "ductility_exponent": -0.55},
        **other,
    }


def record(values: list[float], **changes: Any) -> dict[str, Any]:
    return {
        "kind": "fatigue",
        "model": "history",
        "history": {"type": "stress", "values": values},
        "fatigue": {"law": "basquin", "strength_coefficient": 9e8, "strength_exponent": -0.09},
        **changes,
    }


def strain_life(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "fatigue",
        "model": "strain_life",
        "material": some("young_modulus", "thermal_expansion"),
        "fatigue": {"law": "universal_slopes", "ultimate_strength": 4.5e8, "true_fracture_ductility": 0.6},
        "blocks": [{"strain_range": 0.01, "cycles": 80.0}, {"strain_range": 0.003, "cycles": 9000.0}],
        **changes,
    }


def ask(case: dict[str, Any], quantity: str, **qualifiers: Any) -> Any:
    return prepare_case(case)({"quantity": quantity, **qualifiers})


def at(**place: float) -> dict[str, Any]:
    return {"component": "xx", "at": place}


def expression(text: str) -> dict[str, str]:
    return {"expression": text}


def test_a_bar_with_a_free_end_bears_nothing_and_a_held_one_yields_in_proportion():
    free = bar(supports={"x_min": "fixed", "x_max": "free"})

    assert ask(free, "stress", component="xx") == 0.0
    with pytest.raises(InputError, match="endless"):
        ask(free, "safety_factor")
    assert ask(bar(), "safety_factor") * abs(ask(bar(), "stress", component="xx")) == pytest.approx(2.5e8)


@pytest.mark.parametrize(
    ("expansion", "bending", "low", "high"),
    [
        ("held", "held", -30.0, -130.0),
        ("free", "held", 50.0, -50.0),
        ("held", "free", -80.0, -80.0),
        ("free", "free", 0, 0),
    ],
)
def test_each_support_of_a_plate_takes_its_part_of_a_linear_profile(expansion, bending, low, high):
    case = plate(expression("80 + 5000*z"), {"expansion": expansion, "bending": bending})
    case["load"]["reference_temperature"] = 50.0
    unit = 2e11 * 1.2e-5 / 0.7

    assert ask(case, "stress", **at(z=0.0)) == pytest.approx(unit * low, abs=1e-3)
    assert ask(case, "stress", component="yy", at={"z": 0.02}) == pytest.approx(unit * high, abs=1e-3)
    assert ask(case, "von_mises") == pytest.approx(unit * max(abs(low), abs(high)), abs=1e-3)


def test_a_strip_is_a_plate_without_poissons_ratio_measured_from_its_middle():
    along_y, along_z = strip(expression("300*y + 8e3*y**2")), plate(expression("300*(z-0.1) + 8e3*(z-0.1)**2"))
    along_z["geometry"]["thickness"] = 0.2

    for y in (-0.1, -0.03, 0.0, 0.1):
        assert ask(along_y, "stress", **at(y=y)) == pytest.approx(0.7 * ask(along_z, "stress", **at(z=y + 0.1)))
    assert ask(along_y, "von_mises", at={"y": 0.1}) == pytest.approx(abs(ask(along_y, "stress", **at(y=0.1))))


def test_yield_scales_with_the_difference_of_the_faces():
    case = plate(expression("1e5*z**2"), {"expansion": "held", "bending": "held"})
    difference = ask(case, "temperature_difference_at_yield")
    case["load"]["temperature"] = expression(f"{difference / 40.0}*1e5*z**2")

    assert ask(case, "von_mises") == pytest.approx(2.5e8)


@pytest.mark.parametrize("face", ["z_min", "z_max"])
@pytest.mark.parametrize("bending", ["free", "held"])
def test_the_long_time_stress_of_a_heated_plate_is_that_of_its_parabola(face, bending):
    supports = {"expansion": "free", "bending": bending}
    flux = plate(None, supports, load={"type": "quasi_steady_flux", "flux": 5e4, "face": face})
    distance = "z" if face == "z_max" else "(0.02 - z)"
    profile = plate(expression(f"17 + 5e4*{distance}**2/(2*20*0.02)"), supports)

    for z in (0.0, 0.004, 0.02):
        assert ask(flux, "stress", **at(z=z)) == pytest.approx(ask(profile, "stress", **at(z=z)), abs=1.0)
    assert ask(flux, "zero_stress_position", component="xx") == pytest.approx(
        ask(profile, "zero_stress_position", component="xx"), abs=1e-9
    )


def test_the_layer_decides_at_an_interface_and_equal_layers_bear_nothing():
    low, high = (ask(layered(), "stress", layer=layer, **at(z=1e-3)) for layer in (1, 2))

    assert low == pytest.approx(-high)
    same = [{"thickness": 1e-3, "young_modulus": 2e11, "thermal_expansion": 1e-5}] * 3
    alike = layered(geometry={"shape": "layers", "layers": same})
    assert ask(alike, "stress", layer=2, **at(z=1.5e-3)) == pytest.approx(0.0, abs=1e-2)
    assert ask(alike, "curvature") == pytest.approx(0.0, abs=1e-12)


def test_a_quench_by_the_critical_drop_reaches_the_yield_stress():
    drop = ask(quenched(), "critical_quench", biot=2.0)
    case = quenched(load={"type": "quench", "temperature_drop": drop})

    assert ask(case, "peak_surface_stress", biot=2.0) == pytest.approx(2.5e8)


def test_a_hotter_fluid_presses_as_much_as_a_colder_one_pulls():
    warmed = quenched(load={"type": "quench", "temperature_drop": -80.0})

    assert ask(warmed, "peak_surface_stress", biot=1.0) == -ask(quenched(), "peak_surface_stress", biot=1.0)


def test_a_tube_without_a_difference_bears_nothing():
    load = {"type": "radial_difference", "inner_temperature": 70.0, "outer_temperature": 70.0}

    assert ask(tube(load=load), "stress", component="hoop", at={"r": 0.05}) == 0.0


def test_pressure_moves_principal_stresses_alone():
    plain, pressed = (ask(state(), "principal", **more) for more in ({}, {"added_pressure": 1e8}))

    assert np.subtract(plain, pressed) == pytest.approx(np.full(3, 1e8))
    assert ask(state(), "tresca", added_pressure=1e8) == pytest.approx(ask(state(), "tresca"))


@given(changes=st.lists(st.floats(-300, 300), min_size=2, max_size=6), repeat=st.integers(1, 10**9))
def test_a_cycled_bar_answers_consistently_however_often_it_repeats(changes, repeat):
    case = cyclic(changes, repeat)

    assert ask(case, "shakes_down") is (max(changes) - min(changes) <= ask(case, "shakedown_limit") * (1 + 1e-12))
    assert ask(case, "shakedown_limit") == pytest.approx(2 * ask(case, "temperature_change_at_yield"))
    if ask(case, "plastic_strain_range", component="xx") > 1e-12:
        life = ask(case, "cycles_to_failure")
        assert 1.2 * (2 * life) ** -0.55 == pytest.approx(ask(case, "plastic_strain_range", component="xx"))


def test_a_record_of_stress_in_other_units_does_the_same_damage():
    values = [0.0, 3.0, -2.0, 4.0, 1.0, 5.0]
    scaled = record(values, history={"type": "stress", "values": values, "scale": 1e8})
    whole = record([1e8 * value for value in values])

    assert ask(scaled, "damage") == pytest.approx(ask(whole, "damage"))
    assert ask(scaled, "damage") * ask(scaled, "blocks_to_failure") == pytest.approx(1.0)
    assert ask(scaled, "cycles_by_range")[-1][0] == 7.0 or ask(scaled, "cycles_by_range")[-1][0] == 6.0


def test_a_record_of_temperature_is_one_of_the_stress_of_a_held_bar():
    values = [15.0, 260.0, 90.0, 210.0, 15.0]
    warm = record(
        values, history={"type": "temperature", "values": values}, material=some("young_modulus", "thermal_expansion")
    )

    assert ask(warm, "damage") == pytest.approx(ask(record([2.4e6 * value for value in values]), "damage"))


def test_strain_life_by_either_law():
    manson = strain_life(fatigue={"law": "coffin_manson", "ductility_coefficient": 0.6, "ductility_exponent": -0.5})

    assert ask(manson, "cycles_to_failure", strain_range=0.012) == pytest.approx(0.5 * (0.006 / 0.6) ** -2)
    parts = [80 / ask(strain_life(), "cycles_to_failure", strain_range=0.01)]
    parts += [9000 / ask(strain_life(), "cycles_to_failure", strain_range=0.003)]
    assert ask(strain_life(), "damage") == pytest.approx(sum(parts))
    assert ask(strain_life(), "strain_range", temperature_range=100.0) == pytest.approx(1.2e-3)


FLUX = {"type": "quasi_steady_flux", "flux": 1.0, "face": "z_min"}
RIGID = {"young_modulus": 2e11, "thermal_expansion": 0.0, "yield_stress": 2.5e8}
HARDENING = {"law": "coffin_manson", "ductility_coefficient": 0.6, "ductility_exponent": 0.5}

BAD: list[tuple[dict[str, Any], str]] = [
    ({"kind": "diffusion", "model": "bar"}, "kind"),
    ({"kind": "stress", "model": "beam"}, "model"),
    ({"kind": "stress"}, "model"),
    (bar(colour="red"), "unknown field"),
    (bar(material={"young_modulus": -1.0, "thermal_expansion": 1e-5}), "material.young_modulus"),
    (bar(material={"young_modulus": 2e11}), "material.thermal_expansion"),
    (bar(supports={"x_min": "fixed"}), "supports.x_max"),
    (bar(supports={"x_min": "fixed", "x_max": "glued"}), "supports.x_max"),
    (bar(load={"type": "profile", "temperature_change": 1.0}), "load.type"),
    (bar(load={"type": "uniform", "temperature_change": math.nan}), "load.temperature_change"),
    (bar(load="heat"), "load.type"),
    (plate(material={**STEEL, "poisson_ratio": 0.5}), "material.poisson_ratio"),
    (plate(expression("y")), "load.temperature"),
    (plate(expression("z > 0.1")), "load.temperature"),
    (plate({"table": [[0, 1], [1, 2]]}), "load.temperature"),
    (plate(geometry={"shape": "plate", "thickness": 0.0}), "geometry.thickness"),
    (plate(geometry={"shape": "disc", "thickness": 1.0}), "geometry.shape"),
    (plate(load={"type": "quasi_steady_flux", "flux": 1.0, "face": "x_min"}), "load.face"),
    (plate(None, {"expansion": "held", "bending": "free"}, load=FLUX), "expansion"),
    (plate(load=FLUX, material=STEEL), "material.conductivity"),
    (strip(supports={"expansion": "free"}), "supports.bending"),
    (layered(geometry={"shape": "layers", "layers": []}), "geometry.layers"),
    (layered(geometry={"shape": "layers", "layers": [{"thickness": 1.0}]}), "young_modulus"),
    (quenched(supports={"expansion": "held", "bending": "free"}), "supports.expansion"),
    (tube(geometry={"shape": "hollow_cylinder", "inner_radius": 0.06, "outer_radius": 0.04}), "outer_radius"),
    (state(stress={"xx": 1.0}), "stress.yy"),
    (cyclic([]), "load.temperature_change"),
    (cyclic([1.0, 2.0], 0), "load.repeat"),
    (cyclic([1.0, 2.0], fatigue=HARDENING), "exponent"),
    (cyclic([1.0, 2.0], fatigue={"law": "basquin"}), "fatigue.law"),
    (record([1.0]), "history.values"),
    (record([1.0, 2.0], history={"type": "colour", "values": [1, 2]}), "history.type"),
    (record([1.0, 2.0], history={"type": "temperature", "values": [1, 2]}), "material"),
    (strain_life(blocks=[{"strain_range": 0.0, "cycles": 1.0}]), "blocks[0].strain_range"),
    (strain_life(fatigue={"law": "paris"}), "fatigue"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "field"), BAD)
def test_a_bad_case_is_refused_with_the_field(case, field):
    with pytest.raises(InputError) as caught:
        prepare_case(case)

    assert field in str(caught.value)


LAWLESS = {key: value for key, value in cyclic([0.0, 500.0]).items() if key != "fatigue"}

ASKED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (bar(), {"quantity": "temperature"}, "quantity"),
    (bar(), {"quantity": "stress", "component": "yy"}, "component"),
    (bar(material=some("young_modulus", "thermal_expansion")), {"quantity": "safety_factor"}, "yield_stress"),
    (plate(), {"quantity": "stress", "component": "xx"}, "at"),
    (plate(), {"quantity": "stress", **at(z=0.03)}, "at.z"),
    (plate(), {"quantity": "stress", **at(y=0.01)}, "at"),
    (plate(), {"quantity": "zero_stress_position", "component": "xx"}, "quantity"),
    (plate(), {"quantity": "temperature_difference_at_yield"}, "quantity"),
    (plate(expression("1/z")), {"quantity": "stress", **at(z=0.0)}, "load.temperature"),
    (strip(), {"quantity": "temperature_difference_at_yield"}, "quantity"),
    (layered(), {"quantity": "stress", "layer": 3, **at(z=0.0)}, "layer"),
    (layered(), {"quantity": "stress", "layer": "low", **at(z=0.0)}, "layer"),
    (quenched(), {"quantity": "peak_surface_stress"}, "biot"),
    (quenched(), {"quantity": "peak_surface_stress", "biot": -1.0}, "biot"),
    (quenched(material={**quenched()["material"], **RIGID}), {"quantity": "critical_quench", "biot": 1.0}, "expansion"),
    (tube(), {"quantity": "stress", "component": "hoop", "at": {"r": 0.07}}, "at.r"),
    (tube(), {"quantity": "stress", "component": "xx", "at": {"r": 0.05}}, "component"),
    (cyclic([0.0, 5.0]), {"quantity": "stress", "component": "xx", "step": 2}, "step"),
    (cyclic([0.0, 5.0]), {"quantity": "cycles_to_failure"}, "quantity"),
    (cyclic([0.0, 5.0], material=RIGID), {"quantity": "shakedown_limit"}, "expansion"),
    (LAWLESS, {"quantity": "cycles_to_failure"}, "fatigue"),
    (state(material={}), {"quantity": "safety_factor"}, "yield_stress"),
    ({"kind": "integrity", "model": "bree"}, {"quantity": "regime", "X": 1.2, "Y": 0.5}, "X"),
    ({"kind": "integrity", "model": "bree"}, {"quantity": "regime", "X": 0.2}, "Y"),
    (record([1.0, 2.0], history={"type": "plain", "values": [1, 2]}), {"quantity": "damage"}, "fatigue"),
    (record([1.0, 1.0]), {"quantity": "blocks_to_failure"}, "quantity"),
    (strain_life(), {"quantity": "cycles_to_failure", "strain_range": -1.0}, "strain_range"),
    ({key: value for key, value in strain_life().items() if key != "blocks"}, {"quantity": "damage"}, "blocks"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "entry", "field"), ASKED)
def test_a_question_without_an_answer_is_refused_with_the_field(case, entry, field):
    compute = prepare_case(case)

    with pytest.raises(InputError) as caught:
        compute(entry)
    assert field in str(caught.value)


JUNK = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.floats(), st.lists(st.floats(), max_size=2), st.just({})
)
WHOLE = [
    bar(),
    plate(1.0),
    strip(),
    layered(),
    quenched(),
    tube(),
    state(),
    cyclic([0.0, 9.0]),
    record([1.0, 2.0]),
    strain_life(),
]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_junk_in_any_place_gives_rows_or_a_typed_error(data):
    case = copy.deepcopy(data.draw(st.sampled_from(WHOLE)))
    target: Any = case
    while True:
        key = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else list(range(len(target)))))
        if not isinstance(target[key], (dict, list)) or not target[key] or data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = data.draw(JUNK)
    entries = [
        {"quantity": name, "component": "xx", "at": {"z": 0.0}, "value": 0.0, "tolerance": 1.0}
        for name in ("stress", "damage")
    ]

    with contextlib.suppress(GridError):
        prepare_case(case)
    if isinstance(case.get("kind"), str) and case["kind"] in ("stress", "integrity", "fatigue"):
        assert len(verify_case({**case, "id": "a", "expected": entries})) == 2
