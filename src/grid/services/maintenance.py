"""Maintenance of the ledger, by the server and by every worker: the reaper and the outbox relay.

Two at once are harmless. The server runs them too, so that jobs of a dead worker are requeued, and accepted jobs
announced, while no worker is alive.
"""

from collections.abc import Callable

from grid.core.logging import get_logger
from grid.database.uow import UnitOfWork
from grid.services.live import reap_runs
from grid.services.outbox import relay
from grid.services.periodic import PeriodicTask
from grid.services.ports import Doorbell
from grid.services.reaper import ReapReport, reap
from grid.services.renders import requeue_expired_renders

log = get_logger(__name__)

REAP_EVERY_S = 5.0  # [s] a sixth of the usual lease of 30 s
REAP_LIVE_EVERY_S = 1.0  # [s] a tenth of the usual lease of a live run, which a person watches
REAP_LIMIT = 100  # jobs of one transaction
RELAY_LIMIT = 200  # events of one transaction
RELAY_EVERY_S = 0.25  # [s] in the server, whose own writes do not trigger the relay: the delay of live news
RELAY_TRIGGERED_EVERY_S = 1.0  # [s] in a worker, which triggers the relay after each write
RELAY_LEAST_GAP_S = 0.1  # [s] between two turns of a triggered relay: 10 transactions a second at most


def make_reaper(
    uow: UnitOfWork,
    doorbell: Doorbell,
    *,
    on_reaped: Callable[[ReapReport], None] = lambda _: None,
    longest_pause_s: float | None = None,
) -> PeriodicTask:
    """Return the task that requeues jobs and requests for files of silent workers, and ends those past their time.

    A full transaction is followed by the next one at once.
    """

    def act() -> None:
        renders = requeue_expired_renders(uow)
        if renders:
            log.info("renders_requeued", renders=renders)
            doorbell.ring("work")
        while True:
            report = reap(uow, limit=REAP_LIMIT)
            on_reaped(report)
            if report.requeued:
                log.info("jobs_requeued", jobs=report.requeued)
                doorbell.ring("work")
            if report.total < REAP_LIMIT or task.is_finishing:
                return

    task = PeriodicTask("reaper", act, every_s=REAP_EVERY_S, longest_pause_s=longest_pause_s)
    return task


def make_live_reaper(uow: UnitOfWork, doorbell: Doorbell, *, longest_pause_s: float | None = None) -> PeriodicTask:
    """Return the task that takes live runs back whose worker is silent, so that another one goes on with them."""

    def act() -> None:
        while True:
            report = reap_runs(uow, limit=REAP_LIMIT)
            if report.total:
                log.info(
                    "live_runs_reaped",
                    interrupted=report.interrupted, poisoned=report.poisoned, timed_out=report.timed_out,
                )  # fmt: skip
            if report.interrupted:
                doorbell.ring("live")
            if report.total < REAP_LIMIT or task.is_finishing:
                return

    task = PeriodicTask("live-reaper", act, every_s=REAP_LIVE_EVERY_S, longest_pause_s=longest_pause_s)
    return task


def make_outbox_relay(
    uow: UnitOfWork,
    doorbell: Doorbell,
    *,
    every_s: float = RELAY_EVERY_S,
    longest_pause_s: float | None = None,
    on_moved: Callable[[range], None] | None = None,
) -> PeriodicTask:
    """Return the task that moves committed events to the numbered stream and rings for its readers.

    It looks without writing first, so that an idle process takes no write lock. A full transaction is followed by the
    next one at once; one that is not full ends the turn, so that a busy outbox is emptied in groups. `on_moved` is told
    the numbers of the events; it must not block.
    """

    def act() -> None:
        if not _has_events(uow):
            return
        while True:
            moved = relay(uow, limit=RELAY_LIMIT)
            if moved:
                doorbell.ring("changes")
                if on_moved is not None:
                    on_moved(moved)
            if len(moved) < RELAY_LIMIT or task.is_finishing:
                return

    task = PeriodicTask(
        "outbox-relay", act, every_s=every_s, least_gap_s=RELAY_LEAST_GAP_S, longest_pause_s=longest_pause_s
    )
    return task


def _has_events(uow: UnitOfWork) -> bool:
    with uow.read() as tx:
        return tx.outbox.is_waiting()
