"""Factorisations that the runs of a batch share."""

import numpy as np
import pytest
from scipy import sparse

from grid.engine import HeatProblem, solve
from grid.engine.linear import cholesky, factor_sharing
from grid.engine.linear import systems as linear
from grid.engine.linear.factor_sharing import factorise, share_factors
from grid.engine.space.discretise import discretise


def board(power, film=20.0):
    """A plate with a chip that is switched off, solved by factors of its 300 cells."""
    source = f"where((x < 0.02) & (y < 0.02), where(t < 4, {power}, 0), 0)"
    return HeatProblem.from_case(
        {
            "domain": {"size": [0.1, 0.06]},
            "material": {"conductivity": 20.0, "volumetric_heat_capacity": 1e6},
            "initial": 20.0,
            "source_term": {"expression": source},
            "boundaries": {"y_max": {"type": "convection", "coefficient": film, "ambient": 20.0}},
            "resolution": {"cells": [20, 15], "end_time": 10.0},
        }
    )


@pytest.fixture
def made(monkeypatch):
    """The matrices that were factorised."""
    matrices = []

    def watch(kind):
        make = kind.__init__

        def count(self, matrix, *more):
            matrices.append(matrix)
            make(self, matrix, *more)

        monkeypatch.setattr(kind, "__init__", count)

    watch(linear.SparseLU)
    watch(cholesky.Cholesky)
    return matrices


def run(problem):
    return solve(problem, method="krylov", times=[4.0, 10.0], tolerance=1e-3)


def test_runs_that_differ_in_their_loads_share_factors_and_keep_their_bytes(made):
    alone = [run(board(power)).fields.tobytes() for power in (1e5, 3e5)]
    each = len(made) // 2
    assert len(made) == 2 * each > 0
    with share_factors():
        shared = [run(board(power)).fields.tobytes() for power in (1e5, 3e5, 1e5)]
    assert len(made) == 3 * each
    assert shared == [*alone, alone[0]]


def test_another_matrix_has_other_factors_and_nothing_is_kept_after_the_batch(made):
    with share_factors():
        run(board(1e5))
        each = len(made)
        run(board(1e5, film=21.0))
        assert len(made) == 2 * each
    run(board(1e5))
    with share_factors():
        run(board(1e5))
    assert len(made) == 4 * each


def chain(inside):
    """A bar one cell wide through some cells of a grid, and its matrix, which is that of any bar of as many cells."""
    space = discretise(
        HeatProblem.from_case(
            {
                "domain": {"size": [1.0, 1.0], "active": {"expression": inside}},
                "material": {"conductivity": 3.0, "volumetric_heat_capacity": 7.0},
                "initial": 0.0,
                "resolution": {"cells": [40, 40], "end_time": 1.0},
            }
        )
    )
    matrix = linear.assemble_body(space, space.loads(0.0))
    return space, (matrix + sparse.diags(space.capacity[space.body_cells])).tocsc()


def test_bodies_of_equal_matrices_and_other_places_have_the_bytes_that_they_have_alone():
    """The order of elimination follows the places, and roundings follow the order."""
    straight, matrix = chain("y < 0.025")
    bent, other = chain("((x < 0.025) & (y < 0.5)) | ((y > 0.475) & (y < 0.5) & (x < 0.525))")
    assert (matrix != other).nnz == 0
    right = np.random.default_rng(3).standard_normal(40)
    alone = [factorise(matrix, space).solve(right).tobytes() for space in (straight, bent)]
    alone.append(factorise(matrix).solve(right).tobytes())
    assert len(set(alone)) == 3

    with share_factors():
        shared = [factorise(matrix, space).solve(right).tobytes() for space in (straight, bent)]
        shared.append(factorise(matrix).solve(right).tobytes())
    assert shared == alone


def test_the_factors_that_are_kept_are_the_last_ones_and_of_a_limited_size(made, monkeypatch):
    matrices = [sparse.diags([np.full(50, 2.0 + shift)], [0], format="csc") for shift in range(4)]
    monkeypatch.setattr(factor_sharing, "MOST_ENTRIES", 250)  # of a diagonal matrix 50 on each side
    with share_factors():
        for matrix in (*matrices[:3], matrices[2], matrices[1], matrices[0]):
            factorise(matrix)
        assert [matrix.data[0] for matrix in made] == [2.0, 3.0, 4.0, 2.0]

    solution = factorise(matrices[3]).solve(np.ones(50))
    np.testing.assert_allclose(solution, 0.2)
