"""The certificates of lumped models, on random bodies and loads: each is compared with the exact semi-discrete answer.

Bodies are boxes, masked or not, in one to three dimensions, with conductivity, heat capacity and film varying in
place. Their equations are solved exactly by all eigenvectors, so that a violation is one.
"""

import math
from typing import Any

import numpy as np
import pytest

from grid.engine.linear.systems import assemble
from grid.engine.lumped.grid_certificates import BodyShape, insulated_rate
from grid.engine.lumped.quasi_steady import QuasiSteady
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.discretise import discretise
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space

SLACK = 1e-8  # of the initial excess: rounding of eigenvectors and of the shifted solves


def make_case(rng: np.random.Generator, **changes: Any) -> dict[str, Any]:
    """A random body in air of 0 with a start of 1."""
    dimension = int(rng.integers(1, 4))
    cells = (
        [int(rng.integers(6, 30))] if dimension == 1 else [int(n) for n in rng.integers(2, 8 - dimension, dimension)]
    )
    size = [float(length) for length in rng.uniform(0.5, 2.0, dimension)]
    axes = "xyz"[:dimension]

    def wave(low: float, high: float) -> dict[str, str]:
        """Between two positive numbers, unevenly over the body."""
        a, b = rng.uniform(1.0, 6.0, 2)
        terms = " + ".join(f"{rng.uniform(0.2, 1.0):.3f}*sin({a:.3f}*{axis} + {b:.3f})" for axis in axes)
        middle, half = 0.5 * (math.log(high) + math.log(low)), 0.5 * (math.log(high) - math.log(low))
        return {"expression": f"exp({middle:.4f} + {half:.4f}*sin({terms}))"}

    film = 10.0 ** rng.uniform(-2.5, 0.5)
    faces = [f"{axis}_{end}" for axis in axes for end in ("min", "max")]
    exposed = [face for face in faces if rng.random() < 0.6] or faces[:1]
    case = {
        "kind": "diffusion",
        "dimension": dimension,
        "steady": False,
        "domain": {"coordinates": "cartesian", "size": size},
        "material": {"conductivity": wave(0.3, 3.0), "volumetric_heat_capacity": wave(0.3, 3.0)},
        "boundaries": {
            face: {"type": "convection", "coefficient": wave(0.3 * film, 3.0 * film), "ambient": 0.0}
            for face in exposed
        },
        "initial": 1.0,
        "resolution": {"cells": cells, "end_time": 1.0},
    }
    if dimension > 1 and rng.random() < 0.3:
        case["domain"]["active"] = {"expression": f"(x < {0.6 * size[0]:.4f}) | (y < {0.6 * size[1]:.4f})"}
        case["boundaries"]["internal"] = {"type": "convection", "coefficient": film, "ambient": 0.0}
    return case | changes


def read(case: dict[str, Any]) -> tuple[Space, Loads, BodyShape]:
    space = discretise(HeatProblem.from_case(case))
    shape = BodyShape.at(space, 0.0, 0.0)
    assert shape is not None
    return space, space.loads(0.0), shape


class Exact:
    """C dT/dt = b - A T for the cells of the body, by all eigenvectors."""

    def __init__(self, space: Space, loads: Loads) -> None:
        self.inside = space.capacity > 0.0
        self.capacity = space.capacity[self.inside]
        self.root = np.sqrt(self.capacity)
        matrix = assemble(space, loads).toarray()[np.ix_(self.inside, self.inside)] / np.outer(self.root, self.root)
        self.rates, self.vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))

    def mean(self, times: np.ndarray) -> np.ndarray:
        """Heat-weighted mean from a uniform start of 1 in air of 0."""
        shares = (self.root @ self.vectors) ** 2 / self.capacity.sum()
        return np.exp(-np.outer(times, self.rates)) @ shares

    def advance(self, field: np.ndarray, heat: np.ndarray, duration: float) -> np.ndarray:
        """The field after `duration` with constant heat b."""
        modes, drive = self.vectors.T @ (self.root * field), self.vectors.T @ (heat / self.root)
        x = self.rates * duration
        phi = np.where(np.abs(x) > 1e-9, -np.expm1(-x) / np.where(x == 0.0, 1.0, x), 1.0)
        return (self.vectors @ (np.exp(-x) * modes + duration * phi * drive)) / self.root


def check_c1_and_c2(seed: int) -> None:
    space, loads, shape = read(make_case(np.random.default_rng(seed)))
    tau, kappa, phi = shape.time_constant, shape.slowness(), shape.internal_resistance_phi()
    times = tau * np.geomspace(1e-3, 30.0, 120)
    mean = Exact(space, loads).mean(times)
    worst = float((mean - np.exp(-times / tau)).max())

    assert np.all(mean >= np.exp(-times / tau) - SLACK), f"C1, below, body {seed}"
    assert np.all(mean <= np.exp(-times / (kappa * tau)) + SLACK), f"C1, above, body {seed}"
    assert worst <= shape.gap() + SLACK, f"C1, gap, body {seed}"
    assert worst <= phi / math.e + SLACK, f"C2, body {seed}"
    assert phi <= kappa - 1.0 + SLACK, f"the corrected model lies in the bracket of C1, body {seed}"


