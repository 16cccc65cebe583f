"""What a point of `live` computes: scene, clock, rules, commands and end, read from its parameters and checked."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from grid.core.errors import FieldError, InvalidFieldsError
from grid.plugins.builtin.live.params import LiveParams
from grid.schemas.live_log import COMPARED_KINDS, DIGEST, MOST_EVENTS
from grid.schemas.scenarios import MOST_CELLS, Json, Scenario

if TYPE_CHECKING:
    from grid.engine.live import Clock, Command, Rule, Scene

MOST_TICKS = 1_000_000_000  # of a live run
MOST_CHECKS = 4096  # of a log
MOST_ERRORS = 20
KEPT_SCENES = 4  # read last, of this process: the points of a sweep often share one
CHECKED = ("lowest", "highest", "mean")  # metrics that a check may hold
HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Check:
    """What is known of a recorded run at a boundary.

    Args:
        tick: The boundary.
        field_sha256: Of its temperatures; None where it is not known.
        metrics: Some of `CHECKED`.
        is_end: Whether it is the end of the log.
    """

    tick: int
    field_sha256: str | None
    metrics: Mapping[str, float]
    is_end: bool = False


@dataclass(frozen=True)
class Record:
    """What a log says about the run that it is of.

    Args:
        spec_hash, numerics_version, platform: Of that run; None where they are not known.
        kinds: Kinds of events that it records.
        events: Tick, kind, key and digest of each.
        checks: In the order of their ticks.
        end: Boundary at which it ends; None where it goes on.
    """

    spec_hash: str | None
    numerics_version: str | None
    platform: str | None
    kinds: frozenset[str]
    events: tuple[tuple[int, str, str, str], ...]
    checks: tuple[Check, ...]
    end: int | None


@dataclass(frozen=True)
class LiveInput:
    """A point, ready to be computed.

    Args:
        scene, clock: What, and how.
        until: Boundary at which it ends.
        first: Boundary from which on metrics and events are kept.
        seed: Of random numbers.
        header: Scene as JSON, and names of the scenario and its parameters, for the log.
        rules: Alert rules at the start, of a log.
        commands: Of a log, in the order of their numbers.
        record: What a replay is held to; None for a scenario.
        scenario, scenario_params, cells: Of a scenario.
    """

    scene: "Scene"
    clock: "Clock"
    until: int
    first: int
    seed: int = 0
    header: Json = field(default_factory=dict)
    rules: tuple["Rule", ...] = ()
    commands: tuple["Command", ...] = ()
    record: Record | None = None
    scenario: Scenario | None = None
    scenario_params: BaseModel | None = None
    cells: tuple[int, ...] = ()


def read_input(params: LiveParams, scenarios: Mapping[str, Scenario]) -> LiveInput:
    """Read a point.

    Args:
        params: Of the point.
        scenarios: That are installed, by name.

    Raises:
        FieldError, InvalidFieldsError: A field is missing, unknown or outside its limits; named from the parameters.
        UnsupportedError: The engine does not compute the scene.
    """
    return _read_scenario(params, scenarios) if params.log is None else _read_log(params, params.log, scenarios)


def _read_scenario(params: LiveParams, scenarios: Mapping[str, Scenario]) -> LiveInput:
    from grid.plugins.scenario_run import choose_policy

    scenario = find_scenario(params.scenario_name, scenarios, "scenario")
    given = read_scenario_params(scenario, params.params, "params")
    cells = scenario.cells if params.cells is None else tuple(params.cells)
    timing = scenario.timing(given)
    scene_json = choose_policy(scenario.scene(given, cells), params.model)
    scene, clock = _plan(scene_json, timing.tick_s, params.method)
    until = timing.ticks if params.until_s is None else count_ticks(params.until_s, clock.tick, "until_s")
    header = {"scenario": scenario.name, "params": given.model_dump(mode="json"), "cells": list(cells)}
    header["scene"] = scene_json
    return LiveInput(
        scene, clock, until, _read_first(params, clock.tick, until),
        header=header, scenario=scenario, scenario_params=given, cells=cells,
    )  # fmt: skip


def _read_log(params: LiveParams, log: Json, scenarios: Mapping[str, Scenario]) -> LiveInput:
    from grid.engine.live import Rule, read_commands
    from grid.engine.live.rule_definition import require_rules

    header = log.get("header")
    if not isinstance(header, dict):
        raise FieldError("log.header", "the first line of a log")
    unknown = sorted(log.keys() - {"header", "scene", "commands", "events", "checks", "end"})
    if unknown:
        raise FieldError(f"log.{unknown[0][:64]}", "unknown; a log has header, scene, commands, events, checks and end")
    scene_json = _find_scene(log, header, scenarios)
    method = _read_text(header, "method", default="auto")
    scene, clock = _plan(scene_json, _read_tick(header.get("tick_s")), method, place="log.scene")
    if header.get("steps") not in (None, clock.steps):
        raise FieldError("log.header.steps", f"{clock.steps}, which its scene, its tick and its method make")
    with _naming("log.header.rules"):
        rules = require_rules([Rule.from_json(rule) for rule in _read_list(header, "rules", "log.header", 50)])
    commands = tuple(read_commands(_read_list(log, "commands", "log", 10_000)))
    record = _read_record(log, header)
    until = record.end
    if params.until_s is not None:
        until = count_ticks(params.until_s, clock.tick, "until_s")
    if until is None:
        raise FieldError("until_s", "required for a log without an end")
    seed = header.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 63:
        raise FieldError("log.header.seed", "a whole number of 0 or more")
    kept = {name: header[name] for name in ("scenario", "params", "cells", "run") if header.get(name) is not None}
    kept["scene"] = scene_json
    return LiveInput(
        scene, clock, until, _read_first(params, clock.tick, until),
        seed=seed, header=kept, rules=rules, commands=commands, record=record,
    )  # fmt: skip


def find_scenario(name: str, scenarios: Mapping[str, Scenario], place: str) -> Scenario:
    """Return a scenario.

    Raises:
        FieldError: There is none of that name.
    """
    if name not in scenarios:
        raise FieldError(place, f"one of {', '.join(scenarios)}")
    return scenarios[name]


def read_scenario_params(scenario: Scenario, given: Mapping[str, Any], place: str) -> BaseModel:
    """Return the parameters of a scenario, with defaults filled in.

    Raises:
        InvalidFieldsError: At most 20 of them, each with its limit.
    """
    try:
        return scenario.params_model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)[:MOST_ERRORS]
        names = [".".join((place, *(str(part)[:64] for part in one["loc"]))) for one in found]
        errors = [FieldError(name, one["msg"]) for name, one in zip(names, found, strict=True)]
        raise InvalidFieldsError(tuple(errors)) from None


def count_ticks(time_s: float, tick: float, place: str) -> int:
    """Return the first boundary at or after a simulated time.

    Raises:
        FieldError: It is further away than a run may be long.
    """
    ticks = math.ceil(time_s / tick * (1.0 - 1e-12))
    if ticks > MOST_TICKS:
        raise FieldError(place, f"at most {MOST_TICKS * tick:.6g} s, {MOST_TICKS} ticks")
    return ticks


def _read_first(params: LiveParams, tick: float, until: int) -> int:
    first = count_ticks(params.from_s, tick, "from_s")
    if first > until:
        raise FieldError("from_s", f"at most {until * tick:.6g} s, the end")
    return first


def _plan(raw: Json, tick: float, method: str, place: str = "scene") -> tuple["Scene", "Clock"]:
    """Read a scene and plan its clock; the parts that are read last are kept."""
    with _naming(place):
        scene, clock = _read_scene(json.dumps(raw, sort_keys=True), tick, method)
    if scene.problem.domain.cell_count > MOST_CELLS:
        raise FieldError("cells", f"at most {MOST_CELLS} in all")
    return scene, clock


@lru_cache(maxsize=KEPT_SCENES)
def _read_scene(text: str, tick: float, method: str) -> tuple["Scene", "Clock"]:
    from grid.engine.live import Scene, plan_clock

    scene = Scene.from_json(json.loads(text))
    return scene, plan_clock(scene, tick, method=method)


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Let the engine's errors name the field of the parameters that they are about."""
    try:
        yield
    except InvalidFieldsError as error:
        moved = tuple(FieldError(f"{place}.{one.field}", one.limit) for one in error.errors[:MOST_ERRORS])
        raise InvalidFieldsError(moved) from error
    except FieldError as error:
        raise FieldError(f"{place}.{error.field}", error.limit) from error


