"""What the monitor knows of a run: the newest of everything, the trends, and the timeline. No terminal, no clock."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grid.cli.monitor.source import Alert, Happening, Reading, Run, Status

MOST_TREND = 600  # samples, a minute of ten a second
MOST_TIMELINE = 500
STALE_S: Final = 2.0  # age of data that is told in red
QUIET: Final = frozenset({"paused", "parked", "stopped", "failed", "queued", "stopping"})  # no data are due then
METRIC_OF_FIELD: Final = {
    "temperature": "highest",
    "stress": "peak_stress",
    "utilisation": "utilisation",
    "damage": "damage",
}
RANKS: Final = {"critical": 3, "high": 2, "medium": 1, "low": 0}


@dataclass(frozen=True)
class Trend:
    """A metric that is followed.

    Args:
        label: Before its curve.
        metric: Of a sample.
        takes: `most` or `last` of the ticks that a sample covers.
        scale: From the metric's unit to what is shown.
        unit: Of what is shown; `temperature` for the unit of the run.
    """

    label: str
    metric: str
    takes: str
    scale: float = 1.0
    unit: str = ""


TRENDS: Final = (
    Trend("peak", "highest", "most", unit="temperature"),
    Trend("mean", "mean", "last", unit="temperature"),
    Trend("util", "utilisation", "most"),
    Trend("step", "processor_s", "last", 1e3, "ms"),
)


class MonitorState:
    """The newest of everything about a run."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.status = Status()
        self.reading: Reading | None = None
        self.alerts: tuple[Alert, ...] = ()
        self.timeline: deque[Happening] = deque(maxlen=MOST_TIMELINE)
        self.trends: dict[str, deque[float]] = {one.metric: deque(maxlen=MOST_TREND) for one in TRENDS}
        self.tick, self.time_s = 0, 0.0
        self._seen_s: float | None = None  # by the clock of the run's machine
        self._quiet_since: float | None = None

    def take_run(self, run: Run) -> None:
        """Take another run in place of the one before; what was known of that one is forgotten."""
        if self.run is not None and (self.run.id, self.run.name) != (run.id, run.name):
            self.reading, self.alerts = None, ()
            self.tick, self.time_s = 0, 0.0
            for values in self.trends.values():
                values.clear()
        self.run = run

    def take_status(self, status: Status, now: float) -> None:
        """Take how the run stands; `now` is Unix time here [s]."""
        if (status.state in QUIET) != (self.status.state in QUIET) or self._quiet_since is None:
            self._quiet_since = now
        self.status = status

    def take_reading(self, reading: Reading) -> None:
        """Take a sample."""
        self.reading = reading
        self._advance(reading.tick, reading.time_s, reading.taken_s)
        for trend in TRENDS:
            value = (reading.most if trend.takes == "most" else reading.last).get(trend.metric)
            if value is not None:
                self.trends[trend.metric].append(value * trend.scale)

    def take_frame(self, tick: int, time_s: float, computed_ms: int) -> None:
        """Take the moment of a frame that was drawn."""
        self._advance(tick, time_s, computed_ms / 1000.0)

    def take_alerts(self, alerts: Sequence[Alert]) -> None:
        """Take the alerts: hidden ones last, the worst first."""
        self.alerts = tuple(
            sorted(alerts, key=lambda one: (bool(one.hidden), not one.is_firing, -RANKS.get(one.severity, 0), one.tick))
        )

    def take_happening(self, happening: Happening) -> None:
        """Take an event; the newest stands first."""
        self.timeline.appendleft(happening)

    def _advance(self, tick: int, time_s: float, seen_s: float) -> None:
        if tick >= self.tick:
            self.tick, self.time_s = tick, time_s
        self._seen_s = seen_s if self._seen_s is None else max(seen_s, self._seen_s)

    @property
    def is_quiet(self) -> bool:
        """True while no data are due, as in a pause."""
        return self.status.state in QUIET

    def age(self, now: float) -> float | None:
        """Age of the newest data [s], or for how long none have been due; None before the first.

        Args:
            now: Unix time here [s].
        """
        if self.is_quiet and self.status.link != "lost":
            return None if self._quiet_since is None else max(0.0, now - self._quiet_since)
        return None if self._seen_s is None else max(0.0, now + self.status.skew_s - self._seen_s)

    def is_stale(self, now: float) -> bool:
        """True where the data are too old for a run that ticks."""
        age = self.age(now)
        return (not self.is_quiet or self.status.link == "lost") and age is not None and age > STALE_S

    def find_value(self, alert: Alert) -> float | None:
        """The newest value of an alert's metric, or the one that decided."""
        newest = None if self.reading is None else self.reading.last.get(alert.metric)
        return alert.value if newest is None else newest

    def find_threshold(self, field: str) -> float | None:
        """Threshold whose iso-line is drawn over a field: the lowest of the run's rules; of utilisation 1 at most."""
        if self.run is None:
            return None
        metric = METRIC_OF_FIELD.get(field, "")
        found = self.run.thresholds.get(metric)
        return 1.0 if found is None and field == "utilisation" else found

    @property
    def waiting(self) -> Alert | None:
        """The first alert that fires and that nobody has acknowledged."""
        found = (one for one in self.alerts if one.is_firing and not one.hidden and not one.is_acknowledged and one.id)
        return next(found, None)
