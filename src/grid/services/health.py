"""Health of the service's parts, for `/ready`, `/metrics` and `grid doctor`."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from grid.core.errors import GridError, UnavailableError
from grid.core.settings import Settings
from grid.database.uow import Transaction, UnitOfWork
from grid.database.workers import WorkerRecord
from grid.runtime.home import Home
from grid.schemas.jobs import JobStatus
from grid.services.images import choose_runner
from grid.services.ports import ArtifactStore, Broker
from grid.services.store_watch import StoreWatch

PartName = Literal["database", "worker", "bus", "artifacts", "broker", "docker"]
PartState = Literal["ready", "degraded", "unavailable"]

STALE_POLL_S = 60.0  # [s] a living worker that has not asked for work for so long counts as unavailable


@dataclass(frozen=True)
class Part:
    """One part of the service; `detail` is a sentence, or empty."""

    name: PartName
    kind: str
    state: PartState
    detail: str = ""

    @property
    def is_ready(self) -> bool:
        """True where the part does its work, were it more slowly."""
        return self.state != "unavailable"


@dataclass(frozen=True)
class LedgerFigures:
    """Counts of the ledger at one moment."""

    jobs: dict[JobStatus, int]
    outbox_backlog: int
    workers: int


def check_parts(
    uow: UnitOfWork,
    store: ArtifactStore,
    home: Home,
    settings: Settings,
    broker: Broker | None = None,
    watch: StoreWatch | None = None,
) -> tuple[Part, ...]:
    """Check every part; never raises.

    Without its broker the service is degraded: everybody looks a little later. Without an engine that images of the
    list need, or a store of results on another machine, it is too: jobs wait. What `watch` saw of that store is told,
    so that nobody waits for it.
    """
    parts: tuple[Part, ...] = (
        _check("database", uow.database.kind, lambda: check_database(uow)),
        _check("worker", "supervisor", lambda: _check_workers(uow, settings)),
        _check("bus", "unix", lambda: _check_bus(home)),
        _check_artifacts(store, watch),
    )
    if broker is not None:
        parts += (Part("broker", broker.kind, "degraded" if broker.problem else "ready", broker.problem),)
    engine = _find_engine(uow, settings)
    return parts if engine is None else (*parts, engine)


def check_database(uow: UnitOfWork) -> None:
    """Raise UnavailableError unless the database answers."""
    with uow.read() as tx:
        tx.now()


def read_figures(uow: UnitOfWork, settings: Settings) -> LedgerFigures:
    """Count jobs by state, events that wait to leave, and living workers."""
    with uow.read() as tx:
        counts = tx.jobs.counts()
        jobs = {status: counts.get(status, 0) for status in JobStatus}
        return LedgerFigures(jobs, tx.outbox.backlog(), len(_living(tx, settings)))


def _check_artifacts(store: ArtifactStore, watch: StoreWatch | None) -> Part:
    if store.kind == "local":
        return _check("artifacts", store.kind, store.check)
    if watch is None:
        watch = StoreWatch(store)
        watch.look()
    if watch.can_store:
        return Part("artifacts", store.kind, "ready", watch.remark)
    told = str(watch.error) if watch.error is not None else "It was not looked at yet."
    return Part("artifacts", store.kind, "degraded", f"{told} Jobs are taken, and wait." if watch.has_looked else told)


class _NotReadyError(UnavailableError):
    """A part answers, and does not do its work."""

    code, title = "not-ready", "A part is not ready"


def _check(name: PartName, kind: str, look: Callable[[], object]) -> Part:
    try:
        return Part(name, kind, "ready", str(look() or ""))
    except GridError as error:
        return Part(name, kind, "unavailable", str(error))
    except Exception as error:  # noqa: BLE001 - a failing part is a result of the check, not its failure
        return Part(name, kind, "unavailable", type(error).__name__)


def _check_workers(uow: UnitOfWork, settings: Settings) -> str:
    with uow.read() as tx:
        polls = _living(tx, settings)
        now = tx.now()
    if not polls:
        raise _NotReadyError("No worker was heard of lately; start one with `grid worker`.")
    age_s = (now - max(polls)).total_seconds()
    if age_s > STALE_POLL_S:
        raise _NotReadyError(f"The worker lives, and last looked for work {age_s:.0f} s ago.")
    return f"{len(polls)} alive; last looked for work {max(age_s, 0):.0f} s ago"


def _living(tx: Transaction, settings: Settings) -> list[datetime]:
    """Return when each living worker last looked for work."""
    return [worker.last_poll_at or worker.started_at for worker in _living_workers(tx, settings)]


def _living_workers(tx: Transaction, settings: Settings) -> Sequence[WorkerRecord]:
    return tx.workers.living(within=timedelta(seconds=3 * settings.grid_heartbeat_s + 5))


def _find_engine(uow: UnitOfWork, settings: Settings) -> Part | None:
    """Return what the workers say of their Docker engines; None where no listed image needs one.

    The server asks none itself: who may use an engine is root.
    """
    try:
        with uow.read() as tx:
            needed = any(choose_runner(one, settings.grid_runner) == "docker" for one in tx.images.list_all())
            told = [one.details.get("docker") for one in _living_workers(tx, settings)] if needed else []
    except GridError:
        return None  # the database is a part of its own
    if not needed:
        return None
    engines = [one for one in told if isinstance(one, dict)]
    chosen = next((one for one in engines if one.get("is_ready")), engines[0] if engines else {})
    detail = str(chosen.get("detail", "No worker has an engine; jobs of images wait."))
    return Part("docker", "engine", "ready" if chosen.get("is_ready") else "degraded", detail)


def _check_bus(home: Home) -> None:
    if not os.access(home.run, os.R_OK | os.W_OK | os.X_OK):
        raise _NotReadyError("The folder of sockets cannot be used.")
