"""Results on their way from the spool into the store, and records on their way back, between child and ledger.

Their children have other work by then. Their leases are renewed as before, and a job is concluded when its result is in
the store. All calls come from the loop; threads make the transfers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from grid.core.errors import GridError, StorageFullError, UnavailableError
from grid.core.logging import get_logger
from grid.runtime.collector import MANIFEST_NAME
from grid.runtime.messages import RenderFinished, SolveFinished, SpooledFile
from grid.runtime.moving import fetch_record, store_files
from grid.runtime.spool import Spool
from grid.schemas.jobs import Manifest
from grid.services.renders import RenderReturned
from grid.tasks.ledger_writer import LedgerWriter
from grid.tasks.runs import RenderRun, Run
from grid.tasks.transfers import ResultFiles, Transfer, limit_of

log = get_logger(__name__)

MOST_WAITING: Final = 4  # batches to be stored for each core token; with more no batch is claimed


@dataclass(eq=False)
class ResultStorage:
    """Batches and requests whose files are being stored, or fetched.

    Args:
        files: Where they go.
        writer: Writes ends.
        on_refused: Called when the store has no room or does not answer: no more is claimed until it can be written.
    """

    files: ResultFiles
    writer: LedgerWriter
    on_refused: Callable[[], None]
    _runs: dict[Run, Transfer] = field(default_factory=dict)
    _renders: dict[RenderRun, Transfer] = field(default_factory=dict)

    @property
    def is_quiet(self) -> bool:
        """True where nothing is on its way."""
        return not (self._runs or self._renders)

    def runs(self) -> list[Run]:
        """Return the batches that are being stored."""
        return list(self._runs)

    def renders(self) -> list[RenderRun]:
        """Return the requests whose record is being fetched, or whose files are being stored."""
        return list(self._renders)

    def store_batch(self, run: Run, solved: SolveFinished) -> None:
        """Store the pack of a batch, then conclude its jobs."""
        if solved.pack is None or not run.open:
            self._conclude(run, solved)
            return
        pack = solved.pack

        def stored(_: object) -> None:
            del self._runs[run]
            self._conclude(run, solved)

        def failed(error: Exception) -> None:
            del self._runs[run]
            self._report(error)
            self.writer.write(outcomes=run.return_open("infra", f"The result could not be stored: {_words(error)}"))

        self._runs[run] = self._store([pack], stored, failed)

    def fetch_record(self, render: RenderRun, then: Callable[[RenderRun], None]) -> None:
        """Put the record of a request into the spool, then hand the request on."""
        claimed = render.claimed
        key = f"records/{claimed.claim.render_id.hex}-{claimed.claim.epoch}.npy"

        def fetched(manifest: Manifest) -> None:
            del self._renders[render]
            render.manifest = manifest
            then(render)

        def failed(error: Exception) -> None:
            del self._renders[render]
            self._end_render(render, error, "The stored result is not there")

        if "pack" not in claimed.manifest:
            then(render)
            return
        files = self.files
        self._renders[render] = files.transfers.submit(
            lambda: fetch_record(files.store, files.spool, claimed.manifest, key),
            fetched,
            failed,
            undo=lambda: files.spool.delete(key),
            within_s=limit_of(claimed.manifest["pack"]["size"]),
        )

    def store_render(self, render: RenderRun, finished: RenderFinished) -> None:
        """Store the files of a request, then conclude it."""
        if render.manifest is not None and "pack" in render.manifest:
            self.files.spool.delete(render.manifest["pack"]["key"])
        if not finished.files:
            self.writer.write(renders=[(render.claimed.claim, finished)])
            return
        files = [SpooledFile(entry["key"], entry["size"], entry["sha256"]) for entry in finished.files]
        manifest_key = f"{render.claimed.key_prefix}/{MANIFEST_NAME}"
        files.append(SpooledFile(manifest_key, _size_of(self.files.spool, manifest_key)))

        def stored(_: object) -> None:
            del self._renders[render]
            self.writer.write(renders=[(render.claimed.claim, finished)])

        def failed(error: Exception) -> None:
            del self._renders[render]
            self._end_render(render, error, "The files could not be stored")

        self._renders[render] = self._store(files, stored, failed)

    def forget_run(self, run: Run) -> None:
        """Want the result of a batch no longer: none of its jobs is ours any more."""
        transfer = self._runs.pop(run, None)
        if transfer is not None:
            transfer.abandon()

    def forget_render(self, render: RenderRun) -> None:
        """Want the files of a request no longer."""
        transfer = self._renders.pop(render, None)
        if transfer is not None:
            transfer.abandon()

    def return_all(self) -> None:
        """Return everything to the queue: the time to drain is over."""
        for run in self.runs():
            self.forget_run(run)
            self.writer.write(outcomes=run.return_open("drain", "The worker was stopped."))
        for render in self.renders():
            self.forget_render(render)
            self.writer.write(renders=[(render.claimed.claim, RenderReturned(is_loss=False))])

    def tick(self, now: float) -> None:
        """Give up what takes too long."""
        self.files.transfers.tick(now)

    def close(self) -> None:
        """End the threads once they are done."""
        self.files.transfers.finish()

    def _conclude(self, run: Run, solved: SolveFinished) -> None:
        outcomes, logs = run.make_outcomes(solved)
        self.writer.write(outcomes=outcomes, logs=logs)
        if solved.is_storage_full:
            self.on_refused()

    def _store(
        self,
        files: list[SpooledFile],
        then: Callable[[object], None],
        otherwise: Callable[[Exception], None],
    ) -> Transfer:
        place, left = self.files, list(files)

        def undo() -> None:
            for one in files:
                place.spool.delete(one.key)
                if one not in left:
                    place.store.delete(one.key)

        def failed(error: Exception) -> None:
            for one in left:  # they are computed again; a thread that is stuck with one sees that it is gone
                place.spool.delete(one.key)
            otherwise(error)

        return place.transfers.submit(
            lambda: store_files(place.store, place.spool, left),
            then,
            failed,
            undo=undo,
            within_s=limit_of(sum(one.size for one in files)),
        )

    def _end_render(self, render: RenderRun, error: Exception, what: str) -> None:
        claim = render.claimed.claim
        self._report(error)
        if isinstance(error, UnavailableError | StorageFullError) or not isinstance(error, GridError):
            self.writer.write(renders=[(claim, RenderReturned(is_loss=not isinstance(error, GridError)))])
            return
        words = f"{what}: {_words(error)}"
        self.writer.write(renders=[(claim, RenderFinished(claim.render_id, failure=words, code=error.code))])

    def _report(self, error: Exception) -> None:
        if isinstance(error, UnavailableError | StorageFullError):
            log.warning("worker.store_refuses", code=error.code, detail=str(error))
            self.on_refused()
        else:
            log.error("worker.transfer_failed", exc_info=error)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, GridError) else type(error).__name__


def _size_of(spool: Spool, key: str) -> int:
    try:
        return spool.path_of(key).lstat().st_size
    except OSError:  # storing it says so
        return -1
