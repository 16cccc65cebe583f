"""The tiled kernels: the same bytes however a run is cut, the law of the scheme, the ledger, and what is refused."""

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import HeatProblem, prepare
from grid.engine.methods.explicit.box import Tiling, advance, diffuse, find_tiling, is_homogeneous
from grid.engine.methods.explicit.stepper import ExplicitStepper
from grid.engine.methods.state import Bounds, HeatBalance, State

CELLS = {2: [37, 45], 3: [19, 14, 21]}
MIXED = {
    "x_min": {"type": "temperature", "value": {"expression": "1 + y"}},
    "x_max": {"type": "convection", "coefficient": 3.0, "ambient": 2.0},
    "y_min": {"type": "flux", "value": -1.0},
    "z_max": {"type": "temperature", "value": 0.0},
}
JOINED = {"y_min": {"type": "periodic"}, "y_max": {"type": "periodic"}, "x_min": {"type": "temperature", "value": 0.0}}


def wave(shape, number):
    """A product of sines that vanishes at the outermost points."""
    field = np.ones(shape)
    for axis, count in enumerate(shape):
        sine = np.sin(np.pi * number * np.arange(count) / (count - 1))
        sine[[0, -1]] = 0.0
        field *= sine.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return field


def some_problem(make_case, dimension, boundaries, **changes):
    faces = {face: law for face, law in boundaries.items() if face[0] in "xyz"[:dimension]}
    initial = {"expression": "sin(5*x) + y*y"}
    domain = {"coordinates": "cartesian", "size": [0.05 * count for count in CELLS[dimension]]}
    resolution = {"cells": CELLS[dimension], "steps": 50, "end_time": 0.004}
    return HeatProblem.from_case(
        make_case(dimension, domain=domain, boundaries=faces, initial=initial, resolution=resolution, **changes)
    )


def start_of(stepper):
    return State(0.0, 0, stepper.space.initial_temperature(), HeatBalance(), Bounds(-1.0, 2.0))


@pytest.mark.jit
@pytest.mark.parametrize(
    ("dimension", "is_isotropic", "kind"),
    [  # each is compiled on its own
        (2, True, np.float64),
        (2, False, np.float64),
        (2, True, np.float32),
        (3, True, np.float64),
        (3, False, np.float64),
        pytest.param(2, False, np.float32, marks=pytest.mark.physics),
        pytest.param(3, True, np.float32, marks=pytest.mark.physics),
        pytest.param(3, False, np.float32, marks=pytest.mark.physics),
    ],
)
def test_a_wave_decays_as_the_scheme_says(dimension, is_isotropic, kind):
    """A product of sines is an eigenvector of the scheme."""
    shape, steps = tuple(CELLS[dimension]), 7
    numbers = [0.12] * dimension if is_isotropic else [0.12, 0.2, 0.05][:dimension]
    waves = [3, 5, 2][:dimension]
    field = sum(wave(shape, number) for number in waves)
    expected = np.zeros(shape)
    for number in waves:
        factor = 1.0 - sum(
            4 * fo * np.sin(np.pi * number / (2 * (n - 1))) ** 2 for fo, n in zip(numbers, shape, strict=True)
        )
        expected += factor**steps * wave(shape, number)

    done = diffuse(field.astype(kind), numbers[0] if is_isotropic else numbers, steps)

    np.testing.assert_allclose(done, expected, atol=60 * np.finfo(kind).eps)


@pytest.mark.parametrize("dimension", [2, 3])
def test_neither_tiles_nor_threads_change_a_byte(dimension):
    shape = (61, 83) if dimension == 2 else (29, 23, 18)
    start = np.random.default_rng(1).random(shape)
    plain = diffuse(start.copy(), 0.15, 23, is_parallel=False, tiling=Tiling(1, 10_000, 1))

    for levels, width, slabs in [(2, 64, 1), (7, 16, 1), (5, 24, 2), (4, 10_000, 3), (3, 9, 4)]:
        for is_parallel in (False, True):
            cut = Tiling(levels, width, slabs)
            tiled = diffuse(start.copy(), 0.15, 23, is_parallel=is_parallel, tiling=cut)
            assert tiled.tobytes() == plain.tobytes(), (cut, is_parallel)


