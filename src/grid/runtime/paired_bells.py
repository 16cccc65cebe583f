"""Two doorbells as one: the local one, and one that reaches other machines."""

import secrets
import select
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from uuid import UUID

ORIGIN = "bell-origin"  # file of a data folder with the name under which its rings are known elsewhere


class _Doorbell(Protocol):
    def ring(self, topic: str, hint: UUID | None = None) -> None: ...


class _RemoteDoorbell(_Doorbell, Protocol):
    kind: str

    @property
    def problem(self) -> str: ...

    @property
    def lost(self) -> int: ...

    def close(self) -> None: ...


class _Listener(Protocol):
    last_hint: UUID | None

    def fileno(self) -> int: ...

    def drain(self) -> int: ...

    def close(self) -> None: ...


class PairedDoorbell:
    """Rings both bells; where the far one is in trouble, the near one rings all the same."""

    def __init__(self, near: _Doorbell, far: _RemoteDoorbell) -> None:
        self._near, self.broker = near, far

    def ring(self, topic: str, hint: UUID | None = None) -> None:
        """Wake the listeners of this machine, then those of others. Never blocks, never raises."""
        self._near.ring(topic, hint)
        self.broker.ring(topic, hint)

    def close(self) -> None:
        """Ring other machines no more; twice is harmless."""
        self.broker.close()


class PairedListener:
    """Listens to both bells with one descriptor.

    Args:
        near, far: Make the listeners; the first is closed where the second cannot be made.
    """

    def __init__(self, near: Callable[[], _Listener], far: Callable[[], _Listener]) -> None:
        self.last_hint: UUID | None = None
        self._listeners = [near()]
        try:
            self._listeners.append(far())
            self._poll = select.epoll()
        except BaseException:
            for listener in self._listeners:
                listener.close()
            raise
        for listener in self._listeners:
            self._poll.register(listener.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """Return a descriptor that is readable after a ring of either, for `select`."""
        return self._poll.fileno()

    def drain(self) -> int:
        """Read all waiting rings and return their number; `last_hint` is the last id that came with one."""
        count = 0
        for listener in self._listeners:
            count += listener.drain()
            if listener.last_hint is not None:
                self.last_hint, listener.last_hint = listener.last_hint, None
        return count

    def close(self) -> None:
        """Stop listening; twice is harmless."""
        self._poll.close()
        for listener in self._listeners:
            listener.close()


def find_origin(run_folder: Path) -> str:
    """Return the name of a data folder among all that share a Redis, made at random with the first call."""
    path = run_folder / ORIGIN
    run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{ORIGIN}-{secrets.token_hex(4)}")
    draft.write_text(secrets.token_hex(8), encoding="ascii")
    try:
        with suppress(FileExistsError):
            path.hardlink_to(draft)  # whole or not at all, and once
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")
