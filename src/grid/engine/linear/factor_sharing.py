"""Factorisations that runs of one batch share where their matrices are the same to the last byte, and their bodies.

A sweep over powers, or over loads, leaves the matrix as it is. Factors computed within `share_factors` are stored for
the runs that follow in the same context; a factorisation is a function of its matrix and of the places of the cells,
so no result depends on it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from grid.engine.space.body_sharing import share_bodies

if TYPE_CHECKING:
    from grid.engine.linear.cholesky import Cholesky, Elimination
    from grid.engine.linear.systems import SparseLU
    from grid.engine.space.space import Space

MOST_ENTRIES = 3_000_000  # [-] entries of all stored factors, of 12 bytes each at most
MOST_ELIMINATIONS = 4  # [-] bodies whose elimination is stored


@dataclass
class Kept:
    """Factors and eliminations that the runs of a batch share, by digests of their input; the last used comes last."""

    factors: "OrderedDict[bytes, SparseLU | Cholesky]" = field(default_factory=OrderedDict)
    eliminations: "OrderedDict[bytes, Elimination]" = field(default_factory=OrderedDict)


_kept: ContextVar[Kept | None] = ContextVar("factors", default=None)


@contextmanager
def share_factors() -> Iterator[None]:
    """Store the last factorisations and bodies for the runs within, as long as they are not too large."""
    token = _kept.set(Kept())
    try:
        with share_bodies():
            yield
    finally:
        _kept.reset(token)


def find_key() -> bytes | None:
    """Return the key of the factors that were used last; None outside `share_factors`."""
    kept = _kept.get()
    return None if kept is None else next(reversed(kept.factors), None)


def recall(key: bytes | None) -> "SparseLU | Cholesky | None":
    """Return the stored factors of a key of `find_key`; None where they are no longer stored."""
    kept = _kept.get()
    if kept is None or key is None or key not in kept.factors:
        return None
    kept.factors.move_to_end(key)
    return kept.factors[key]


def factorise(matrix: Any, space: "Space | None" = None) -> "SparseLU | Cholesky":
    """Factorise a symmetric sparse matrix, CSC, or return the stored factors of an equal one.

    Args:
        matrix: Over any unknowns, or over the cells of a body, and then positive definite.
        space: Of that body.

    Raises:
        SingularError: The matrix is singular.
    """
    kept = _kept.get()
    if kept is None:
        return _factorise(matrix, space, None)
    # the order of elimination follows from the places of the cells, and the roundings from the order
    places = () if space is None else (np.array(space.shape), space.body_cells)
    key = _digest(matrix.indptr, matrix.indices, matrix.data, *places)
    factors = kept.factors.pop(key, None) or _factorise(matrix, space, kept)
    kept.factors[key] = factors  # most recent last
    while sum(one.entries for one in kept.factors.values()) > MOST_ENTRIES:
        kept.factors.popitem(last=False)
    return factors


def _factorise(matrix: Any, space: "Space | None", kept: Kept | None) -> "SparseLU | Cholesky":
    if space is None:
        from grid.engine.linear.systems import SparseLU

        return SparseLU(matrix)
    from grid.engine.linear.cholesky import Cholesky, Elimination, find_places

    if kept is None:
        return Cholesky(matrix, Elimination.of(matrix, find_places(space)))
    key = _digest(matrix.indptr, matrix.indices, np.array(space.shape), space.body_cells)
    elimination = kept.eliminations.pop(key, None) or Elimination.of(matrix, find_places(space))
    kept.eliminations[key] = elimination
    while len(kept.eliminations) > MOST_ELIMINATIONS:
        kept.eliminations.popitem(last=False)
    return Cholesky(matrix, elimination)


def _digest(*parts: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        digest.update(part.data)
    return digest.digest()
