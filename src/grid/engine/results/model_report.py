"""Report of the models of a run: models, times, reasons, and the error of the lumped one."""

from dataclasses import dataclass, field

from grid.engine.lumped.certificates import Certificate
from grid.engine.lumped.fidelity import Switch
from grid.engine.results.audits import Audit


@dataclass(frozen=True)
class ModelReport:
    """The models of a run.

    Args:
        first: Model of the first step, `lumped` or `diffusive`.
        switches: All changes, with time, reason and bound.
        lumped_share: Share of the time that the lumped model advanced.
        certificate: What is guaranteed of it; None where it did nothing.
    """

    first: str = "diffusive"
    switches: tuple[Switch, ...] = ()
    lumped_share: float = 0.0
    certificate: Certificate | None = None
    metrics: dict[str, float] = field(default_factory=dict, repr=False)
    audits: tuple[Audit, ...] = field(default=(), repr=False)

    def model_at(self, time: float) -> str:
        """The model of the step that ends at a time [s]."""
        found = self.first
        for switch in self.switches:
            if switch.time < time * (1.0 - 1e-12):
                found = switch.model
        return found
