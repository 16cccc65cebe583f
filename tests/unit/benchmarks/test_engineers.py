"""The engineers' problems are the same equations for both sides, and their peers meet the stated errors."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from benchmarks.engineers import board, heat_sink, laser, stepping, sweep, wall, wax
from benchmarks.engineers.cases import ROWS
from benchmarks.engineers.solvers import factor_symmetric

from grid.engine import HeatProblem
from grid.engine.space.discretise import discretise
from grid.engine.space.nonlinear import freeze

TIME = 15.0  # s, within a ramp, a step and a track


def engine_flow(case, temperature, time=TIME):
    """Heat into each cell of the body [W] as the engine sees it, and the heat capacities [J/K]."""
    problem = HeatProblem.from_case(case)
    space = discretise(problem)
    active = np.ones(problem.domain.cell_count, bool) if space.active is None else space.active
    field = np.full(problem.domain.cell_count, temperature.mean())
    field[active] = temperature
    space, loads = freeze(space, field, time)
    return space.heat_flow(field, loads).net[active], space.capacity[active]


def random_temperatures(count):
    return 30.0 + 20.0 * np.random.default_rng(5).random(count)


@pytest.mark.parametrize(
    ("case", "make"),
    [
        (heat_sink.case, lambda: heat_sink.make_system(heat_sink.make_sink())),
        (partial(heat_sink.case, fins=10, film=50.0, scale=0.5),
         lambda: heat_sink.make_system(heat_sink.make_sink(10), 50.0, 0.5)),
        (partial(laser.case, laser.FLAT), lambda: laser.make_system(laser.FLAT)),  # a spot that cells resolve
        (partial(laser.case, laser.SOLID), lambda: laser.make_system(laser.SOLID)),
        (board.case, board.make_system),
    ],
    ids=["heat sink", "of a sweep", "laser 2D", "laser 3D", "board"],
)  # fmt: skip
def test_the_equations_by_hand_are_those_of_the_case(case, make):
    system, time = make(), 0.7 if case not in (board.case, heat_sink.case) else TIME
    own = random_temperatures(system.capacity.size)
    zero = laser.AMBIENT if not system.start.any() else 0.0  # the laser's peers step the rise

    found, capacity = engine_flow(case(), own, time)

    expected = system.load(time) - system.conduction @ (own - zero)
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_allclose(capacity, system.capacity, rtol=1e-12)


def test_the_steady_board_has_the_last_powers():
    system = board.make_system()
    own = random_temperatures(system.capacity.size)

    found, _ = engine_flow(board.case(steady=True), own)

    expected = system.load(board.END) - system.conduction @ own
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_the_varying_heat_sink_by_hand_is_that_of_the_case():
    """But where two materials meet: there they differ by the square of the difference between two cells."""
    sink = heat_sink.make_sink()
    system, case, differences = heat_sink.Varying(sink), heat_sink.case(of_temperature=True), []
    first, second = (sink.body.pairs[side] for side in (0, 1))
    meets = sink.is_copper[first] != sink.is_copper[second]
    beside = np.zeros(sink.body.count, bool)
    beside[first[meets]] = beside[second[meets]] = True
    for spread in (1.0, 0.1):
        own = 40.0 + spread * (random_temperatures(system.capacity.size) - 40.0)

        found, _ = engine_flow(case, own)

        expected = system.rate(own, TIME)
        np.testing.assert_allclose(found[~beside], expected[~beside], atol=1e-9 * np.abs(expected).max())
        differences.append(np.abs(found - expected).max())
    assert 0 < beside.sum() < 0.3 * beside.size
    assert differences[1] == pytest.approx(0.01 * differences[0], rel=0.2)


def test_the_wall_by_hand_is_that_of_the_case():
    capacity, conduction, films = wall.bands()
    own, hours = random_temperatures(wall.CELLS), 1234.5

    found, expected_capacity = engine_flow(wall.case(), own, hours * wall.HOUR)

    expected = -conduction[1] * own
    expected[:-1] -= conduction[0, 1:] * own[1:]
    expected[1:] -= conduction[0, 1:] * own[:-1]
    expected[0] += films[0] * wall.ROOM
    expected[-1] += films[1] * float(wall.outside(np.array(hours)))
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_allclose(capacity, expected_capacity, rtol=1e-12)


def test_the_wax_box_by_hand_is_that_of_the_case():
    """With a plain heat capacity in place of the enthalpy, which the flow of heat does not see."""
    box, case = wax.Box(), wax.case()
    del case["material"][1]["volumetric_enthalpy"]
    case["material"][1]["volumetric_heat_capacity"] = 2.0e6
    own = random_temperatures(box.body.count)

    found, _ = engine_flow(case, own)

    expected = box.load(TIME) - box.conduction @ own
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def relative_error(answer, reference, rise):
    return np.abs(answer.fields - reference).max() / rise(reference)


def test_the_peers_of_the_heat_sink_meet_its_error():
    reference = heat_sink.reference_constant()
    for peer in ROWS["E1"].peers.values():
        assert relative_error(peer.run(), reference, heat_sink.rise) <= heat_sink.TOLERANCE
    varying = heat_sink.reference_varying(2.5, 1e-6)
    assert relative_error(ROWS["E2"].peers["SciPy kept LU"].run(), varying, heat_sink.rise) <= heat_sink.TOLERANCE


def test_the_peers_of_the_wall_meet_its_error_and_its_reference_is_exact():
    reference = wall.reference()
    for peer in ROWS["E3"].peers.values():
        assert relative_error(peer.run(), reference, wall.rise) <= wall.TOLERANCE
    assert relative_error(wall.peer_exponential(), reference, wall.rise) < 1e-9


def test_the_peers_of_the_board_meet_its_error_on_coarse_cells():
    assert relative_error(board.peer_steady(coarse=5), board.reference_steady(5), board.rise) <= board.TOLERANCE
    reference = board.reference_transient(0.625, 10, factor_symmetric)
    assert relative_error(board.peer_transient(coarse=10), reference, board.rise) <= 2 * board.TOLERANCE


@pytest.mark.parametrize("plate", [laser.FLAT, laser.SOLID], ids=["2D", "3D"])
def test_the_peers_of_the_laser_agree_on_coarse_cells(plate):
    coarse = laser.coarsen(plate, 5)
    short = replace(coarse, times=coarse.times[:2])
    reference = laser.reference(short, 0.0125)

    for answer in (laser.peer_implicit(short, 0.01), laser.peer_gradients(short, 0.01, 1e-6)):
        assert relative_error(answer, reference, laser.rise) <= laser.TOLERANCE
    assert relative_error(laser.peer_explicit(short, 0.05), reference, laser.rise) <= laser.TOLERANCE


def test_the_wax_melts_and_keeps_its_heat():
    """What flows in between two times is what the enthalpy gains, and half of the steps change little."""
    box = wax.Box(2)
    answer, finer = wax.peer(50.0, coarse=2), wax.peer(25.0, coarse=2)

    assert 0.3 < box.melted(answer.fields).max() < 1.0
    np.testing.assert_allclose(box.melted(answer.fields), box.melted(finer.fields), atol=5e-3)


def test_a_stage_of_the_wax_box_is_solved():
    box = wax.Box(2)
    known = box.content(box.start)[0] * 2.3

    found = wax.stage(box, known, box.start, 10.0, 600.0, 1e-9)

    residual = known + 10.0 * (box.load(600.0) - box.conduction @ found) - box.content(found)[0]
    assert np.abs(residual).max() < 1e-9 * np.abs(known).max()


def test_each_scheme_has_its_order():
    """On one sine mode of a rod with held ends, T = exp(-rate t)."""
    from scipy import sparse

    count = 20
    line = sparse.diags([-np.ones(count - 1), 2.0 * np.ones(count), -np.ones(count - 1)], [-1, 0, 1]).tocsc()
    mode = np.sin(np.pi * np.arange(1, count + 1) / (count + 1))
    rate = 2.0 - 2.0 * np.cos(np.pi / (count + 1))
    system = stepping.System(np.ones(count), line, lambda _time: np.zeros(count), mode, ())
    end = 1.0 / rate
    for scheme, order in ((stepping.crank_nicolson, 2), (stepping.tr_bdf2, 2), (stepping.sdirk4, 4)):
        errors = [
            np.abs(
                stepping.march(system, (end,), end / steps, factor_symmetric, scheme).fields[0] - np.exp(-1) * mode
            ).max()
            for steps in (8, 16)
        ]
        assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_the_sweep_has_a_hundred_points_that_are_all_different():
    points = [*sweep.make_points(), *sweep.make_points(1e-3)]

    assert len(sweep.make_points()) == 100
    assert len(set(points)) == 200
    assert HeatProblem.from_case(points[0].case()).domain.cells == (30, 30, 19)
