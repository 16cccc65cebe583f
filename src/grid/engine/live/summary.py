"""What one tick shows."""

from typing import NamedTuple

METRICS = (
    "lowest", "highest", "mean", "gradient", "stored_heat", "balance_residual", "time_error", "substeps", "peak_stress",
    "peak_by_potential", "utilisation", "safety_factor", "damage", "failed_cells", "failed_regions", "shed_w",
    "certificate", "share",
)  # fmt: skip


class TickSummary(NamedTuple):
    """Numbers of a live run at the end of a tick; finite, or the tick raised.

    Args:
        tick: Number of the tick that begins here.
        time: Simulated time [s].
        lowest, highest: Extremes of the temperature.
        hottest: Cell of the highest, along each axis.
        mean: Heat-weighted mean temperature.
        gradient: Largest gradient between neighbours [K/m].
        stored_heat: Heat above the start [J].
        balance_residual: Stored heat less heat moved, over the heat moved [-].
        time_error: Largest error of the tick by the method's own estimate [K].
        substeps: Super-steps that the tick took.
        model: `diffusive` or `lumped`.
        certificate: Certificate C3 of the lumped model over the span; None where it is not known.
        share: Largest of the measures that decide the model, over its limit; None where it is not known.
        peak_stress: Largest stress of the plate's estimate, a safe peak [Pa]; None without a structure.
        peak_by_potential: Largest von Mises stress by the potential, at the tick at which the last one took effect
            [Pa]; None where there is none.
        utilisation: Largest stress over the yield stress that is left [-]; None without one.
        weakest: Cell of it, along each axis; None without a structure.
        damage: Largest sum of damage [-]; None without a structure.
        failed_cells: Number of cells that have failed.
        failed_regions: Number of regions that have failed.
        shed_w: Load of failed regions that no other took over [W].
        physics: `full`, or what is left out because the run could not keep its pace: `no-stress`, `lumped`.
    """

    tick: int
    time: float
    lowest: float
    highest: float
    hottest: tuple[int, ...]
    mean: float
    gradient: float
    stored_heat: float
    balance_residual: float
    time_error: float
    substeps: int
    model: str = "diffusive"
    certificate: float | None = None
    share: float | None = None
    peak_stress: float | None = None
    peak_by_potential: float | None = None
    utilisation: float | None = None
    weakest: tuple[int, ...] | None = None
    damage: float | None = None
    failed_cells: int = 0
    failed_regions: int = 0
    shed_w: float = 0.0
    physics: str = "full"

    def metrics(self) -> dict[str, float | None]:
        """Its numbers by name, for rules and samples; None where one is not known."""
        found: dict[str, float | None] = {}
        for name in METRICS:
            value = getattr(self, name)
            found[name] = None if value is None else float(value)
        found["is_lumped"] = float(self.model == "lumped")
        return found

    @property
    def safety_factor(self) -> float | None:
        """Yield stress over the largest stress; None without a structure or without stress."""
        return None if not self.utilisation else 1.0 / self.utilisation
