"""The box of a problem with its grid of cells."""

import math
from dataclasses import dataclass
from functools import cached_property

from grid.engine.arguments import as_tuple
from grid.engine.values.expression import Expression
from grid.engine.values.read import as_expression

AXES = "xyz"
FACES = tuple(f"{axis}_{end}" for axis in AXES for end in ("min", "max"))
INTERNAL = "internal"  # faces between a cell of a masked body and a cell outside it


@dataclass(frozen=True)
class Domain:
    """A box with a uniform grid of cells.

    Args:
        size: Lengths along x, y, z [m]; as many as the problem has dimensions.
        cells: Cells along each axis.
        origin: The low corner [m]; default 0.
        section: Cross-section [m2] in 1D, depth [m] in 2D; multiplies heat rates and nothing else.
        active: Truth expression of place: a cell belongs to the body where it is true at its centre.
    """

    size: tuple[float, ...]
    cells: tuple[int, ...]
    origin: tuple[float, ...] = ()
    section: float = 1.0
    active: Expression | None = None

    def __post_init__(self) -> None:
        for name in ("size", "cells", "origin"):
            object.__setattr__(self, name, as_tuple(getattr(self, name)))
        if isinstance(self.origin, tuple) and not self.origin and isinstance(self.size, tuple):
            object.__setattr__(self, "origin", (0.0,) * len(self.size))
        object.__setattr__(self, "active", as_expression(self.active))

    @property
    def dimension(self) -> int:
        """Number of space dimensions."""
        return len(self.size)

    @cached_property
    def spacing(self) -> tuple[float, ...]:
        """Cell sizes [m]."""
        return tuple(length / count for length, count in zip(self.size, self.cells, strict=True))

    def face_index(self, axis: str, position: float) -> int | None:
        """Return the number of cells below a plane that falls on a face inside the box; None if it does not."""
        index = AXES.index(axis)
        local = (position - self.origin[index]) / self.spacing[index]
        nearest = round(local) if math.isfinite(local) else 0
        return nearest if 0 < nearest < self.cells[index] and abs(local - nearest) < 1e-6 * max(nearest, 1) else None

    @property
    def cell_count(self) -> int:
        """Number of cells of the box."""
        return math.prod(self.cells)
