"""The Celery application: `celery -A grid.tasks.celery_app worker` runs a worker, and shows its work as tasks.

A task carries the name of a unit of work and nothing else, and only watches: what runs, where and how often is decided
by the database, so that a lost, doubled, late or forged task changes nothing but what people see. The worker itself is
a process of its own, which ends with Celery's, and Celery's with it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from celery import Celery, bootsteps, signals
from celery.worker import state
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from grid.core.errors import ConfigurationError
from grid.core.logging import configure, get_logger
from grid.core.settings import Settings
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.runtime.bus import UnixDoorbell
from grid.runtime.home import open_home
from grid.services.adapters import make_listener
from grid.services.units import QUEUES, Publication, read_states
from grid.tasks.cores import count_cores
from grid.tasks.watching import UnitWatch

log = get_logger(__name__)

TASK: Final = "grid.run"
PREFIX: Final = "grid:"  # of every key in Redis
WATCHERS_OF_SLOT, MOST_WATCHERS = 4, 64  # tasks that are shown at once
MOST_QUEUED: Final = 10_000  # messages of a queue, beyond which nobody can be watching
PUBLISH_S: Final = 2.0  # [s] until a publication is given up
DRAIN_S: Final = 60.0  # [s] for the worker to end after SIGTERM: it drains for 45 s at most
LEAVE_S: Final = 15.0  # [s] for Celery to end behind its worker, which a broker that is away may hold up
TRANSPORT: Final = {
    "visibility_timeout": 300,  # [s] a message is taken away when it is read, so that none is restored in fact
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry_on_timeout": True,
    "global_keyprefix": PREFIX,
}


def make_configuration(settings: Settings) -> dict[str, Any]:
    """Return Celery's settings.

    Raises:
        ConfigurationError: There is no Redis.
    """
    if settings.redis_url is None:
        raise ConfigurationError("REDIS_URL: Celery needs it; without it `grid worker` does the same work.")
    exchange = Exchange("grid", type="direct")  # type: ignore[no-untyped-call]
    slots = settings.grid_slots or count_cores()
    return {
        "broker_url": make_broker_url(settings.redis_url),
        "broker_transport_options": TRANSPORT,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "result_backend": None,
        "result_backend_transport_options": {"visibility_timeout": TRANSPORT["visibility_timeout"]},
        "visibility_timeout": TRANSPORT["visibility_timeout"],
        "task_queues": [Queue(name, exchange, routing_key=name) for name in QUEUES],  # type: ignore[no-untyped-call]
        "task_default_queue": QUEUES[0],
        "task_default_exchange": "grid",
        "task_default_routing_key": QUEUES[0],
        "task_create_missing_queues": False,
        "task_acks_late": False,  # recovery is by lease; a late acknowledgement would only double messages
        "task_reject_on_worker_lost": False,
        "task_publish_retry": False,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_send_sent_event": True,  # so that what has no thread yet is shown as well
        "worker_send_task_events": True,
        "worker_enable_remote_control": False,
        "worker_disable_prefetch": True,
        "worker_prefetch_multiplier": 1,
        "worker_eta_task_limit": 100,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 30.0,
        "worker_enable_soft_shutdown_on_idle": True,
        "worker_pool": "threads",  # a task that waits would block any other
        "worker_concurrency": min(WATCHERS_OF_SLOT * slots, MOST_WATCHERS),
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def make_broker_url(url: str) -> str:
    """Return the address for Celery, which for TLS has to name what redis-py does by itself."""
    parts = urlsplit(url)
    if parts.scheme != "rediss" or "ssl_cert_reqs" in parse_qs(parts.query):
        return url
    query = f"{parts.query}&ssl_cert_reqs=CERT_REQUIRED".removeprefix("&")
    return parts._replace(query=query).geturl()


def make_app(settings: Settings) -> Celery:
    """Return the application for these settings.

    Raises:
        ConfigurationError: There is no Redis.
    """
    app = Celery("grid", set_as_current=False)
    app.conf.update(make_configuration(settings))
    link = WatchLink(settings)
    app.task(link.run, name=TASK, ignore_result=True, shared=False)
    app.steps["worker"].add(_make_step(link))
    app.grid_link = link  # Celery keeps bound receivers of signals weakly
    return app


class WatchLink:
    """The watch of a Celery process and its worker process, from the start of the one to the end of both."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.watch: UnitWatch | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._database: Any = None
        self._is_ending = False
        signals.worker_init.connect(self.on_init)
        signals.worker_shutting_down.connect(self.on_shutting_down)
        signals.setup_logging.connect(self.on_logging)

    def run(self, *args: Any, **_: Any) -> dict[str, Any]:
        """Watch a unit of work until it has ended, and return its name, status and reason."""
        name, queue = (*args, None, None)[:2]
        if self.watch is None:
            return {"id": None, "status": "unwatched", "reason": None}
        return self.watch.watch(name, queue)

    def on_logging(self, **_: Any) -> None:
        """Log as every process of Grid does, instead of Celery's own way."""
        configure("DEBUG" if self.settings.debug else self.settings.log_level)

    def on_init(self, sender: Any, **_: Any) -> None:
        """Leave out what Celery's workers tell each other; a pool of another kind could not watch."""
        sender.options.update(without_gossip=True, without_mingle=True)
        sender.pool_cls = "threads"

    def on_shutting_down(self, **_: Any) -> None:
        """Hand every watcher back, so that the end waits for none, and let the worker drain. Within a signal."""
        self._is_ending = True
        if self.watch is not None:
            self.watch.hand_back()
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def start(self) -> None:
        """Start the watch and the worker. In the main thread, whose end is the worker's."""
        home = open_home(self.settings.grid_home)
        self._database = create_database(self.settings.resolved_database_url, application="watcher")
        uow = UnitOfWork(self._database)
        listener = make_listener(self.settings, home, uow, "changes")
        self.watch = UnitWatch(partial(read_states, uow), UnixDoorbell(home.run).ring, listener)
        self.watch.start()
        self.process = subprocess.Popen([sys.executable, "-m", "grid.tasks.subworker", str(os.getpid())])
        log.info("celery.worker_started", pid=self.process.pid)
        threading.Thread(target=self._end_with_worker, args=(self.process,), name="worker-end", daemon=True).start()

    def _end_with_worker(self, process: "subprocess.Popen[bytes]") -> None:
        code = process.wait()
        if not self._is_ending:
            log.error("celery.worker_ended", code=code)
            if self.watch is not None:
                self.watch.hand_back()
            code = abs(code) or 1
            state.should_stop = code
        time.sleep(LEAVE_S)  # a thread that no end waits for: where Celery ends in time, nothing follows
        log.warning("celery.left", code=code)
        os._exit(code)

    def stop(self) -> None:
        """End the worker and the watch, and wait for both; twice is harmless."""
        self._is_ending = True
        if self.watch is not None:
            self.watch.hand_back()
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DRAIN_S)
            except subprocess.TimeoutExpired:
                log.warning("celery.worker_killed", pid=self.process.pid)
                self.process.kill()
                self.process.wait()
        if self.watch is not None:
            self.watch.stop()
            self._database.close()


