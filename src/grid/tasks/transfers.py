"""Transfers between spool and store: slow where the store is across a network, so threads make them for a loop."""

import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from grid.core.errors import UnavailableError
from grid.core.logging import get_logger
from grid.runtime.moving import Store
from grid.runtime.spool import Spool

log = get_logger(__name__)

THREADS: Final = 4  # transfers at once
LIMIT_S: Final = 30.0  # [s] for one transfer, and as long again as its bytes take at the least rate
LEAST_RATE: Final = 1 << 20  # [B/s]
BACKOFF_S: Final = (0.1, 2.0)  # [s] first and longest pause while the store does not answer


def limit_of(size: int) -> float:
    """Return how long a transfer of so many bytes may take [s]."""
    return LIMIT_S + size / LEAST_RATE


@dataclass(eq=False)
class Transfer:
    """One transfer. The loop gives it up by `abandon`; its thread may be stuck in it for longer."""

    work: Callable[[], Any]
    then: Callable[[Any], None]
    otherwise: Callable[[Exception], None]
    undo: Callable[[], None]
    within_s: float
    began_at: float | None = None  # monotonic, in a thread
    is_abandoned: bool = False
    is_replaced: bool = False  # its thread, which was late, by another
    has_ended: bool = False
    result: Any = None
    error: Exception | None = None

    def abandon(self) -> None:
        """Want it no longer: nobody is told, and what it leaves is removed."""
        self.is_abandoned = True

    def is_late(self, now: float) -> bool:
        """Return whether its time is over."""
        return self.began_at is not None and not self.has_ended and now - self.began_at > self.within_s


@dataclass(frozen=True)
class TransferEnded:
    """A transfer has ended, for the loop: `deliver` tells whoever asked for it."""

    transfer: Transfer

    def deliver(self) -> None:
        """Tell; in the loop. Nothing happens where it was abandoned, or told already."""
        transfer = self.transfer
        if transfer.is_abandoned:
            return
        if transfer.error is not None:
            transfer.otherwise(transfer.error)
        else:
            transfer.then(transfer.result)


class Transfers:
    """Makes transfers for one loop, `THREADS` at once.

    Args:
        post: Takes the end of a transfer for the loop; never blocks.
    """

    def __init__(self, post: Callable[[TransferEnded], None]) -> None:
        self._post = post
        self._queue: queue.SimpleQueue[Transfer | None] = queue.SimpleQueue()
        self._open: list[Transfer] = []
        self._threads = 0

    def submit(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[Exception], None],
        *,
        undo: Callable[[], None] = lambda: None,
        within_s: float = LIMIT_S,
    ) -> Transfer:
        """Queue a transfer; return at once.

        Args:
            work: Called in a thread, and again while it raises `UnavailableError` and there is time.
            then: Called in the loop with what it returns.
            otherwise: Called in the loop with the error by which it ended.
            undo: Called in the thread after a transfer that was abandoned, to remove what it left.
            within_s: Longest time from its begin [s]; then it is abandoned, and `otherwise` is called.
        """
        transfer = Transfer(work, then, otherwise, undo, within_s)
        self._open.append(transfer)
        if self._threads < THREADS:
            self._start_thread()
        self._queue.put(transfer)
        return transfer

    def tick(self, now: float) -> None:
        """Give up transfers whose time is over; their threads are stuck, and are replaced, whoever abandoned them."""
        self._open = [one for one in self._open if not one.has_ended]
        for transfer in [one for one in self._open if one.is_late(now)]:
            self._open.remove(transfer)
            transfer.is_replaced = True
            self._start_thread()
            if not transfer.is_abandoned:
                transfer.abandon()
                words = f"The artifact store did not answer within {transfer.within_s:.0f} s."
                transfer.otherwise(UnavailableError(words))

    def finish(self) -> None:
        """End the threads once their transfers have ended; they are not waited for."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _start_thread(self) -> None:
        self._threads += 1
        threading.Thread(target=self._run, name=f"transfer-{self._threads}", daemon=True).start()

    def _run(self) -> None:
        while (transfer := self._queue.get()) is not None:
            transfer.began_at = time.monotonic()
            self._make(transfer)
            transfer.has_ended = True
            if transfer.is_abandoned:
                self._undo(transfer)
            else:
                self._post(TransferEnded(transfer))
            if transfer.is_replaced:
                return

    def _make(self, transfer: Transfer) -> None:
        pause_s, deadline = 0.0, time.monotonic() + transfer.within_s
        while not transfer.is_abandoned:
            try:
                transfer.result, transfer.error = transfer.work(), None
            except UnavailableError as error:
                transfer.error = error
            except Exception as error:  # noqa: BLE001 - the loop decides what becomes of it
                transfer.error = error
                return
            else:
                return
            pause_s = min(BACKOFF_S[1], max(BACKOFF_S[0], 2 * pause_s))
            if time.monotonic() + pause_s > deadline:
                return
            time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret

    @staticmethod
    def _undo(transfer: Transfer) -> None:
        try:
            transfer.undo()
        except Exception as error:  # noqa: BLE001 - what is left is found by the collector of garbage
            log.warning("worker.transfer_left", error=str(error))


@dataclass(frozen=True)
class ResultFiles:
    """Where results go, and by what.

    Args:
        transfers: Makes them for the loop.
        store: Where they are kept.
        spool: Where children leave them.
    """

    transfers: Transfers
    store: Store
    spool: Spool
