"""Stress, failures and regions of a live structure: held to the plate's estimate, to equilibrium and to NumPy."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.core.errors import FieldError, InvalidFieldsError
from grid.engine import HeatProblem
from grid.engine.live.creep import LarsonMiller
from grid.engine.live.integrity import (
    REASONS,
    StructureState,
    make_state,
    observe,
    read_states,
    read_stress,
    weaken,
)
from grid.engine.live.look import look_at
from grid.engine.live.potential import solve_potential
from grid.engine.live.regions import Box, Disc
from grid.engine.live.stepping import Window
from grid.engine.live.structure import LoadedRegion, LoadedRegions, RegionCapacity, Structure, Tiles
from grid.engine.live.structure_body import make_body
from grid.engine.live.structure_case import read_structure
from grid.engine.problem.reader import CaseReader
from grid.engine.space.discretise import discretise
from grid.engine.structural.fatigue.laws import PowerLaw
from grid.engine.structural.stress import estimate_stress

STEEL = {"young_modulus": 2e11, "poisson_ratio": 0.3, "thermal_expansion": 1.2e-5, "yield_stress": 2.5e8}
COPPER = {"young_modulus": 1.2e11, "poisson_ratio": 0.34, "thermal_expansion": 1.7e-5, "yield_stress": 7e7}
HEAT = {"conductivity": 40.0, "volumetric_heat_capacity": 4e6}
CELLS = {1: (300,), 2: (7, 270), 3: (4, 5, 6)}
YIELD_RISE = 2.5e8 * 0.7 / (2e11 * 1.2e-5)  # [K] rise at which held steel yields


def make_problem(cells, *, material=None, active=None, unit="K", **changes):
    domain = {"coordinates": "cartesian", "size": [1.0] * len(cells)}
    case = {
        "dimension": len(cells),
        "domain": domain if active is None else domain | {"active": {"expression": active}},
        "material": material or HEAT | STEEL,
        "initial": 300.0,
        "steady": False,
        "temperature_unit": unit,
        "resolution": {"cells": list(cells), "steps": 1, "end_time": 1.0},
    }
    return HeatProblem.from_case(case | changes)


def make_layers(cells):
    parts = [HEAT | kind | {"where": {"expression": f"x {sign} 0.4"}} for kind, sign in ((STEEL, "<"), (COPPER, ">="))]
    return make_problem(cells, material=parts)


class Watched:
    """A structure that is shown fields."""

    def __init__(self, problem, *, ghosts=0, reference=300.0, **fields):
        self.space = discretise(problem)
        self.window = Window.of_padded(problem.domain.cells, ghosts)
        self.body = make_body(self.space, Structure(reference, **fields))
        self.state = make_state(self.body)
        self.cells, self.ghosts = problem.domain.cells, ghosts

    def lay(self, field):
        whole = np.broadcast_to(np.asarray(field, np.float64), self.cells)
        return np.pad(whole, self.ghosts, constant_values=np.nan).reshape(-1)

    def see(self, field, tick=1.0, potential=None):
        flat = self.lay(field)
        look = look_at(self.space, self.window, flat, 300.0)
        return observe(self.body, self.state, self.window, flat, look, tick, potential)

    def read(self, field):
        return read_stress(self.body, self.state, self.window, self.lay(field))


KINDS = {
    "plain": make_problem,
    "layers": make_layers,
    "masked": lambda cells: make_problem(cells, active="x > 0.3"),
}


@pytest.mark.jit
@pytest.mark.parametrize("dimension", CELLS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("support", ["free", "held"])
def test_the_stress_of_a_sound_body_is_that_of_the_estimate(dimension, kind, support):
    problem = KINDS[kind](CELLS[dimension])
    watched = Watched(problem, ghosts=1, support=support, ultimate_ratio=1e6)
    field = np.random.default_rng(2).normal(320.0, 25.0, CELLS[dimension])
    body = np.ones(field.shape, bool) if watched.space.inside is None else watched.space.inside
    limit = np.where(watched.body.region == 1, 7e7, 2.5e8).reshape(field.shape)

    look = watched.see(field)
    stress, use = watched.read(field)

    expected = np.where(body, estimate_stress(problem, field, reference_temperature=300.0, support=support), 0.0)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(stress.reshape(field.shape), expected, rtol=1e-11, atol=1e-12 * scale)
    np.testing.assert_allclose(use, np.abs(stress) / limit.reshape(-1), rtol=1e-14)
    assert (look.peak_stress, look.utilisation, look.weakest) == (np.abs(stress).max(), use.max(), use.argmax())
    assert look.yielding_cells == np.count_nonzero(use > 1.0)
    assert look.safety_factor == 1.0 / look.utilisation
    assert (look.damage, look.failed_cells, look.new_failures.size) == (0.0, 0, 0)
    assert np.array_equal(read_states(watched.state, use), (use > 1.0).astype(int))


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(sorted(KINDS)))
@settings(max_examples=30, deadline=None)
def test_a_free_plate_bears_no_force_whatever_is_damaged_failed_or_softened(seed, kind):
    rng, cells = np.random.default_rng(seed), (8, 9)
    watched = Watched(KINDS[kind](cells), ultimate_ratio=1e6, temperature_limit=360.0)
    inside = watched.body.region >= 0
    for _ in range(3):
        chosen = inside & (rng.random(72) < 0.3)
        weaken(watched.state, chosen, damage=rng.uniform(0.0, 0.9), stiffness=rng.uniform(0.1, 1.0))
        field = rng.normal(320.0, 20.0, cells)
        before = watched.state.copy()
        watched.see(field)  # cells fail, and the others bear their part from the next tick on
        watched.see(field)
        stress, _ = watched.read(field)
        assert abs(stress.sum()) <= 1e-12 * np.abs(stress).sum()
        assert not stress[(watched.state.failed > 0) | ~inside].any()
        assert np.all(watched.state.damage >= before.damage)


def test_damage_lowers_the_stress_of_a_cell_and_not_its_utilisation():
    """Kachanov: the sound part of a held cell bears what a sound cell would."""
    watched = Watched(make_problem((4,)), support="held")
    weaken(watched.state, np.array([False, True, False, False]), damage=0.25)

    look = watched.see(320.0)
    stress, use = watched.read(320.0)

    sound = 2e11 / 0.7 * 1.2e-5 * -20.0
    assert stress == pytest.approx(sound * np.array([1.0, 0.75, 1.0, 1.0]), rel=1e-12)
    assert use == pytest.approx(np.full(4, -sound / 2.5e8), rel=1e-12)
    assert look.damage == 0.25


def test_a_softened_cell_takes_less_of_the_stress_and_nothing_makes_it_stiff_again():
    watched = Watched(make_layers((5, 5)), support="held", ultimate_ratio=1e6)
    chosen = np.arange(25) == 7
    watched.see(330.0)
    before, _ = watched.read(330.0)
    weaken(watched.state, chosen, stiffness=0.5)
    weaken(watched.state, chosen, stiffness=0.8)

    watched.see(330.0)

    assert watched.read(330.0)[0] == pytest.approx(np.where(chosen, 0.5, 1.0) * before, rel=1e-12)


@pytest.mark.jit
@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        (
            {"ultimate_ratio": 1.2},
            [300.0, 300.0 + 1.3 * YIELD_RISE, 300.0 - 1.1 * YIELD_RISE, 300.0 + YIELD_RISE],
            "stress",
        ),
        ({"temperature_limit": 400.0, "ultimate_ratio": 9.0}, [399.0, 400.0, 300.0, 350.0], "temperature"),
    ],
)
def test_a_cell_fails_at_the_end_of_the_tick_and_stays_failed(fields, field, reason):
    watched = Watched(make_problem((4,)), support="held", **fields)

    look = watched.see(field)
    again, later = watched.see(field), watched.see(300.0)

    assert look.new_failures.tolist() == [1]
    assert [REASONS[code] for code in look.reasons] == [reason]
    largest = np.abs(np.array(field) - 300.0).max() / YIELD_RISE
    assert look.utilisation == pytest.approx(largest, rel=1e-12)  # that of the tick in which it failed
    assert again.new_failures.size == later.new_failures.size == 0
    assert [one.failed_cells for one in (look, again, later)] == [1, 1, 1]
    stress, use = watched.read(field)
    assert (stress[1], use[1]) == (0.0, 0.0)
    assert read_states(watched.state, use)[1] == 2


def test_when_a_cell_of_a_free_plate_fails_the_others_bear_its_part():
    """A hot cell holds the others in tension; without it they are free of stress."""
    watched = Watched(make_problem((1, 10)), ultimate_ratio=1.5)
    field = np.full((1, 10), 300.0)
    field[0, 3] = 300.0 + 2.0 * YIELD_RISE

    first, second = watched.see(field), watched.see(field)

    assert first.new_failures.tolist() == [3]
    assert first.utilisation == pytest.approx(1.8, rel=1e-12)  # nine tenths of the rise
    assert second.peak_stress < 1e-6
    assert second.new_failures.size == 0


def test_an_event_that_ends_a_life_makes_the_cell_fail_at_the_end_of_the_tick():
    watched = Watched(make_problem((3,)))
    weaken(watched.state, np.array([False, False, True]), damage=1.0)

    look = watched.see(300.0)

    assert look.new_failures.tolist() == [2]
    assert look.damage == 1.0
    assert REASONS[look.reasons[0]] == "damage"


def test_cells_outside_a_masked_body_neither_yield_nor_fail():
    problem = make_problem((6, 6), active="x > 0.5")
    watched = Watched(problem, support="held", temperature_limit=400.0)

    look = watched.see(np.where(np.arange(6)[:, None] < 3, 5000.0, 301.0))

    assert (look.yielding_cells, look.failed_cells, look.weakest) == (0, 0, 18)


def test_a_copy_and_what_was_packed_go_on_as_the_state_itself():
    rng = np.random.default_rng(8)
    fields = 300.0 + rng.normal(0.0, 30.0, (30, 6, 7))
    regions = {"regions": Tiles((2, 2), 10.0), "capacity": RegionCapacity("failed_share", 0.2)}
    watched = Watched(make_problem((6, 7)), support="held", life=PowerLaw(4e8, -0.2), ultimate_ratio=1.1, **regions)
    weaken(watched.state, np.arange(42) == 5, damage=0.1, stiffness=0.9)
    for field in fields[:15]:
        watched.see(field)
    kept = watched.state.copy()
    packed = {name: array.copy() for name, array in watched.state.pack().items()}
    for array in packed.values():
        array.flags.writeable = False  # as one that was read from a file
    looks, states = [], []
    for state in (watched.state, kept, StructureState.unpack(packed)):
        watched.state = state
        looks.append([watched.see(field) for field in fields[15:]])
        states.append(state.pack())

    assert states[0]["failed"].any()
    assert states[0]["damage"].max() > 0.0
    for other in (1, 2):
        assert str(looks[other]) == str(looks[0])
        assert all(np.array_equal(states[other][name], states[0][name]) for name in states[0])


def test_bytes_do_not_depend_on_ghosts():
    fields = 300.0 + np.random.default_rng(1).normal(0.0, 40.0, (10, 5, 300))
    ends = []
    for ghosts in (0, 1, 3):
        watched = Watched(make_layers((5, 300)), ghosts=ghosts, life=PowerLaw(9e8, -0.1), ultimate_ratio=3.0)
        ends.append([str(watched.see(field)) for field in fields])
        ends[-1] += [array.tobytes() for array in watched.state.pack().values()]

    assert ends[0] == ends[1] == ends[2]


def test_with_a_potential_cells_fail_by_it_alone_and_only_where_one_takes_effect():
    problem = make_problem((48, 48))
    watched = Watched(problem, stress_level="potential", ultimate_ratio=1.05)
    x = (np.arange(48) + 0.5) / 48 - 0.5
    field = 300.0 + 220.0 * (np.hypot(x[:, None], x) < 0.2)
    potential = solve_potential(watched.body.potential, watched.window, watched.lay(field))

    first = watched.see(field)
    second = watched.see(field, potential=potential.von_mises)

    expected = np.flatnonzero(potential.von_mises >= 1.05 * 2.5e8)
    assert first.utilisation > 1.05  # the plate's estimate
    assert first.failed_cells == 0
    assert second.new_failures.tolist() == expected.tolist()
    assert 0 < second.failed_cells < 0.2 * 48**2
    assert set(second.reasons.tolist()) == {REASONS.index("stress")}
    assert watched.see(field, potential=potential.von_mises).new_failures.size == 0


def test_a_region_fails_at_its_mean_temperature_and_its_load_moves():
    tiles = Tiles((3, 3), 100.0)
    capacity = RegionCapacity("mean_temperature", 400.0)
    watched = Watched(make_problem((9, 12)), support="free", regions=tiles, capacity=capacity, ultimate_ratio=1e6)
    field = np.full((9, 12), 300.0)
    field[3:6, 4:8] = 400.5

    before, after = watched.see(300.0), watched.see(field)

    assert before.new_regions == ()
    assert after.new_regions == (4,)
    assert watched.state.loads.loads.reshape(3, 3).tolist() == [[100, 125, 100], [125, 0, 125], [100, 125, 100]]
    assert (after.failed_regions, after.shed, after.load_residual) == (1, 0.0, 0.0)
    assert watched.see(field).new_regions == ()


def test_a_region_fails_by_the_share_of_its_failed_cells():
    regions = LoadedRegions((LoadedRegion("left", Box((0.0, 0.0), (0.5, 1.0)), 3.0), LoadedRegion("disc", DISC, 5.0)))
    capacity = RegionCapacity("failed_share", (0.5, 1.0))
    watched = Watched(
        make_problem((8, 8)), regions=regions, capacity=capacity, temperature_limit=400.0, ultimate_ratio=1e6
    )
    rows = np.arange(8)[:, None]

    quarter, half, whole = (watched.see(np.where(rows < count, 500.0, 300.0)) for count in (1, 2, 8))

    assert [look.new_regions for look in (quarter, half, whole)] == [(), (0,), (1,)]
    assert (half.shed, whole.shed) == (3.0, 8.0)  # nothing lies beside them
    assert whole.failed_regions == 2


DISC = Disc((0.8, 0.5), 0.1)
FULL = Structure(
    293.15,
    support="held",
    stress_ticks=4,
    ultimate_ratio=(1.5, 2.0),
    temperature_limit=700.0,
    life=(PowerLaw(9e8, -0.09), None),
    creep=(None, LarsonMiller(((5e7, 21000.0), (1e8, 20000.0)), 8e7, 21.0)),
    conductivity_factor=0.5,
    regions=LoadedRegions((LoadedRegion("left", Box((0.0, 0.0), (0.5, 1.0)), 3.0), LoadedRegion("disc", DISC))),
    capacity=RegionCapacity("failed_share", (0.5, 0.25)),
    sharing="equal",
)


@pytest.mark.parametrize(
    "structure",
    [
        FULL,
        Structure(20.0),
        Structure(0.0, stress_level="potential", life=PowerLaw(1e9, -0.1)),
        Structure(20.0, regions=Tiles((2, 3), 5.0), capacity=RegionCapacity("mean_temperature", 80.0)),
        Structure(20.0, regions=Tiles((2, 1), (5.0, 6.0))),
    ],
)
def test_a_structure_is_the_same_after_its_way_through_json(structure):
    reader = CaseReader()

    found = read_structure(reader, "structure", json.loads(json.dumps(structure.to_json())), 2)

    reader.finish()
    assert found == structure


def read(**changes):
    reader = CaseReader()
    raw = {name: value for name, value in ({"reference_temperature": 20} | changes).items() if value is not ...}
    read_structure(reader, "structure", raw, 2)
    reader.finish()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"reference_temperature": ...}, "structure.reference_temperature"),
        ({"reference_temperature": math.nan}, "structure.reference_temperature"),
        ({"support": "loose"}, "structure.support"),
        ({"colour": 1}, "structure"),
        ({"stress_ticks": 0}, "structure.stress_ticks"),
        ({"stress_ticks": 2.5}, "structure.stress_ticks"),
        ({"ultimate_ratio": 0.5}, "structure.ultimate_ratio"),
        ({"ultimate_ratio": [1.5, "a"]}, "structure.ultimate_ratio[1]"),
        ({"temperature_limit": "hot"}, "structure.temperature_limit"),
        ({"conductivity_factor": 0.0}, "structure.conductivity_factor"),
        ({"life": {"coefficient_pa": 1e9}}, "structure.life.exponent"),
        ({"life": {"coefficient_pa": 1e9, "exponent": 0.1}}, "structure.life.exponent"),
        ({"creep": {"larson_miller": [[1e8, 2e4]], "load_pa": -1}}, "structure.creep.load_pa"),
        ({"creep": [{"larson_miller": [[1e8]], "load_pa": 1}]}, "structure.creep[0].larson_miller"),
        ({"creep": {"larson_miller": [[2, 3], [1, 3]], "load_pa": 1}}, "structure.creep.larson_miller"),
        ({"regions": {"tiles": [2, 0]}}, "structure.regions.tiles"),
        ({"regions": {"tiles": [100, 100]}}, "structure.regions.tiles"),
        ({"regions": {"tiles": [2, 2], "load_w": [1, 2, 3]}}, "structure.regions.load_w"),
        ({"regions": {"tiles": [2, 2], "load_w": -1}}, "structure.regions.load_w"),
        ({"regions": [{"name": "", "region": "all"}]}, "structure.regions[0].name"),
        ({"regions": [{"name": "a", "region": {"name": "b"}}]}, "structure.regions[0].region"),
        ({"regions": [{"name": "a", "region": "all"}] * 2}, "structure.regions"),
        ({"regions": [{"region": "all"}]}, "structure.regions[0].name"),
        ({"capacity": {"failed_share": 0.5}}, "structure.capacity"),
        ({"capacity": {"failed_share": 2.0}}, "structure.capacity"),
        ({"capacity": {}}, "structure.capacity"),
        ({"sharing": "none"}, "structure.sharing"),
    ],
)
def test_a_structure_outside_its_limits_is_refused_by_path(changes, path):
    with pytest.raises((FieldError, InvalidFieldsError)) as caught:
        read(**changes)

    errors = getattr(caught.value, "errors", (caught.value,))
    assert path in [error.field for error in errors]
    assert all(error.field.startswith("structure") for error in errors)


def test_many_errors_are_told_at_once():
    with pytest.raises(InvalidFieldsError) as caught:
        read(support="loose", sharing=3, regions={"tiles": [2, "x"]})

    fields = [error.field for error in caught.value.errors]
    assert fields == ["structure.support", "structure.sharing", "structure.regions.tiles[1]"]


@pytest.mark.parametrize(
    ("problem", "structure", "path"),
    [
        (make_problem((4, 4), material=HEAT), Structure(300.0), "material.young_modulus"),
        (make_layers((4, 4)), Structure(300.0, ultimate_ratio=(1.5,)), "structure.ultimate_ratio"),
        (make_layers((4, 4)), Structure(300.0, stress_level="potential"), "structure.stress_level"),
        (make_problem((4, 4)), Structure(-3.0), "structure.reference_temperature"),
        (make_problem((4, 4)), Structure(300.0, regions=Tiles((2,))), "structure.regions.tiles"),
        (make_problem((4, 4)), Structure(300.0, regions=Tiles((2, 5))), "structure.regions.tiles"),
        (
            make_problem((4, 4)),
            Structure(300.0, regions=Tiles((2, 2)), capacity=RegionCapacity("failed_share", (0.5, 0.6))),
            "structure.capacity",
        ),
        (
            make_problem((4, 4), unit="relative"),
            Structure(0.0, creep=LarsonMiller(((1e8, 2e4),), 1e8)),
            "structure.creep",
        ),
        (
            make_problem((4, 4)),
            Structure(300.0, regions=LoadedRegions((LoadedRegion("none", Disc((0.0, 0.0), 0.01)),))),
            "structure.regions[0].region",
        ),
        (
            make_problem((8, 8)),
            Structure(
                300.0,
                regions=LoadedRegions((LoadedRegion("a", DISC), LoadedRegion("b", Box((0.5, 0.0), (1.0, 1.0))))),
            ),
            "structure.regions[1].region",
        ),
    ],
)
def test_a_structure_that_does_not_fit_its_problem_is_refused_by_name(problem, structure, path):
    with pytest.raises(FieldError) as caught:
        make_body(discretise(problem), structure)

    assert caught.value.field == path


def test_tiles_and_regions_have_names_and_masks():
    problem = make_problem((4, 6))

    masks = Structure(300.0, regions=Tiles((2, 3))).masks(problem)

    assert list(masks) == ["tile-0-0", "tile-0-1", "tile-0-2", "tile-1-0", "tile-1-1", "tile-1-2"]
    assert sum(mask.sum() for mask in masks.values()) == 24
    assert np.argwhere(masks["tile-1-2"]).tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]
    assert "tile-2-0" not in masks
    assert Structure(300.0).masks(problem) == {}


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: Tiles(4), "structure.regions.tiles"),
        (lambda: Tiles((2.0, 2)), "structure.regions.tiles"),
        (lambda: LoadedRegions(()), "structure.regions"),
        (lambda: LoadedRegions(("left",)), "structure.regions"),
        (lambda: LoadedRegion("left", "all"), "structure.regions.region"),
        (lambda: Structure("hot"), "structure.reference_temperature"),
        (lambda: Structure(20.0, life=0.1), "structure.life"),
        (lambda: Structure(20.0, creep=20000.0), "structure.creep"),
        (lambda: Structure(20.0, regions=(2, 2)), "structure.regions"),
        (lambda: Structure(20.0, regions=Tiles((2, 2)), capacity=0.5), "structure.capacity"),
        (lambda: LarsonMiller(20000.0, 1e8), "creep.larson_miller"),
        (lambda: LarsonMiller(((1e8,),), 1e8), "creep.larson_miller"),
    ],
)
def test_values_of_the_wrong_kind_are_refused_by_name(make, path):
    with pytest.raises(FieldError) as caught:
        make()

    assert caught.value.field == path
