"""Records of live runs as the wire models of the answer, and bodies of requests as commands."""

import hashlib
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from grid.api.presenting import API
from grid.core.errors import FieldError
from grid.database.live_commands import LiveCommandRecord
from grid.database.live_events import LiveEventRecord
from grid.database.live_runs import LiveRunRecord
from grid.database.live_snapshots import SnapshotRecord
from grid.schemas.live import CommandKind, RunSpec
from grid.schemas.scenarios import Scenario
from grid.schemas.wire.live import (
    MAX_EVENTS,
    AcceptedOut,
    LiveCommandOut,
    LiveEventOut,
    LiveRunIn,
    LiveRunOut,
    PricedRunOut,
)
from grid.schemas.wire.live_metrics import CheckpointOut
from grid.schemas.wire.scenarios import ExpectationOut, ScenarioOut, ScenarioSummary
from grid.services.live import AcceptedCommand, CommandRequest, PricedRun, describe_run
from grid.services.live.commands import naming

LONGEST_KEY = 250  # characters that leave room for the place of an event in a client id
EventBody = dict[str, JsonValue] | list[dict[str, JsonValue]]


def read_spec(body: LiveRunIn) -> RunSpec:
    """Return what a body asks for."""
    return RunSpec(
        scenario=body.scenario,
        params=dict(body.params),
        cells=tuple(body.cells) if body.cells is not None else None,
        scene=dict(body.scene) if body.scene is not None else None,
        tick_s=body.tick_s,
        rate=body.rate,
        speed=None if body.speed == "max" else float(body.speed),
        method=body.method,
        model=body.model,
        policy=body.policy,
        seed=body.seed,
        threads=body.threads,
        is_paused=body.paused,
        name=body.name,
    )


def read_events(body: EventBody, idempotency_key: str | None) -> list[CommandRequest]:
    """Return one event, or several, as commands. An event without a client id is named by the key of the request.

    Raises:
        FieldError: Their number, or a name or time beside an event, is outside its limits.
    """
    events = body if isinstance(body, list) else [body]
    if not 1 <= len(events) <= MAX_EVENTS:
        raise FieldError("events", f"must be 1 to {MAX_EVENTS}")
    if not isinstance(body, list) or idempotency_key is None:
        names = [idempotency_key] * len(events)
    else:
        key = (
            idempotency_key
            if len(idempotency_key) <= LONGEST_KEY
            else hashlib.sha256(idempotency_key.encode()).hexdigest()
        )
        names = [f"{key}:{index}" for index in range(len(events))]
    found = []
    for index, (event, name) in enumerate(zip(events, names, strict=True)):
        with naming(index, len(events)):
            found.append(_read_event(event, name))
    return found


def _read_event(event: dict[str, JsonValue], name: str | None) -> CommandRequest:
    payload = dict(event)
    client_id, at_s = payload.pop("client_id", name), payload.pop("at_s", None)
    if client_id is not None and not isinstance(client_id, str):
        raise FieldError("client_id", "must be text")
    if at_s is not None and (isinstance(at_s, bool) or not isinstance(at_s, int | float)):
        raise FieldError("at_s", "must be a number")
    return CommandRequest(CommandKind.EVENT, payload, client_id, None if at_s is None else float(at_s))


def present_run(run: LiveRunRecord, position: int | None = None) -> LiveRunOut:
    """Return a live run as its owner sees it."""
    names = (
        "id", "name", "reason", "scenario", "wanted", "speed", "rules_version", "tick", "time_s", "tick_s", "rate",
        "steps_per_tick", "method", "price_s", "load_share", "seed", "spec_hash", "numerics_version", "platform",
        "parent_id", "parent_tick", "dropped_events", "losses", "epoch", "created_at", "started_at", "finished_at",
        "sampled_at",
    )  # fmt: skip
    values: dict[str, Any] = {name: getattr(run, name) for name in names}
    return LiveRunOut(
        **values,
        **(run.body or {}),
        status=run.state,
        message=describe_run(run, position=position),
        model=run.model_policy,
        policy=run.overload_policy,
        activity=run.activity,
        commands=run.next_seq - 1,
        events=run.next_event - 1,
    )


def present_price(priced: PricedRun) -> PricedRunOut:
    """Return what a run would be."""
    planned = priced.planned
    return PricedRunOut(
        method=planned.method,
        steps_per_tick=planned.steps_per_tick,
        tick_s=planned.tick_s,
        rate=planned.rate,
        cells=planned.cells,
        price_s=planned.price_s,
        memory_bytes=planned.memory_bytes,
        load_share=priced.load_share,
        largest_rate=priced.largest_rate,
        place_in_queue=priced.place_in_queue,
    )


def present_command(command: LiveCommandRecord) -> LiveCommandOut:
    """Return a command as the run's owner sees it."""
    values = {name: value for name, value in vars(command).items() if name not in {"run_id", "fingerprint", "actor_id"}}
    return LiveCommandOut(**values, by=command.actor_id)


def present_event(event: LiveEventRecord) -> LiveEventOut:
    """Return an event as the run's owner sees it."""
    return LiveEventOut(**{name: value for name, value in vars(event).items() if name not in {"run_id", "key"}})


def present_accepted(run_id: UUID, answer: AcceptedCommand) -> AcceptedOut:
    """Return the answer to a command."""
    return AcceptedOut(run=run_id, seq=answer.seq, client_id=answer.client_id)


def present_checkpoint(run: LiveRunRecord, snapshot: SnapshotRecord) -> CheckpointOut:
    """Return a snapshot as the run's owner sees it."""
    names = ("id", "tick", "kind", "pinned", "bytes", "sha256", "created_at")
    values: dict[str, Any] = {name: getattr(snapshot, name) for name in names}
    return CheckpointOut(**values, time_s=snapshot.tick * float(run.tick_s))


def summarise_scenario(scenario: Scenario) -> ScenarioSummary:
    """Return one line of the list."""
    return ScenarioSummary(
        name=scenario.name,
        title=scenario.title,
        axes=list(scenario.axes),
        cells=list(scenario.cells),
        link=f"{API}/scenarios/{scenario.name}",
    )


def present_scenario(scenario: Scenario) -> ScenarioOut:
    """Return a scenario with its parameter schema, and what it shows with their defaults."""
    params, timing = scenario.params_model(), scenario.timing(scenario.params_model())
    return ScenarioOut(
        **summarise_scenario(scenario).model_dump(),
        description=scenario.description,
        picture=f"{scenario.name}.png",
        parameters=scenario.params_model.model_json_schema(),
        defaults=params.model_dump(mode="json"),
        tick_s=timing.tick_s,
        rate=timing.rate,
        length_s=timing.length_s,
        events=list(scenario.events(params)),
        rules=list(scenario.rules(params)),
        expected=[ExpectationOut(**{**vars(one), "at": list(one.at)}) for one in scenario.expected(params)],
    )
