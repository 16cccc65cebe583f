"""Figures of live runs for Prometheus: runs, alerts, incidents, notices, modes."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from grid.api.metrics import FreshFigures
from grid.core.logging import get_logger
from grid.services.live_figures import LiveFigures

log = get_logger(__name__)


class LiveCollector(Collector):
    """Reads figures when scraped, at most every `FRESH_S` seconds; silent while the database does not answer."""

    def __init__(self, read_figures: Callable[[], LiveFigures]) -> None:
        self._figures = FreshFigures("live", read_figures)

    def describe(self) -> Iterator[Metric]:
        """Name a metric without reading the database, which need not be there when the server is made."""
        yield GaugeMetricFamily("grid_live_runs", "Live runs by state")

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as gauges."""
        figures = self._figures.read()
        if figures is None:
            return
        runs = {state.value: count for state, count in figures.runs.items()}
        yield _labelled("grid_live_runs", "Live runs by state", "status", runs)
        yield _labelled("grid_live_alerts", "Alerts that fire, by severity", "severity", dict(figures.alerts))
        yield GaugeMetricFamily("grid_live_incidents", "Incidents that are not resolved", value=figures.incidents)
        yield GaugeMetricFamily("grid_live_notices_waiting", "Notices on their way", value=figures.notices)
        yield _labelled("grid_mode", "Rung of each part, 0 for full service", "part", dict(figures.modes))
        degraded = GaugeMetricFamily("grid_live_degraded", "Runs in a degraded mode", labels=["part", "mode"])
        for (part, mode), count in figures.degraded.items():
            degraded.add_metric([part, mode], count)
        yield degraded


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
