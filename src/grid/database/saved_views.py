"""Saved views of the web page: one document for each user, with a version that grows by one with each change."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Table, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject


class SavedViews(Base):
    """The views that one user has saved; what is in the document is the page's own business."""

    __tablename__ = "saved_views"

    user_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int]
    document: Mapped[dict[str, Any]] = mapped_column(Json)
    updated_at: Mapped[datetime]


saved_views: Table = SavedViews.__table__  # type: ignore[assignment]
_ONE: Final = select(saved_views.c.version, saved_views.c.document, saved_views.c.updated_at)


@dataclass(frozen=True)
class SavedViewsRecord:
    """One row of `saved_views` without its user."""

    version: int
    document: JsonObject
    updated_at: datetime


class SavedViewsRepository:
    """Statements on `saved_views`, inside the caller's transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def find(self, user_id: UUID) -> SavedViewsRecord | None:
        """Read the document of a user; None where nothing was saved yet."""
        row = self._tx.connection.execute(_ONE.where(saved_views.c.user_id == user_id)).one_or_none()
        return SavedViewsRecord(*row) if row is not None else None

    def put(self, user_id: UUID, document: JsonObject, *, version: int) -> None:
        """Store version `version` of the document: the first one, or in place of the one before.

        The caller holds the user's row (`users.find_for_update`), so that two changes never meet.
        """
        values: dict[str, Any] = {"version": version, "document": document, "updated_at": self._tx.now()}
        changed = self._tx.connection.execute(
            update(saved_views).where(saved_views.c.user_id == user_id).values(**values)
        )
        if not changed.rowcount:
            self._tx.connection.execute(insert(saved_views).values(user_id=user_id, **values))
