"""Saved views of the web page: one document for each user, which two tabs do not overwrite unseen."""

from typing import Final
from uuid import UUID

from grid.core.errors import ConflictError, FieldError
from grid.database.base import dump_json
from grid.database.saved_views import SavedViewsRecord
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject

MOST_BYTES: Final = 16 * 1024  # of the document as compact JSON in UTF-8


class ViewsVersionError(ConflictError):
    """The saved views were changed meanwhile, in another tab or on another machine."""

    code, title = "views-changed", "The saved views have changed"

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        return f"The saved views are at version {self.version}; read them again."


def get_views(uow: UnitOfWork, owner_id: UUID) -> SavedViewsRecord | None:
    """Read the saved views of a user; None where nothing was saved yet."""
    with uow.read() as tx:
        return tx.saved_views.find(owner_id)


def put_views(uow: UnitOfWork, owner_id: UUID, document: JsonObject, *, version: int | None) -> SavedViewsRecord:
    """Store the saved views of a user in place of those before.

    Args:
        uow: Where they are.
        owner_id: The user.
        document: Whatever the page wants to find again.
        version: Of the document that this one replaces, 0 where there was none; None: whichever.

    Raises:
        FieldError: The document is larger than `MOST_BYTES`.
        ViewsVersionError: It was changed meanwhile.
    """
    size = len(dump_json(document).encode())
    if size > MOST_BYTES:
        raise FieldError("views", f"must have at most {MOST_BYTES} bytes as compact JSON, and has {size}")
    with uow.begin() as tx:
        tx.users.find_for_update(owner_id)
        known = tx.saved_views.find(owner_id)
        stored = known.version if known is not None else 0
        if version is not None and version != stored:
            raise ViewsVersionError(stored)
        tx.saved_views.put(owner_id, document, version=stored + 1)
        return SavedViewsRecord(stored + 1, document, tx.now())
