"""Parts of a list: a page by its number, or the rows behind a cursor.

A cursor is the key of the last row that was read, and rows are compared with it, not counted: rows that are added or
removed meanwhile shift no other row, so each row that is there all the time is read exactly once. The row that a cursor
names may itself be gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select

Cursor = TypeVar("Cursor")
Row = TypeVar("Row")
Rows = TypeVar("Rows", bound="Select[*tuple[Any, ...]]")


@dataclass(frozen=True)
class Window(Generic[Cursor]):
    """At most `size` rows: of page number `page`, or behind the row `after` (from the first on where it is None)."""

    size: int = 50
    page: int | None = 1  # None: by cursor
    after: Cursor | None = None

    def apply(self, query: Rows, key: ColumnElement[Any], *, is_descending: bool = False) -> Rows:
        """Restrict a query to the rows of the window and one more, which tells whether others follow."""
        if self.after is not None:
            query = query.where(key < self.after if is_descending else key > self.after)
        if self.page is not None:
            query = query.offset((self.page - 1) * self.size)
        return query.order_by(key.desc() if is_descending else key).limit(self.size + 1)

    def split(self, rows: Sequence[Row]) -> tuple[list[Row], Row | None]:
        """Return the rows of the window, and the last of them where others follow: its key is the next cursor."""
        items = list(rows[: self.size])
        return items, items[-1] if len(rows) > self.size else None
