"""Redistribution of loads: the sum to the last bit, neighbours, rings, and the strength of fibre bundles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.engine.live.cascade import RegionGraph, RegionLoads, redistribute
from grid.engine.live.cascade_kernels import move_to_nearest


def make_grid(*counts):
    """Regions of one cell each."""
    owner = np.arange(int(np.prod(counts))).reshape(counts)
    return RegionGraph.of_cells(owner, owner.size)


def fail_until_quiet(graph, loads, strengths, sharing):
    """Regions fail above their strengths, tick after tick."""
    while True:
        failing = np.flatnonzero((loads.loads > strengths) & ~loads.failed)
        if not failing.size:
            return loads
        loads = redistribute(graph, loads, failing, sharing)
        assert loads.residual == 0.0


def test_neighbours_share_an_edge_and_not_a_corner():
    graph = make_grid(3, 3)

    assert graph.neighbours(4).tolist() == [1, 3, 5, 7]
    assert graph.neighbours(0).tolist() == [1, 3]


def test_regions_of_many_cells_are_neighbours_across_any_of_their_faces():
    owner = np.array([[0, 0, 1], [2, -1, 1], [2, 3, 3]])

    graph = RegionGraph.of_cells(owner, 4)

    assert [graph.neighbours(region).tolist() for region in range(4)] == [[1, 2], [0, 3], [0, 3], [1, 2]]


@pytest.mark.parametrize("counts", [(5,), (3, 3, 3)])
def test_rods_and_bodies_have_neighbours_too(counts):
    graph, middle = make_grid(*counts), int(np.prod(counts)) // 2

    assert graph.neighbours(middle).size == 2 * len(counts)


def test_the_neighbours_of_a_failed_region_carry_five_quarters_each():
    loads = redistribute(make_grid(3, 3), RegionLoads.of(np.full(9, 100.0)), [4], "local")

    assert loads.loads.tolist() == [100.0, 125.0, 100.0, 125.0, 0.0, 125.0, 100.0, 125.0, 100.0]
    assert loads.failed.tolist() == [False] * 4 + [True] + [False] * 4
    assert (loads.shed, loads.total, loads.residual) == (0.0, 900.0, 0.0)


def test_regions_that_fail_together_give_one_another_nothing():
    loads = redistribute(make_grid(5), RegionLoads.of([1.0, 2.0, 4.0, 8.0, 16.0]), [1, 2], "local")

    assert loads.loads.tolist() == [3.0, 0.0, 0.0, 12.0, 16.0]


@pytest.mark.jit
def test_without_a_surviving_neighbour_the_load_goes_to_the_nearest_ring_that_has_one():
    grid = make_grid(5, 5)
    first = redistribute(grid, RegionLoads.of(np.full(25, 1.0)), [6, 7, 8, 11, 13, 16, 17, 18], "local")

    last = redistribute(grid, first, [12], "local")

    ring = [2, 10, 14, 22]  # two steps from the middle; its other cells have failed
    assert first.loads[12] == 3.0  # its own, and half of the load of each of its neighbours
    assert np.all((last.loads - first.loads)[ring] == 0.75)
    assert last.residual == 0.0


@pytest.mark.jit
def test_a_load_that_nothing_can_carry_is_shed():
    graph = RegionGraph.of_cells(np.array([0, 1, -1, 2]), 3)
    loads = redistribute(graph, RegionLoads.of([3.0, 5.0, 7.0]), [0, 1], "local")

    assert loads.loads.tolist() == [0.0, 0.0, 7.0]
    assert loads.shed == 8.0  # the third region is not connected to them
    assert redistribute(graph, loads, [2], "equal").shed == 15.0


def test_a_region_fails_once():
    loads = redistribute(make_grid(3), RegionLoads.of([1.0, 1.0, 1.0]), [0], "local")

    again = redistribute(make_grid(3), loads, [0], "local")

    assert again.loads.tolist() == loads.loads.tolist() == [0.0, 2.0, 1.0]


@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    sharing=st.sampled_from(["local", "equal"]),
    scale=st.floats(1e-6, 1e15),
)
@settings(max_examples=60, deadline=None)
def test_no_load_is_lost_to_the_last_bit_over_any_course_of_failures(rows, columns, seed, sharing, scale):
    rng, graph = np.random.default_rng(seed), make_grid(rows, columns)
    given_loads = rng.uniform(0.0, scale, rows * columns)
    loads = RegionLoads.of(given_loads)

    assert np.abs(loads.loads - given_loads).max() <= loads.quantum <= 2e-15 * given_loads.sum()
    for _ in range(4):
        loads = redistribute(graph, loads, rng.choice(rows * columns, rng.integers(0, 4)), sharing)
        assert loads.residual == 0.0
        assert loads.loads[rng.permutation(loads.loads.size)].sum() + loads.shed == loads.total
        assert not loads.loads[loads.failed].any()
        assert loads.loads.min() >= 0.0


@pytest.mark.jit
def test_the_order_of_failures_at_one_tick_is_of_no_matter():
    graph, rng = make_grid(8, 8), np.random.default_rng(3)
    units, failing = rng.integers(0, 10**6, 64), rng.permutation(64)[:20]
    alive = np.ones(64, bool)
    alive[failing] = False
    gains = []
    for order in (failing, np.sort(failing)):
        gains.append(np.zeros(64, np.int64))
        move_to_nearest(graph.starts, graph.others, units, alive, order, gains[-1])

    assert np.array_equal(*gains)
    assert gains[0].sum() == units[failing].sum()


def test_an_event_brings_loads_whose_sum_is_held_from_then_on():
    graph = make_grid(4)
    loads = redistribute(graph, RegionLoads.of(np.full(4, 1.0 / 3.0)), [0], "local")

    more = loads.with_loads(loads.loads + np.array([0.0, 0.0, 1e3, 0.0]))
    after = redistribute(graph, more, [1, 2, 3], "local")

    assert more.total == pytest.approx(1e3 + 4.0 / 3.0, rel=1e-14)
    assert (after.residual, after.shed) == (0.0, more.total)


def test_a_bundle_of_uniform_strengths_carries_a_quarter_of_their_number():
    """Daniels 1945: the largest load is max over x of N x (1 - x) where strengths are uniform on [0, 1]."""
    count = 4000
    strengths = (np.random.default_rng(0).permutation(count) + 0.5) / count
    ends = []
    for share in (0.249, 0.251):
        loads = RegionLoads.of(np.full(count, share))
        ends.append(fail_until_quiet(make_grid(count), loads, strengths, "equal"))

    held, broken = ends
    assert held.failed.mean() == pytest.approx(0.5 - np.sqrt(0.25 - 0.249), abs=1e-3)  # x (1 - x) = 0.249
    assert broken.failed.all()
    assert broken.shed == broken.total


def test_local_sharing_breaks_a_bundle_under_less_than_equal_sharing():
    """Sinha, Kjellstadli and Hansen: failures attract failures where neighbours alone take the load."""
    strengths = np.random.default_rng(5).uniform(size=2500)
    graph = make_grid(50, 50)

    local, equal = (
        fail_until_quiet(graph, RegionLoads.of(np.full(2500, 0.21)), strengths, sharing)
        for sharing in ("local", "equal")
    )

    assert local.failed.all()
    assert not equal.failed.all()
