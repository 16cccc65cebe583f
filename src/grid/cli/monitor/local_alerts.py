"""Alerts of a run in this process: what its rules have decided, and what somebody has seen."""

from collections.abc import Sequence

from grid.cli.monitor.source import Alert, Json
from grid.engine.live.rule_definition import Rule


class LocalAlerts:
    """The rules that are not in order.

    Args:
        rules: Of the run.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._alerts: dict[str, Alert] = {}
        self._seen: set[str] = set()

    @property
    def listed(self) -> tuple[Alert, ...]:
        """The alerts, in the order of their rules."""
        return tuple(self._alerts[name] for name in self._rules if name in self._alerts)

    def acknowledge(self, alert: str) -> None:
        """Note that somebody has seen an alert."""
        self._seen.add(alert)
        for name, one in self._alerts.items():
            if one.id == alert:
                self._alerts[name] = self._mark(one)

    def note(self, change: Json) -> bool:
        """Note a transition, as `Transition.to_json` writes it; True where the list is another one now."""
        rule, before = self._rules.get(change["rule"]), self.listed
        if rule is None:
            return False
        if change["to"] in ("ok", "closed"):
            self._alerts.pop(rule.name, None)
        else:
            self._alerts[rule.name] = self._mark(
                Alert(
                    f"{rule.name}-{change['alert']}", rule.name, rule.severity, change["to"], rule.key, rule.op,
                    change["value"], rule.raise_at, change["tick"],
                )
            )  # fmt: skip
        return self.listed != before

    def _mark(self, alert: Alert) -> Alert:
        if alert.id not in self._seen or alert.is_acknowledged:
            return alert
        return Alert(**{**vars(alert), "is_acknowledged": True})
