"""Identifiers: UUID version 7 (RFC 9562), so that ids sort by the time of their making."""

import os
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """Return a UUIDv7: 48 bits of Unix milliseconds, then a counter seeded at random, so ids of one process increase.

    The 74 bits after the time are random in the first id of a millisecond and count up from there (RFC 9562, section
    6.2, method 2), which keeps the points of a sweep in the order of their making.
    """
    global _last  # noqa: PLW0603 - one sequence per process is what monotonic means
    now = time.time_ns() // 1_000_000
    with _lock:
        # Entropy is a system call that lets another thread go first: it is asked for where a millisecond begins.
        _last = now << 74 | int.from_bytes(os.urandom(9), "big") if now > _last >> 74 else _last + 1
        value = _last
    milliseconds, tail = value >> 74, value & ((1 << 74) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0b10 << 62 | tail & ((1 << 62) - 1))


def find_creation(identifier: UUID) -> datetime:
    """Return when a UUIDv7 was made: its first 48 bits are milliseconds since 1970."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
