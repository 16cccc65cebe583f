"""Silences: alerts that are not to be told for a while."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi import status as http_status

from grid.api.alert_presenting import present_silence
from grid.api.dependencies import FromDishka, Router
from grid.api.listing import ById
from grid.api.presenting import place_members
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.database.uow import UnitOfWork
from grid.schemas.wire.alerts import SilenceIn, SilenceOut, SilencePage
from grid.services.alerts import silences
from grid.services.alerts.silences import NewSilence

router = Router(prefix="/silences", tags=["alerts"])


@router.post("", status_code=http_status.HTTP_201_CREATED, responses=problems(404, 422, 429))
def add_silence(body: SilenceIn, user: CurrentUser, uow: FromDishka[UnitOfWork]) -> SilenceOut:
    """Silence what matches, from the next evaluation on, for at most 7 days. Alerts are raised as ever."""
    below = body.until_below.model_dump() if body.until_below is not None else None
    new = NewSilence([matcher.model_dump() for matcher in body.matchers], body.reason, body.until, below)
    return present_silence(silences.add_silence(uow, owner_id=user.id, new=new))


@router.get("", responses=problems(403))
def list_silences(
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    window: ById,
    living: Annotated[bool, Query(description="Only those that have not ended")] = False,
) -> SilencePage:
    """List silences, newest first."""
    found = silences.list_silences(uow, window, owner_id=owner_id, is_living=living)
    return SilencePage(items=[present_silence(silence) for silence in found.items], **place_members(found))


@router.get("/{silence_id}", responses=problems(403, 404))
def get_silence(silence_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> SilenceOut:
    """Show a silence, and what it hid."""
    return present_silence(silences.get_silence(uow, owner_id=owner_id, silence_id=silence_id))


@router.delete("/{silence_id}", responses=problems(403, 404, 409))
def end_silence(silence_id: UUID, user: CurrentUser, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> SilenceOut:
    """End a silence; what it hid is told at once. 409 where it has ended."""
    return present_silence(silences.end_silence(uow, actor_id=user.id, owner_id=owner_id, silence_id=silence_id))
