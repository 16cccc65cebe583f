"""Small words for tests of alerts: transitions as a run tells of them, and what is stored of them."""

import math
from typing import Any

from grid.database.alerts import AlertRecord
from grid.database.live_events import NewLiveEvent
from grid.database.live_samples import Sample
from grid.database.uow import UnitOfWork
from grid.database.windows import Window
from grid.schemas.live import SAMPLE_METRICS, RunClaim
from grid.services import live
from grid.services.live.pyramid import MetricSpan, pack_spans

TICK_S = 0.03125


def alert_event(
    before: str, after: str, *, tick: int, rule: str = "hot", alert: int = 1, value: float | None = None,
    cause: str = "sample", threshold: float | None = 520.0, version: int = 1, first_tick: int | None = None,
    first_value: float | None = None,
) -> NewLiveEvent:  # fmt: skip
    """An event as the loop of a run tells of a transition."""
    payload: dict[str, Any] = {
        "rule": rule, "rule_version": version, "alert": alert, "tick": tick, "time_s": tick * TICK_S, "from": before,
        "to": after, "cause": cause, "value": value, "threshold": None if value is None else threshold,
        "first_tick": first_tick, "first_value": first_value, "value_hex": None if value is None else value.hex(),
    }  # fmt: skip
    return NewLiveEvent(tick, tick * 64, "alert", payload, f"{rule}-{alert}-{after}")


def tell(uow: UnitOfWork, held: RunClaim, before: str, after: str, **more: Any) -> None:
    """Have the run tell of one transition."""
    assert live.record_events(uow, held, [alert_event(before, after, **more)]) is not None


def alerts_of(uow: UnitOfWork, held: RunClaim) -> list[AlertRecord]:
    """The alerts of a run, in order of firing."""
    with uow.read() as tx:
        items, _, _ = tx.alerts.read_window(Window(size=200), owner_id=None, run_id=held.run_id)
    return items[::-1]


def rule_of(uow: UnitOfWork, held: RunClaim, rule: str):
    """What is known of a rule in a run."""
    with uow.read() as tx:
        return tx.alert_rules.find_state(held.run_id, rule)


def sample_row(level: int, place: int, **metrics: float) -> Sample:
    """A row of samples with some metrics, each of one value all over its ticks."""
    nothing = MetricSpan(*[math.nan] * 4)
    spans = [MetricSpan(*[metrics[name]] * 4) if name in metrics else nothing for name in SAMPLE_METRICS]
    return Sample(level, place, pack_spans(spans))