def test_a_row_of_any_width_and_place_gives_the_same_bytes():
    """Where a row begins in memory decides which cells share a vector."""
    start = np.random.default_rng(2).random((9, 40))
    whole = diffuse(start.copy(), 0.2, 3)

    for skip in range(9):
        raw = np.empty(9 * 40 + 16)
        moved = raw[skip : skip + 360].reshape(9, 40)
        moved[:] = start
        assert diffuse(moved, 0.2, 3).tobytes() == whole.tobytes()
    for width in range(3, 20):  # columns that far from the cut see nothing of it in three steps
        part = diffuse(np.ascontiguousarray(start[:, :width]), 0.2, 3)
        assert part[:, : width - 3].tobytes() == whole[:, : width - 3].tobytes()


@pytest.mark.jit
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("source", [0.0, {"expression": "50*exp(-x*x)"}], ids=["quiet", "source"])
@pytest.mark.parametrize("boundaries", [MIXED, JOINED, {}], ids=["mixed", "periodic", "insulated"])
def test_it_is_the_general_kernel_but_for_rounding(make_case, dimension, source, boundaries):
    problem = some_problem(make_case, dimension, boundaries, source_term=source, material={
        "conductivity": [1.0, 2.0, 0.5][:dimension], "volumetric_heat_capacity": 2.0,
    })  # fmt: skip
    stepper = ExplicitStepper(prepare(problem, method="explicit").space, 1e-4)
    segment = stepper.make_segment(0.0, 0.002)

    fast = stepper.advance(start_of(stepper), segment, 0, segment.steps)
    general = stepper._advance_any(start_of(stepper), segment, 0, segment.steps)

    assert is_homogeneous(problem)
    np.testing.assert_allclose(fast.temperature, general.temperature, rtol=1e-12, atol=1e-13)
    assert fast.heat_balance.boundary_in == pytest.approx(general.heat_balance.boundary_in, rel=1e-11, abs=1e-13)
    assert fast.heat_balance.boundary_out == pytest.approx(general.heat_balance.boundary_out, rel=1e-11, abs=1e-13)
    assert fast.heat_balance.generated == pytest.approx(general.heat_balance.generated, rel=1e-13)
    assert fast.heat_balance.generated_absolute == fast.heat_balance.generated
    assert fast.bounds == general.bounds


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("is_isotropic", [True, False])
def test_a_source_of_nothing_changes_no_byte_and_tiles_none_with_a_source(dimension, is_isotropic):
    shape = (41, 53) if dimension == 2 else (19, 13, 18)
    random = np.random.default_rng(3)
    start, gains = random.random(shape), random.random(shape)
    weights = (0.15,) if is_isotropic else (0.15, 0.1, 0.05)[:dimension]

    def run(source, cut):
        return advance(
            start.copy(), start.copy(), weights, None, (False,) * dimension, 11, cut, is_parallel=cut.slabs > 1,
            source=source,
        ).tobytes()  # fmt: skip

    plain = Tiling(1, 10_000, 1)
    assert run(np.zeros(shape), plain) == run(None, plain)
    for levels, width, slabs in [(2, 64, 1), (5, 16, 1), (3, 9, 3)]:
        assert run(gains, Tiling(levels, width, slabs)) == run(gains, plain)


@pytest.mark.parametrize("dimension", [2, 3])
def test_threads_change_neither_field_nor_ledger(make_case, dimension):
    problem = some_problem(make_case, dimension, MIXED)
    space = prepare(problem, method="explicit").space
    serial, parallel = ExplicitStepper(space, 1e-4), ExplicitStepper(space, 1e-4, is_parallel=True)
    segment = serial.make_segment(0.0, 0.0033)

    one, two = (s.advance(start_of(s), segment, 0, segment.steps) for s in (serial, parallel))

    assert one.temperature.tobytes() == two.temperature.tobytes()
    assert one.heat_balance == two.heat_balance


