"""Cholesky factors over the cells of a grid, beside SciPy's LU and against what an elimination is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import spsolve

from grid.engine.errors import SingularError
from grid.engine.linear.cholesky import Cholesky, Elimination

SHAPES = [(1,), (2,), (100,), (13, 9), (40, 3), (7, 6, 5), (2, 2, 2), (1, 1, 30), (12, 12, 12)]


def conduct(shape, inside=None, *, ring=False, seed=0):
    """Conduction of random strength between neighbours on some cells of a box, and a capacity of each; places."""
    inside = np.ones(shape, bool) if inside is None else inside
    number = np.where(inside, np.cumsum(inside.reshape(-1)).reshape(shape) - 1, -1)
    random, size = np.random.default_rng(seed), int(inside.sum())
    matrix = sparse.diags(random.uniform(0.1, 2.0, size)).tolil()
    for axis in range(len(shape)):
        beside = np.roll(number, -1, axis)
        if not ring:
            beside[(slice(None),) * axis + (-1,)] = -1
        joined = (number >= 0) & (beside >= 0) & (number != beside)
        for low, high in zip(number[joined], beside[joined], strict=True):
            g = 10.0 ** random.uniform(-2.0, 2.0)
            matrix[low, low] += g
            matrix[high, high] += g
            matrix[low, high] -= g
            matrix[high, low] -= g
    return matrix.tocsc(), np.stack(np.nonzero(inside), axis=1)


def check(matrix, coordinates, dtype=np.float64, share=1e-11):
    """A solution leaves nothing of a right side but rounding, measured by what the matrix makes of it."""
    right = np.random.default_rng(1).standard_normal(matrix.shape[0])
    found = Cholesky(matrix, Elimination.of(matrix, coordinates), dtype).solve(right)
    scale = abs(matrix) @ np.abs(found) + np.abs(right)
    assert np.abs(matrix @ found - right).max() <= share * scale.max()
    expected = np.atleast_1d(spsolve(matrix, right))
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e4 * share * np.abs(expected).max())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ring", [False, True])
def test_a_box_is_solved(shape, ring):
    check(*conduct(shape, ring=ring))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 1.0), shape=st.sampled_from(SHAPES[3:8]))
def test_any_body_is_solved_however_many_pieces_it_has(seed, share, shape):
    inside = np.random.default_rng(seed).random(shape) < share
    inside.reshape(-1)[0] = True
    check(*conduct(shape, inside, seed=seed))


def test_single_precision_has_its_digits():
    check(*conduct((9, 8, 7)), dtype=np.float32, share=1e-5)


def test_a_right_side_of_any_size_is_solved_in_single_precision():
    matrix, coordinates = conduct((6, 5))
    factors = Cholesky(1e-30 * matrix, Elimination.of(matrix, coordinates), np.float32)
    right = np.random.default_rng(2).standard_normal(30)

    np.testing.assert_allclose(factors.solve(1e-60 * right), 1e-30 * spsolve(matrix, right), rtol=1e-4)
    np.testing.assert_allclose(factors.solve(1e-310 * right), 1e-280 * spsolve(matrix, right), rtol=1e-4)
    assert not factors.solve(np.zeros(30)).any()
    assert np.isnan(factors.solve(np.where(np.arange(30) == 4, np.nan, right))).all()


def test_one_elimination_serves_all_matrices_of_a_pattern():
    matrix, coordinates = conduct((8, 7, 3))
    elimination, right = Elimination.of(matrix, coordinates), np.ones(matrix.shape[0])
    for shift in (0.5, 20.0):
        other = (shift * matrix + sparse.eye(matrix.shape[0])).tocsc()
        found = Cholesky(other, elimination).solve(right)
        np.testing.assert_allclose(other @ found, right, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_elimination_has_every_cell_once_and_a_row_for_every_entry(shape):
    """The rows of a block hold its entries below, and those of blocks that it follows: what Cholesky's factor fills."""
    matrix, coordinates = conduct(shape)
    found = Elimination.of(matrix, coordinates)
    size, owners = matrix.shape[0], found.owners

    assert sorted(found.order) == list(range(size))
    assert (found.inverse[found.order] == np.arange(size)).all()
    turned = matrix[found.order][:, found.order].toarray()
    filled = np.linalg.cholesky(turned) != 0.0
    for block in range(found.firsts.size - 1):
        rows = found.rows[found.row_starts[block] : found.row_starts[block] + found.row_counts[block]]
        own = filled[:, owners == block].any(axis=1)
        below = np.flatnonzero(own & (np.arange(size) >= found.firsts[block + 1]))
        assert set(below) <= set(rows)


def test_a_plane_fills_as_nested_dissection_says():
    """31/4 n log2 n entries for n cells at leading order (A. George, 1973), which blocks may not pass by much."""
    matrix, coordinates = conduct((48, 48))
    factors = Cholesky(matrix, Elimination.of(matrix, coordinates))
    assert factors.entries <= 31 / 4 * 48**2 * np.log2(48) * 1.5


@pytest.mark.parametrize("change", [0.0, -1.0])
def test_a_matrix_that_is_not_positive_definite_is_refused(change):
    matrix, coordinates = conduct((5, 4))
    matrix = (matrix - sparse.diags(np.ravel(matrix.sum(axis=0)) - change)).tocsc()
    if change == 0.0:
        matrix = (matrix - 1e-9 * sparse.eye(20)).tocsc()
    with pytest.raises(SingularError):
        Cholesky(matrix, Elimination.of(matrix, coordinates))


@pytest.mark.parametrize("entry", [0.0, np.inf, np.nan])
def test_a_matrix_without_a_finite_pivot_is_refused(entry):
    matrix, coordinates = sparse.csc_matrix([[entry]]), np.zeros((1, 2), int)
    with pytest.raises(SingularError):
        Cholesky(matrix, Elimination.of(matrix, coordinates))


def test_a_solution_has_the_same_bytes_every_time():
    matrix, coordinates = conduct((9, 8, 4))
    right = np.random.default_rng(5).standard_normal(matrix.shape[0])
    first, second = (Cholesky(matrix, Elimination.of(matrix, coordinates)).solve(right) for _ in range(2))
    assert first.tobytes() == second.tobytes()
