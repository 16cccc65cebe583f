"""The evaluation of alerts once a second, by the database's clock: rules, covers, silences, inhibition, notices.

Everything is in rows, and each turn follows from them: a loop that is started anew goes on where the last one was. It
reads first, and writes only where something is new. Where several servers run, one of them evaluates at a time.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.database.alerts import AlertRecord
from grid.database.live_runs import LiveRunRecord
from grid.database.notices import NoticeGroupRecord
from grid.database.silences import SilenceRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.alerts import IncidentState
from grid.schemas.live import RUN_TERMINAL, RunState
from grid.services.alerts.evaluation import evaluate_run
from grid.services.alerts.grouping import NoticePace, advance_group, find_group_key
from grid.services.alerts.matching import find_inhibitions, find_run_matched, find_silence
from grid.services.alerts.metrics import read_run_metrics
from grid.services.alerts.notices import add_notices
from grid.services.alerts.silences import advance_silences, is_anything_due
from grid.services.periodic import PeriodicTask

log = get_logger(__name__)

EVALUATE_EVERY_S: Final = 1.0  # [s]
LOOP_LOCK: Final = 0x67726967  # "grig": the key of PostgreSQL's advisory lock around a turn
MOST_RUNS: Final = 1000  # of one turn
_OPEN: Final = tuple(state for state in RunState if state not in RUN_TERMINAL)

Follow = Callable[[Transaction, Sequence[AlertRecord]], object]


@dataclass
class AlertLoop:
    """One evaluation after the other.

    Args:
        uow: Where everything is.
        notifiers: Names of those that get notices.
        pace: Times of notices.
        bring: Called with each open run before its evaluation: rules of its owner that it does not have.
        follow: Called with the active alerts in the transaction that has evaluated them: incidents.
        started_at: Of the loop, by the database's clock; None before its first turn.
    """

    uow: UnitOfWork
    notifiers: Sequence[str] = ("log",)
    pace: NoticePace = field(default_factory=NoticePace)
    bring: Callable[[LiveRunRecord], object] = lambda run: None  # noqa: ARG005 - nothing is brought
    follow: Follow = lambda tx, alerts: None  # noqa: ARG005 - nothing follows
    started_at: datetime | None = None

    def take_turn(self) -> None:
        """Evaluate every run, then what its alerts mean for silences, notices and incidents."""
        for run_id in self._find_runs():
            try:
                self._evaluate(run_id)
            except GridError as error:  # one run's trouble is not another's
                log.warning("alerts_not_evaluated", run_id=str(run_id), code=error.code, detail=str(error))
        with self.uow.read() as tx:
            self.started_at = self.started_at or tx.now()
            if not _is_needed(tx):
                return
        with self.uow.begin() as tx:
            if not take_lock(tx):
                return
            self._judge(tx)

    def _find_runs(self) -> list[UUID]:
        with self.uow.read() as tx:
            open_runs, _ = tx.live_runs.read_window(Window(size=MOST_RUNS), states=_OPEN)
            return sorted({run.id for run in open_runs} | set(tx.alert_rules.open_runs()))

    def _evaluate(self, run_id: UUID) -> None:
        with self.uow.read() as tx:
            run = tx.live_runs.find(run_id)
            if run is None:
                return
        self.bring(run)
        with self.uow.read() as tx:
            run = tx.live_runs.find(run_id)
            if run is None or not evaluate_run(tx, run, writes=False):
                return
        with self.uow.begin() as tx:
            if take_lock(tx) and (held := tx.live_runs.hold(run_id)) is not None:
                evaluate_run(tx, held, writes=True)

    def _judge(self, tx: Transaction) -> None:
        """Find what is covered, and tell what is not."""
        active, silences = tx.alerts.active(), tx.silences.living()
        groups = tx.notices.open_groups()
        if active or silences or groups:
            active = self._cover(tx, active, silences)
            self._tell(tx, [alert for alert in active if alert.is_loud], groups)
        self.follow(tx, active)

    def _cover(
        self, tx: Transaction, active: Sequence[AlertRecord], silences: Sequence[SilenceRecord]
    ) -> list[AlertRecord]:
        """Store what inhibits and silences each alert, and return them as they are then.

        Runs are held before their alerts, in the order of their ids, as everybody does who holds both.
        """
        now, by_run = tx.now(), defaultdict[UUID, list[AlertRecord]](list)
        for alert in active:
            by_run[alert.run_id].append(alert)
        inhibited: dict[UUID, str] = {}
        for run_id, of_run in by_run.items():
            inhibited |= find_inhibitions(of_run, _failed_regions(tx, run_id, of_run))
        living = [silence for silence in silences if silence.until > now]
        hidden, after = defaultdict[UUID, list[UUID]](list), list[AlertRecord]()
        for alert in active:
            silence, inhibitor = find_silence(living, alert), inhibited.get(alert.id)
            if silence is not None:
                hidden[silence.id].append(alert.id)
            silence_id = silence.id if silence is not None else None
            after.append(replace(alert, inhibited_by=inhibitor, silence_id=silence_id))
        changed = [new for old, new in zip(active, after, strict=True) if new != old]
        _hold_runs(tx, {alert.run_id for alert in changed} | _runs_of_news(after))
        for alert in changed:
            tx.alerts.change(alert.id, inhibited_by=alert.inhibited_by, silence_id=alert.silence_id)
        if hidden or any(s.until_below is not None or is_anything_due(s, now) for s in silences):
            advance_silences(tx, _read_limits(tx, silences), hidden)
        return after

    def _tell(self, tx: Transaction, loud: Sequence[AlertRecord], known: dict[str, NoticeGroupRecord]) -> None:
        """Write the notices that are due."""
        by_group = defaultdict[str, list[AlertRecord]](list)
        for alert in loud:
            if alert.severity is not None:  # else its rule is looked up first
                by_group[find_group_key(alert)].append(alert)
        assert self.started_at is not None  # noqa: S101 - set by the turn
        for key in sorted(by_group.keys() | known.keys()):
            alerts = by_group.get(key, [])
            group = known.get(key) or tx.notices.find_group(key)
            if group is None:
                group = NoticeGroupRecord(key, alerts[0].run_id, 0, [], None, None)
                tx.notices.add_group(group)
            after, is_due = advance_group(group, alerts, tx.now(), self.started_at, self.pace)
            if is_due:
                ids = {str(alert.id) for alert in alerts}
                gone = [tx.alerts.find(UUID(one)) for one in group.told if one not in ids]
                add_notices(tx, after, alerts, [one for one in gone if one is not None], self.notifiers)
            if after != group:
                changed = {name: value for name, value in vars(after).items() if name not in {"key", "run_id"}}
                tx.notices.change_group(key, **changed)


def make_alert_loop(loop: AlertLoop, *, longest_pause_s: float | None = None) -> PeriodicTask:
    """Return the task that evaluates alerts once a second."""
    return PeriodicTask("alerts", loop.take_turn, every_s=EVALUATE_EVERY_S, longest_pause_s=longest_pause_s)


def take_lock(tx: Transaction, key: int = LOOP_LOCK) -> bool:
    """Let no other server do what the key stands for until the end of the transaction; False where one does."""
    if tx.kind == "sqlite":  # its writer is alone already
        return True
    return bool(tx.connection.execute(select(func.pg_try_advisory_xact_lock(key))).scalar_one())


def _is_needed(tx: Transaction) -> bool:
    """True where a turn may have something to write beyond the rules of runs."""
    return bool(
        tx.alerts.active()
        or tx.silences.living()
        or tx.notices.open_groups()
        or tx.incidents.in_states(IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED)
    )


def _hold_runs(tx: Transaction, run_ids: set[UUID]) -> None:
    for run_id in sorted(run_ids):
        tx.live_runs.hold(run_id)


def _runs_of_news(alerts: Sequence[AlertRecord]) -> set[UUID]:
    """Return the runs whose alerts may open or join an incident."""
    return {
        alert.run_id for alert in alerts if alert.severity == "critical" and alert.incident_id is None and alert.is_loud
    }


def _failed_regions(tx: Transaction, run_id: UUID, alerts: Sequence[AlertRecord]) -> set[str]:
    """Return the names of the regions of a run that have failed, where an alert asks for one."""
    if all(alert.region is None for alert in alerts):
        return set()
    return {event.key for event in tx.live_events.read(run_id, kinds=("failed-region",))}


def _read_limits(tx: Transaction, silences: Sequence[SilenceRecord]) -> dict[UUID, float | None]:
    """Return the last value of the metric of each silence that ends below one."""
    found: dict[UUID, float | None] = {}
    for silence in silences:
        run = find_run_matched(silence.matchers) if silence.until_below is not None else None
        record: LiveRunRecord | None = tx.live_runs.find(UUID(run)) if run is not None else None
        if record is not None and silence.until_below is not None:
            found[silence.id] = read_run_metrics(tx, record).last(str(silence.until_below["metric"]))
    return found
