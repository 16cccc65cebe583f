"""The owner whose rows a request is about: decided here, for every route, and passed to the queries."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from grid.api.security import CurrentUser
from grid.core.errors import ForbiddenError


def find_owner(
    user: CurrentUser,
    everybody: Annotated[bool, Query(alias="all", description="Everybody's, not only yours (administrator)")] = False,
) -> UUID | None:
    """Return the caller; None, which means everybody, only for an administrator who asks for it.

    Raises:
        ForbiddenError: Somebody else asks for everybody's.
    """
    if not everybody:
        return user.id
    if not user.is_administrator:
        raise ForbiddenError("all=true is for administrators.")
    return None


Owner = Annotated[UUID | None, Depends(find_owner)]
