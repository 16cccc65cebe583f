"""Metrics of a live run as the service knows them: of its newest sample, of its lease, and of silence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from grid.database.live_runs import LiveRunRecord
from grid.database.newest_samples import find_newest_sample
from grid.database.uow import Transaction
from grid.schemas.live import SAMPLE_METRICS, RunState
from grid.services.live.pyramid import MetricSpan, unpack_spans


@dataclass(frozen=True)
class RunMetrics:
    """What is known of a run's metrics.

    Args:
        tick: At which the newest sample ends; None before the first.
        spans: Least, largest, mean and last of each metric over the ticks of that sample; a metric without a value is
            left out.
        is_lost: True where nobody holds a run that should tick.
    """

    tick: int | None = None
    spans: Mapping[str, MetricSpan] = field(default_factory=dict)
    is_lost: bool = False

    def worst(self, name: str, op: str) -> float | None:
        """The value that a rule has to look at: the largest over the sample for `>`, the least for `<`."""
        if name == "worker_lost":
            return float(self.is_lost)
        if name == "rate_ratio":
            return self.worst("ratio", op)
        if name == "forced_share":
            return self._forced_share()
        span = self.spans.get(name)
        return None if span is None else (span.largest if op == ">" else span.least)

    def last(self, name: str) -> float | None:
        """The last value of a metric."""
        if name in ("worker_lost", "forced_share"):
            return self.worst(name, ">")
        span = self.spans.get("ratio" if name == "rate_ratio" else name)
        return None if span is None else span.last

    def _forced_share(self) -> float | None:
        """Share of its limit that a lumped run takes up; 0 while it is diffusive."""
        lumped, share = self.spans.get("is_lumped"), self.spans.get("share")
        if lumped is None or share is None:
            return None if lumped is None else 0.0
        return share.last if lumped.last > 0.5 else 0.0


def read_run_metrics(tx: Transaction, run: LiveRunRecord) -> RunMetrics:
    """Read what is known of a run's metrics."""
    is_late = run.lease_until is not None and run.lease_until < tx.now()
    is_lost = run.state is RunState.INTERRUPTED or (run.state.is_leased and is_late)
    sample = find_newest_sample(tx, run.id)
    if sample is None:
        return RunMetrics(is_lost=is_lost)
    spans = dict(zip(SAMPLE_METRICS, unpack_spans(sample.metrics), strict=False))
    known = {name: span for name, span in spans.items() if not math.isnan(span.last)}
    return RunMetrics(sample.ticks.stop, known, is_lost)
