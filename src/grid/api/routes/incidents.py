"""Incidents: open, list, show, work, verify, export."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query, Response
from fastapi import status as http_status
from fastapi.responses import JSONResponse

from grid.api.alert_presenting import present_entry, present_incident, present_incident_summary
from grid.api.dependencies import FromDishka, Router
from grid.api.listing import ById
from grid.api.presenting import place_members
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.database.uow import UnitOfWork
from grid.schemas.alerts import IncidentState
from grid.schemas.wire import SubmissionOut
from grid.schemas.wire.incidents import (
    AssignIn,
    IncidentAcknowledgeIn,
    IncidentIn,
    IncidentOut,
    IncidentPage,
    NoteIn,
    ResolveIn,
    StepIn,
    StepTakenOut,
    VerificationOut,
)
from grid.services.incidents.curve import read_curve
from grid.services.incidents.proof import export_json, export_markdown, verify_incident
from grid.services.incidents.replaying import replay_incident
from grid.services.incidents.working import IncidentService
from grid.services.live.replays import LiveReplayService

router = Router(prefix="/incidents", tags=["incidents"], about="What went wrong, and what was done about it")

_WORK = problems(403, 404, 409, 422)
_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/markdown": {"schema": {"type": "string"}}, "application/json": {"schema": {}}}}
}


@router.post("", status_code=http_status.HTTP_201_CREATED, responses=problems(403, 404, 422))
def open_incident(
    body: IncidentIn, user: CurrentUser, owner_id: Owner, service: FromDishka[IncidentService]
) -> IncidentOut:
    """Open an incident of a run by hand; the nearest snapshot before is pinned."""
    return present_incident(
        service.open(
            actor_id=user.id, owner_id=owner_id, run_id=body.run, title=body.title, severity=body.severity,
            runbook=body.runbook,
        )
    )  # fmt: skip


@router.get("", responses=problems(403))
def list_incidents(
    owner_id: Owner,
    service: FromDishka[IncidentService],
    window: ById,
    state: Annotated[list[IncidentState] | None, Query(description="Only incidents in this state; repeatable")] = None,
    run: Annotated[UUID | None, Query(description="Only of this run")] = None,
) -> IncidentPage:
    """List incidents, newest first."""
    found = service.list(window, owner_id=owner_id, states=tuple(state or ()), run_id=run)
    return IncidentPage(items=[present_incident_summary(one) for one in found.items], **place_members(found))


@router.get("/{incident_id}", responses=problems(403, 404))
def get_incident(incident_id: UUID, owner_id: Owner, service: FromDishka[IncidentService]) -> IncidentOut:
    """Show an incident with its timeline, its runbook, and the times to acknowledge and resolve."""
    return present_incident(service.get(owner_id=owner_id, incident_id=incident_id))


@router.post("/{incident_id}/notes", status_code=http_status.HTTP_201_CREATED, responses=_WORK)
def add_note(
    incident_id: UUID, body: NoteIn, user: CurrentUser, owner_id: Owner, service: FromDishka[IncidentService]
) -> IncidentOut:
    """Add a note. It is never edited: a wrong one is answered by another."""
    return present_incident(service.note(actor_id=user.id, owner_id=owner_id, incident_id=incident_id, text=body.text))


@router.post("/{incident_id}/acknowledge", responses=_WORK)
def acknowledge_incident(
    incident_id: UUID, user: CurrentUser, owner_id: Owner, service: FromDishka[IncidentService],
    body: IncidentAcknowledgeIn | None = None,
) -> IncidentOut:  # fmt: skip
    """Take an incident on; its alerts are acknowledged with it."""
    note = body.note if body is not None else None
    return present_incident(
        service.acknowledge(actor_id=user.id, owner_id=owner_id, incident_id=incident_id, note=note)
    )


@router.post("/{incident_id}/assign", responses=_WORK)
def assign_incident(
    incident_id: UUID, body: AssignIn, user: CurrentUser, owner_id: Owner, service: FromDishka[IncidentService]
) -> IncidentOut:
    """Say who works on an incident."""
    return present_incident(service.assign(actor_id=user.id, owner_id=owner_id, incident_id=incident_id, to=body.to))


@router.post("/{incident_id}/resolve", responses=_WORK)
def resolve_incident(
    incident_id: UUID, user: CurrentUser, owner_id: Owner, service: FromDishka[IncidentService],
    body: ResolveIn | None = None,
) -> IncidentOut:  # fmt: skip
    """Resolve an incident. 409 while an alert of it fires and no reason is given."""
    reason = body.reason if body is not None else None
    return present_incident(
        service.resolve(actor_id=user.id, owner_id=owner_id, incident_id=incident_id, reason=reason)
    )


@router.post("/{incident_id}/steps/{number}", responses=problems(403, 404, 409, 413, 422, 429, 507))
def take_step(
    incident_id: UUID, number: Annotated[int, Path(ge=1, le=50)], user: CurrentUser, owner_id: Owner,
    service: FromDishka[IncidentService], body: StepIn | None = None,
) -> StepTakenOut:  # fmt: skip
    """Take a step of the runbook: a check reads its metric now, a command needs `confirm`, words are ticked."""
    outcome = service.take_step(
        actor_id=user.id, owner_id=owner_id, incident_id=incident_id, number=number,
        is_confirmed=body is not None and body.confirm,
    )  # fmt: skip
    return StepTakenOut(is_done=outcome.is_done, entry=present_entry(outcome.entry))


@router.post(
    "/{incident_id}/replay",
    status_code=http_status.HTTP_202_ACCEPTED,
    responses=problems(403, 404, 409, 413, 422, 429, 507),
)
def replay(
    incident_id: UUID, user: CurrentUser, owner_id: Owner, uow: FromDishka[UnitOfWork],
    replays: FromDishka[LiveReplayService],
) -> SubmissionOut:  # fmt: skip
    """Submit a job that carries out the run again up to the alert, and compares every event: `verdict` says how."""
    result = replay_incident(uow, replays, actor_id=user.id, owner_id=owner_id, incident_id=incident_id)
    return SubmissionOut(jobs=list(result.job_ids), sweep_mapping=None)


@router.get("/{incident_id}/verify", responses=problems(403, 404))
def verify(incident_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> VerificationOut:
    """Read the whole timeline, and find every entry that is not as it was written."""
    report = verify_incident(uow, owner_id=owner_id, incident_id=incident_id)
    faults = [f"entry {fault.n} {fault.what}" for fault in report.faults]
    return VerificationOut(is_intact=report.is_intact, entries=report.entries, head=report.head, faults=faults)


@router.get("/{incident_id}/export", response_class=Response, responses={**_EXPORT, **problems(403, 404)})
def export_incident(
    incident_id: UUID, owner_id: Owner, service: FromDishka[IncidentService], uow: FromDishka[UnitOfWork],
    format: Annotated[Literal["md", "json"], Query(description="For people, or with all hashes")] = "md",  # noqa: A002
) -> Response:  # fmt: skip
    """Return an incident as a file: Markdown with the metric around the breach, or JSON with all that is hashed."""
    view = service.get(owner_id=owner_id, incident_id=incident_id)
    report = verify_incident(uow, owner_id=owner_id, incident_id=incident_id)
    headers = {"Content-Disposition": f'attachment; filename="incident-{incident_id}.{format}"'}
    if format == "json":
        return JSONResponse(export_json(view, report), headers=headers)
    metric, curve = read_curve(uow, view)
    text = export_markdown(view, report, curve, metric)
    return Response(text, media_type="text/markdown; charset=utf-8", headers=headers)