def _find_scene(log: Json, header: Json, scenarios: Mapping[str, Scenario]) -> Json:
    """Return the scene of a log: its own, or that of the scenario that it names."""
    scene = log.get("scene", header.get("scene"))
    if isinstance(scene, dict):
        return scene
    name = header.get("scenario")
    if scene is not None or not isinstance(name, str):
        raise FieldError("log.scene", "an object, or log.header.scenario the name of one")
    scenario = find_scenario(name, scenarios, "log.header.scenario")
    given = read_scenario_params(scenario, header.get("params") or {}, "log.header.params")
    cells = header.get("cells")
    if cells is not None and not (isinstance(cells, list) and all(isinstance(one, int) for one in cells)):
        raise FieldError("log.header.cells", "whole numbers")
    return scenario.scene(given, scenario.cells if cells is None else tuple(cells))


def _read_tick(raw: object) -> float:
    try:
        tick = float(raw) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else math.nan
    except (ValueError, OverflowError):
        tick = math.nan
    if not math.isfinite(tick):
        raise FieldError("log.header.tick_s", "a number of seconds")
    return tick


def _read_text(raw: Json, name: str, *, default: str) -> str:
    value = raw.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise FieldError(f"log.header.{name}", "a text")
    return value


def _read_list(raw: Json, name: str, place: str, most: int) -> Sequence[Any]:
    value = raw.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > most:
        raise FieldError(f"{place}.{name}", f"a list of at most {most}")
    return value


