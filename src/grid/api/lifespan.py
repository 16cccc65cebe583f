"""Start and stop: hold the data folder, bring the database up to date, make the administrator, start maintenance."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import anyio.to_thread
from dishka import Container
from fastapi import FastAPI

from grid.api.live_tasks import make_live_tasks
from grid.api.metrics import Metrics
from grid.core.logging import get_logger
from grid.core.passwords import PasswordHasher
from grid.core.settings import Settings
from grid.core.tokens import TokenSigner
from grid.database.engine import Database
from grid.database.migrate import upgrade
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.runtime.home import Home, InstanceLock, write_pid_file
from grid.runtime.telemetry.starting import start_telemetry
from grid.services.container import ServerKey
from grid.services.maintenance import make_live_reaper, make_outbox_relay, make_reaper
from grid.services.ports import ArtifactStore, Doorbell
from grid.services.reaper import ReapReport
from grid.services.users import ensure_administrator
from grid.tasks.publishing import start_publisher

log = get_logger(__name__)

THREADS = 32  # for `def` routes; the database's pool has a connection for each, and some for maintenance
LONGEST_PAUSE_S = 30.0  # between turns of maintenance while the database does not answer
STOP_TIMEOUT_S = 15.0  # for the turn in progress at the end: longer than any statement may take


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run everything that lives as long as the server, unless whoever serves has started it already."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    with ExitStack() as stack:
        if not getattr(app.state, "is_started", False):
            await anyio.to_thread.run_sync(start, app, stack)
        log.info("server_started")
        yield
        await anyio.to_thread.run_sync(stack.close)
    log.info("server_stopped")


def start(app: FastAPI, stack: ExitStack) -> None:
    """Start in order; `stack` undoes it in reverse.

    Raises:
        InstanceRunningError: Another server holds the data folder.
        ConfigurationError: The data folder, a secret or the database cannot be used.
    """
    container: Container = app.state.container
    stack.callback(container.close)
    telemetry = start_telemetry(container.get(Settings), "server", app.state.metrics.registry)
    if telemetry is not None:
        stack.callback(telemetry.close)
    home, settings = container.get(Home), container.get(Settings)
    stack.enter_context(InstanceLock(home, "server"))
    pid_file = write_pid_file(home, "server")
    stack.callback(pid_file.unlink, missing_ok=True)
    upgrade(settings.resolved_database_url)
    uow = container.get(UnitOfWork)
    ensure_administrator(uow, home.root, container.get(PasswordHasher))
    for part in (
        Database,
        Registry,
        ArtifactStore,
        TokenSigner,
        ServerKey,
    ):  # at the start, not in somebody's first request
        container.get(part)
    doorbell, on_reaped = container.get(Doorbell), _counter(app.state.metrics)
    publisher = start_publisher(settings, uow)
    if publisher is not None:
        stack.callback(publisher.stop)
    publish = publisher.publish if publisher is not None else None
    for task in (
        make_reaper(uow, doorbell, on_reaped=on_reaped, longest_pause_s=LONGEST_PAUSE_S),
        make_live_reaper(uow, doorbell, longest_pause_s=LONGEST_PAUSE_S),
        make_outbox_relay(uow, doorbell, longest_pause_s=LONGEST_PAUSE_S, on_moved=publish),
        *make_live_tasks(container, LONGEST_PAUSE_S),
    ):
        task.start()
        stack.callback(task.stop, STOP_TIMEOUT_S)
    app.state.is_started = True


def _counter(metrics: Metrics) -> Callable[[ReapReport], None]:
    return lambda report: metrics.count_expired_leases(report.requeued + report.poisoned)
