"""Ways from a source to its one reader: the newest value alone, or every value up to a bound. One event loop."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """The newest value; an older one that nobody has taken is replaced. Iterate over it."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._changed = asyncio.Event()
        self._is_closed = False
        self.replaced = 0

    def put(self, value: T) -> None:
        """Offer a value."""
        self.replaced += self._value is not None
        self._value = value
        self._changed.set()

    def close(self) -> None:
        """End the iteration, after the value that waits."""
        self._is_closed = True
        self._changed.set()

    def __aiter__(self) -> "Latest[T]":
        return self

    async def __anext__(self) -> T:
        while self._value is None:
            if self._is_closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        value, self._value = self._value, None
        return value


class Backlog(Generic[T]):
    """Every value in order, up to a bound; beyond it the oldest go, and are counted. Iterate over it.

    Args:
        most: Values that wait.
    """

    def __init__(self, most: int) -> None:
        self._values: deque[T] = deque(maxlen=most)
        self._changed = asyncio.Event()
        self._is_closed = False
        self._lost = 0

    def put(self, value: T) -> None:
        """Add a value."""
        self._lost += len(self._values) == self._values.maxlen
        self._values.append(value)
        self._changed.set()

    def take_lost(self) -> int:
        """Number of values that went unread since this was last asked."""
        lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        """End the iteration, after the values that wait."""
        self._is_closed = True
        self._changed.set()

    def __aiter__(self) -> "Backlog[T]":
        return self

    async def __anext__(self) -> T:
        while not self._values:
            if self._is_closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._values.popleft()
