"""Runs in real time: ticks of fixed work, changes at their boundaries, and what each tick shows.

    from grid.engine.live import Burst, Scene, Session, plan_clock

    scene = Scene.from_json({"case": case, "structure": {"reference_temperature": 293.15}})
    session = Session(scene, plan_clock(scene, tick=1 / 30))
    session.apply(Burst((0.4, 0.5), radius=0.02, power=2e4, duration=2.0))
    summary = session.advance(60)

Nothing here reads a clock, a file or a socket. A run is a function of its scene, its clock, its seed and the changes
with their ticks; see docs/theory/live.md. Importing this package loads NumPy alone.
"""

from grid.engine.live.clock import Clock, plan_clock
from grid.engine.live.commands import Command, LogHeader, Outcome, read_commands
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.events import BoundaryChange, Burst, CoolingLoss, Damage, Flow, Overload
from grid.engine.live.events_json import event_json, read_event
from grid.engine.live.fidelity import Switch
from grid.engine.live.fidelity_limits import Fidelity
from grid.engine.live.regions import Box, Disc, Everything, Named
from grid.engine.live.rule_definition import Rule
from grid.engine.live.rule_state import RuleState, Transition
from grid.engine.live.scene import Scene
from grid.engine.live.session import Session, replay
from grid.engine.live.structure import Structure
from grid.engine.live.summary import TickSummary

__all__ = [
    "BoundaryChange",
    "Box",
    "Burst",
    "Clock",
    "Command",
    "CoolingLoss",
    "Damage",
    "Disc",
    "Everything",
    "Fidelity",
    "Flow",
    "LogHeader",
    "Named",
    "Outcome",
    "Overload",
    "RefusedChangeError",
    "Rule",
    "RuleState",
    "Scene",
    "Session",
    "Structure",
    "Switch",
    "TickSummary",
    "Transition",
    "event_json",
    "plan_clock",
    "read_commands",
    "read_event",
    "replay",
]
