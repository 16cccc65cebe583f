"""Bodies on their grids that runs of one batch share where the problems differ in their loads alone.

A sweep over powers, films or ambient temperatures leaves cells, faces, capacities and conductances as they are. Within
`share_bodies` the discretised bodies of the last problems are stored, and a problem with the same body takes them. They
are functions of the domain, of the materials and of what else `_make_key` lists, so no result depends on the sharing.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from grid.engine.problem.problem import HeatProblem
from grid.engine.space.coverage import share_coverage
from grid.engine.space.space import Space

MOST_BODIES = 4  # [-] bodies that are stored
MOST_CELLS = 200_000  # [-] cells of a body that is stored at most, of some 100 bytes each
# caches of a space that follow from its body
DERIVED = ("body_cells", "common_capacity", "total_capacity", "rate")

_kept: ContextVar["OrderedDict[Any, Space] | None"] = ContextVar("bodies", default=None)


@contextmanager
def share_bodies() -> Iterator[None]:
    """Store the last bodies for the runs within."""
    token = _kept.set(OrderedDict())
    try:
        yield
    finally:
        _kept.reset(token)


def share_body(problem: HeatProblem, make: Callable[[HeatProblem], Space]) -> Space:
    """Discretise a problem by `make`, or take the stored body of an equal one.

    Raises:
        FieldError: As `make` does.
    """
    kept = _kept.get()
    if kept is None or problem.domain.cell_count > MOST_CELLS or not _is_fixed(problem):
        return make(problem)
    key = _make_key(problem)
    known = kept.pop(key, None)
    space = replace(make(problem), is_shared=True) if known is None else _adopt(known, problem)
    kept[key] = space  # most recent last
    while len(kept) > MOST_BODIES:
        kept.popitem(last=False)
    return space


def _is_fixed(problem: HeatProblem) -> bool:
    """Tell whether coefficients depend on place alone, so that they follow from the body without its start."""
    values = [value for material in problem.materials for value in material.values]
    return not problem.has_phase_change and not any(value.variables & {"t", "T"} for value in values)


def _make_key(problem: HeatProblem) -> tuple[Any, ...]:
    """All of a problem that its discretised body follows from."""
    return problem.domain, problem.materials, problem.contacts, problem.velocity, problem.steady, problem.is_periodic


def _adopt(known: Space, problem: HeatProblem) -> Space:
    """A space of another problem with the same body."""
    space = replace(known, problem=problem, _constant_loads=None, _measured=None, matrices={}, found={})
    for name in DERIVED:
        if name in known.__dict__:
            space.__dict__[name] = known.__dict__[name]
    share_coverage(known.problem, problem)
    return space
