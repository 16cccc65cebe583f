"""Checks of commands against the scene of their run, before they are stored. Loads NumPy, never Numba."""

from grid.core.errors import ConflictError, FieldError, InvalidFieldsError
from grid.engine.live.events import Burst
from grid.engine.live.events_json import read_event
from grid.engine.live.needs import find_lumped_obstacle
from grid.engine.live.rule_definition import Rule, require_rules
from grid.engine.live.scene import Scene
from grid.schemas.jobs import JsonObject
from grid.schemas.live import TICK_METRICS
from grid.schemas.parameter_errors import move_error


class HeldFaceError(ConflictError):
    """The lumped model is asked for where a face of the scene is held at a temperature."""

    code, title = "held-face", "A body with a face that is held at a temperature is not lumped"

    def __init__(self, face: str) -> None:
        super().__init__(face)
        self.face = face

    def __str__(self) -> str:
        return f"{self.face} is held at a temperature, so the body has no common one; ask for auto or diffusive."


class NoLumpedModelError(ConflictError):
    """The lumped model is asked for where none holds."""

    code, title = "no-lumped-model", "The scene has no lumped model"

    def __init__(self, obstacle: str) -> None:
        super().__init__(obstacle)
        self.obstacle = obstacle

    def __str__(self) -> str:
        return f"{self.obstacle}; ask for auto or diffusive."


def check_event(payload: JsonObject, scene: Scene, tick: float) -> None:
    """Check an event.

    Args:
        payload: As JSON.
        scene: Of the run.
        tick: Length of a tick [s].

    Raises:
        FieldError, InvalidFieldsError: A field is missing, unknown or outside the scene or its limits.
    """
    event = read_event(payload, scene)
    if isinstance(event, Burst):
        event.check_speed(scene, tick)


def check_model(payload: JsonObject, scene: Scene) -> None:
    """Check who is to choose the model.

    Raises:
        HeldFaceError: The lumped model, where a face is held.
        NoLumpedModelError: The lumped model, where no certificate holds.
    """
    if payload.get("model") == "lumped":
        obstacle = find_lumped_obstacle(scene)
        if obstacle is not None:
            raise NoLumpedModelError(obstacle)
        face = find_held_face(scene)
        if face is not None:
            raise HeldFaceError(face)


def find_held_face(scene: Scene) -> str | None:
    """Find a face that the scene holds at a temperature; None without one, or where one cell is the body."""
    problem = scene.problem
    held = (face for face, law in problem.boundaries.items() if law.holds_temperature)
    return next(held, None) if problem.domain.cell_count > 1 else None


def check_rules(payload: JsonObject) -> None:
    """Check the alert rules of a run, in simulation time.

    Raises:
        FieldError: A rule is none, its metric is none of a tick, or there are too many; fields begin with `rules[3]`.
    """
    read = []
    for index, raw in enumerate(payload.get("rules", ())):
        place = f"rules[{index}]"
        try:
            rule = Rule.from_json(raw)
        except InvalidFieldsError as error:
            raise InvalidFieldsError(tuple(move_error(one, place) for one in error.errors)) from None
        except FieldError as error:
            raise move_error(error, place) from None
        if rule.clock == "sim" and rule.key not in TICK_METRICS:
            raise FieldError(f"{place}.metric", f"must be one of {', '.join(TICK_METRICS)}, of the whole body")
        read.append(rule)
    require_rules(read)
