"""All modes of a small body as a method: `modal`, for linear problems whose loads are tables of time or constant."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs.runs import count_faces
from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Cost, find_symmetry

if TYPE_CHECKING:
    from grid.engine.loads.signals import Signals
    from grid.engine.methods.driven.course import Course, Modes
    from grid.engine.methods.state import Stepper
    from grid.engine.space.laws import Loads
    from grid.engine.space.space import Space
    from grid.engine.values.operations import FloatArray

MOST_CELLS, MOST_CELLS_1D = 700, 1_500  # [-] cells up to which all modes are found, in 2D and 3D, and in 1D
ROUNDING = 1e-16  # [-] error of each rate over the largest rate
SHARE = 0.01  # [-] share of the tolerance that this error may take


@dataclass(frozen=True)
class ModalMethod:
    """Exact in time; see `grid.engine.methods.driven.stepper`."""

    name: str = "modal"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        cells = inputs.cells
        if cells > (MOST_CELLS_1D if inputs.dimension == 1 else MOST_CELLS):
            return "the body has too many modes to find all of them"
        found = find_symmetry(inputs)
        if found is None and isinstance(inputs.changing_loads, str):
            found = inputs.changing_loads
        if found is None and inputs.stiffness * inputs.duration * ROUNDING > SHARE * inputs.tolerance:
            return "the slowest modes would be lost in the rounding of the fastest"
        return found

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        cells, stop_times = inputs.cells, len(inputs.times) or 1
        stretches, modes = inputs.knots + stop_times, inputs.body_cells or cells
        faces = count_faces(inputs.problem, modes)
        work = {
            "modal": 1.0,
            "modal_square" if inputs.dimension == 1 else "modal_cube": modes ** (2 if inputs.dimension == 1 else 3),
            "stretch": stretches,
            "stretch_mode": stretches * modes * (1 + len(inputs.changing_loads)),
            "booked_face": stretches * faces,
            "booked_face_mode": stretches * faces * modes,
            "modal_landing": stop_times,
            "modal_landing_cell_mode": stop_times * modes**2,
        }
        memory = int(8 * (3 * cells**2 + 4 * stretches * cells + 2 * (stop_times + 1) * cells)) + 2_000_000
        return Cost(stop_times, work, memory)

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.driven.stepper import DrivenStepper

        loads = inputs.changing_loads if isinstance(inputs.changing_loads, tuple) else ()
        return DrivenStepper(space, inputs.times or (inputs.duration,), loads, _make_modes, self.name)


def _make_modes(
    space: "Space",
    loads: "Loads",
    start: "FloatArray",
    signals: "Signals",
    course: "Course",  # noqa: ARG001
) -> "Modes":
    from grid.engine.methods.modal.modes import FullModes

    return FullModes(space, loads, start, signals)
