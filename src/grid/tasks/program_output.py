"""Storage of a local program's output: slow (hash, copy, fsync), so it runs in a thread of its own."""

import json
import threading
from collections.abc import Callable, Sequence

from grid.core.errors import GridError, StorageFullError
from grid.core.logging import get_logger
from grid.core.storable import storable_scalars
from grid.runtime.collector import OutputError
from grid.runtime.program_outcome import ProgramOutcome
from grid.runtime.watched_run import WatchedRun
from grid.schemas.jobs import Claim, FileEntry, Manifest
from grid.services.ledger import Outcome, Returned, Succeeded
from grid.services.ports import ArtifactStore
from grid.tasks.events import OutputCollected, WorkerEvent
from grid.tasks.runs import failed

log = get_logger(__name__)

META_NAME, META_BYTES, MOST_METRICS = "meta.json", 1 << 20, 64  # a larger file, or further metrics, are not read


def start_collecting(
    program: WatchedRun, ended: ProgramOutcome, claim: Claim, store: ArtifactStore, post: Callable[[WorkerEvent], None]
) -> None:
    """Store the outputs of a program that ended well, release the program, and post how that went."""

    def collect() -> None:
        outcome = collect_output(program, ended, claim, store)
        program.close()
        post(OutputCollected(*outcome))

    threading.Thread(target=collect, name=f"collect-{claim.job_id}", daemon=True).start()


def collect_output(
    program: WatchedRun, ended: ProgramOutcome, claim: Claim, store: ArtifactStore
) -> tuple[Outcome, bool]:
    """Return the outcome of a program that ended well, and whether the store is full."""
    try:
        files = program.collect(store, f"jobs/{claim.job_id}/{claim.epoch}")
        manifest = Manifest(files=files, metrics=read_metrics(files, store), audits=[])
    except OutputError as error:
        return failed(claim, error.reason, str(error), ended.exit_code, ended.usage), False
    except StorageFullError as error:
        return Returned(claim, "infra", str(error)), True
    except (GridError, OSError) as error:
        log.exception("worker.output_not_stored", job=str(claim.job_id))
        return Returned(claim, "infra", f"The output could not be stored ({type(error).__name__})."), False
    return Succeeded(claim, manifest, ended.usage), False


def read_metrics(files: Sequence[FileEntry], store: ArtifactStore) -> dict[str, float | int | str | bool | None]:
    """Return the scalars under `results` of a program's `meta.json`; empty where it has none that can be read."""
    entry = next((entry for entry in files if entry["name"] == META_NAME and entry["size"] <= META_BYTES), None)
    if entry is None:
        return {}
    try:
        with store.open(entry["key"]) as blob:
            results = json.load(blob).get("results", {})
        scalars = [(name, value) for name, value in results.items() if _is_scalar(value)]
        return storable_scalars(dict(scalars[:MOST_METRICS]))
    except (ValueError, AttributeError, RecursionError):  # not JSON, not an object: the program's own business
        return {}


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
