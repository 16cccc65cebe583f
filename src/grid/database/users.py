"""Users: who may log in, and as what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, RowMapping, String, func, insert, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from grid.core.ids import new_id
from grid.database.base import Base, UTCDateTime
from grid.database.transaction import DatabaseTransaction
from grid.database.windows import Window

USERNAME_LENGTH: Final = 64  # characters


class Role(StrEnum):
    """Rights of a user: to use the service, or to run it as well."""

    USER = "user"
    ADMINISTRATOR = "admin"


class User(Base):
    """An account. Rows are never deleted, so that what a user did stays attributable; a disabled one cannot log in."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('user', 'admin')", name="role_known"),
        CheckConstraint("length(username) BETWEEN 1 AND 64", name="username_length"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(USERNAME_LENGTH), unique=True)  # lower case, see schemas.identity
    password_hash: Mapped[str] = mapped_column(String(255))  # Argon2id in its own encoding, parameters included
    role: Mapped[str] = mapped_column(String(16), default=Role.USER.value)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    password_changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


@dataclass(frozen=True)
class UserRecord:
    """One row of `users`."""

    id: UUID
    username: str
    password_hash: str
    role: Role
    created_at: datetime
    password_changed_at: datetime
    disabled_at: datetime | None

    @property
    def is_disabled(self) -> bool:
        """True where the account is shut."""
        return self.disabled_at is not None

    def __repr__(self) -> str:
        """Name the account without its hash, which has no business in a log or a traceback."""
        return f"UserRecord(id={self.id!s}, username={self.username!r}, role={self.role.value!r})"


_COLUMNS: Final = (
    User.id,
    User.username,
    User.password_hash,
    User.role,
    User.created_at,
    User.password_changed_at,
    User.disabled_at,
)


def _record(row: RowMapping) -> UserRecord:
    return UserRecord(**{**row, "role": Role(row["role"])})


class UserRepository:
    """Statements on `users`, inside the caller's transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._connection = tx.connection

    def add(self, *, username: str, password_hash: str, role: Role, now: datetime) -> UserRecord:
        """Insert an account; the caller has made sure, under `lock_all`, that the name is free."""
        record = UserRecord(new_id(), username, password_hash, role, now, now, None)
        values: Mapping[str, Any] = {**vars(record), "role": role.value}
        self._connection.execute(insert(User).values(**values))
        return record

    def find(self, user_id: UUID) -> UserRecord | None:
        """Find an account by its id."""
        row = self._connection.execute(select(*_COLUMNS).where(User.id == user_id)).mappings().one_or_none()
        return _record(row) if row is not None else None

    def find_for_update(self, user_id: UUID) -> UserRecord | None:
        """Find an account and keep others from changing it until the transaction ends."""
        query = select(*_COLUMNS).where(User.id == user_id).with_for_update()  # SQLite: the writer is alone anyway
        row = self._connection.execute(query).mappings().one_or_none()
        return _record(row) if row is not None else None

    def find_by_username(self, username: str) -> UserRecord | None:
        """Find an account by its name, exactly as stored (lower case)."""
        row = self._connection.execute(select(*_COLUMNS).where(User.username == username)).mappings().one_or_none()
        return _record(row) if row is not None else None

    def read_window(self, window: Window[UUID]) -> tuple[list[UserRecord], UUID | None, int]:
        """Return a part of the list, oldest first, the cursor behind which it goes on, and the count of all."""
        rows = self._connection.execute(window.apply(select(*_COLUMNS), User.__table__.c.id)).mappings().all()
        items, last = window.split([_record(row) for row in rows])
        return items, last.id if last is not None else None, self.count()

    def count(self) -> int:
        """Count the accounts."""
        return self._connection.execute(select(func.count()).select_from(User)).scalar_one()

    def count_active_administrators(self) -> int:
        """Count the administrators who are not disabled."""
        query = (
            select(func.count())
            .select_from(User)
            .where(User.role == Role.ADMINISTRATOR.value, User.disabled_at.is_(None))
        )
        return self._connection.execute(query).scalar_one()

    def lock_all(self) -> None:
        """Let nobody else write accounts until the transaction ends, so that what was counted stays true.

        SQLite has one writer anyway; on PostgreSQL readers are not held up.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))

    def set_password_hash(self, user_id: UUID, password_hash: str, *, changed_at: datetime | None = None) -> None:
        """Store a hash; `changed_at` is given for a new password, not for a rehash of the same one."""
        values: dict[str, Any] = {"password_hash": password_hash}
        if changed_at is not None:
            values["password_changed_at"] = changed_at
        self._connection.execute(update(User).where(User.id == user_id).values(**values))

    def set_role(self, user_id: UUID, role: Role) -> None:
        """Change what the account may do."""
        self._connection.execute(update(User).where(User.id == user_id).values(role=role.value))

    def set_disabled(self, user_id: UUID, disabled_at: datetime | None) -> None:
        """Shut the account, or open it again (None)."""
        self._connection.execute(update(User).where(User.id == user_id).values(disabled_at=disabled_at))
