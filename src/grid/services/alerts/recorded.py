"""Back-tests on what is stored of a run: its samples, each over several ticks."""

import math
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from grid.core.errors import FieldError, NotFoundError
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.live import SAMPLE_METRICS
from grid.services.alerts.backtest import FIRST_FAILED_CELL, Trial, read_truth, try_rules
from grid.services.alerts.metrics import RunMetrics
from grid.services.alerts.rule_reading import find_temperature_unit, read_rules
from grid.services.live.pyramid import unpack_spans

MOST_SAMPLES: Final = 3600  # as many as are kept of a level


def try_on_samples(
    uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID, rules: Sequence[JsonObject], truth: str | None = None
) -> tuple[Trial, float]:
    """Show rules the stored samples of a run; return the trial, and the simulated time of a sample [s].

    Of a sample a rule sees the worst value, so that no peak is missed; when within the sample it was, is not known.

    Raises:
        NotFoundError: There is no such run for this owner.
        FieldError: A rule is none, is in wall time, or the truth is none.
    """
    with uow.read() as tx:
        run = tx.live_runs.find(run_id, owner_id)
        spec = tx.live_runs.find_spec(run_id) if run is not None else None
        if run is None or spec is None:
            raise NotFoundError("live run")
        extents = tx.live_samples.extents(run_id)
        level = max(extents, key=lambda one: (one.rows, -one.level)).level if extents else 0
        rows = tx.live_samples.read(run_id, level, limit=MOST_SAMPLES) if extents else []
    unit = find_temperature_unit(spec.scene)
    read = read_rules(list(rules), temperature_unit=unit)
    for index, rule in enumerate(read):
        if rule.get("clock") == "wall":
            raise FieldError(f"rules[{index}].clock", "must be sim: what the wall clock said is not stored")
    wanted = FIRST_FAILED_CELL if truth is None else read_truth(truth, unit)
    tick_s = float(run.tick_s)
    samples = [(row.ticks.stop, _worst(row.metrics)) for row in rows]
    return try_rules(read, tick_s, samples, wanted), (1 << level) * tick_s


def _worst(metrics: bytes) -> Callable[[str, str], float | None]:
    spans = dict(zip(SAMPLE_METRICS, unpack_spans(metrics), strict=False))
    known = RunMetrics(None, {name: span for name, span in spans.items() if not math.isnan(span.last)})
    return known.worst