def _make_step(link: WatchLink) -> type:
    class SupervisorStep(bootsteps.StartStopStep):  # type: ignore[misc]
        """Starts the worker with Celery's, and ends both together."""

        requires = ("celery.worker.components:Pool",)

        def start(self, _parent: Any) -> None:
            """Start the worker."""
            link.start()

        def stop(self, _parent: Any) -> None:
            """End it."""
            link.stop()

        terminate = stop

    return SupervisorStep


class TaskSender:
    """Sends publications as tasks, over a connection of its own. For one thread.

    Args:
        app: Of `make_app`.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Any = None

    def __call__(self, publications: Sequence[Publication]) -> None:
        """Send tasks; those of a queue that nobody empties are left out.

        Raises:
            Exception: Of kombu or redis: the broker did not take all of them.
        """
        try:
            if self._connection is None:
                options = {**TRANSPORT, "socket_timeout": PUBLISH_S, "socket_connect_timeout": PUBLISH_S}
                url = self._app.conf.broker_url
                self._connection = Connection(url, transport_options=options)  # type: ignore[no-untyped-call]
            with self._app.amqp.Producer(self._connection) as producer:
                full = {name for name in {each.queue for each in publications} if _is_full(producer, name)}
                for each in publications:
                    if each.queue not in full:
                        self._app.send_task(
                            TASK, (each.unit.name, each.queue), {}, task_id=each.task_id, queue=each.queue,
                            routing_key=each.queue, producer=producer, retry=False,
                        )  # fmt: skip
        except BaseException:
            self.close()
            raise
        if full:
            log.warning("publisher.queue_full", queues=sorted(full), most=MOST_QUEUED)

    def close(self) -> None:
        """Drop the connection; the next publication makes another. Twice is harmless."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


def _is_full(producer: Any, queue: str) -> bool:
    found: int = producer.channel._size(queue)  # noqa: SLF001 - kombu counts by declaring, which would make the queue
    return found >= MOST_QUEUED


def __getattr__(name: str) -> Any:
    """Make `app` when Celery first asks for it."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = application = make_app(Settings())
    return application