def _read_record(log: Json, header: Json) -> Record:
    checks = [
        _read_check(raw, f"log.checks[{index}]")
        for index, raw in enumerate(_read_list(log, "checks", "log", MOST_CHECKS))
    ]
    end = log.get("end")
    if end is not None:
        checks.append(_read_check(end, "log.end", is_end=True))
    events = tuple(
        _read_event(raw, f"log.events[{index}]")
        for index, raw in enumerate(_read_list(log, "events", "log", MOST_EVENTS))
    )
    kinds = header.get("event_kinds", [])
    if not isinstance(kinds, list) or not all(kind in COMPARED_KINDS for kind in kinds):
        raise FieldError("log.header.event_kinds", f"some of {', '.join(COMPARED_KINDS)}")
    texts = {name: header.get(name) for name in ("spec_hash", "numerics_version", "platform")}
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise FieldError(f"log.header.{name}", "a text")
    ordered = tuple(sorted(checks, key=lambda check: (check.tick, check.is_end)))
    return Record(**texts, kinds=frozenset(kinds), events=events, checks=ordered, end=checks[-1].tick if end else None)


def _read_check(raw: object, place: str, *, is_end: bool = False) -> Check:
    if not isinstance(raw, dict):
        raise FieldError(place, "an object")
    tick, sha256 = raw.get("tick"), raw.get("field_sha256")
    if isinstance(tick, bool) or not isinstance(tick, int) or not 0 <= tick <= MOST_TICKS:
        raise FieldError(f"{place}.tick", f"a whole number from 0 to {MOST_TICKS}")
    if sha256 is not None and not (isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= HEX):
        raise FieldError(f"{place}.field_sha256", "64 hexadecimal digits")
    metrics: dict[str, float] = {}
    for name in CHECKED:
        value = raw.get(name)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise FieldError(f"{place}.{name}", "a number")
            metrics[name] = float(value)
    return Check(tick, sha256, metrics, is_end)


def _read_event(raw: object, place: str) -> tuple[int, str, str, str]:
    match raw:
        case [int(tick), str(kind), str(key), str(digest)] if kind in COMPARED_KINDS and len(digest) == DIGEST:
            return tick, kind, key, digest
    kinds = ", ".join(COMPARED_KINDS)
    raise FieldError(place, f"[tick, kind, key, digest of {DIGEST} digits], the kind one of {kinds}")
