"""Axes and body of a field of cell values, from the box of its problem. Loads NumPy, never Numba."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.problem.domain import AXES, Domain
from grid.engine.space.mesh import open_coordinates
from grid.engine.values.expression import run_code
from grid.schemas.fields import FieldAxis, FieldPart, RecordField

TEMPERATURE_MAP = "cividis"
_UNITS = {"K": "K", "degC": "degC", "relative": "K"}


def make_temperature(
    domain: Domain, temperature_unit: str, parts: tuple[FieldPart, ...], *, is_complete: bool
) -> RecordField:
    """The temperature of the cells of a box, without a value outside the body.

    Args:
        domain: The box; where it has a mask, a cell belongs to the body where that is true at its centre.
        temperature_unit: Of the problem: K, degC or relative.
        parts: Values at each time.
        is_complete: Whether these are all output times.
    """
    title = "Temperature from any zero" if temperature_unit == "relative" else "Temperature"
    body = _make_body(domain)
    return RecordField(
        "temperature", title, _UNITS[temperature_unit], TEMPERATURE_MAP, _make_axes(domain), parts, is_complete, body
    )


def _make_axes(domain: Domain) -> tuple[FieldAxis, ...]:
    spans = zip(AXES, domain.cells, domain.origin, domain.spacing, strict=False)
    return tuple(FieldAxis(name, "m", "cell", *span) for name, *span in spans)  # type: ignore[arg-type]


def _make_body(domain: Domain) -> Callable[[int, int], NDArray[np.bool_]] | None:
    """Find the cells of the body in rows along x as the engine does, by NumPy alone and without a mask of the box."""
    if domain.active is None:
        return None
    code, coordinates = domain.active.code, open_coordinates(domain)

    def find(first: int, stop: int) -> NDArray[np.bool_]:
        places: Any = np.asarray(coordinates["x"])[first:stop]
        inside = np.asarray(run_code(code, {**coordinates, "x": places}), dtype=bool)
        return np.broadcast_to(inside, (stop - first, *domain.cells[1:]))

    return find
