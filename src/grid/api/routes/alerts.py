"""Alerts: list, explain, acknowledge."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from grid.api.alert_presenting import present_alert, present_explained
from grid.api.dependencies import FromDishka, Router
from grid.api.listing import ById
from grid.api.presenting import place_members
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.database.uow import UnitOfWork
from grid.schemas.alerts import AlertState, SeverityName
from grid.schemas.wire.alerts import AcknowledgeIn, AlertOut, AlertPage, ExplainedAlertOut
from grid.services.alerts import alerts

router = Router(prefix="/alerts", tags=["alerts"], about="What rules say of live runs")


@router.get("", responses=problems(403))
def list_alerts(
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    window: ById,
    state: Annotated[list[AlertState] | None, Query(description="Only alerts in this state; repeatable")] = None,
    run: Annotated[UUID | None, Query(description="Only of this run")] = None,
    severity: Annotated[list[SeverityName] | None, Query(description="Only of this severity; repeatable")] = None,
) -> AlertPage:
    """List alerts, newest first; those that are inhibited or silenced are among them, and say by what."""
    found = alerts.list_alerts(
        uow, window, owner_id=owner_id, states=state or (), run_id=run, severities=severity or ()
    )
    return AlertPage(items=[present_alert(alert) for alert in found.items], **place_members(found))


@router.get("/{alert_id}", responses=problems(403, 404))
def get_alert(alert_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> ExplainedAlertOut:
    """Show one alert: its transitions, its rule, and why it is as it is."""
    return present_explained(alerts.get_alert(uow, owner_id=owner_id, alert_id=alert_id))


@router.post("/{alert_id}/acknowledge", responses=problems(403, 404, 409))
def acknowledge_alert(
    alert_id: UUID, user: CurrentUser, owner_id: Owner, uow: FromDishka[UnitOfWork], body: AcknowledgeIn | None = None
) -> AlertOut:
    """Say that somebody looks after an alert, so that it is not told again. 409 where it has ended."""
    note = body.note if body is not None else None
    return present_alert(
        alerts.acknowledge_alert(uow, actor_id=user.id, owner_id=owner_id, alert_id=alert_id, note=note)
    )