@pytest.mark.jit
def test_a_uniform_body_stays_so_to_the_last_bit_and_no_heat_is_made_up(make_case):
    uniform = prepare(some_problem(make_case, 2, {}), method="explicit").space
    stepper = ExplicitStepper(uniform, 1e-4)
    state = State(0.0, 0, np.full(uniform.capacity.size, 293.15), HeatBalance(), Bounds(293.15, 293.15))
    segment = stepper.make_segment(0.0, 0.01)

    done = stepper.advance(state, segment, 0, segment.steps)

    assert np.ptp(done.temperature) == 0.0
    assert done.heat_balance == HeatBalance()


def test_heat_closes_on_a_high_temperature_over_many_steps(make_case):
    """A small span on 300 K: what is lost to rounding must not add up in one direction."""
    case = make_case(
        2,
        boundaries={"x_min": {"type": "temperature", "value": 301.0}},
        initial=300.0,
        resolution={"cells": [12, 9], "steps": 20, "end_time": 1.0},
    )
    solution = prepare(HeatProblem.from_case(case), method="explicit").solve()

    assert [audit.verdict for audit in solution.audits if audit.name == "energy_balance"] == ["passed"]
    assert solution.metrics["heat_in"] == pytest.approx(solution.metrics["stored_heat_change"], rel=1e-11)


@pytest.mark.jit
def test_loads_that_change_in_time_are_followed_step_by_step(make_case):
    boundaries = {"x_min": {"type": "temperature", "value": {"expression": "t"}}, "y_max": JOINED["y_max"],
                  "y_min": JOINED["y_min"]}  # fmt: skip
    problem = some_problem(make_case, 2, boundaries, source_term=5.0)
    stepper = ExplicitStepper(prepare(problem, method="explicit", steps=9).space, 1e-4)
    segment = stepper.make_segment(0.0, 0.001)

    fast = stepper.advance(start_of(stepper), segment, 0, segment.steps)
    general = stepper._advance_any(start_of(stepper), segment, 0, segment.steps)

    np.testing.assert_allclose(fast.temperature, general.temperature, rtol=1e-12, atol=1e-13)
    assert fast.heat_balance.generated == pytest.approx(general.heat_balance.generated, rel=1e-13)


@pytest.mark.parametrize(("source", "is_tiled"), [("1 + x", True), ("1 + t", False), ("1 + T", False)])
def test_a_source_that_is_constant_in_time_stays_in_the_tiles(make_case, source, is_tiled):
    assert is_homogeneous(some_problem(make_case, 2, MIXED, source_term={"expression": source})) is is_tiled


@pytest.mark.jit
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"field": np.zeros(5)}, "field"),
        ({"field": np.zeros((5, 5), int)}, "field"),
        ({"field": np.zeros((5, 8))[:, ::2]}, "field"),
        ({"field": np.zeros((2, 5))}, "field"),
        ({"mesh_fourier": 0.2500001}, "mesh_fourier"),
        ({"mesh_fourier": float("nan")}, "mesh_fourier"),
        ({"mesh_fourier": -0.1}, "mesh_fourier"),
        ({"mesh_fourier": (0.1, 0.1, 0.1)}, "mesh_fourier"),
        ({"steps": -1}, "steps"),
        ({"spare": np.zeros((5, 6))}, "spare"),
    ],
)
def test_what_cannot_be_stepped_is_refused_by_name(change, name):
    arguments = {"field": np.zeros((5, 5)), "mesh_fourier": 0.2, "steps": 1} | change

    with pytest.raises(FieldError) as caught:
        diffuse(**arguments)

    assert caught.value.field == name


def test_a_tiling_leaves_every_slab_what_its_neighbours_take():
    for planes in range(3, 200):
        for dimension in (2, 3):
            cut = find_tiling((planes,) * dimension, 8, 8)
            assert cut.slabs == 1 or 2 * cut.levels * cut.slabs <= planes - 2
            assert cut.levels >= 1
            assert cut.width >= 8
