"""Assembly of one worker: its threads, and the callbacks between them."""

import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from grid import __version__
from grid.core.errors import ConfigurationError, UnavailableError
from grid.core.ids import new_id
from grid.core.logging import configure, get_logger
from grid.core.settings import Settings
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.runtime.home import open_home
from grid.runtime.live.bus_wire import name_socket
from grid.runtime.scratch import remove_orphaned_scratch
from grid.runtime.slots import SlotFactory
from grid.runtime.spool import Spool
from grid.runtime.telemetry.starting import start_telemetry
from grid.schemas.live import RunClaim
from grid.services.adapters import make_doorbell, make_listener, make_store, open_spool, start_frame_relay
from grid.services.maintenance import RELAY_TRIGGERED_EVERY_S, make_live_reaper, make_outbox_relay, make_reaper
from grid.services.ports import ArtifactStore, BellListener, Doorbell
from grid.tasks.attempt_traces import AttemptTraces
from grid.tasks.children import Child, Children, Factory
from grid.tasks.containers import EngineWatch
from grid.tasks.cores import count_cores
from grid.tasks.dispatcher import Dispatcher, WorkerLimits
from grid.tasks.events import EventQueue, WorkerEvent
from grid.tasks.heartbeat import Heartbeat
from grid.tasks.housekeeping import GarbageCollector, make_storage_probe
from grid.tasks.launchers import make_engine_watch, make_launcher, make_slots
from grid.tasks.leases import Leases
from grid.tasks.ledger import bind_ledger
from grid.tasks.ledger_writer import LedgerWriter
from grid.tasks.live.ledger import LiveLedger
from grid.tasks.live.supervisor import LiveSupervisor
from grid.tasks.orphans import ChildRegister, end_orphans
from grid.tasks.programs import Launcher, Programs
from grid.tasks.publishing import UnitPublisher, start_publisher
from grid.tasks.supervisor import Supervisor
from grid.tasks.transfers import ResultFiles, Transfers

log = get_logger(__name__)


@dataclass(frozen=True)
class WorkerDependencies:
    """Dependencies of a worker from outside; tests bring their own."""

    uow: UnitOfWork
    store: ArtifactStore
    spool: Spool
    factory: Factory
    launcher: Launcher
    doorbell: Doorbell
    bell: BellListener
    live_bell: BellListener
    run_folder: Path
    engine: EngineWatch | None = None
    publisher: UnitPublisher | None = None
    is_watched: bool = False  # by a Celery process, which shows its work


LEAST_LIVE_CORES = 0.5  # of a worker with one core; with more all but one, which is for jobs


def make_worker_id() -> str:
    """Return a unique name for this worker."""
    return f"{socket.gethostname()}-{os.getpid()}-{new_id().hex[-8:]}"


def assemble(settings: Settings, dependencies: WorkerDependencies) -> Supervisor:
    """Return a worker that has not started."""
    worker_id, host = make_worker_id(), socket.gethostname()
    tokens = settings.grid_slots or count_cores()
    limits = WorkerLimits(tokens, lease_s=settings.grid_lease_s)
    engine = dependencies.engine
    ledger = bind_ledger(
        dependencies.uow, worker_id=worker_id, host=host, lease_s=limits.lease_s, tokens=tokens,
        slots=make_slots(settings, engine, lambda: children.has_ready),
    )  # fmt: skip
    selector, leases = selectors.DefaultSelector(), Leases()
    events: EventQueue[WorkerEvent] = EventQueue()
    garbage = GarbageCollector(dependencies.uow, dependencies.store, spool=dependencies.spool)
    probe = make_storage_probe(dependencies.store, events.put, spool=dependencies.spool)
    transfers = Transfers(events.put)
    publish = dependencies.publisher.publish if dependencies.publisher is not None else None
    relay = make_outbox_relay(
        dependencies.uow, dependencies.doorbell, every_s=RELAY_TRIGGERED_EVERY_S, on_moved=publish
    )
    register = ChildRegister(dependencies.run_folder)

    def written() -> None:
        dependencies.doorbell.ring("changes")
        relay.trigger()

    def write_children(children: list[Child]) -> None:
        register.write([child.pid for child in children])
        supervisor.look_again()  # other kinds of slot can be served now

    traces = AttemptTraces(leases, worker_id)
    writer = LedgerWriter(
        ledger, leases, events.put, on_written=written, on_rejected=garbage.reject, on_settled=traces.record
    )
    children = Children(
        dependencies.factory,
        selector,
        small=tokens,
        on_readable=lambda slot: dispatcher.on_readable(slot),  # noqa: PLW0108 - the dispatcher is made below
        on_change=write_children,
    )
    live = make_live(settings, dependencies, worker_id, tokens, on_written=written)
    programs = Programs(dependencies.launcher, selector, writer, dependencies.store, events.put)
    dispatcher = Dispatcher(
        children,
        programs,
        writer,
        leases,
        limits,
        files=ResultFiles(transfers, dependencies.store, dependencies.spool),
        on_storage_full=lambda: on_storage_full(),  # noqa: PLW0108 - defined below
        live_cores=(lambda: live.cores) if live is not None else (lambda: 0.0),
        on_claimed=traces.follow,
    )

    def on_storage_full() -> None:
        supervisor.storage_is_full()
        probe.trigger()

    def sign_in() -> None:
        runs = live.runs if live is not None else 0
        details = {
            "version": __version__, "slots": tokens, "busy": dispatcher.busy, "live_runs": runs,
            "simulations": children.versions, "draining": supervisor.is_draining, "celery": dependencies.is_watched,
            "docker": None if engine is None else {"is_ready": engine.is_ready, "detail": engine.detail},
        }  # fmt: skip
        with dependencies.uow.begin() as tx:
            tx.workers.beat(worker_id, host=host, pid=os.getpid(), details=details, polled=writer.polled_lately())

    def sign_out() -> None:
        register.remove()
        with dependencies.uow.begin() as tx:
            tx.workers.stop(worker_id)

    heartbeat = Heartbeat(ledger, leases, events.put, sign_in=sign_in, every_s=settings.grid_heartbeat_s)
    supervisor = Supervisor(
        selector=selector,
        events=events,
        dispatcher=dispatcher,
        children=children,
        writer=writer,
        heartbeat=heartbeat,
        tasks=(
            make_reaper(dependencies.uow, dependencies.doorbell),
            make_live_reaper(dependencies.uow, dependencies.doorbell),
            relay,
            probe,
            garbage.task,
            *((engine.task,) if engine is not None else ()),
        ),
        bell=dependencies.bell,
        live=live,
        sign_out=sign_out,
        poll_s=settings.grid_poll_s,
    )
    return supervisor


