"""Where a live run is: all that the next tick depends on beside its plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from grid.engine.live.fidelity import ModelState
from grid.engine.live.integrity import StructureState
from grid.engine.live.look import FieldLook
from grid.engine.live.potential_task import PotentialTask
from grid.engine.live.rule_state import RuleState
from grid.engine.live.stepping import TickField
from grid.engine.live.sums import LiveHeat


@dataclass(frozen=True)
class LiveState:
    """A live run at a tick boundary.

    Args:
        tick: Number of the tick that begins here.
        temperatures: In the form of the method.
        heat: Heat moved since the start.
        lowest, highest: Extremes of the temperature since the start.
        substeps: Super-steps that the next tick takes.
        structure: Cycles, damage and failures; its arrays are those of the newest state alone (`advance_tick`).
        start_rise: Heat above the pivot at tick 0 [J per unit of section].
        model: Which model, and what it carries. While it is lumped, `temperatures` is that of an earlier tick.
        look: The last look at a field.
        potential: The stress by potential that will take effect next; None where there is none.
        shown: What the structure showed then, as fields of a summary.
        has_yielded: True from the first cell on that was above its yield stress.
        alerts: States of the alert rules, in their order.
        physics: What is left out while the run cannot keep its pace (`grid.engine.live.degradation`).
        looked, observed: Ticks of that look, and of the last observation of the structure.
    """

    tick: int
    temperatures: TickField
    heat: LiveHeat
    lowest: float
    highest: float
    substeps: int = 1
    structure: StructureState | None = None
    start_rise: float = 0.0
    model: ModelState = field(default_factory=ModelState)
    look: FieldLook | None = None
    looked: int = 0
    observed: int = 0
    has_yielded: bool = False
    alerts: tuple[RuleState, ...] = ()
    potential: PotentialTask | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)
    physics: Literal["full", "no-stress", "lumped"] = "full"
