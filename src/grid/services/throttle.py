"""Limits on password guesses: failures only are counted, per account and per address, in this process.

A guess counts as a failure while it is being checked, so that a burst of guesses at once gets no further than the same
guesses one after another. A device that shows a refresh token of the account has a count of its own: strangers who
guess can lock out other strangers, not the owner.
"""

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from grid.core.errors import TooManyRequestsError

PER_ACCOUNT: Final = "10/15 minutes"
PER_ADDRESS: Final = "30/minute"
PER_SESSION: Final = "10/15 minutes"
_SWEEP_EVERY: Final = 1000  # failures between two removals of keys whose failures are all forgotten


@dataclass(frozen=True)
class Bucket:
    """A counter of failures: an account, an address or a session."""

    limit: RateLimitItem
    kind: str
    key: str


class PasswordGuess:
    """One guess in progress; it counts only if it is wrong."""

    def __init__(self) -> None:
        self.has_failed = False

    def fail(self) -> None:
        """Count it: the guess was wrong."""
        self.has_failed = True


class LoginThrottle:
    """Counts wrong passwords.

    Args:
        per_account: Of one user name, from anywhere, whether or not there is such a user.
        per_address: From one address, for any user name.
        per_session: From a device that is known to the account.
    """

    def __init__(
        self, *, per_account: str = PER_ACCOUNT, per_address: str = PER_ADDRESS, per_session: str = PER_SESSION
    ) -> None:
        self._account, self._address, self._session = parse(per_account), parse(per_address), parse(per_session)
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._lock = threading.Lock()
        self._pending: Counter[Bucket] = Counter()
        self._failures = 0

    @contextmanager
    def stranger(self, *, account: str, address: str) -> Iterator[PasswordGuess]:
        """Let a guess from an unknown device pass, or refuse it.

        Raises:
            TooManyRequestsError: The account or the address has had its share of wrong guesses.
        """
        buckets = (
            Bucket(self._account, "account", account),
            Bucket(self._address, "address", _network(address)),
        )
        with self._guard(buckets) as guess:
            yield guess

    @contextmanager
    def code(self, *, address: str) -> Iterator[PasswordGuess]:
        """Let the code of a login link pass, or refuse it: no account is named, so the address alone is counted.

        Raises:
            TooManyRequestsError: The address has had its share of wrong guesses, passwords and codes together.
        """
        with self._guard((Bucket(self._address, "address", _network(address)),)) as guess:
            yield guess

    @contextmanager
    def known(self, session_id: UUID) -> Iterator[PasswordGuess]:
        """Let a guess from a device with a session pass, or refuse it.

        Raises:
            TooManyRequestsError: This device has had its share of wrong guesses.
        """
        with self._guard((Bucket(self._session, "session", str(session_id)),)) as guess:
            yield guess

    @contextmanager
    def _guard(self, buckets: Sequence[Bucket]) -> Iterator[PasswordGuess]:
        guess = PasswordGuess()
        self._enter(buckets)
        try:
            yield guess
        finally:
            self._leave(buckets, failed=guess.has_failed)

    def _enter(self, buckets: Sequence[Bucket]) -> None:
        with self._lock:
            full = [bucket for bucket in buckets if not self._has_room(bucket)]
            if full:
                raise TooManyRequestsError("Too many wrong passwords or codes", max(map(self._wait_s, full)))
            self._pending.update(buckets)

    def _has_room(self, bucket: Bucket) -> bool:
        cost = self._pending[bucket] + 1
        return self._limiter.test(bucket.limit, bucket.kind, bucket.key, cost=cost)

    def _wait_s(self, bucket: Bucket) -> float:
        """Return the time until the oldest failure is forgotten, at least a second [s]."""
        stats = self._limiter.get_window_stats(bucket.limit, bucket.kind, bucket.key)
        return max(1.0, stats.reset_time - time.time())

    def _leave(self, buckets: Sequence[Bucket], *, failed: bool) -> None:
        with self._lock:
            for bucket in buckets:
                self._pending[bucket] -= 1
                if self._pending[bucket] <= 0:
                    del self._pending[bucket]
                if failed:
                    self._limiter.hit(bucket.limit, bucket.kind, bucket.key)
            self._failures += failed
            if failed and self._failures % _SWEEP_EVERY == 0:
                self._forget_empty()

    def _forget_empty(self) -> None:
        """Drop keys without failures: the storage forgets failures by itself, but keeps the keys."""
        for key in [key for key, entries in list(self._storage.events.items()) if not entries]:
            self._storage.clear(key)


def _network(address: str) -> str:
    """Return what one subscriber holds: an IPv4 address, or a /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
