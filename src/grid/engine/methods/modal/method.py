"""All modes of a small body as a method: `modal`, for linear problems whose loads are tables of time or constant."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs.runs import count_faces
from grid.engine.methods.facts import Facts
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

    def find_obstacle(self, facts: Facts) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        cells = facts.cells
        if cells > (MOST_CELLS_1D if facts.dimension == 1 else MOST_CELLS):
            return "the body has too many modes to find all of them"
        found = find_symmetry(facts)
        if found is None and isinstance(facts.changing_loads, str):
            found = facts.changing_loads
        if found is None and facts.stiffness * facts.duration * ROUNDING > SHARE * facts.tolerance:
            return "the slowest modes would be lost in the rounding of the fastest"
        return found

    def estimate(self, facts: Facts) -> Cost:
        """Estimate steps, work and memory of a run."""
        cells, landings = facts.cells, len(facts.times) or 1
        stretches, modes = facts.knots + landings, facts.body_cells or cells
        faces = count_faces(facts.problem, modes)
        work = {
            "modal": 1.0,
            "modal_square" if facts.dimension == 1 else "modal_cube": modes ** (2 if facts.dimension == 1 else 3),
            "stretch": stretches,
            "stretch_mode": stretches * modes * (1 + len(facts.changing_loads)),
            "booked_face": stretches * faces,
            "booked_face_mode": stretches * faces * modes,
            "modal_landing": landings,
            "modal_landing_cell_mode": landings * modes**2,
        }
        memory = int(8 * (3 * cells**2 + 4 * stretches * cells + 2 * (landings + 1) * cells)) + 2_000_000
        return Cost(landings, work, memory)

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.driven.stepper import DrivenStepper

        loads = facts.changing_loads if isinstance(facts.changing_loads, tuple) else ()
        return DrivenStepper(space, facts.times or (facts.duration,), loads, _make_modes, self.name)


def _make_modes(
    space: "Space",
    loads: "Loads",
    start: "FloatArray",
    signals: "Signals",
    course: "Course",  # noqa: ARG001
) -> "Modes":
    from grid.engine.methods.modal.modes import FullModes

    return FullModes(space, loads, start, signals)
