"""Factorisations that runs of one batch share where their matrices are the same to the last byte.

A sweep over powers, or over loads, leaves the matrix as it is. What is factorised within `share_factors` is kept for
the runs that follow in the same context; a factorisation is a function of its matrix, so no result depends on it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grid.engine.linear.systems import SparseLU

MOST_ENTRIES = 3_000_000  # of all factors that are kept, of 12 bytes each
_kept: "ContextVar[OrderedDict[bytes, SparseLU] | None]" = ContextVar("factors", default=None)


@contextmanager
def share_factors() -> Iterator[None]:
    """Keep the last factorisations for the runs within, as long as they are not too large."""
    token = _kept.set(OrderedDict())
    try:
        yield
    finally:
        _kept.reset(token)


def factorise(matrix: Any) -> "SparseLU":
    """The factors of a symmetric sparse matrix, CSC; those of an equal one that are kept.

    Raises:
        SingularError: It is singular.
    """
    from grid.engine.linear.systems import SparseLU

    kept = _kept.get()
    if kept is None:
        return SparseLU(matrix)
    digest = hashlib.blake2b(digest_size=32)
    for part in (matrix.indptr, matrix.indices, matrix.data):
        digest.update(part.data)
    key = digest.digest()
    factors = kept.pop(key, None) or SparseLU(matrix)
    kept[key] = factors  # as the last one
    while sum(one.entries for one in kept.values()) > MOST_ENTRIES:
        kept.popitem(last=False)
    return factors
