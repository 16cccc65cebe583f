"""The result of a stress analysis."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.structural.elasticity.dataset import to_xarray
from grid.engine.structural.elasticity.fields import StressFields

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, repr=False)
class StressSolution(StressFields):
    """Displacements and stresses of a body.

    Args:
        body: What was strained.
        displacement: At the corners of the cells, shape (d, *cells + 1), 0 where there is no body [m].
        stress: At cell centres, shape (6, *cells) in the order of `integrity.COMPONENTS`, 0 outside the body [Pa].
        largest_von_mises: In each cell, corners included, shape `cells` [Pa]. At a re-entrant corner, the end of a
            fixed face or a corner of a region it grows as the grid is refined.
        order: Of the elements.
        notes: Assumptions where the heat problem defines more than the body, in sentences.
    """

    def to_xarray(self) -> "xr.Dataset":
        """Stresses, margins and displacements, labelled; see `structural.dataset`."""
        return to_xarray(self)
