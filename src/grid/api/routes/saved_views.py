"""Saved views of the web page: a document of the user, with a version."""

import re
from typing import Annotated

from fastapi import Header, Response

from grid.api.dependencies import FromDishka, Router
from grid.api.problems import problems
from grid.api.security import CurrentUser
from grid.core.errors import FieldError
from grid.database.saved_views import SavedViewsRecord
from grid.database.uow import UnitOfWork
from grid.schemas.identity import ViewsIn, ViewsOut
from grid.services import saved_views

router = Router(prefix="/users/me/views", tags=["users"])

_ETAG = re.compile(r'"(\d{1,9})"')
IfMatch = Annotated[
    str | None, Header(max_length=32, description='The `ETag` of the views that these replace, such as "3", or *')
]


@router.get("", responses=problems(401))
def get_views(user: CurrentUser, uow: FromDishka[UnitOfWork], response: Response) -> ViewsOut:
    """Show your saved views; their version is the `ETag`."""
    return _answer(saved_views.get_views(uow, user.id), response)


@router.put("", responses=problems(401, 412, 422))
def put_views(
    body: ViewsIn, user: CurrentUser, uow: FromDishka[UnitOfWork], response: Response, if_match: IfMatch = None
) -> ViewsOut:
    """Replace your saved views. 412 where another tab changed them since."""
    stored = saved_views.put_views(uow, user.id, body.views, version=_read_version(if_match))
    return _answer(stored, response)


def _answer(record: SavedViewsRecord | None, response: Response) -> ViewsOut:
    version = record.version if record is not None else 0
    response.headers["ETag"] = f'"{version}"'
    if record is None:
        return ViewsOut(views={}, version=0, updated_at=None)
    return ViewsOut(views=record.document, version=version, updated_at=record.updated_at)


def _read_version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise FieldError("If-Match", 'must be the ETag of the views, such as "3", or *')
    return int(match[1])
