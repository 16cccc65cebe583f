"""Calls about live runs, as values; see `grid.client.calls`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack

import httpx
from pydantic import TypeAdapter

from grid.client.calls import API, Call, Id, model
from grid.schemas.live import ModelPolicy, OverloadPolicy
from grid.schemas.wire.live import (
    AcceptedOut,
    LiveCommandList,
    LiveCommandOut,
    LiveEventList,
    LiveRunOut,
    LiveRunPage,
    PricedRunOut,
)
from grid.schemas.wire.live_metrics import CheckpointList, MetricHistoryOut, MetricsOut, RulesOut
from grid.schemas.wire.scenarios import ScenarioList, ScenarioOut

RUNS = f"{API}/engine/runs"
Speed = float | Literal["max"]
Event = Mapping[str, Any]
_ACCEPTED = TypeAdapter(list[AcceptedOut])


class RunRequest(TypedDict, total=False):
    """Fields of a live run beside its scenario; None leaves one to the server."""

    params: Mapping[str, Any] | None  # of the scenario
    cells: Sequence[int] | None
    scene: Mapping[str, Any] | None  # in place of a scenario: `case`, and `structure`
    tick_s: str | None  # simulated time of a tick [s]
    rate: float | None  # ticks a second at speed 1
    speed: Speed | None
    method: str | None
    model: ModelPolicy | None
    policy: OverloadPolicy | None  # what it may leave out where it cannot keep its pace
    seed: int | None
    threads: int | None
    paused: bool | None
    name: str | None


class Span(TypedDict, total=False):
    """A part of the history of metrics."""

    first_tick: int  # default: 0
    last_tick: int | None  # default: the newest
    points: int | None  # rows that are wanted at least
    metrics: Sequence[str]  # names; default: all


def start_run(
    scenario: str | None = None, *, key: str | None = None, **request: Unpack[RunRequest]
) -> Call[LiveRunOut]:
    """Start a live run of a scenario, or of a `scene`; under one `key` once."""
    return Call("POST", RUNS, model(LiveRunOut), body=_body(scenario, request), headers=_key(key))


def price_run(scenario: str | None = None, **request: Unpack[RunRequest]) -> Call[PricedRunOut]:
    """Validate and price a live run, and start nothing."""
    return Call("POST", RUNS, model(PricedRunOut), query={"dry_run": "true"}, body=_body(scenario, request))


def list_runs(
    *,
    status: str | Sequence[str] | None = None,
    page: int | None = None,
    size: int | None = None,
    after: Id | None = None,
    limit: int | None = None,
) -> Call[LiveRunPage]:
    """List live runs, newest first: a page (`page`, `size`), or what is behind a cursor (`after`, `limit`)."""
    query = {"status": status, "page": page, "size": size, "limit": limit, "after": str(after) if after else None}
    return Call("GET", RUNS, model(LiveRunPage), query=query)


def get_run(run_id: Id) -> Call[LiveRunOut]:
    """Show one live run."""
    return Call("GET", f"{RUNS}/{run_id}", model(LiveRunOut))


def purge_run(run_id: Id) -> Call[None]:
    """Remove a live run that has ended, with everything that is stored about it."""
    return Call("POST", f"{RUNS}/{run_id}/purge", _nothing)


# --- commands: under one `key` each acts once ---


def stop_run(run_id: Id, *, key: str | None = None) -> Call[AcceptedOut]:
    """Stop a live run."""
    return _command("POST", run_id, "stop", key=key)


def pause_run(run_id: Id, *, key: str | None = None) -> Call[AcceptedOut]:
    """Pause a live run."""
    return _command("POST", run_id, "pause", key=key)


def resume_run(run_id: Id, *, key: str | None = None) -> Call[AcceptedOut]:
    """Let a paused live run go on."""
    return _command("POST", run_id, "resume", key=key)


def step_run(run_id: Id, ticks: int = 1, *, key: str | None = None) -> Call[AcceptedOut]:
    """Advance a paused live run by so many ticks."""
    return _command("POST", run_id, "step", {"ticks": ticks}, key=key)


def set_speed(run_id: Id, speed: Speed, *, key: str | None = None) -> Call[AcceptedOut]:
    """Change how fast a live run goes."""
    return _command("PUT", run_id, "speed", {"speed": speed}, key=key)


def set_model(run_id: Id, policy: str, *, key: str | None = None) -> Call[AcceptedOut]:
    """Choose the model: `auto`, `lumped` or `diffusive`."""
    return _command("PUT", run_id, "model", {"model": policy}, key=key)


def set_rules(
    run_id: Id, rules: Sequence[Mapping[str, Any]], *, version: int | None = None, key: str | None = None
) -> Call[AcceptedOut]:
    """Replace the alert rules of a live run; with `version` only where nobody has changed them since."""
    body = {"rules": [dict(rule) for rule in rules]}
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return _command("PUT", run_id, "rules", body, key=key, headers=headers)


def add_checkpoint(run_id: Id, *, key: str | None = None) -> Call[AcceptedOut]:
    """Store the state of a live run at the next boundary, and keep it."""
    return _command("POST", run_id, "checkpoints", key=key)


def inject_event(
    run_id: Id, event: Event, *, at_s: float | None = None, client_id: str | None = None
) -> Call[AcceptedOut]:
    """Inject an event, as soon as can be or at a simulated time [s]; under one client id once."""
    return _command("POST", run_id, "events", make_event(event, at_s, client_id))


def inject_events(run_id: Id, events: Sequence[Event]) -> Call[list[AcceptedOut]]:
    """Inject up to 50 events, all of them or none; each may have its `at_s` and `client_id`."""
    body = [dict(event) for event in events]
    return Call("POST", f"{RUNS}/{run_id}/events", _read_accepted, body=body)


def end_event(run_id: Id, seq: int, *, key: str | None = None) -> Call[AcceptedOut]:
    """End an event at the next boundary."""
    return _command("DELETE", run_id, f"events/{seq}", key=key)


# --- what happened, and what is ---


def list_events(
    run_id: Id, *, after: int = 0, limit: int | None = None, kind: str | Sequence[str] | None = None
) -> Call[LiveEventList]:
    """List what happened in a live run, behind a number."""
    query = {"after": after, "limit": limit, "kind": kind}
    return Call("GET", f"{RUNS}/{run_id}/events", model(LiveEventList), query=query)


def list_commands(run_id: Id, *, after: int = 0, limit: int | None = None) -> Call[LiveCommandList]:
    """List the commands of a live run, behind a number."""
    return Call("GET", f"{RUNS}/{run_id}/commands", model(LiveCommandList), query={"after": after, "limit": limit})


def get_command(run_id: Id, seq: int) -> Call[LiveCommandOut]:
    """Show one command, and what became of it."""
    return Call("GET", f"{RUNS}/{run_id}/commands/{seq}", model(LiveCommandOut))


def get_log(run_id: Id) -> Call[str]:
    """Return the log of a live run as lines of JSON: the input of a replay."""
    return Call("GET", f"{RUNS}/{run_id}/commands", _text, query={"format": "ndjson"})


def get_rules(run_id: Id) -> Call[RulesOut]:
    """Show the alert rules of a live run, and their version."""
    return Call("GET", f"{RUNS}/{run_id}/rules", model(RulesOut))


def list_checkpoints(run_id: Id) -> Call[CheckpointList]:
    """List the snapshots of a live run, the newest first."""
    return Call("GET", f"{RUNS}/{run_id}/checkpoints", model(CheckpointList))


def get_metrics(run_id: Id) -> Call[MetricsOut]:
    """Show the newest metrics of a live run, with their age."""
    return Call("GET", f"{RUNS}/{run_id}/metrics", model(MetricsOut))


def get_history(run_id: Id, **span: Unpack[Span]) -> Call[MetricHistoryOut]:
    """Show metrics over a span of ticks, from the coarsest rows that are as many as `points`."""
    return Call("GET", f"{RUNS}/{run_id}/metrics/history", model(MetricHistoryOut), query=_span_query(span))


def get_history_csv(run_id: Id, **span: Unpack[Span]) -> Call[str]:
    """Return the same as CSV."""
    query = _span_query(span) | {"format": "csv"}
    return Call("GET", f"{RUNS}/{run_id}/metrics/history", _text, query=query)


def list_scenarios() -> Call[ScenarioList]:
    """List the scenarios that the server offers."""
    return Call("GET", f"{API}/scenarios", model(ScenarioList))


def get_scenario(name: str) -> Call[ScenarioOut]:
    """Show one scenario: its parameters, events, rules, and what will happen."""
    return Call("GET", f"{API}/scenarios/{name}", model(ScenarioOut))


def make_event(event: Event, at_s: float | None, client_id: str | None) -> dict[str, Any]:
    """Return an event with its time and its name, where they are given."""
    beside = {"at_s": at_s, "client_id": client_id}
    return {**event, **{name: value for name, value in beside.items() if value is not None}}


def _command(
    method: str,
    run_id: Id,
    path: str,
    body: Any = None,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Call[AcceptedOut]:
    headers = {**(headers or {}), **_key(key)}
    return Call(method, f"{RUNS}/{run_id}/{path}", model(AcceptedOut), body=body, headers=headers)


def _body(scenario: str | None, request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {"scenario": scenario, **request}.items() if value is not None}


def _span_query(span: Mapping[str, Any]) -> dict[str, Any]:
    names = {"first_tick": "from", "last_tick": "to", "points": "points", "metrics": "metric"}
    return {names[name]: value for name, value in span.items() if value not in (None, (), [])}


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}


def _nothing(_response: httpx.Response) -> None:
    return None


def _text(response: httpx.Response) -> str:
    return response.text


def _read_accepted(response: httpx.Response) -> list[AcceptedOut]:
    return _ACCEPTED.validate_json(response.content)
