"""Signals of live runs for the ladders: what is known of a run's pace, of its pictures and of its lease.

Nothing is said of a pause, of the time before the first tick, or while kernels are compiled: time that is spent with
these is no overload. What the wall clock says comes from the newest sample of the run; where that is old it is not
known any more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction
from grid.schemas.live import CommandKind, RunState
from grid.services.alerts.covers import Sighting
from grid.services.alerts.metrics import RunMetrics, read_run_metrics
from grid.services.live.overload import AskedPhysics
from grid.services.modes import Signals

FROZEN_S: Final = 5.0  # [s] without a tick, or 20 times the price of one
LEASE_MARGIN: Final = timedelta(seconds=2)  # before the end of a lease at which its holder gives up
SAME_PRICE: Final = 0.2  # share by which a measured price has to differ to be kept anew


@dataclass(frozen=True)
class RunLook:
    """What is known of a run at a moment.

    Args:
        signals: Of its ladders.
        asked: What it was asked to compute.
        full_price_s: Measured processor time of a tick with nothing left out [s]; None where it is not known.
    """

    signals: Signals
    asked: AskedPhysics
    full_price_s: float | None = None


def look_at_run(tx: Transaction, run: LiveRunRecord, now: datetime, full_price_s: float | None = None) -> RunLook:
    """Read the signals of one run.

    Args:
        tx: The transaction of the look.
        run: Its row.
        now: The moment, by the database's clock.
        full_price_s: As it was known before [s].
    """
    seen, asked = Sighting.of(run, now), AskedPhysics()
    if run.overload_policy != "slip":
        asked = AskedPhysics.of(tx.live_commands.read_kind(run.id, CommandKind.MODE))
    if seen.phase != "ticks":
        return RunLook(Signals(is_ticking=True if seen.phase == "rests" else None), asked, full_price_s)
    if run.activity == "compiling":
        return RunLook(Signals(is_ticking=True), asked, full_price_s)
    least_s = max(FROZEN_S, 20 * run.price_s, seen.least_s)
    is_ticking = run.state is not RunState.INTERRUPTED and seen.age_s(None) <= least_s
    if not is_ticking or run.state is not RunState.RUNNING:
        return RunLook(Signals(is_ticking=is_ticking), asked, full_price_s)
    metrics = read_run_metrics(tx, run)
    price = _measure_price(metrics, asked, full_price_s)
    signals = Signals(
        ratio=metrics.last("ratio"),
        may_simplify=bool(asked.list_steps(run.overload_policy, now)),
        full_load=_find_load(run, metrics, price),
        is_ticking=True,
        encode_share=metrics.last("encode_share"),
        has_stopped_frames=_as_claim(metrics.last("frames_stopped")),
        has_frames=_as_claim(metrics.last("has_frames")),
    )
    return RunLook(signals, asked, price)


def is_fenced(run: LiveRunRecord, now: datetime) -> bool:
    """Tell whether a run has lost its owner because its lease was not renewed, and waits for the next claim."""
    if run.lease_until is not None:
        return run.lease_until - now < LEASE_MARGIN
    return run.state is RunState.INTERRUPTED and run.losses > 0 and run.healthy_since is None


def _measure_price(metrics: RunMetrics, asked: AskedPhysics, known: float | None) -> float | None:
    """The price of a tick with nothing left out: measured while nothing is, else as it was known."""
    spans = metrics.spans.get("processor_s")
    if asked.physics != "full" or spans is None:
        return known
    is_same = known is not None and abs(spans.mean - known) <= SAME_PRICE * known
    return known if is_same else spans.mean


def _find_load(run: LiveRunRecord, metrics: RunMetrics, price_s: float | None) -> float | None:
    """Cores that the run would take with nothing left out: price times rate, longer where the machine is shared."""
    if run.speed is None:
        return None
    wall, processor = metrics.spans.get("wall_s"), metrics.spans.get("processor_s")
    stretch = 1.0
    if wall is not None and processor is not None and processor.mean > 0.0:
        stretch = max(1.0, wall.mean / processor.mean)
    return (run.price_s if price_s is None else price_s) * stretch * run.rate * run.speed


def _as_claim(value: float | None) -> bool | None:
    return None if value is None else value > 0.5
