"""Warnings of a plan: properties of a problem that its grid or its method resolves badly, each in one sentence.

A warning is no error and no audit: the run is carried out, and the warning travels with its result
(`PlanSummary.warnings`, `Solution.warnings`). A check is a function of the discretised problem in `CHECKS`.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from grid.engine.space.coverage import find_coverage
from grid.engine.space.peclet import warn_of_fast_flow

if TYPE_CHECKING:
    from grid.engine.space.space import Space


def warn_of_geometry(space: "Space") -> Iterable[str]:
    """Warnings of `grid.engine.space.coverage`; a box of one material loads nothing."""
    if find_coverage(space.problem) is None:
        return ()
    from grid.engine.space.coverage import warn_of_coverage

    return warn_of_coverage(space)


CHECKS: tuple[Callable[["Space"], Iterable[str]], ...] = (warn_of_geometry, warn_of_fast_flow)


def find_warnings(space: "Space") -> tuple[str, ...]:
    """The warnings of all checks, in their order."""
    return tuple(warning for check in CHECKS for warning in check(space))
