"""Branches of live runs, and replays: the log of a run, or a span of it, carried out again as a job."""

from typing import Annotated
from uuid import UUID

from fastapi import Header
from fastapi import status as http_status

from grid.api.dependencies import FromDishka, Router
from grid.api.live_presenting import present_run
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.schemas.wire import SubmissionOut
from grid.schemas.wire.live import LiveRunOut
from grid.schemas.wire.live_replays import BranchIn, FreezeIn
from grid.services.live import BranchRequest, LiveBranchService
from grid.services.live.replays import LiveReplayService
from grid.services.mode_board import ModeBoard
from grid.services.submission_store import IdempotencyKey, SubmissionResult

router = Router(prefix="/engine/runs", tags=["live runs"])

ACCEPTED = http_status.HTTP_202_ACCEPTED
Key = Annotated[str | None, Header(description="A key of your own; the same request under the same key acts once")]
_SUBMISSION = problems(403, 404, 409, 413, 422, 429, 507)


@router.post("/{run_id}/replays", status_code=ACCEPTED, responses=_SUBMISSION)
def replay_run(
    run_id: UUID, user: CurrentUser, owner_id: Owner, service: FromDishka[LiveReplayService],
    idempotency_key: Key = None,
) -> SubmissionOut:  # fmt: skip
    """Submit a job that carries out the log of a run again, up to its end or to where it is now, and compares.

    The metric `verdict` of the job says `identical`, `within tolerance` or `different`.
    """
    key = _name(idempotency_key, f"replay {run_id}")
    return _present(service.replay(actor_id=user.id, owner_id=owner_id, run_id=run_id, idempotency=key))


@router.post("/{run_id}/freeze", status_code=ACCEPTED, responses=_SUBMISSION)
def freeze_run(
    run_id: UUID, body: FreezeIn, user: CurrentUser, owner_id: Owner, service: FromDishka[LiveReplayService],
    idempotency_key: Key = None,
) -> SubmissionOut:  # fmt: skip
    """Submit a job with the course of a run between two times: its metrics, its events, and the field at the end."""
    key = _name(idempotency_key, f"freeze {run_id} {body.model_dump_json()}")
    result = service.replay(
        actor_id=user.id, owner_id=owner_id, run_id=run_id, from_s=body.from_s, to_s=body.to_s, kind="freeze",
        idempotency=key,
    )  # fmt: skip
    return _present(result)


@router.post("/{run_id}/branches", status_code=ACCEPTED, responses=_SUBMISSION)
def branch_run(
    run_id: UUID, body: BranchIn, user: CurrentUser, owner_id: Owner, service: FromDishka[LiveBranchService],
    board: FromDishka[ModeBoard], idempotency_key: Key = None,
) -> LiveRunOut:  # fmt: skip
    """Start a run that begins where another one was, at a boundary that it has passed; the other is not touched."""
    board.require_room()
    request = BranchRequest(
        at_tick=body.at_tick,
        snapshot_id=body.snapshot,
        keeps_commands=body.keep_commands,
        speed=float(body.speed) if isinstance(body.speed, int | float) else None,
        has_speed=body.speed is not None,
        is_paused=body.paused,
        name=body.name,
    )
    key = _name(idempotency_key, f"branch {run_id} {body.model_dump_json()}")
    return present_run(
        service.branch(request, actor_id=user.id, owner_id=owner_id, run_id=run_id, idempotency=key)
    )  # fmt: skip


def _name(key: str | None, request: str) -> IdempotencyKey | None:
    return None if key is None else IdempotencyKey.of(key, request.encode())


def _present(result: SubmissionResult) -> SubmissionOut:
    return SubmissionOut(jobs=list(result.job_ids), sweep_mapping=None)
