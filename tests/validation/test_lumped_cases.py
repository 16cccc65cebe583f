"""Cases of lumped models and of their errors: the published ones, and others of the format whose answers are laws."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import brentq
from scipy.special import j0, j1

from grid.engine.verification.verification import verify_case

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "cases.json").read_text())["cases"]
LUMPED = [case for case in CASES if case["kind"] in ("lumped", "certificate")]


def verify(case: dict[str, Any]) -> None:
    wrong = [(row.quantity, row.value, row.expected, row.message) for row in verify_case(case) if not row.passed]
    assert not wrong


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in LUMPED])
def test_a_published_case_is_met(case):
    verify(case)


def expect(quantity: str, value: Any, tolerance: float | None, **qualifiers: Any) -> dict[str, Any]:
    return {"quantity": quantity, "value": value, "tolerance": tolerance, "unit": "1", **qualifiers}


def make(kind: str, model: str, expected: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"id": "made-up", "kind": kind, "model": model, "temperature_unit": "degC", "expected": expected, **fields}


def test_a_can_that_warms_radiates_and_is_steady_where_both_balance():
    """At the steady state h (T_a - T) = eps sigma ((T + o)^4 - (T_s + o)^4)."""
    [row] = verify_case(
        make(
            "lumped", "body", [expect("temperature", 0.0, 1.0)], steady=True,
            lumped={"geometry": {"shape": "cylinder", "diameter": 0.07, "length": 0.12}, "coefficient": 12.0,
                    "ambient": 80.0, "emissivity": 0.6, "surroundings": 10.0},
        )
    )  # fmt: skip
    heat = 12.0 * (80.0 - row.value)
    heat -= 0.6 * 5.670374419e-8 * ((row.value + 273.15) ** 4 - 283.15**4)

    assert abs(heat) < 1e-8


def test_phases_with_a_film_of_temperature_and_a_source_follow_their_closed_forms():
    """Film 2 + T in air of 0: dT/dt = -(2 + T) T / C, so T/(2 + T) falls as exp(-2 t / C)."""
    start, duration, capacity = 50.0, 3.0, 100.0
    share = start / (2.0 + start) * math.exp(-2.0 * duration / capacity)
    cooled = 2.0 * share / (1.0 - share)
    phases = [
        {"name": "cool", "until": {"duration": duration}, "coefficient": {"expression": "2 + T"}, "ambient": 0.0},
        {"name": "heat", "until": {"temperature": 90.0, "hold": 1.0}, "coefficient": 0.0, "source": 400.0},
    ]
    ramp = (90.0 - cooled) * capacity / 400.0
    verify(
        make(
            "lumped", "body",
            [
                expect("temperature_at_phase_end", cooled, 1e-6, phase="cool"),
                expect("time_to_temperature", duration + ramp, 1e-6, target=90.0, phase="heat"),
                expect("temperature_at_phase_end", 94.0, 1e-6, phase="heat"),
                expect("temperature", 0.5 * (cooled + 90.0), 1e-6, time=duration + 0.5 * ramp),
            ],
            lumped={"heat_capacity": capacity, "initial": start, "phases": phases},
        )
    )  # fmt: skip


def test_three_nodes_two_thermostats_follow_the_matrix_exponential_between_switches():
    capacity = np.array([50.0, 80.0])
    matrix = -np.array([[3.0, -2.0], [-2.0, 2.5]]) / capacity[:, None]
    drive = np.array([60.0, 0.0]) / capacity

    def follow(state: np.ndarray, time: float, *, heated: bool) -> np.ndarray:
        settled = np.linalg.solve(matrix, -drive if heated else np.zeros(2))
        return settled + expm(matrix * time) @ (state - settled)

    low, high = 0.0, 500.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if follow(np.zeros(2), middle, heated=True)[1] < 12.0 else (low, middle)
    at_switch = follow(np.zeros(2), low, heated=True)
    later = follow(at_switch, 30.0, heated=False)
    verify(
        make(
            "lumped", "network",
            [
                expect("switch_times", [low], 1e-5, control="upper", time=low + 20.0),
                expect("switch_times", [], 1e-5, control="idle", time=low + 20.0),
                expect("temperature_at_switch", float(at_switch[0]), 1e-5, node="a", control="upper", switch=1),
                expect("temperature", float(later[1]), 1e-5, node="b", time=low + 30.0),
                expect("temperature", 0.0, 1e-12, node="out", time=5.0),
            ],
            lumped={
                "nodes": [
                    {"name": "a", "heat_capacity": 50.0, "initial": 0.0},
                    {"name": "b", "heat_capacity": 80.0, "initial": 0.0},
                    {"name": "out", "temperature": 0.0},
                ],
                "links": [
                    {"between": ["a", "b"], "conductance": 2.0},
                    {"between": ["a", "out"], "conductance": 1.0},
                    {"between": ["out", "b"], "conductance": 0.5},
                ],
                "sources": [
                    {"node": "a", "power": 60.0, "control": "upper"},
                    {"node": "b", "power": 5.0, "control": "idle"},
                ],
                "controls": [
                    {"name": "upper", "sensor": "b", "on_below": 2.0, "off_above": 12.0, "initially": "on"},
                    {"name": "idle", "sensor": "a", "on_below": -50.0, "off_above": 500.0, "initially": "off"},
                ],
            },
        )
    )  # fmt: skip


def test_round_and_square_bodies_have_the_errors_of_their_series():
    """Cylinder: z J1(z) = Bi J0(z). At late times theta_mean is its first term."""
    biot = 0.4
    z = brentq(lambda z: z * j1(z) - biot * j0(z), 1e-9, 2.4, xtol=1e-15)
    share = 4.0 * biot**2 / (z**2 * (z**2 + biot**2))
    tau = 0.5 / biot
    late = max(share * math.exp(-z * z * t) - math.exp(-t / tau) for t in np.linspace(0.5 * tau, 3.0 * tau, 4_000))
    bodies = [
        {"name": "rod", "geometry": {"shape": "cylinder", "radius": 1.0}},
        {"name": "bar", "geometry": {"shape": "box", "half_sizes": [1.0, 1.0]}},
        {"name": "cube", "geometry": {"shape": "box", "half_sizes": [1.0, 1.0, 1.0]}},
        {"name": "wall", "geometry": {"shape": "wall", "half_thickness": 1.0}},
        {"name": "ball", "geometry": {"shape": "sphere", "radius": 1.0}},
    ]
    common = {"conductivity": 1.0, "volumetric_heat_capacity": 1.0, "coefficient": biot}
    verify(
        make(
            "certificate", "convective_body",
            [
                expect("internal_resistance_phi", biot / 4.0, 1e-12, body="rod"),
                expect("internal_resistance_phi", biot / 5.0, 1e-12, body="ball"),
                expect("internal_resistance_phi", biot / 3.0, 1e-12, body="cube"),
                expect("worst_mean_error", late, 1e-5, body="rod"),
                expect("certificate_covers", True, None, certificate="C1", largest_ratio=2.5),
                expect("certificate_covers", True, None, certificate="C2", largest_ratio=1.5),
                expect("certificate_covers", False, None, certificate="C2", largest_ratio=0.5),
            ],
            bodies=[body | common for body in bodies],
        )
    )  # fmt: skip


PLATE = {
    "kind": "diffusion", "dimension": 2, "steady": False, "temperature_unit": "K", "id": "made-up",
    "domain": {"coordinates": "cartesian", "size": [0.02, 0.02]},
    "material": {"conductivity": 30.0, "volumetric_heat_capacity": 3e6},
    "initial": 300.0,
    "resolution": {"cells": [12, 12], "steps": 300, "end_time": 150.0},
}  # fmt: skip


def test_an_insulated_plate_that_is_heated_unevenly_is_diffusive_as_long_as_its_settled_shape_is_too_hot():
    """q = Q x/L while it is on: the mean rises by Q/(2 rho c) a second, the shape settles Q L^2/(24 k) above it."""
    strength, length = 4e6, 0.02
    settled = strength * length**2 / (24.0 * 30.0)
    source = {"expression": f"where((t >= 20) & (t < 70), {strength}*x/{length}, 0)"}
    rise = strength / (2.0 * 3e6)
    expected = [
        expect("model", "lumped", None, time=20.0),
        expect("model", "diffusive", None, time=60.0),
        expect("model", "lumped", None, time=150.0),
        expect("switches", 2, 0, time=150.0),
        expect("hottest_above_mean", settled, 0.01 * settled, time=69.0),
        expect("mean_temperature", 300.0 + 40.0 * rise, 1e-6, time=60.0),
        expect("mean_temperature", 300.0 + 50.0 * rise, 1e-6, time=150.0),
        expect("relative_energy_error", 0.0, 1e-10),
    ]
    rule = {"measure": "hottest_above_mean", "threshold": 0.8 * settled, "return_fraction": 0.5, "dwell": 5.0}
    for entry in expected:
        if entry["quantity"] in ("switches", "relative_energy_error"):
            entry.pop("time", None)
    verify(PLATE | {"source_term": source, "breakpoints": [20.0, 70.0], "adaptive": rule, "expected": expected})


def test_a_gentler_source_never_leaves_the_lumped_model():
    strength, length = 4e6, 0.02
    settled = strength * length**2 / (24.0 * 30.0)
    rule = {"measure": "hottest_above_mean", "threshold": 1.05 * settled}
    expected = [
        expect("switches", 0, 0),
        expect("model", "lumped", None, time=150.0),
        expect("hottest_above_mean", settled, 0.01 * settled, time=150.0),
    ]
    verify(PLATE | {"source_term": {"expression": f"{strength}*x/{length}"}, "adaptive": rule, "expected": expected})
