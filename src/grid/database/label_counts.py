"""Labels of jobs, counted: which keys and values there are to filter by."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, case, func, select, true
from sqlalchemy.dialects.postgresql import JSONB

from grid.database.jobs import jobs
from grid.database.transaction import DatabaseTransaction

MOST_KEYS: Final = 50
MOST_VALUES: Final = 50  # of one key
JOBS_READ: Final = 50_000  # the newest; what older jobs alone have is not counted
LabelValue = str | int | float | bool


@dataclass(frozen=True)
class LabelCount:
    """One key of labels.

    Args:
        key: The key.
        jobs: Jobs that have it.
        distinct: Different values.
        values: The most frequent values, each with the number of jobs that have it.
    """

    key: str
    jobs: int
    distinct: int
    values: tuple[tuple[LabelValue, int], ...]


def count_labels(tx: DatabaseTransaction, owner_id: UUID | None) -> list[LabelCount]:
    """Count the labels of the newest jobs of one owner, or of all: frequent keys first, frequent values first.

    A number is one value however it was written; the string `3` and the number 3 are two, which one filter finds both.
    """
    newest = select(jobs.c["metadata"].label("labels")).order_by(jobs.c.id.desc()).limit(JOBS_READ)
    if owner_id is not None:
        newest = newest.where(jobs.c.owner_id == owner_id)
    groups = _group(tx, newest).subquery("groups")
    key = groups.c.key
    ranked = select(
        *groups.c,
        func.row_number().over(partition_by=key, order_by=(groups.c.jobs.desc(), groups.c.value)).label("rank"),
        func.sum(groups.c.jobs).over(partition_by=key).label("total"),
        func.count().over(partition_by=key).label("distinct_values"),
    ).subquery("ranked")
    query = (
        select(ranked)
        .where(ranked.c.rank <= MOST_VALUES)
        .order_by(ranked.c.total.desc(), ranked.c.key, ranked.c.rank)
        .limit(MOST_KEYS * MOST_VALUES)
    )
    found = groupby(tx.connection.execute(query).all(), key=lambda row: (row.key, int(row.total), row.distinct_values))
    counts = [
        LabelCount(*head, tuple((_read_value(row.kind, row.value), row.jobs) for row in rows)) for head, rows in found
    ]
    return counts[:MOST_KEYS]


def _group(tx: DatabaseTransaction, newest: Select[Any]) -> Select[Any]:
    """Select key, kind and value of each label, and the number of jobs that have it."""
    source = newest.subquery("newest")
    kind: ColumnElement[Any]
    value: ColumnElement[Any]
    if tx.kind == "postgresql":
        member = func.jsonb_each(source.c.labels.cast(JSONB)).table_valued("key", "value", name="member")
        kind, value = func.jsonb_typeof(member.c.value.cast(JSONB)), member.c.value.cast(JSONB)
    else:
        member = func.json_each(source.c.labels).table_valued("key", "type", "atom", name="member")
        number = member.c.type.in_(("integer", "real"))
        kind = case((number, "number"), (member.c.type == "text", "string"), else_=member.c.type.cast(Text))
        value = case((member.c.type.in_(("true", "false")), member.c.type), else_=member.c.atom)
    columns = (member.c.key.label("key"), kind.label("kind"), value.label("value"))
    return select(*columns, func.count().label("jobs")).select_from(source.join(member, true())).group_by(*columns)


def _read_value(kind: str, value: Any) -> LabelValue:
    """Return a value as it was sent: SQLite has a word for a boolean."""
    read: LabelValue = kind == "true" if kind in {"true", "false"} else value
    return read
