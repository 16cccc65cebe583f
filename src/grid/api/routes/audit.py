"""The audit log, for administrators: who did what to which subject."""

import json
from typing import Annotated
from uuid import UUID

from fastapi import Query

from grid.api.dependencies import FromDishka, Router
from grid.api.problems import problems
from grid.api.security import Administrator
from grid.database.audit import NamedEntry
from grid.database.uow import UnitOfWork
from grid.schemas.wire.system import AuditEntryOut, AuditPage
from grid.services import audit

router = Router(prefix="/audit", tags=["system"])

SIZE = 50  # rows of an answer
# Words that the log can have, and nothing that a database would refuse, such as a NUL.
ACTOR = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
ACTION = r"^[a-z][a-z_-]*(\.[a-z][a-z_-]*)?$"
SUBJECT = r"^[a-z][a-z_-]*:[!-~]+$"


@router.get("", responses=problems(401, 403, 422))
def list_audit_entries(
    _administrator: Administrator,
    uow: FromDishka[UnitOfWork],
    after: Annotated[UUID | None, Query(description="Entries behind this one: the `next` of the answer before")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most rows of the answer")] = SIZE,
    actor: Annotated[
        str | None, Query(max_length=64, pattern=ACTOR, description="By this user: an id, or the name of today")
    ] = None,
    action: Annotated[
        str | None,
        Query(max_length=64, pattern=ACTION, description="`job.cancel`, or `job` for everything done to jobs"),
    ] = None,
    subject: Annotated[
        str | None, Query(max_length=255, pattern=SUBJECT, description="As in `session:0198...`")
    ] = None,
) -> AuditPage:
    """List entries of the audit log, newest first (administrator). `grid audit verify` checks that none was changed."""
    items, following = audit.list_entries(uow, after=after, limit=limit, actor=actor, action=action, subject=subject)
    return AuditPage(items=[_present(entry) for entry in items], next=following)


def _present(named: NamedEntry) -> AuditEntryOut:
    entry = named.entry
    return AuditEntryOut(
        id=entry.id,
        at=entry.at,
        actor_id=entry.actor_id,
        actor=named.actor,
        action=entry.action,
        subject=entry.subject,
        details=json.loads(entry.details),
        chain=entry.chain,
        seq=entry.seq,
        hash=entry.hash,
    )
