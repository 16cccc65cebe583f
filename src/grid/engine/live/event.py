"""What every event on the scene of a live run says about itself, and the checks that events share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from grid.engine import limits
from grid.engine.arguments import require_choice, require_number
from grid.engine.live.regions import Mask
from grid.engine.live.scene import Scene
from grid.engine.problem.boundaries import Boundary
from grid.engine.problem.domain import FACES, INTERNAL
from grid.engine.space.mesh import Patch
from grid.engine.values.operations import FloatArray


@dataclass(frozen=True)
class Event(ABC):
    """Base of all events: each method says what one kind of change is, and says nothing unless an event has it."""

    kind: ClassVar[str]

    @property
    def length(self) -> float | None:
        """Length [s]; None where it acts until it is ended."""
        return None

    @property
    def is_lasting(self) -> bool:
        """True where nothing ends it, as damage."""
        return False

    @property
    def moves(self) -> bool:
        """True where its shares change with time."""
        return False

    @abstractmethod
    def check(self, scene: Scene) -> None:
        """Refuse what is outside the scene or a limit.

        Raises:
            FieldError: Names the field and what is allowed.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The event as JSON, without its kind."""

    def find_power(self, _ticks: int | None, _tick: float) -> float:
        """Power of its heat source over so many ticks of a length [W]; 0 without one."""
        return 0.0

    def shares(self, _scene: Scene, _time: float) -> FloatArray | None:
        """Share of the power in each cell, flat, a sum of 1, at a time since its begin [s]; None without a source."""
        return None

    def replace_law(self, _face: str, law: Boundary) -> Boundary:
        """The law of a face while it acts, from the one without it."""
        return law

    def keep_film(self, _face: str) -> float:
        """Share of film and radiation of a face that remains."""
        return 1.0

    def impose(self, _patch: Patch) -> FloatArray | None:
        """Heat flux added to the faces of a patch [W/m2]; None without one."""
        return None

    def damage(self, _scene: Scene) -> "DamagedCells | None":
        """Cells that it damages; None without any."""
        return None


@dataclass(frozen=True)
class DamagedCells:
    """Cells of a region and what is left of them.

    Args:
        cells: Shape `cells`.
        conductivity_factor, stiffness_factor: Shares that remain [-].
        damage: Miner's sum that they get at least [-].
    """

    cells: Mask
    conductivity_factor: float
    stiffness_factor: float
    damage: float


def require_free_face(path: str, face: object, scene: Scene) -> None:
    """Refuse what is no face of the body, or one that is joined to the opposite one.

    Raises:
        FieldError: Names the faces that there are.
    """
    names = [name for name in FACES[: 2 * scene.problem.dimension] if scene.problem.boundary(name).type != "periodic"]
    if scene.active is not None:
        names.append(INTERNAL)
    require_choice(path, face, names)


def require_duration(duration: float | None) -> None:
    """Refuse a length outside the limits; None passes."""
    if duration is not None:
        require_number("duration_s", duration, limits.DURATION)


def duration_json(duration: float | None) -> dict[str, float]:
    """The length as a field of JSON, if there is one."""
    return {} if duration is None else {"duration_s": duration}