def make_live(
    settings: Settings,
    dependencies: WorkerDependencies,
    worker_id: str,
    tokens: int,
    *,
    on_written: Callable[[], None],
) -> LiveSupervisor | None:
    """Return the live runs of a worker; None where it takes none."""
    if settings.grid_live_runs == 0:
        return None
    cores = float(tokens - 1) if tokens > 1 else LEAST_LIVE_CORES
    ledger = LiveLedger(
        dependencies.uow, dependencies.store, worker_id, cores, settings.grid_live_lease_s, settings.grid_live_runs
    )
    register = ChildRegister(dependencies.run_folder, "live")

    def record(children: list[Child]) -> None:
        if children:
            register.write([child.pid for child in children])
        else:
            register.remove()

    def socket_of(claim: RunClaim) -> str:
        return str(dependencies.run_folder / name_socket(claim.run_id, claim.epoch))

    return LiveSupervisor(
        ledger,
        dependencies.factory,
        dependencies.live_bell,
        spool=dependencies.spool,
        socket_of=socket_of,
        heartbeat_s=settings.grid_live_heartbeat_s,
        on_change=record,
        on_written=on_written,
    )


def require_migrated(url: str) -> None:
    """Refuse a database of another version of Grid; one that does not answer yet may come up later.

    Raises:
        ConfigurationError: The tables are missing, older or newer.
    """
    from grid.database.migrate import is_current

    try:
        if is_current(url):
            return
    except UnavailableError as error:
        log.warning("worker.database_unavailable", detail=str(error))
        return
    raise ConfigurationError("The database is not at this version of Grid; run `grid db upgrade` first.")


def run_worker(settings: Settings, *, is_watched: bool = False) -> int:
    """Run a worker with the adapters of this machine until a signal ends it; return the exit code. Main thread only.

    Args:
        settings: What the operator set.
        is_watched: Whether a Celery process shows its work.
    """
    configure("DEBUG" if settings.debug else settings.log_level, behind=settings.grid_home / "logs" / "worker.log")
    home = open_home(settings.grid_home)
    require_migrated(settings.resolved_database_url)
    end_orphans(home.run)
    remove_orphaned_scratch(home.root)
    with ExitStack() as stack:
        database = create_database(settings.resolved_database_url, application="worker")
        stack.callback(database.close)
        telemetry = start_telemetry(settings, "worker")
        if telemetry is not None:
            stack.callback(telemetry.close)
        spool = open_spool(settings)
        stack.callback(spool.close)
        uow = UnitOfWork(database)
        publisher = start_publisher(settings, uow)
        if publisher is not None:
            stack.callback(publisher.stop)
        frames = start_frame_relay(settings, home, uow)
        if frames is not None:
            stack.callback(frames.stop)
        dependencies = WorkerDependencies(
            uow=uow,
            store=make_store(settings, spool),
            spool=spool,
            factory=SlotFactory.from_settings(settings, spool),
            launcher=make_launcher(settings),
            doorbell=make_doorbell(settings, home, uow),
            bell=make_listener(settings, home, uow, "work"),
            live_bell=make_listener(settings, home, uow, "live"),
            run_folder=home.run,
            engine=make_engine_watch(settings, uow),
            publisher=publisher,
            is_watched=is_watched,
        )
        worker = assemble(settings, dependencies)
        with ending_on_signal(worker.stop):
            log.info("worker.started", pid=os.getpid(), database=database.kind)
            code = worker.run()
            log.info("worker.ended", code=code)
    return code


@contextmanager
def ending_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGTERM and SIGINT instead of dying; put the former handlers back at the end."""
    former = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
