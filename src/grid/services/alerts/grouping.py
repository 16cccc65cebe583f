"""Groups of alerts, and when each tells something: a pure function of what was told, what fires, and the time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from grid.database.alerts import AlertRecord
from grid.database.notices import NoticeGroupRecord

LONGEST_REGION = 64  # characters that a key holds as they are


@dataclass(frozen=True)
class NoticePace:
    """Times of notices.

    Args:
        wait: Between the first alert of a group and its notice, so that those which fire with it are told together.
        interval: Between two notices of a group.
        repeat: After which a group that still fires is told again.
    """

    wait: timedelta = timedelta(seconds=2)
    interval: timedelta = timedelta(seconds=30)
    repeat: timedelta = timedelta(hours=1)


def make_group_key(run_id: UUID, severity: str | None, region: str | None) -> str:
    """Return the key of the group that an alert belongs to."""
    place = region or "-"
    if len(place) > LONGEST_REGION:
        place = hashlib.sha256(place.encode()).hexdigest()
    return f"{run_id}:{severity or 'unknown'}:{place}"


def find_group_key(alert: AlertRecord) -> str:
    """Return the key of the group of an alert."""
    return make_group_key(alert.run_id, alert.severity, alert.region)


def advance_group(
    group: NoticeGroupRecord, alerts: Sequence[AlertRecord], now: datetime, started_at: datetime, pace: NoticePace
) -> tuple[NoticeGroupRecord, bool]:
    """Return a group as it is now, and whether a notice is to be sent.

    Args:
        group: As it was.
        alerts: Alerts of the group that are to be told, in order of firing.
        now: The moment.
        started_at: When the loop started: no notice leaves before `wait` after it, so that a restart tells nothing
            which is inhibited or silenced by what is still to be evaluated.
        pace: Times of notices.
    """
    ids = [str(alert.id) for alert in alerts]
    differs = set(ids) != set(group.told)
    group = replace(group, changed_at=(group.changed_at or now) if differs else None)
    if now < started_at + pace.wait:
        return group, False
    if group.changed_at is not None:
        due = group.changed_at + pace.wait if not group.told else (group.told_at or now) + pace.interval
    elif ids and any(alert.acknowledged_at is None for alert in alerts):
        due = (group.told_at or now) + pace.repeat
    else:
        return group, False
    if now < due:
        return group, False
    return replace(group, version=group.version + 1, told=ids, changed_at=None, told_at=now), True
