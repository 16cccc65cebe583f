"""Displacements and stresses of a solved body, and readings of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice, require_place
from grid.engine.problem.domain import AXES
from grid.engine.structural.elasticity.body import ElasticBody
from grid.engine.structural.elasticity.recovery import Samples
from grid.engine.structural.strength import integrity
from grid.engine.values.operations import FloatArray


@dataclass(frozen=True)
class StressFields:
    """Displacements and stresses of a body; `StressSolution` describes each field."""

    body: ElasticBody
    displacement: FloatArray
    stress: FloatArray
    largest_von_mises: FloatArray
    order: int
    _samples: Samples = field(repr=False)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Describe in one line the body and its distance from yielding."""
        grid = " x ".join(map(str, self.body.domain.cells))
        factor = "" if self.body.yield_stress is None else f", least safety factor {self.minimum_safety_factor:.4g}"
        stress = f"von Mises stress up to {self.largest_von_mises.max() / 1e6:.4g} MPa"
        return f"StressSolution({grid} cells, order {self.order}; {stress}{factor})"

    @cached_property
    def von_mises(self) -> FloatArray:
        """Von Mises stress at cell centres [Pa]."""
        return integrity.compute_von_mises(self.stress)

    @cached_property
    def tresca(self) -> FloatArray:
        """Tresca stress at cell centres [Pa]."""
        return integrity.compute_tresca(self.stress)

    @cached_property
    def principal(self) -> FloatArray:
        """Principal stresses at cell centres, largest first, shape (3, *cells) [Pa]."""
        return integrity.compute_principal(self.stress)

    @cached_property
    def safety_factor(self) -> FloatArray:
        """Yield stress over the largest von Mises stress of each cell; infinite outside the body.

        Raises:
            FieldError: A material has no yield stress.
        """
        if self.body.yield_stress is None:
            raise FieldError("material.yield_stress", "required for a safety factor [Pa]")
        limit = np.asarray(self.body.yield_stress)[np.maximum(self.body.material, 0)]
        return integrity.compute_safety_factor(self.largest_von_mises, limit)

    @property
    def minimum_safety_factor(self) -> float:
        """Least safety factor over the body."""
        return float(self.safety_factor.min())

    def stress_at(
        self, point: tuple[float, ...] | Mapping[str, float], component: str, side: str | None = None
    ) -> float:
        """A component, `von_mises` or `tresca` at a point of the body [Pa].

        Args:
            side: `inside` or `outside`, on the edge of a region of free strain: the limit from there. Without it, the
                mean of the limits from all sides.

        Raises:
            FieldError: The point is not in the body, the component unknown, or the side without sense.
        """
        d = self.body.domain.dimension
        place = require_place(point, AXES[:d])
        require_choice("component", component, (*integrity.COMPONENTS, "von_mises", "tresca"))
        stress = self._samples.stress_at(place, side)
        if component == "von_mises":
            return float(integrity.compute_von_mises(stress))
        if component == "tresca":
            return float(integrity.compute_tresca(stress))
        return float(stress[integrity.COMPONENTS.index(component)])
