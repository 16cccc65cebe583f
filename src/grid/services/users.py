"""Users and their passwords. Every change that takes rights away ends the user's sessions at once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, NotFoundError
from grid.core.logging import get_logger
from grid.core.passwords import PasswordHasher, make_password, require_acceptable
from grid.core.secrets import secrets_folder, write_private
from grid.database.job_queries import Count
from grid.database.sessions import RevokedBecause
from grid.database.uow import Transaction, UnitOfWork
from grid.database.users import Role, UserRecord
from grid.database.windows import Window
from grid.services import audit
from grid.services.jobs import Page
from grid.services.sessions import Principal, SessionDirectory
from grid.services.throttle import LoginThrottle

ADMINISTRATOR: Final = "admin"
CREDENTIAL_FILE: Final = "admin.json"

log = get_logger(__name__)


class UsernameTakenError(ConflictError):
    """There is a user of this name."""

    code, title = "username-taken", "This user name is taken"

    def __str__(self) -> str:
        return "Choose another user name."


class LastAdministratorError(ConflictError):
    """The service would have no administrator."""

    code, title = "last-administrator", "This is the last administrator"

    def __str__(self) -> str:
        return "Make another user an administrator first."


def ensure_administrator(uow: UnitOfWork, home: Path, passwords: PasswordHasher | None = None) -> bool:
    """Make the user `admin` with a random password, where there is no user at all.

    The credential is in `$GRID_HOME/secrets/admin.json` (mode 0600) before the user is committed, so that a crash
    between the two never leaves an administrator whose password nobody knows.

    Returns:
        Whether it was made now.
    """
    with uow.read() as tx:
        if tx.users.count():
            return False
    password = make_password()
    password_hash = (passwords or PasswordHasher()).hash(password)
    with uow.begin() as tx:
        tx.users.lock_all()
        if tx.users.count():  # another process of this instance was first
            return False
        credential = {"username": ADMINISTRATOR, "password": password}
        write_private(secrets_folder(home) / CREDENTIAL_FILE, json.dumps(credential) + "\n")
        user = tx.users.add(username=ADMINISTRATOR, password_hash=password_hash, role=Role.ADMINISTRATOR, now=tx.now())
        audit.record(tx, actor_id=None, action="user.create_first", subject=f"user:{user.id}")
    log.info("administrator_made", username=ADMINISTRATOR)
    return True


def reset_password(uow: UnitOfWork, passwords: PasswordHasher, *, home: Path, username: str, new: str | None) -> bool:
    """Give a user another password, for an operator who may write the database; all sessions of the user end.

    Without one, an administrator gets a random password, which is in `$GRID_HOME/secrets/admin.json` before it is
    committed, as at the first start: commands of this data folder act as this administrator then.

    Returns:
        Whether the file was written.

    Raises:
        NotFoundError: No such user.
        FieldError: The password is not acceptable, or there is none for a user who is no administrator.
    """
    name = username.casefold()
    password = make_password() if new is None else new
    require_acceptable(password, username=name)
    password_hash = passwords.hash(password)
    with uow.begin() as tx:
        tx.users.lock_all()
        user = tx.users.find_by_username(name)
        if user is None:
            raise NotFoundError("user")
        if new is None and user.role is not Role.ADMINISTRATOR:
            raise FieldError("password", "is needed for a user who is no administrator")
        if new is None:
            credential = {"username": name, "password": password}
            write_private(secrets_folder(home) / CREDENTIAL_FILE, json.dumps(credential) + "\n")
        now = tx.now()
        tx.users.set_password_hash(user.id, password_hash, changed_at=now)
        tx.sessions.revoke_all(user.id, because=RevokedBecause.PASSWORD, now=now)
        audit.record(tx, actor_id=None, action="user.reset_password", subject=f"user:{user.id}")
    return new is None


class UserService:
    """Administration of users, and changes of users to their own account.

    Args:
        uow: Where users are.
        passwords: Hashes passwords.
        throttle: Counts wrong ones.
        sessions: Forgets sessions that end here.
    """

    def __init__(
        self, uow: UnitOfWork, passwords: PasswordHasher, throttle: LoginThrottle, sessions: SessionDirectory
    ) -> None:
        self._uow, self._passwords = uow, passwords
        self._throttle, self._sessions = throttle, sessions

    def list_users(self, window: Window[UUID]) -> Page[UserRecord]:
        """Read a part of the list of users, in the order of their making."""
        with self._uow.read() as tx:
            items, following, total = tx.users.read_window(window)
        return Page(items, window, Count(total, True), following)

    def add(self, *, actor_id: UUID, username: str, password: str, role: Role = Role.USER) -> UserRecord:
        """Make a user.

        Raises:
            FieldError: The password is not acceptable.
            UsernameTakenError: There is one of this name.
        """
        name = username.casefold()
        require_acceptable(password, username=name)
        password_hash = self._passwords.hash(password)
        with self._uow.begin() as tx:
            tx.users.lock_all()
            if tx.users.find_by_username(name) is not None:
                raise UsernameTakenError
            user = tx.users.add(username=name, password_hash=password_hash, role=role, now=tx.now())
            details = {"username": name, "role": role.value}
            audit.record(tx, actor_id=actor_id, action="user.create", subject=f"user:{user.id}", details=details)
        return user

    def change(
        self, *, actor_id: UUID, user_id: UUID, role: Role | None = None, disabled: bool | None = None
    ) -> UserRecord:
        """Change the role of a user, or disable or enable the account; all its sessions end if anything changes.

        Raises:
            NotFoundError: No such user.
            LastAdministratorError: The service would have no administrator.
        """
        ended: Sequence[UUID] = ()
        with self._uow.begin() as tx:
            tx.users.lock_all()
            user = tx.users.find_for_update(user_id)
            if user is None:
                raise NotFoundError("user")
            changes = _changes(user, role, disabled)
            if changes:
                ended = self._apply(tx, user, role=role, disabled=disabled)
                subject = f"user:{user.id}"
                audit.record(tx, actor_id=actor_id, action="user.change", subject=subject, details=changes)
            changed = tx.users.find(user_id)
        self._sessions.forget(ended)
        return changed or user

    def change_password(self, principal: Principal, *, current: str, new: str) -> None:
        """Change the caller's password; every session of the user ends, this one too.

        Raises:
            FieldError: The current password is not right, or the new one is not acceptable.
            TooManyRequestsError: Too many wrong guesses from this session.
        """
        require_acceptable(new, username=principal.username, field="new_password")
        with self._uow.read() as tx:
            user = tx.users.find(principal.id)
        with self._throttle.known(principal.session_id) as guess:
            matches, _ = self._passwords.verify(current, user.password_hash if user else None)
            if user is None or not matches:
                guess.fail()
                raise FieldError("current_password", "is not right")
        password_hash = self._passwords.hash(new)
        with self._uow.begin() as tx:
            now = tx.now()
            latest = tx.users.find_for_update(user.id)
            if latest is None or latest.password_changed_at != user.password_changed_at:
                raise ConflictError("The password was changed meanwhile.")
            tx.users.set_password_hash(user.id, password_hash, changed_at=now)
            ended = tx.sessions.revoke_all(user.id, because=RevokedBecause.PASSWORD, now=now)
            audit.record(tx, actor_id=user.id, action="user.change_password", subject=f"user:{user.id}")
        self._sessions.forget(ended)

    @staticmethod
    def _apply(tx: Transaction, user: UserRecord, *, role: Role | None, disabled: bool | None) -> Sequence[UUID]:
        if role is not None:
            tx.users.set_role(user.id, role)
        if disabled is not None:
            tx.users.set_disabled(user.id, (user.disabled_at or tx.now()) if disabled else None)
        if tx.users.count_active_administrators() == 0:
            raise LastAdministratorError
        because = RevokedBecause.DISABLED if disabled else RevokedBecause.ROLE
        return tx.sessions.revoke_all(user.id, because=because, now=tx.now())


def _changes(user: UserRecord, role: Role | None, disabled: bool | None) -> dict[str, object]:
    """Return what would really change, for the audit log."""
    changes: dict[str, object] = {}
    if role is not None and role is not user.role:
        changes["role"] = role.value
    if disabled is not None and disabled is not user.is_disabled:
        changes["disabled"] = disabled
    return changes
