"""Limits of the lumped model in a scene."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.arguments import require_choice, require_number
from grid.engine.problem.reader import CaseReader

Policy = Literal["auto", "lumped", "diffusive"]
POLICIES: tuple[Policy, ...] = ("auto", "lumped", "diffusive")


@dataclass(frozen=True)
class Fidelity:
    """Limits of the lumped model in a scene.

    Args:
        policy: `auto`, `lumped` or `diffusive` at the start.
        tolerance: Largest certificate C3 over the span of temperatures [-].
        deviation: Largest distance of a temperature from the mean [K]; or give `stress`.
        stress: Largest stress of a temperature away from the mean, E alpha / (1 - nu) times it [Pa]; needs a material
            with elastic properties.
    """

    policy: Policy = "auto"
    tolerance: float = 0.05
    deviation: float | None = None
    stress: float | None = None

    def check(self, stress_factor: float) -> None:
        """Refuse limits that are none.

        Raises:
            FieldError: Names the field.
        """
        require_choice("fidelity.policy", self.policy, POLICIES)
        require_number("fidelity.tolerance", self.tolerance, limits.FRACTION)
        for name, value in (("deviation_k", self.deviation), ("stress_pa", self.stress)):
            if value is not None:
                require_number(f"fidelity.{name}", value, limits.THRESHOLD)
        if self.stress is not None and not stress_factor > 0.0:
            raise FieldError("fidelity.stress_pa", "given only where a material has elastic properties")

    def allow(self, stress_factor: float) -> float:
        """Largest distance of a temperature from the mean [K]."""
        given = [math.inf if self.deviation is None else self.deviation]
        if self.stress is not None:
            given.append(self.stress / stress_factor)
        return min(given)

    def to_json(self) -> dict[str, Any]:
        """The limits as JSON."""
        named = {"deviation_k": self.deviation, "stress_pa": self.stress}
        given = {name: value for name, value in named.items() if value is not None}
        return {"policy": self.policy, "tolerance": self.tolerance, **given}


def read_fidelity(reader: CaseReader, path: str, raw: object) -> Fidelity | None:
    """Read the limits from JSON; errors are noted with the reader."""
    fields = reader.read_mapping(path, raw, allowed=("policy", "tolerance", "deviation_k", "stress_pa"))
    policy = reader.read_choice(f"{path}.policy", fields.get("policy", "auto"), POLICIES)
    numbers: dict[str, float | None] = {}
    for name in ("tolerance", "deviation_k", "stress_pa"):
        numbers[name] = reader.read_number(f"{path}.{name}", fields[name]) if name in fields else None
    if reader.errors or policy is None or not isinstance(raw, Mapping):
        return None
    known = next(name for name in POLICIES if name == policy)
    tolerance = 0.05 if numbers["tolerance"] is None else numbers["tolerance"]
    return Fidelity(known, tolerance, numbers["deviation_k"], numbers["stress_pa"])
