"""Steps of a tick of a body that melts: enthalpies as unknowns, as in `grid.engine.methods.implicit.phase_change`."""

from dataclasses import dataclass, field, replace

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.live.stepping import TickField
from grid.engine.live.weakening import weaken
from grid.engine.methods.bounds import reason_without_bounds
from grid.engine.methods.implicit.phase_change import EnthalpyStepper
from grid.engine.methods.implicit.phase_change_body import ConstantBody
from grid.engine.methods.implicit.phase_change_store import EnthalpyModel
from grid.engine.methods.implicit.phase_conduction import Conduction, find_conduction
from grid.engine.methods.implicit.scheme import D
from grid.engine.methods.state import Bounds, HeatBalance, Segment, State
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

TOLERANCE = 3e-8  # [-] of which stages on the cells of a body are solved to a share


@dataclass
class Melting:
    """A body that melts, and the stepper for what acts on it now.

    Args:
        space: The body.
    """

    space: Space
    _known: tuple[Space, "MeltingSteps"] | None = field(default=None, repr=False)
    _rests: dict[float, FloatArray] = field(default_factory=dict, repr=False)

    def start(self, temperature: FloatArray) -> FloatArray:
        """Enthalpies of cells that have never melted or frozen, flat [J]."""
        return EnthalpyModel(self.space).content(temperature)

    def find_rise(self, content: FloatArray, pivot: float) -> float:
        """Heat above a temperature [J]."""
        if pivot not in self._rests:
            self._rests[pivot] = self.start(np.full(content.size, pivot))
        rises = content - self._rests[pivot]
        return float((rises if self.space.active is None else rises[self.space.active]).sum())

    def under(self, space: Space) -> "MeltingSteps":
        """Steps of the body with what acts on it, kept as long as the same object comes."""
        known = self._known  # another thread may store others meanwhile
        if known is None or known[0] is not space:
            known = self._known = space, MeltingSteps.of(space, None if known is None else known[1].stepper.body)
        return known[1]


@dataclass(frozen=True)
class MeltingSteps:
    """Steps of a body under some loads.

    Args:
        stepper: Of equal steps.
    """

    stepper: EnthalpyStepper

    @classmethod
    def of(cls, space: Space, near: ConstantBody | None) -> "MeltingSteps":
        """Make the steps, with what `near`, the same body under other loads, knows already."""
        is_driven = space.overlay is not None and space.overlay.is_driving
        keeps_bounds = reason_without_bounds(space.problem) is None and not is_driven
        stepper = EnthalpyStepper(space, 1.0, keeps_bounds=keeps_bounds, tolerance=TOLERANCE)
        conduction = find_conduction(space)
        if conduction is not None:
            conduction = _act(conduction, space)
            own = ConstantBody(stepper.store, conduction, TOLERANCE)
            stepper.body = own if near is None else near.under(stepper.store, conduction)
        return cls(stepper)

    def step(self, before: TickField, length: float) -> tuple[TickField, HeatBalance, float, int]:
        """The field after a step [s], the heat moved, the error [K], and the number of steps taken.

        Raises:
            NotConvergedError: Newton's method stalls.
        """
        stepper, temperature = self.stepper, before.values
        bounds = Bounds(float(temperature.min()), float(temperature.max()))
        start = State(0.0, 0, temperature, HeatBalance(), bounds, content=before.content)
        segment, count = Segment(0.0, length, 1), 1
        with np.errstate(over="ignore"):  # enthalpy that rises at one temperature
            trial = stepper.try_step(start, segment, length)
            if stepper.breaks_bounds(trial.state):
                trial, count = stepper.damp_step(start, segment, length / (2.0 * D)), 2
            error = stepper.measure(trial.to_kelvin(trial.filter(trial.local)))
        done = trial.state
        if done.content is None or not np.isfinite(done.content).all() or not np.isfinite(error):
            raise NotConvergedError("enthalpies of a phase change", 1, error, TOLERANCE)
        return TickField(done.temperature, content=done.content), done.heat_balance, error, count


def _act(conduction: Conduction, space: Space) -> Conduction:
    """Conduction by a potential with what acts on the body, where it has a space of its own."""
    if conduction.space is space:
        return conduction
    own, overlay = conduction.space, space.overlay
    if overlay is not None and overlay.left is not None:
        own = weaken(own, overlay.left)
    return replace(conduction, space=replace(own, overlay=overlay, _constant_loads=None))
