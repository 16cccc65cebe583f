"""Files of live runs between their children and the store: those of one run in order, so that its ledger stays so."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from grid.core.logging import get_logger
from grid.runtime.live.messages import SnapshotFile, StoredFile, name_drafts
from grid.runtime.messages import SpooledFile
from grid.runtime.moving import fetch_state, store_files
from grid.schemas.live import RunClaim
from grid.tasks.live.run import HeldRun
from grid.tasks.transfers import ResultFiles, Transfer, limit_of

log = get_logger(__name__)

Then = Callable[[Exception | None], None]
STATE_BYTES = 256 << 20  # of the largest state, for the time that fetching it may take


@dataclass(eq=False)
class LiveFiles:
    """Stores what children leave, and fetches what they go on from. All calls come from the loop of live runs."""

    files: ResultFiles
    _waiting: dict[HeldRun, deque[tuple[tuple[StoredFile, ...], Then]]] = field(default_factory=dict)
    _transfers: dict[HeldRun, Transfer] = field(default_factory=dict)

    def fetch(self, snapshots: Sequence[SnapshotFile], then: Callable[[], None]) -> None:
        """Put the newest whole state into the spool; without one the run is computed again from its beginning."""

        def failed(error: Exception) -> None:
            log.warning("live.snapshot_not_fetched", error=str(error))
            then()

        place = self.files
        place.transfers.submit(
            lambda: fetch_state(place.store, place.spool, snapshots),
            lambda _: then(),
            failed,
            undo=lambda: self._remove(snapshots),
            within_s=limit_of(STATE_BYTES),
        )

    def remove_fetched(self, snapshots: Sequence[SnapshotFile]) -> None:
        """Remove what was fetched, once the child has read it."""
        self._remove(snapshots)

    def remove_stored(self, keys: Sequence[str]) -> None:
        """Remove files from the store that no row refers to; where that fails the collector of garbage does it."""
        if not keys:
            return
        store = self.files.store

        def remove() -> None:
            for key in keys:
                store.delete(key)

        def failed(error: Exception) -> None:
            log.warning("live.snapshot_left", keys=len(keys), reason=str(error))

        self.files.transfers.submit(remove, lambda _: None, failed)

    def store(self, run: HeldRun, files: Sequence[StoredFile], then: Then) -> None:
        """Store files after those that wait; then call `then`, with the error where that failed."""
        self._waiting.setdefault(run, deque()).append((tuple(files), then))
        if run not in self._transfers:
            self._next(run)

    def drop(self, run: HeldRun) -> None:
        """Want nothing of a run any more."""
        self._waiting.pop(run, None)
        transfer = self._transfers.pop(run, None)
        if transfer is not None:
            transfer.abandon()

    def remove_drafts(self, claim: RunClaim) -> None:
        """Remove files that the child of a claim had begun to write when it was killed."""
        try:
            self.files.spool.remove_leftovers(-1.0, name_drafts(*claim))
        except OSError as error:
            log.warning("live.drafts_left", run_id=str(claim.run_id), reason=str(error))

    def tick(self, now: float) -> None:
        """Give up what takes too long."""
        self.files.transfers.tick(now)

    def _next(self, run: HeldRun) -> None:
        waiting = self._waiting.get(run)
        while waiting and not waiting[0][0]:  # nothing to store: only its turn had to come
            waiting.popleft()[1](None)
            waiting = self._waiting.get(run)
        if not waiting:
            self._waiting.pop(run, None)
            return
        files, then = waiting.popleft()
        left = [SpooledFile(one.key, one.bytes, one.sha256) for one in files]
        place = self.files

        def ended(error: Exception | None) -> None:
            del self._transfers[run]
            for one in left:
                place.spool.delete(one.key)
            then(error)
            if run not in self._transfers:
                self._next(run)

        def undo() -> None:
            for one in files:
                place.spool.delete(one.key)
                if all(one.key != waits.key for waits in left):
                    place.store.delete(one.key)

        self._transfers[run] = place.transfers.submit(
            lambda: store_files(place.store, place.spool, left),
            lambda _: ended(None),
            ended,
            undo=undo,
            within_s=limit_of(sum(one.bytes for one in files)),
        )

    def _remove(self, snapshots: Sequence[SnapshotFile]) -> None:
        for one in snapshots:
            try:
                self.files.spool.delete(one.key)
            except OSError as error:
                log.warning("live.spool_left", key=one.key, reason=str(error))
