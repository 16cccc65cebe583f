"""Live runs: start, list, show, steer, and the commands and events of each."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Path, Query, Response
from fastapi import status as http_status
from pydantic import Field
from starlette.responses import StreamingResponse

from grid.api.dependencies import FromDishka, Router
from grid.api.listing import ById
from grid.api.live_commands import COMMAND_PROBLEMS, Commands, Key
from grid.api.live_presenting import (
    EventBody,
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
from grid.schemas.live import CommandKind, RunState
from grid.schemas.wire.live import (
    AcceptedOut,
    LiveCommandList,
    LiveCommandOut,
    LiveEventList,
    LiveRunIn,
    LiveRunOut,
    LiveRunPage,
    ModelIn,
    PricedRunOut,
    SpeedIn,
    StepIn,
)
from grid.services import live
from grid.services.live import LiveSubmissionService
from grid.services.mode_board import ModeBoard
from grid.services.ports import ArtifactStore
from grid.services.submission_store import IdempotencyKey

router = Router(prefix="/engine/runs", tags=["live runs"], about="Simulations that run in real time")

MOST_ROWS = 500  # of one answer
ACCEPTED = http_status.HTTP_202_ACCEPTED
Rows = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most rows")]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="Rows behind this number")]
Seq = Annotated[int, Path(ge=1, lt=2**31)]
_NDJSON: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}


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
    board: FromDishka[ModeBoard],
    response: Response,
    dry_run: Annotated[bool, Query(description="Validate and price it, and start nothing")] = False,
    idempotency_key: Key = None,
) -> LiveRunOut | PricedRunOut:
    """Start a live run of a scenario or of a scene. Accepted means stored; a worker takes it as soon as it has room."""
    if dry_run:
        response.status_code = http_status.HTTP_200_OK
        return present_price(service.price(read_spec(body)))
    board.require_room()
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


@router.delete("/{run_id}", status_code=ACCEPTED, responses=COMMAND_PROBLEMS)
def cancel_run(run_id: UUID, commands: Commands) -> AcceptedOut:
    """Stop a run, as `POST /engine/runs/{id}/stop` does."""
    return commands.send(run_id, CommandKind.STOP)


@router.post("/{run_id}/stop", status_code=ACCEPTED, responses=COMMAND_PROBLEMS)
def stop_run(run_id: UUID, commands: Commands) -> AcceptedOut:
    """Stop a run: at once where no worker has it, else at the next boundary, with its result. 409 where it ends."""
    return commands.send(run_id, CommandKind.STOP)


@router.post("/{run_id}/pause", status_code=ACCEPTED, responses=COMMAND_PROBLEMS)
def pause_run(run_id: UUID, commands: Commands) -> AcceptedOut:
    """Pause a run at the next boundary."""
    return commands.send(run_id, CommandKind.PAUSE)


@router.post("/{run_id}/resume", status_code=ACCEPTED, responses=COMMAND_PROBLEMS)
def resume_run(run_id: UUID, commands: Commands) -> AcceptedOut:
    """Let a paused run go on; a parked one waits for a worker first."""
    return commands.send(run_id, CommandKind.RESUME)


@router.post("/{run_id}/step", status_code=ACCEPTED, responses=COMMAND_PROBLEMS)
def step_run(run_id: UUID, body: StepIn, commands: Commands) -> AcceptedOut:
    """Advance a paused run by so many ticks; then it is paused again."""
    return commands.send(run_id, CommandKind.STEP, {"ticks": body.ticks})


@router.put("/{run_id}/speed", status_code=ACCEPTED, responses=COMMAND_PROBLEMS)
def set_speed(run_id: UUID, body: SpeedIn, commands: Commands) -> AcceptedOut:
    """Change how fast a run goes; its physics does not depend on it."""
    return commands.send(run_id, CommandKind.SPEED, {"speed": body.speed})


@router.put("/{run_id}/model", status_code=ACCEPTED, responses=COMMAND_PROBLEMS)
def set_model(run_id: UUID, body: ModelIn, commands: Commands) -> AcceptedOut:
    """Choose the model, or let the run choose; 409 for the lumped one where the scene holds a face at a temperature."""
    return commands.send(run_id, CommandKind.MODEL, {"model": body.model})


@router.post(
    "/{run_id}/events", status_code=ACCEPTED, response_model=AcceptedOut | list[AcceptedOut], responses=COMMAND_PROBLEMS
)
def inject_events(
    run_id: UUID,
    body: Annotated[EventBody, Body(description="One event or up to 50, each with `client_id` and `at_s` if wanted")],
    commands: Commands,
) -> AcceptedOut | list[AcceptedOut]:
    """Inject an event, such as a burst, or several: all of them or none. Accepted means stored, in this order."""
    answers = commands.send_all(run_id, read_events(body, commands.key))
    return answers if isinstance(body, list) else answers[0]


@router.delete("/{run_id}/events/{seq}", status_code=ACCEPTED, responses=COMMAND_PROBLEMS)
def end_event(run_id: UUID, seq: Seq, commands: Commands) -> AcceptedOut:
    """End an event at the next boundary."""
    return commands.send(run_id, CommandKind.END_EVENT, {"seq": seq})


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
