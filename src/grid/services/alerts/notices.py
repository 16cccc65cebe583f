"""Notices: written with the change that they tell, and sent until they arrive, at least once."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from grid.core.errors import GridError
from grid.core.ids import new_id
from grid.core.logging import get_logger
from grid.core.storable import storable_text
from grid.database.alerts import AlertRecord
from grid.database.notices import NoticeGroupRecord, NoticeRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.alerts import Deliver, Notice
from grid.schemas.jobs import JsonObject
from grid.services.periodic import PeriodicTask

log = get_logger(__name__)

SEND_EVERY_S: Final = 1.0  # [s]
PURGE_EVERY_S: Final = 3600.0  # [s]
AT_ONCE: Final = 20  # notices of one turn
FIRST_RETRY: Final = timedelta(seconds=10)  # longer than one delivery may take
LONGEST_RETRY: Final = timedelta(minutes=10)
GIVEN_UP_AFTER: Final = timedelta(hours=24)
KEPT_FOR: Final = timedelta(days=30)
MOST_ERROR: Final = 300  # characters


@dataclass(frozen=True)
class NoticeSender:
    """Sends what is due.

    Args:
        uow: Where notices wait.
        notifiers: Ways by which they leave, by name.
    """

    uow: UnitOfWork
    notifiers: Mapping[str, Deliver]

    def send_due(self) -> int:
        """Send the notices that are due, and return how many arrived. A notice whose delivery fails waits longer."""
        with self.uow.read() as tx:
            if not tx.notices.is_due():
                return 0
        with self.uow.begin() as tx:
            due = tx.notices.take(limit=AT_ONCE, retry_after=FIRST_RETRY)
        return sum(self._send(one) for one in due)

    def forget_old(self) -> int:
        """Remove notices that arrived, or were given up, a month ago; return how many."""
        with self.uow.begin() as tx:
            return tx.notices.purge(older_than=KEPT_FOR)

    def _send(self, row: NoticeRecord) -> bool:
        deliver = self.notifiers.get(row.notifier)
        error = f"there is no notifier {row.notifier}" if deliver is None else None
        if deliver is not None:
            try:
                deliver(Notice(row.id, row.group_key, row.version, row.created_at.isoformat(), dict(row.payload)))
            except GridError as failure:
                error = str(failure) or failure.title
            except Exception as failure:  # noqa: BLE001 - a plugin's notifier may raise anything
                error = type(failure).__name__
        self._settle(row, error)
        return error is None

    def _settle(self, row: NoticeRecord, error: str | None) -> None:
        with self.uow.begin() as tx:
            now = tx.now()
            if error is None:
                tx.notices.settle(row.id, sent_at=now, error=None)
                return
            log.warning("notice_not_delivered", notifier=row.notifier, attempts=row.attempts + 1, reason=error)
            words = storable_text(error, MOST_ERROR)
            if now - row.created_at >= GIVEN_UP_AFTER:
                tx.notices.settle(row.id, failed_at=now, error=words)
            else:
                pause = min(FIRST_RETRY * 2 ** min(row.attempts, 10), LONGEST_RETRY)
                tx.notices.settle(row.id, next_at=now + pause, error=words)


def make_notice_sender(sender: NoticeSender, *, longest_pause_s: float | None = None) -> PeriodicTask:
    """Return the task that sends notices; a turn that was full is followed by the next at once."""
    purged_at = -math.inf

    def act() -> None:
        nonlocal purged_at
        while sender.send_due() >= AT_ONCE and not task.is_finishing:
            pass
        if time.monotonic() - purged_at > PURGE_EVERY_S:
            purged_at = time.monotonic()
            sender.forget_old()

    task = PeriodicTask("notice-sender", act, every_s=SEND_EVERY_S, longest_pause_s=longest_pause_s)
    return task


def add_notices(
    tx: Transaction, group: NoticeGroupRecord, alerts: Sequence[AlertRecord], ended: Sequence[AlertRecord],
    notifiers: Sequence[str],
) -> None:  # fmt: skip
    """Write what a group has to tell, once for each notifier.

    Args:
        tx: The transaction of the change.
        group: As it is now.
        alerts: Those that fire.
        ended: Those that fired in the notice before, and do not any more.
        notifiers: Names.
    """
    payload: JsonObject = {
        "group": group.key,
        "version": group.version,
        "run": str(group.run_id),
        "status": "firing" if alerts else "resolved",
        "firing": [describe_alert(alert) for alert in alerts],
        "resolved": [describe_alert(alert) for alert in ended],
    }
    now = tx.now()
    tx.notices.add(
        [
            NoticeRecord(new_id(), group.key, group.version, name, payload, now, now, 0, None, None, None)
            for name in notifiers
        ]
    )


def describe_alert(alert: AlertRecord) -> JsonObject:
    """Return what a notice says of an alert."""
    definition = alert.definition or {}
    return {
        "id": str(alert.id),
        "rule": alert.rule,
        "number": alert.number,
        "severity": alert.severity,
        "state": alert.state.value,
        "metric": definition.get("metric"),
        "region": alert.region,
        "value": alert.value,
        "threshold": alert.threshold,
        "tick": alert.fired_tick,
        "time_s": alert.fired_time_s,
        "fired_at": alert.fired_at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at is not None else None,
        "ended_by": alert.ended_by,
        "labels": alert.labels,
        "summary": definition.get("summary", ""),
        "runbook": definition.get("runbook"),
    }