def check_c4(seed: int) -> None:
    """Loads that jump: ambients, fluxes and sources, each constant over a stretch."""
    rng = np.random.default_rng(seed)
    case = make_case(rng)
    space, _, shape = read(case)
    tau, kappa, total = shape.time_constant, shape.slowness(), float(space.capacity.sum())
    uniform = 1.0
    inside = space.capacity > 0.0
    field, energy = np.full(int(inside.sum()), uniform), 0.0
    for _ in range(6):
        case["source_term"] = float(rng.normal())
        for law in case["boundaries"].values():
            law["ambient"] = float(rng.normal())
        space, loads, shape = read(case)
        exact, duration, parts = Exact(space, loads), tau * 10.0 ** rng.uniform(-2.0, 0.5), 40
        heat = space.heat_flow(np.zeros_like(space.capacity), loads).net[inside]
        for _ in range(parts):
            step = duration / parts
            into = sum(
                float(np.sum(film * law.reference)) * patch.area
                for index, (film, patch) in enumerate(zip(shape.films, space.patches, strict=True))
                for law in [space.robin(index, 0.0, np.zeros(patch.cells.shape))]
            ) + (0.0 if loads.source is None else float(loads.source[inside].sum()))
            settled = into / shape.conductance
            following = settled + (uniform - settled) * math.exp(-step / tau)
            rates = [shape.energy_rate(0.0, temperature) for temperature in (uniform, following)]
            decay = 1.0 / (kappa * tau)
            energy = energy * math.exp(-decay * step) + max(rates) * -math.expm1(-decay * step) / decay
            field, uniform = exact.advance(field, heat, step), following
            off = float(exact.capacity @ (field - uniform) ** 2)
            assert off <= energy * (1.0 + 1e-6) + SLACK * total, f"C4, body {seed}"


def check_c5(seed: int) -> None:
    """An insulated body forgets at least as fast as its slowest mode; a start along it, exactly so."""
    rng = np.random.default_rng(seed)
    space, _, _ = read(make_case(rng))
    insulated = read_insulated(space)
    rate = insulated_rate(space)
    field = rng.normal(size=insulated.capacity.size)
    field -= insulated.capacity @ field / insulated.capacity.sum()
    size = float(insulated.capacity @ field**2)
    for share in (0.1, 1.0, 5.0):
        later = insulated.advance(field, np.zeros_like(field), share / rate)
        assert float(insulated.capacity @ later**2) <= size * math.exp(-2.0 * share) * (1.0 + 1e-5), f"C5, body {seed}"
    assert insulated.rates[1] == pytest.approx(rate, rel=1e-5)


def read_insulated(space: Space) -> Exact:
    case_loads = space.loads(0.0)
    closed = tuple(type(face_law)(0.0, 0.0, 0.0) for face_law in case_loads.face_laws)
    return Exact(space, Loads(closed, None, b""))


@pytest.mark.parametrize("seed", range(12))
def test_certificates_hold_on_random_bodies_and_loads(seed):
    check_c1_and_c2(seed)
    check_c5(seed)
    if seed % 6 == 0:
        check_c4(seed)


@pytest.mark.physics
@pytest.mark.parametrize("block", range(20))
def test_a_thousand_random_bodies_and_loads_violate_no_certificate(block):
    for seed in range(1_000 + 50 * block, 1_050 + 50 * block):
        check_c1_and_c2(seed)
        check_c5(seed)
        if seed % 4 == 0:
            check_c4(seed)


def test_the_gridded_certificate_of_a_wall_is_the_closed_form():
    """phi = h L/(3 k), 1/(mu tau) = 4 Bi/pi^2, both to second order in the cell."""
    wall = {
        "kind": "diffusion", "dimension": 1, "steady": False,
        "domain": {"coordinates": "cartesian", "size": [2.0]},
        "material": {"conductivity": 1.5, "volumetric_heat_capacity": 2.0},
        "boundaries": {face: {"type": "convection", "coefficient": 0.6, "ambient": 0.0} for face in ("x_min", "x_max")},
        "initial": 1.0, "resolution": {"cells": [40], "end_time": 1.0},
    }  # fmt: skip
    errors = []
    for cells in (20, 40):
        wall["resolution"]["cells"] = [cells]
        _, _, shape = read(wall)
        errors.append(
            (abs(shape.internal_resistance_phi() - 0.4 / 3.0), abs(shape.slowness() - 1.0 - 1.6 / math.pi**2))
        )
    assert errors[1][0] < 1e-3 * 0.4
    assert math.log2(errors[0][0] / errors[1][0]) == pytest.approx(2.0, abs=0.1)
    assert math.log2(errors[0][1] / errors[1][1]) == pytest.approx(2.0, abs=0.1)
    assert insulated_rate(read(wall)[0]) == pytest.approx(math.pi**2 * 0.75 / 4.0, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_reconstructed_field_is_off_by_the_square_of_the_film(seed):
    """C3, late in a slow cooling: T = Tbar + s, s of the first order in the film, what it lacks of the second."""
    off = []
    for factor in (1.0, 0.5):
        rng = np.random.default_rng(seed)
        case = make_case(rng)
        for law in case["boundaries"].values():
            law["coefficient"] = 0.02 * factor
        space, loads, shape = read(case)
        exact = Exact(space, loads)
        late = exact.vectors[:, 0] / exact.root  # the slowest mode: what is left late
        late = late * (exact.capacity.sum() / (exact.capacity @ late))
        field = np.zeros_like(space.capacity)
        field[exact.inside] = late
        guess = 1.0 + QuasiSteady(space, 0.0).respond(space, loads).shape(1.0)
        off.append(float(np.abs(guess - field)[exact.inside].max()))
        assert shape.internal_resistance_phi() < 0.1
    assert math.log2(off[0] / off[1]) == pytest.approx(2.0, abs=0.15)
