"""Which alerts are covered: silences that match them, and alerts that inhibit them. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

from grid.core.errors import FieldError
from grid.database.alerts import AlertRecord
from grid.database.silences import SilenceRecord
from grid.schemas.alerts import SEVERITIES
from grid.services.alerts.builtin_rules import HEALTH_RULES

MATCHED = ("rule", "run", "severity", "metric", "region")  # or `label.NAME`
OPERATORS = ("=", "!=")
MOST_MATCHERS = 10
MOST_VALUE = 1000  # characters
INHIBITS = "inhibits"  # label with the names of rules, divided by commas, whose alerts a rule inhibits


def require_matchers(matchers: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the matchers of a silence, in the order given.

    Raises:
        FieldError: There is none, there are too many, or one names what alerts do not have.
    """
    if not 1 <= len(matchers) <= MOST_MATCHERS:
        raise FieldError("matchers", f"must be 1 to {MOST_MATCHERS}")
    for index, matcher in enumerate(matchers):
        name = matcher.get("name", "")
        if name not in MATCHED and not (name.startswith("label.") and 6 < len(name) <= 70):
            raise FieldError(f"matchers[{index}].name", f"must be one of {', '.join(MATCHED)}, or label.NAME")
        if matcher.get("op", "=") not in OPERATORS:
            raise FieldError(f"matchers[{index}].op", "must be = or !=")
        if not 1 <= len(matcher.get("value", "")) <= MOST_VALUE:
            raise FieldError(f"matchers[{index}].value", f"must be 1 to {MOST_VALUE} characters")
    if all(matcher.get("op", "=") == "!=" for matcher in matchers):
        raise FieldError("matchers", "must name one value with = at least")
    return [{"name": m["name"], "op": m.get("op", "="), "value": m["value"]} for m in matchers]


def find_run_matched(matchers: Sequence[Mapping[str, str]]) -> str | None:
    """Return the run that matchers name; None where they leave it open."""
    named = [matcher["value"] for matcher in matchers if matcher["name"] == "run" and matcher["op"] == "="]
    return named[0] if len(named) == 1 else None


def does_match(silence: SilenceRecord, alert: AlertRecord) -> bool:
    """True where every matcher of a silence agrees with an alert of the same owner."""
    if silence.owner_id != alert.owner_id:
        return False
    return all(_agrees(matcher, alert) for matcher in silence.matchers)


def find_silence(silences: Iterable[SilenceRecord], alert: AlertRecord) -> SilenceRecord | None:
    """Return the oldest silence that matches an alert."""
    return next((silence for silence in silences if does_match(silence, alert)), None)


def find_inhibitions(alerts: Sequence[AlertRecord], failed_regions: AbstractSet[str] = frozenset()) -> dict[UUID, str]:
    """Return for each alert of a run that is inhibited the rule, or the region, that does it.

    A run that is not heard of inhibits all alerts of its values; a region that has failed those in it; a higher
    severity the lower ones of the same metric and region; a rule those that its label `inhibits` names.

    Args:
        alerts: Those of one run that are active.
        failed_regions: Names of the regions of the run that have failed.
    """
    found: dict[UUID, str] = {}
    health = [alert for alert in alerts if alert.rule in HEALTH_RULES]
    lost = min(health, key=lambda alert: HEALTH_RULES.index(alert.rule), default=None)
    for alert in alerts:
        if lost is not None and alert is not lost:
            found[alert.id] = lost.rule
        elif alert.rule in HEALTH_RULES:
            continue
        elif alert.region is not None and alert.region in failed_regions:
            found[alert.id] = f"region {alert.region[:100]}"
        elif (other := _find_higher(alert, alerts) or _find_named(alert, alerts)) is not None:
            found[alert.id] = other.rule
    return found


def _find_higher(alert: AlertRecord, alerts: Sequence[AlertRecord]) -> AlertRecord | None:
    """Return the alert of the same metric and region with the highest severity above this one's."""
    above = [
        other
        for other in alerts
        if other.metric == alert.metric
        and other.region == alert.region
        and alert.metric
        and _rank(other.severity) > _rank(alert.severity)
    ]
    return max(above, key=lambda other: _rank(other.severity), default=None)


def _find_named(alert: AlertRecord, alerts: Sequence[AlertRecord]) -> AlertRecord | None:
    """Return the first alert whose rule names this one's, and which this one's does not name in its turn."""
    for other in alerts:
        if alert.rule in _named_by(other) and other.rule not in _named_by(alert):
            return other
    return None


def _named_by(alert: AlertRecord) -> list[str]:
    return [name.strip() for name in alert.labels.get(INHIBITS, "").split(",")]


def _rank(severity: str | None) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _agrees(matcher: Mapping[str, str], alert: AlertRecord) -> bool:
    name = matcher["name"]
    if name.startswith("label."):
        value = alert.labels.get(name.removeprefix("label."))
    else:
        known = {"rule": alert.rule, "run": str(alert.run_id), "severity": alert.severity, "metric": alert.metric}
        value = alert.region if name == "region" else known[name]
    return (value == matcher["value"]) == (matcher["op"] == "=")
