"""The notifier `log`: notices as lines of the service's log."""

from typing import TYPE_CHECKING

from grid.schemas.alerts import Deliver, Notice

if TYPE_CHECKING:
    from grid.core.settings import Settings


class LogNotifier:
    """Writes each notice as one line with keys."""

    name = "log"
    title = "The service's log"

    def connect(self, settings: "Settings") -> Deliver:  # noqa: ARG002 - it needs no setting
        """Return what writes a line."""
        return write


def write(notice: Notice) -> None:
    """Write a notice as one line: as a warning while alerts fire."""
    from grid.core.logging import get_logger  # commands that list plugins need no log

    log = get_logger(__name__)
    firing = [alert["rule"] for alert in notice.payload.get("firing", ())]
    resolved = [alert["rule"] for alert in notice.payload.get("resolved", ())]
    tell = log.warning if firing else log.info
    status = notice.payload.get("status")
    tell("alert_notice", group=notice.group, version=notice.version, status=status, firing=firing, resolved=resolved)
