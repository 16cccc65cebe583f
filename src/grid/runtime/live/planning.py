"""Planning of live runs: a specification is read, checked, priced and hashed here; a command is held to its scene.

The adapter of `grid.services.ports.RunPlanner`. A scenario says its scene, events and rules as JSON, which is read with
the same checks as a user's. NumPy and the engine are loaded with the first call, Numba never.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import BoundedSemaphore, Semaphore
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from grid.core.errors import FieldError, InvalidFieldsError, UnavailableError
from grid.plugins.registry import Registry
from grid.runtime.live.scene_cache import SceneCache
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind, ModelPolicy, PlannedCommand, PlannedRun, RunBody, RunSpec
from grid.schemas.parameter_errors import MAX_ERRORS, SPARE_NAMES, list_errors, move_error
from grid.schemas.scenarios import LEAST_CELLS, MOST_CELLS, Json, Scenario

if TYPE_CHECKING:
    from grid.engine.live.clock import Clock
    from grid.engine.live.scene import Scene

RATE = 30.0  # [1/s] ticks of wall time where a scene is given without
MOST_TICK_TEXT = 32  # characters
SMALL_CELLS = 65_536  # which take some 15 MB to plan; a million takes 250
LARGE_AT_ONCE, TURN_TIMEOUT_S = 2, 10.0
SCENE_PARTS = frozenset({"case", "structure", "fidelity"})


@dataclass(frozen=True)
class Draft:
    """A specification with what its scenario says, not checked by the engine yet.

    Args:
        scene: As JSON.
        tick_s: Simulated time of a tick [s], as text.
        rate: Ticks a second of wall time at speed 1.
        params: Of the scenario, with defaults filled in.
        events: Of the scenario: `{"event": ..., "at_s": ...}` each.
        rules: Of the scenario.
    """

    scene: JsonObject
    tick_s: str
    rate: float
    params: JsonObject = field(default_factory=dict)
    events: tuple[Json, ...] = ()
    rules: tuple[Json, ...] = ()


@dataclass(frozen=True)
class LivePlanner:
    """Plans live runs, and checks commands against their scenes. Threads may share it.

    Args:
        registry: The installed scenarios.
        scenes: Those read last.
        turns: Of planning large scenes.
    """

    registry: Registry
    scenes: SceneCache = field(default_factory=SceneCache)
    turns: Semaphore = field(default_factory=lambda: BoundedSemaphore(LARGE_AT_ONCE))

    def plan(self, spec: RunSpec) -> PlannedRun:
        """Validate a specification and price it.

        Raises:
            FieldError, InvalidFieldsError: A field is missing, unknown or outside its limits.
            UnsupportedError: The engine does not compute it.
            UnavailableError: Too many large ones are being planned.
        """
        from grid.engine.live.clock import plan_clock
        from grid.engine.live.commands import compute_spec_hash
        from grid.engine.live.needs import require_live
        from grid.engine.version import compute_numerics_version

        draft = self._draft(spec)
        with naming_scene():
            scene = self.scenes.read(draft.scene)
        cells = scene.problem.domain.cell_count
        if not LEAST_CELLS <= cells <= MOST_CELLS:
            raise FieldError("scene.case.resolution.cells", f"must be {LEAST_CELLS} to {MOST_CELLS} cells in all")
        _require_model(scene, spec.model)
        with naming_scene():
            require_live(scene)
        with self._turn(cells):
            clock = plan_clock(scene, read_tick(draft.tick_s), method=spec.method)
            if spec.scenario is None:
                _require_start(scene)
        return PlannedRun(
            scene=draft.scene,
            tick_s=draft.tick_s,
            rate=draft.rate,
            method=clock.method,
            steps_per_tick=clock.steps,
            price_s=clock.price,
            memory_bytes=clock.memory_bytes,
            cells=cells,
            body=_describe_body(scene),
            spec_hash=compute_spec_hash(scene, clock),
            numerics_version=compute_numerics_version(),
            params=draft.params,
            commands=tuple(_plan_commands(draft, scene, clock)),
        )

    def check_command(self, scene: JsonObject, kind: CommandKind, payload: JsonObject, *, tick_s: str) -> None:
        """Check a command that changes physics against the scene and the tick of its run.

        Raises:
            FieldError, InvalidFieldsError: A field is missing, unknown or outside the scene or its limits.
            ConflictError: The lumped model is asked for where a face of the scene is held at a temperature.
        """
        from grid.runtime.live.command_checks import check_event, check_model, check_rules

        if kind is CommandKind.EVENT:
            check_event(payload, self.scenes.read(scene), read_tick(tick_s))
        elif kind is CommandKind.MODEL:
            check_model(payload, self.scenes.read(scene))
        elif kind is CommandKind.RULES:
            check_rules(payload)

    @contextmanager
    def _turn(self, cells: int) -> Iterator[None]:
        """Have few large scenes discretised at once, each of which takes memory and time.

        Raises:
            UnavailableError: Others are at it for too long.
        """
        if cells <= SMALL_CELLS:
            yield
            return
        if not self.turns.acquire(timeout=TURN_TIMEOUT_S):
            raise UnavailableError("Large live runs are being planned; try again.")
        try:
            yield
        finally:
            self.turns.release()

    def _draft(self, spec: RunSpec) -> Draft:
        draft = self._draft_scenario(spec) if spec.scenario is not None else _draft_scene(spec)
        return replace(draft, scene=choose_model(draft.scene, spec.model))

    def _draft_scenario(self, spec: RunSpec) -> Draft:
        scenario = self._find(spec.scenario or "")
        params = read_params(scenario, spec.params)
        timing = scenario.timing(params)
        made = scenario.scene(params, scenario.cells if spec.cells is None else spec.cells)
        return Draft(
            scene=json.loads(json.dumps(made, allow_nan=False)),
            tick_s=repr(float(timing.tick_s)) if spec.tick_s is None else spec.tick_s,
            rate=timing.rate if spec.rate is None else spec.rate,
            params=params.model_dump(mode="json"),
            events=tuple(scenario.events(params)),
            rules=tuple(scenario.rules(params)),
        )

    def _find(self, name: str) -> Scenario:
        known = self.registry.scenarios()
        if name not in known:
            raise FieldError("scenario", f"must be one of {', '.join(known)}")
        return known[name]


def _draft_scene(spec: RunSpec) -> Draft:
    for name, is_given in (("params", bool(spec.params)), ("cells", spec.cells is not None)):
        if is_given:
            raise FieldError(name, "must be left out with a scene")
    if spec.scene is None:
        raise FieldError("scene", "is required, or a scenario")
    if spec.tick_s is None:
        raise FieldError("tick_s", "is required with a scene")
    return Draft(spec.scene, spec.tick_s, RATE if spec.rate is None else spec.rate)


def read_params(scenario: Scenario, given: Mapping[str, object]) -> BaseModel:
    """Return the parameters of a scenario, with defaults filled in.

    Raises:
        InvalidFieldsError: At most 20 of them, each with its limit and unit; values are never repeated.
    """
    model = scenario.params_model
    if len(given) > len(model.model_fields) + SPARE_NAMES:
        raise FieldError("params", f"must have at most {len(model.model_fields)} parameters")
    try:
        return model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        raise InvalidFieldsError(tuple(list_errors(error, model, root="params", room=MAX_ERRORS))) from None


def read_tick(text: str) -> float:
    """Return the length of a tick [s].

    Raises:
        FieldError: The text is no number, or too long.
    """
    try:
        tick = float(text) if len(text) <= MOST_TICK_TEXT else math.nan
    except ValueError:
        tick = math.nan
    if not math.isfinite(tick):
        raise FieldError("tick_s", f"must be a number of seconds in at most {MOST_TICK_TEXT} characters")
    return tick


def choose_model(scene: JsonObject, model: ModelPolicy) -> JsonObject:
    """Return a scene whose limits of the lumped model say who chooses: it is part of what is computed, and hashed.

    Raises:
        FieldError: The scene names another policy itself.
    """
    given = scene.get("fidelity")
    if given is None:
        return scene if model == "auto" else {**scene, "fidelity": {"policy": model}}
    if not isinstance(given, Mapping):
        return scene  # the engine says what it must be
    if given.get("policy", model) != model:
        raise FieldError("scene.fidelity.policy", f"must be left out, or {model} as `model` says")
    return {**scene, "fidelity": {**given, "policy": model}}


@contextmanager
def naming_scene() -> Iterator[None]:
    """Let errors about a scene name fields of the request: the engine's begin below the scene, or below its case."""
    try:
        yield
    except InvalidFieldsError as error:
        raise InvalidFieldsError(tuple(map(_below_scene, error.errors[:MAX_ERRORS]))) from None
    except FieldError as error:
        raise _below_scene(error) from None


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Let errors about a part of the request name its place."""
    try:
        yield
    except InvalidFieldsError as error:
        raise InvalidFieldsError(tuple(move_error(one, place) for one in error.errors[:MAX_ERRORS])) from None
    except FieldError as error:
        raise move_error(error, place) from None


def _describe_body(scene: "Scene") -> RunBody:
    """What lists and pages tell of the body."""
    domain = scene.problem.domain
    return RunBody(
        scene.problem.temperature_unit,
        domain.cells,
        has_structure=scene.structure is not None,
        origin_m=tuple(domain.origin),
        size_m=tuple(domain.size),
    )


def _below_scene(error: FieldError) -> FieldError:
    first = error.field.partition(".")[0].partition("[")[0]
    if first == "scene":
        return error
    return move_error(error, "scene" if first in SCENE_PARTS else "scene.case")


def _require_start(scene: "Scene") -> None:
    """Refuse an initial field, a source or a law of a face that is not physical somewhere; scenarios have constants."""
    from grid.engine.space.discretise import discretise

    with naming_scene():
        space = discretise(scene.problem)
        temperature = space.initial_temperature()
        space.source_heat(0.0)
        for index, patch in enumerate(space.patches):
            space.robin(index, 0.0, temperature[patch.cells])


def _require_model(scene: "Scene", model: ModelPolicy) -> None:
    """Refuse the lumped model for a body that has no common temperature, and where no certificate holds."""
    from grid.engine.live.needs import find_lumped_obstacle
    from grid.runtime.live.command_checks import find_held_face

    obstacle = find_lumped_obstacle(scene) if model == "lumped" else None
    if obstacle is not None:
        raise FieldError("model", f"must be auto or diffusive: {obstacle}")
    face = find_held_face(scene) if model == "lumped" else None
    if face is not None:
        raise FieldError("model", f"must be auto or diffusive: {face} is held at a temperature")


def _plan_commands(draft: Draft, scene: "Scene", clock: "Clock") -> Iterator[PlannedCommand]:
    """Yield the first entries of the log: the rules of a scenario at tick 0, then its events at their ticks.

    Their ticks follow from scene and clock, so they are in the log before the run begins: a live run, a job and a
    notebook carry them out alike.
    """
    from grid.engine.live.changes import find_start
    from grid.runtime.live.command_checks import check_event, check_rules

    if draft.rules:
        payload = {"rules": json.loads(json.dumps(draft.rules, allow_nan=False))}
        check_rules(payload)
        yield PlannedCommand(CommandKind.RULES, payload, tick=0)
    for index, entry in enumerate(draft.events):
        event = json.loads(json.dumps(entry["event"], allow_nan=False))
        with naming(f"events[{index}]"):
            check_event(event, scene, clock.tick)
            tick = find_start(entry["at_s"], 0, clock)
        yield PlannedCommand(CommandKind.EVENT, event, entry["at_s"], tick)
