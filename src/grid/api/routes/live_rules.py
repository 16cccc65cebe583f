"""Alert rules of live runs in simulation time, which see every tick."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import Header, Response
from fastapi import status as http_status

from grid.api.dependencies import FromDishka, Router
from grid.api.live_commands import COMMAND_PROBLEMS, Commands
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.core.errors import FieldError
from grid.database.uow import UnitOfWork
from grid.schemas.live import CommandKind
from grid.schemas.wire.live import AcceptedOut
from grid.schemas.wire.live_metrics import RulesIn, RulesOut
from grid.services import live

router = Router(prefix="/engine/runs", tags=["live runs"])

_ETAG = re.compile(r'"(\d{1,9})"')


@router.get("/{run_id}/rules", responses=problems(403, 404))
def get_rules(run_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork], response: Response) -> RulesOut:
    """Show the alert rules of a run; their version is the `ETag`."""
    found = live.read_rules(uow, owner_id=owner_id, run_id=run_id)
    response.headers["ETag"] = f'"{found.version}"'
    return RulesOut(version=found.version, rules=list(found.rules))


@router.put(
    "/{run_id}/rules", status_code=http_status.HTTP_202_ACCEPTED, responses={**COMMAND_PROBLEMS, **problems(412)}
)
def set_rules(
    run_id: UUID,
    body: RulesIn,
    commands: Commands,
    if_match: Annotated[
        str | None, Header(max_length=32, description='The `ETag` of the rules that these replace, such as "3", or *')
    ] = None,
) -> AcceptedOut:
    """Replace the alert rules of a run; alerts that still fire keep their ids. 412 where others changed them since."""
    return commands.send(run_id, CommandKind.RULES, {"rules": body.rules}, rules_version=read_version(if_match))


def read_version(tag: str | None) -> int | None:
    """Return the version that a condition names; None: whichever.

    Raises:
        FieldError: It is none of ours.
    """
    if tag is None or tag.strip() == "*":
        return None
    match = _ETAG.fullmatch(tag.strip())
    if match is None:
        raise FieldError("If-Match", 'must be the ETag of the rules, such as "3", or *')
    return int(match[1])
