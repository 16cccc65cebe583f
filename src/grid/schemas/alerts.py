"""The words of alerts, silences, incidents and notices: plain values, shared by every room above."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, Protocol
from uuid import UUID

SEVERITIES: Final = ("low", "medium", "high", "critical")
SeverityName = Literal["low", "medium", "high", "critical"]
VALUE_STATES: Final = ("ok", "pending", "firing", "holding")
COVERS: Final = ("stale", "no_data", "suspended", "closed")
RuleOrigin = Literal["scenario", "owner", "builtin"]


class AlertState(StrEnum):
    """State of an alert. The last two are final: a rule that fires again raises a new alert."""

    FIRING = "firing"
    HOLDING = "holding"
    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"

    @property
    def is_active(self) -> bool:
        """True while the alert is neither resolved nor left behind by the end of its run."""
        return self in ALERT_ACTIVE

    @property
    def sentence(self) -> str:
        """One sentence that tells a user what that is."""
        return ALERT_SENTENCES[self]


ALERT_ACTIVE: Final = frozenset({AlertState.FIRING, AlertState.HOLDING})
ALERT_SENTENCES: Final = {
    AlertState.FIRING: "The value is beyond its limit, or has not come back to where the alert ends.",
    AlertState.HOLDING: "The value is back; the alert ends when it has stayed there long enough.",
    AlertState.RESOLVED: "The value came back.",
    AlertState.UNRESOLVED: "The run ended, or the rule was removed, while the alert fired.",
}


class IncidentState(StrEnum):
    """State of an incident; a closed one is never reopened."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def is_living(self) -> bool:
        """True while somebody has to do something."""
        return self in INCIDENT_LIVING


INCIDENT_LIVING: Final = frozenset({IncidentState.OPEN, IncidentState.ACKNOWLEDGED})


@dataclass(frozen=True)
class Notice:
    """What a group of alerts has to tell; the same notice may be sent more than once.

    Args:
        id: Of the delivery: one that is sent again has the same.
        group: Key of the group.
        version: Of the group's notices: counts up by one with each, so that a reader drops an older one.
        at: When it was made, ISO 8601.
        payload: What is told, as JSON.
    """

    id: UUID
    group: str
    version: int
    at: str
    payload: Mapping[str, Any]


Deliver = Callable[[Notice], None]


class Notifier(Protocol):
    """A way by which notices leave, as a plugin brings it."""

    name: str  # as GRID_NOTIFIERS names it
    title: str

    def connect(self, settings: Any) -> Deliver:
        """Return what sends one notice, and raises where it did not arrive; it may block for seconds.

        Args:
            settings: `grid.core.settings.Settings`.

        Raises:
            ConfigurationError: A setting that it needs is missing or not allowed.
        """
        ...
