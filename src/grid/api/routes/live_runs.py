"""Live runs: start, list, show, steer, and the commands and events of each."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Header, Path, Query, Response
from fastapi import status as http_status
from pydantic import Field
from starlette.responses import StreamingResponse

from grid.api.dependencies import FromDishka, Router
from grid.api.listing import ById
from grid.api.live_presenting import (
    EventBody,
    present_accepted,
    present_command,
    present_event,
    present_price,
    present_run,
    read_events,
    read_spec,
)
from grid.api.presenting import place_members
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind, RunState
from grid.schemas.wire.live import (
    AcceptedOut,
    LiveCommandList,
    LiveCommandOut,
    LiveEventList,
    LiveRunIn,
    LiveRunOut,
    LiveRunPage,
    PricedRunOut,
    SpeedIn,
    StepIn,
)
from grid.services import live
from grid.services.live import AcceptedCommand, CommandRequest, LiveCommandService, LiveSubmissionService
from grid.services.ports import ArtifactStore
from grid.services.sessions import Principal
from grid.services.submission_store import IdempotencyKey

router = Router(prefix="/engine/runs", tags=["live runs"], about="Simulations that run in real time")

MOST_ROWS = 500  # of one answer
ACCEPTED = http_status.HTTP_202_ACCEPTED
Key = Annotated[str | None, Header(description="A key of your own; the same request under the same key acts once")]
Rows = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most rows")]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="Rows behind this number")]
Seq = Annotated[int, Path(ge=1, lt=2**31)]
_NDJSON: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}
_COMMAND = problems(403, 404, 409, 413, 422, 429, 507)


@router.post(
    "",
    status_code=ACCEPTED,
    response_model=LiveRunOut | PricedRunOut,
    responses={200: {"model": PricedRunOut}, **problems(409, 410, 413, 422, 429, 507)},
)
def start_run(
    body: LiveRunIn,
    user: CurrentUser,
    service: FromDishka[LiveSubmissionService],
    response: Response,
    dry_run: Annotated[bool, Query(description="Validate and price it, and start nothing")] = False,
    idempotency_key: Key = None,
) -> LiveRunOut | PricedRunOut:
    """Start a live run of a scenario or of a scene. Accepted means stored; a worker takes it as soon as it has room."""
    if dry_run:
        response.status_code = http_status.HTTP_200_OK
        return present_price(service.price(read_spec(body)))
    key = IdempotencyKey.of(idempotency_key, body.model_dump_json().encode()) if idempotency_key is not None else None
    return present_run(service.submit(user.id, read_spec(body), key))


@router.get("", responses=problems(403))
def list_runs(
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    window: ById,
    status: Annotated[list[RunState] | None, Query(description="Only runs in this state; repeatable")] = None,
) -> LiveRunPage:
    """List live runs, newest first."""
    found = live.list_runs(uow, window, owner_id=owner_id, states=status or ())
    return LiveRunPage(items=[present_run(run) for run in found.items], **place_members(found))


@router.get("/{run_id}", responses=problems(403, 404))
def get_run(run_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> LiveRunOut:
    """Show one live run: its state and why, tick, speed, price, and where its bytes hold."""
    return present_run(*live.get_run(uow, owner_id=owner_id, run_id=run_id))


@router.delete("/{run_id}", status_code=ACCEPTED, responses=_COMMAND)
def cancel_run(
    run_id: UUID,
    user: CurrentUser,
    owner_id: Owner,
    service: FromDishka[LiveCommandService],
    response: Response,
    idempotency_key: Key = None,
) -> AcceptedOut:
    """Stop a run, as `POST /engine/runs/{id}/stop` does."""
    return _send(service, CommandKind.STOP, {}, user, owner_id, run_id, response, idempotency_key)


@router.post("/{run_id}/stop", status_code=ACCEPTED, responses=_COMMAND)
def stop_run(
    run_id: UUID, user: CurrentUser, owner_id: Owner, service: FromDishka[LiveCommandService], response: Response,
    idempotency_key: Key = None,
) -> AcceptedOut:  # fmt: skip
    """Stop a run: at once where no worker has it, else at the next boundary, with its result. 409 where it ends."""
    return _send(service, CommandKind.STOP, {}, user, owner_id, run_id, response, idempotency_key)


@router.post("/{run_id}/pause", status_code=ACCEPTED, responses=_COMMAND)
def pause_run(
    run_id: UUID, user: CurrentUser, owner_id: Owner, service: FromDishka[LiveCommandService], response: Response,
    idempotency_key: Key = None,
) -> AcceptedOut:  # fmt: skip
    """Pause a run at the next boundary."""
    return _send(service, CommandKind.PAUSE, {}, user, owner_id, run_id, response, idempotency_key)


@router.post("/{run_id}/resume", status_code=ACCEPTED, responses=_COMMAND)
def resume_run(
    run_id: UUID, user: CurrentUser, owner_id: Owner, service: FromDishka[LiveCommandService], response: Response,
    idempotency_key: Key = None,
) -> AcceptedOut:  # fmt: skip
    """Let a paused run go on; a parked one waits for a worker first."""
    return _send(service, CommandKind.RESUME, {}, user, owner_id, run_id, response, idempotency_key)


@router.post("/{run_id}/step", status_code=ACCEPTED, responses=_COMMAND)
def step_run(
    run_id: UUID, body: StepIn, user: CurrentUser, owner_id: Owner, service: FromDishka[LiveCommandService],
    response: Response, idempotency_key: Key = None,
) -> AcceptedOut:  # fmt: skip
    """Advance a paused run by so many ticks; then it is paused again."""
    payload = {"ticks": body.ticks}
    return _send(service, CommandKind.STEP, payload, user, owner_id, run_id, response, idempotency_key)


@router.put("/{run_id}/speed", status_code=ACCEPTED, responses=_COMMAND)
def set_speed(
    run_id: UUID, body: SpeedIn, user: CurrentUser, owner_id: Owner, service: FromDishka[LiveCommandService],
    response: Response, idempotency_key: Key = None,
) -> AcceptedOut:  # fmt: skip
    """Change how fast a run goes; its physics does not depend on it."""
    payload = {"speed": body.speed}
    return _send(service, CommandKind.SPEED, payload, user, owner_id, run_id, response, idempotency_key)


@router.post(
    "/{run_id}/events", status_code=ACCEPTED, response_model=AcceptedOut | list[AcceptedOut], responses=_COMMAND
)
def inject_events(
    run_id: UUID,
    body: Annotated[EventBody, Body(description="One event or up to 50, each with `client_id` and `at_s` if wanted")],
    user: CurrentUser,
    owner_id: Owner,
    service: FromDishka[LiveCommandService],
    response: Response,
    idempotency_key: Key = None,
) -> AcceptedOut | list[AcceptedOut]:
    """Inject an event, such as a burst, or several: all of them or none. Accepted means stored, in this order."""
    requests = read_events(body, idempotency_key)
    answers = service.accept(requests, actor_id=user.id, owner_id=owner_id, run_id=run_id)
    _mark(response, answers)
    found = [present_accepted(run_id, answer) for answer in answers]
    return found if isinstance(body, list) else found[0]


@router.delete("/{run_id}/events/{seq}", status_code=ACCEPTED, responses=_COMMAND)
def end_event(
    run_id: UUID, seq: Seq, user: CurrentUser, owner_id: Owner,
    service: FromDishka[LiveCommandService], response: Response, idempotency_key: Key = None,
) -> AcceptedOut:  # fmt: skip
    """End an event at the next boundary."""
    return _send(service, CommandKind.END_EVENT, {"seq": seq}, user, owner_id, run_id, response, idempotency_key)


@router.get("/{run_id}/events", responses=problems(403, 404))
def list_events(
    run_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork], after: After = 0, limit: Rows = 100,
    kind: Annotated[list[Annotated[str, Field(max_length=32)]] | None, Query(description="Repeatable")] = None,
) -> LiveEventList:  # fmt: skip
    """List what happened in a run, in the order of its numbers, which have no gaps."""
    rows = live.read_events(uow, owner_id=owner_id, run_id=run_id, after=after, limit=limit + 1, kinds=kind or ())
    following = rows[limit - 1].n if len(rows) > limit else None
    return LiveEventList(items=[present_event(event) for event in rows[:limit]], next=following)


@router.get("/{run_id}/commands", response_model=LiveCommandList, responses={**_NDJSON, **problems(403, 404)})
def list_commands(
    run_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    after: After = 0,
    limit: Rows = 100,
    format: Annotated[Literal["json", "ndjson"], Query(description="ndjson: the log, for a replay")] = "json",  # noqa: A002
) -> LiveCommandList | StreamingResponse:
    """List the commands of a run in the order of their numbers; `format=ndjson` is the whole input of a replay."""
    if format == "ndjson":
        lines = live.export_log(uow, owner_id=owner_id, run_id=run_id)
        disposition = {"Content-Disposition": f'attachment; filename="{run_id}.ndjson"'}
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=disposition)
    rows = live.read_commands(uow, owner_id=owner_id, run_id=run_id, after=after, limit=limit + 1)
    following = rows[limit - 1].seq if len(rows) > limit else None
    return LiveCommandList(items=[present_command(row) for row in rows[:limit]], next=following)


@router.get("/{run_id}/commands/{seq}", responses=problems(403, 404))
def get_command(run_id: UUID, seq: Seq, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> LiveCommandOut:
    """Show one command, and what became of it."""
    return present_command(live.get_command(uow, owner_id=owner_id, run_id=run_id, seq=seq))


@router.post("/{run_id}/purge", status_code=http_status.HTTP_204_NO_CONTENT, responses=problems(403, 404, 409, 507))
def purge_run(
    run_id: UUID, user: CurrentUser, owner_id: Owner, uow: FromDishka[UnitOfWork], store: FromDishka[ArtifactStore]
) -> None:
    """Remove a run that has ended, with its commands, events, samples and snapshots. This cannot be undone."""
    live.purge_run(uow, store, actor_id=user.id, owner_id=owner_id, run_id=run_id)


def _send(
    service: LiveCommandService, kind: CommandKind, payload: JsonObject, user: Principal, owner_id: UUID | None,
    run_id: UUID, response: Response, name: str | None,
) -> AcceptedOut:  # fmt: skip
    answers = service.accept([CommandRequest(kind, payload, name)], actor_id=user.id, owner_id=owner_id, run_id=run_id)
    _mark(response, answers)
    return present_accepted(run_id, answers[0])


def _mark(response: Response, answers: Sequence[AcceptedCommand]) -> None:
    """Say where nothing was stored because everything had been stored before."""
    if all(answer.is_repeated for answer in answers):
        response.headers["Idempotent-Replayed"] = "true"
