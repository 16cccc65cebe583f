"""Common base of all tables: names of constraints, aware times in UTC, JSON, and states stored by value."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy import JSON, DateTime, Dialect, Enum, Float, MetaData, String, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

DatabaseKind = Literal["sqlite", "postgresql"]

# Compact and strict: NaN is no JSON, and PostgreSQL would refuse it later with less to say.
dump_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: Unix seconds on SQLite, which compare with its clock; timestamptz on PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the database."""
        return dialect.type_descriptor(Float() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a naive time: nobody could say what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs its zone")
        return value.timestamp() if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware time in UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromtimestamp(value, UTC)
        return value.astimezone(UTC)  # type: ignore[no-any-return]


@lru_cache(maxsize=16_384)
def _uuid(text: str) -> UUID:
    """Parse an id once: a batch comes back with the same owner and sweep in every row, and its ids again and again."""
    return UUID(text)


class Key(Uuid[UUID]):
    """An id: 32 hexadecimal digits on SQLite, uuid on PostgreSQL."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Parse SQLite's text; PostgreSQL's driver gives ids by itself."""
        if dialect.name == "sqlite":
            return lambda value: _uuid(value) if value is not None else None
        return super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]


# JSON text on SQLite, JSONB on PostgreSQL; None is SQL's NULL.
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

Words = TypeVar("Words", bound=StrEnum)


def words(kind: type[Words], length: int = 32) -> Enum:
    """Return the column type of a closed list of words, stored by value; a CHECK of the table keeps the list."""
    return Enum(kind, native_enum=False, length=length, values_callable=lambda enum: [word.value for word in enum])


def one_of(column: str, values: Sequence[str]) -> str:
    """Condition of a CHECK that a column holds one of some words of the program's own."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - the name and form are SQLAlchemy's
        UUID: Key(),
        datetime: UTCDateTime(),
        dict[str, Any]: Json,
        str: String().with_variant(Text(), "postgresql"),
    }
