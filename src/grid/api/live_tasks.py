"""Periodic tasks that only the server has: alerts, notices, modes, a look at the store of results."""

from datetime import timedelta

from dishka import Container

from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.runtime.bus import does_bell_ring
from grid.runtime.home import Home
from grid.services.alerts.loop import AlertLoop, make_alert_loop
from grid.services.alerts.notices import NoticeSender, make_notice_sender
from grid.services.alerts.notifiers import connect_notifiers
from grid.services.alerts.rules import RuleService
from grid.services.incidents.following import IncidentFollower
from grid.services.incidents.runbooks import RunbookFolder
from grid.services.live import LiveCommandService
from grid.services.mode_board import ModeBoard, ModeLoop, make_mode_loop
from grid.services.periodic import PeriodicTask
from grid.services.store_watch import StoreWatch


def make_live_tasks(container: Container, longest_pause_s: float) -> tuple[PeriodicTask, ...]:
    """Return the tasks that evaluate alerts, send notices, and look at the store and the modes.

    Raises:
        ConfigurationError: A notifier is not known, or cannot be connected.
    """
    settings, uow, home = container.get(Settings), container.get(UnitOfWork), container.get(Home)
    notifiers = connect_notifiers(container.get(Registry), settings.grid_notifiers, settings)
    alerts = AlertLoop(
        uow,
        notifiers=tuple(notifiers),
        bring=container.get(RuleService).bring_to,
        follow=IncidentFollower(container.get(RunbookFolder)),
    )
    watch = container.get(StoreWatch)
    modes = ModeLoop(
        uow,
        container.get(ModeBoard),
        home.root,
        does_ring=lambda: does_bell_ring(home.run),
        can_store=lambda: watch.can_store,
        heard_within=timedelta(seconds=3 * settings.grid_heartbeat_s + 5),
        command=lambda order: order.send(container.get(LiveCommandService)),
    )
    return (
        make_alert_loop(alerts, longest_pause_s=longest_pause_s),
        make_notice_sender(NoticeSender(uow, notifiers), longest_pause_s=longest_pause_s),
        make_mode_loop(modes, longest_pause_s=longest_pause_s),
        watch.make_task(),
    )
