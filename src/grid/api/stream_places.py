"""Streams that are open at once, of each user and of all: server-sent events and WebSockets alike."""

from collections import Counter
from uuid import UUID

from fastapi.requests import HTTPConnection

from grid.core.errors import TooManyRequestsError

MAX_STREAMS = 1_000  # open at once: with 128 KiB each they hold 125 MiB at the very most
MAX_STREAMS_PER_USER = 10  # open at once: one user leaves room for others
RETRY_S = 15.0  # [s] after which a place may be free


class StreamPlaces:
    """Counts open streams. For one event loop."""

    def __init__(self) -> None:
        self._open: Counter[UUID] = Counter()

    @property
    def is_full(self) -> bool:
        """True where nobody can open a stream."""
        return self._open.total() >= MAX_STREAMS

    def require_free(self, user_id: UUID) -> None:
        """Refuse a user who could not open a stream.

        Raises:
            TooManyRequestsError: The user, or all users together, have as many streams as they may.
        """
        if self._open[user_id] >= MAX_STREAMS_PER_USER:
            raise TooManyRequestsError(f"You have {MAX_STREAMS_PER_USER} open streams", RETRY_S)
        if self.is_full:
            raise TooManyRequestsError("The server has as many open streams as it serves", RETRY_S)

    def take(self, user_id: UUID) -> None:
        """Count a stream of a user.

        Raises:
            TooManyRequestsError: As `require_free`.
        """
        self.require_free(user_id)
        self._open[user_id] += 1

    def give_back(self, user_id: UUID) -> None:
        """Count a stream of a user no longer."""
        self._open[user_id] -= 1
        if self._open[user_id] <= 0:
            del self._open[user_id]


def find_places(connection: HTTPConnection) -> StreamPlaces:
    """Return the places of this process."""
    places: StreamPlaces = connection.app.state.stream_places
    return places
