"""The metric of an incident around its first breach."""

import math
from typing import Final

from grid.database.uow import UnitOfWork
from grid.schemas.live import SAMPLE_METRICS
from grid.services.incidents.working import IncidentView
from grid.services.live.pyramid import unpack_spans

POINTS: Final = 48  # samples on each side of the breach


def read_curve(uow: UnitOfWork, view: IncidentView) -> tuple[str, list[tuple[int, float]]]:
    """Return the name of the metric that opened an incident, and its largest values with their ticks; else nothing."""
    opened = next((entry.content for entry in view.entries if entry.kind == "opened"), {})
    metric = (opened.get("alert") or {}).get("metric")
    if metric not in SAMPLE_METRICS or view.record.first_tick is None:
        return "", []
    place = SAMPLE_METRICS.index(metric)
    with uow.read() as tx:
        extents = tx.live_samples.extents(view.record.run_id)
        if not extents:
            return metric, []
        level = extents[0].level
        reach = POINTS << level
        rows = tx.live_samples.read(
            view.record.run_id,
            level,
            first_tick=max(0, view.record.first_tick - reach),
            last_tick=view.record.first_tick + reach,
        )
    spans = [(row.ticks.stop, unpack_spans(row.metrics)) for row in rows]
    curve = [(tick, found[place].largest) for tick, found in spans if len(found) > place]
    return metric, [(tick, value) for tick, value in curve if not math.isnan(value)]
