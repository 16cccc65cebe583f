"""Passwords: what is accepted, and how it is kept (Argon2id through pwdlib).

The parameters are the floor of the OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. A stored hash with
smaller ones is replaced at the next login. At most two hashes are computed at once, so that a flood of logins can take
neither the memory nor the cores that requests of people who are logged in need.
"""

import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from grid.core.common_passwords import is_common
from grid.core.errors import FieldError, UnavailableError

MEMORY_KIB: Final = 19 * 1024  # [KiB] of one hash: OWASP's least for Argon2id with two passes
PASSES: Final = 2  # over the memory (OWASP)
LANES: Final = 1  # threads of one hash (OWASP)
AT_ONCE: Final = 2  # hashes: further logins wait, and other requests keep a core
PATIENCE_S: Final = 10.0  # for a free place; a hash takes some 30 ms
MIN_LENGTH: Final = 12  # characters: beyond guessing by hand, short enough to be typed
MAX_LENGTH: Final = 128  # characters: a longer text would only cost time to hash


def require_acceptable(password: str, *, username: str = "", field: str = "password") -> None:
    """Refuse a password that is too short, too long, or among the first that guessers try.

    Args:
        password: As typed.
        username: Whose it will be; it makes no password either.
        field: What the input calls it.

    Raises:
        FieldError: It names the rule; the password is never repeated.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise FieldError(field, f"must have {MIN_LENGTH} to {MAX_LENGTH} characters")
    if _encode(password) is None:
        raise FieldError(field, "must be text without control characters")
    if is_common(password, username=username):
        raise FieldError(field, "is easily guessed; use several unrelated words or a generated one")


def make_password() -> str:
    """Make a password with 192 random bits."""
    return secrets.token_urlsafe(24)


def _encode(password: str) -> bytes | None:
    """Return what is hashed: NFC, so that the same keys give the same bytes everywhere; None if it cannot be text."""
    if any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in password):
        return None
    return unicodedata.normalize("NFC", password).encode("utf-8")


class PasswordHasher:
    """Argon2id, at most `at_once` at a time.

    Args:
        memory_kib: Memory of one hash [KiB].
        passes: Passes over that memory.
        at_once: Hashes that may run at the same time in this process.
    """

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES, at_once: int = AT_ONCE) -> None:
        self._hash = PasswordHash((Argon2Hasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES),))
        self._places = threading.BoundedSemaphore(at_once)
        # What is compared when there is no such user: the same work as for a real one, and nobody's password.
        self._dummy = self._hash.hash(secrets.token_bytes(32))

    def hash(self, password: str) -> str:
        """Hash a new password, which `require_acceptable` has passed.

        Raises:
            UnavailableError: No place became free in time.
        """
        data = _encode(password)
        if data is None:
            raise FieldError("password", "must be text without control characters")
        with self._place():
            return self._hash.hash(data)

    def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Compare a password with a stored hash; the same work is done when there is none.

        Returns:
            Whether it matches, and a new hash to store if the old one's parameters have been overtaken.
        """
        data = _encode(password)
        with self._place():
            if stored is None or data is None:
                self._hash.verify(data or b"", stored or self._dummy)
                return False, None
            try:
                return self._hash.verify_and_update(data, stored)
            except PwdlibError:  # a hash of another kind, for instance one blanked by hand
                self._hash.verify(data, self._dummy)
                return False, None

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=PATIENCE_S):
            raise UnavailableError("Too many logins at once; try again in a moment.")
        try:
            yield
        finally:
            self._places.release()
