"""Metrics of live runs: the newest, and their history."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import StreamingResponse

from grid.api.dependencies import FromDishka, Router
from grid.api.metric_presenting import choose_metrics, present_history, present_metrics, write_history
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.core.errors import FieldError
from grid.database.uow import UnitOfWork
from grid.schemas.wire.live_metrics import MAX_POINTS, MetricHistoryOut, MetricsOut
from grid.services import live

router = Router(prefix="/engine/runs", tags=["live runs"])

POINTS = 300  # rows of an answer that names no number
MOST_TICK = 2**53
Tick = Annotated[int, Query(ge=0, le=MOST_TICK)]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get("/{run_id}/metrics", responses=problems(403, 404))
def get_metrics(run_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> MetricsOut:
    """Show the newest metrics of a run with its state, its model, and the age of what is shown."""
    return present_metrics(live.read_newest(uow, owner_id=owner_id, run_id=run_id))


@router.get("/{run_id}/metrics/history", response_model=MetricHistoryOut, responses={**_CSV, **problems(403, 404)})
def get_metric_history(
    run_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    first_tick: Annotated[Tick, Query(alias="from", description="The first tick")] = 0,
    last_tick: Annotated[Tick | None, Query(alias="to", description="The last tick; default: the newest")] = None,
    points: Annotated[int, Query(ge=1, le=MAX_POINTS, description="Rows that are wanted at least")] = POINTS,
    metric: Annotated[
        list[Annotated[str, Field(max_length=32)]] | None, Query(description="Repeatable; default: all")
    ] = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002
) -> MetricHistoryOut | StreamingResponse:
    """Show metrics over a span of ticks: least, largest, mean and last value, so that no peak is lost.

    The answer comes from the coarsest rows that are as many as was asked for, joined with finer or coarser ones where
    the run had another speed; each says which ticks it covers.
    """
    names = choose_metrics(metric or ())
    if last_tick is not None and last_tick < first_tick:
        raise FieldError("to", "must be at least from")
    run, _ = live.get_run(uow, owner_id=owner_id, run_id=run_id)
    history = live.read_history(
        uow, owner_id=owner_id, run_id=run_id, points=points, first_tick=first_tick, last_tick=last_tick
    )
    if format == "csv":
        disposition = {"Content-Disposition": f'attachment; filename="{run_id}.csv"'}
        return StreamingResponse(write_history(run.tick_s, history, names), media_type="text/csv", headers=disposition)
    return present_history(run_id, run.tick_s, history, names)
