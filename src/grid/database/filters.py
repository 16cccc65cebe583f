"""Conditions that lists of jobs and of sweeps share: owner, labels, the time of making, and a search text."""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Table, between, or_

from grid.database.base import DatabaseKind
from grid.database.labels import has_label, has_label_value

_ID_BEGINNING = re.compile(r"[0-9a-fA-F-]{1,36}", re.ASCII)
_DIGITS = 32  # hexadecimal, of a whole id


def find_conditions(
    kind: DatabaseKind,
    table: Table,
    *,
    owner_id: UUID | None,
    labels: Mapping[str, str],
    created_from: datetime | None,
    created_to: datetime | None,
    search: str | None,
) -> list[ColumnElement[bool]]:
    """Return the conditions on a table with the columns id, owner_id, created_at and metadata.

    Args:
        kind: Kind of the database.
        table: The table.
        owner_id: Only this owner's rows.
        labels: Only rows with all of these labels.
        created_from: Only rows made at this time or later.
        created_to: Only rows made before this time.
        search: Only rows whose id begins so, or with a label of this value under any key.
    """
    conditions: list[ColumnElement[bool]] = []
    if owner_id is not None:
        conditions.append(table.c.owner_id == owner_id)
    if created_from is not None:
        conditions.append(table.c.created_at >= created_from)
    if created_to is not None:
        conditions.append(table.c.created_at < created_to)
    if search is not None:
        conditions.append(_matches(kind, table, search))
    return conditions + [has_label(kind, table.c["metadata"], *label) for label in labels.items()]


def _matches(kind: DatabaseKind, table: Table, text: str) -> ColumnElement[bool]:
    has_value = has_label_value(kind, table.c["metadata"], text)
    digits = text.replace("-", "") if _ID_BEGINNING.fullmatch(text) else ""
    if not 1 <= len(digits) <= _DIGITS:
        return has_value
    low, high = (UUID(digits.ljust(_DIGITS, end)) for end in "0f")
    return or_(between(table.c.id, low, high), has_value)
