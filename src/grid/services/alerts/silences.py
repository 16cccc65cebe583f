"""Silences: made and ended by people, and ended by time, by a metric, or because nothing matches them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, NotFoundError, TooManyRequestsError
from grid.core.ids import new_id
from grid.core.storable import storable_text
from grid.database.job_queries import Count
from grid.database.outbox import Event
from grid.database.silences import SilenceRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.jobs import JsonObject
from grid.services import audit
from grid.services.alerts.matching import find_run_matched, require_matchers
from grid.services.alerts.rule_reading import WALL_METRICS
from grid.services.jobs import Page

LONGEST: Final = timedelta(days=7)
SHORTEST: Final = timedelta(minutes=1)
WARNING: Final = timedelta(minutes=10)  # before the end
UNMATCHED: Final = timedelta(hours=1)  # after which a silence that hides nothing ends
NOTED_EVERY: Final = timedelta(minutes=1)  # how exactly it is known when a silence last hid something
MOST_LIVING: Final = 100  # silences of an owner
MOST_HIDDEN: Final = 200  # alerts that a silence remembers
MOST_REASON: Final = 500  # characters


class SilenceEndedError(ConflictError):
    """The silence has ended already."""

    code, title = "silence-ended", "The silence has ended"

    def __str__(self) -> str:
        return "The silence has ended; make another one."


@dataclass(frozen=True)
class NewSilence:
    """A silence as somebody asks for it.

    Args:
        matchers: `name`, `op` (`=` or `!=`) and `value` of each.
        reason: For others, and for later.
        until: Its end, at most 7 days ahead.
        until_below: A metric and a value: it ends as well when the metric of its run is below.
    """

    matchers: Sequence[Mapping[str, str]]
    reason: str
    until: datetime
    until_below: JsonObject | None = None


def add_silence(uow: UnitOfWork, *, owner_id: UUID, new: NewSilence) -> SilenceRecord:
    """Store a silence; it hides what it matches from the next evaluation on.

    Raises:
        FieldError: A field is outside its limits.
        NotFoundError: It names a run that is not the owner's.
        TooManyRequestsError: The owner has as many silences as one may have.
    """
    matchers = require_matchers(new.matchers)
    reason = storable_text(new.reason.strip(), MOST_REASON)
    if not reason:
        raise FieldError("reason", f"must be 1 to {MOST_REASON} characters")
    run = find_run_matched(matchers)
    if new.until_below is not None and run is None:
        raise FieldError("until_below", "goes with a matcher run = ID")
    if new.until_below is not None and new.until_below["metric"] not in WALL_METRICS:
        raise FieldError("until_below.metric", f"must be one of {', '.join(WALL_METRICS)}")
    with uow.begin() as tx:
        now = tx.now()
        if not now + SHORTEST <= new.until <= now + LONGEST:
            raise FieldError("until", "must be 1 minute to 7 days ahead")
        if run is not None and not _is_run_of(tx, run, owner_id):
            raise NotFoundError("live run")
        if tx.silences.count_living(owner_id) >= MOST_LIVING:
            raise TooManyRequestsError(f"You have {MOST_LIVING} silences; end one first", 60.0)
        silence = SilenceRecord(
            new_id(), owner_id, matchers, reason, owner_id, now, new.until, new.until_below, None, now, [], None, None,
            None,
        )  # fmt: skip
        tx.silences.add(silence)
        details = {"matchers": matchers, "until": new.until.isoformat(), "reason": reason}
        audit.record(tx, actor_id=owner_id, action="silence.add", subject=f"silence:{silence.id}", details=details)
    return silence


def end_silence(uow: UnitOfWork, *, actor_id: UUID, owner_id: UUID | None, silence_id: UUID) -> SilenceRecord:
    """End a silence; what it hid is told from the next evaluation on.

    Raises:
        NotFoundError: There is no such silence for this owner.
        SilenceEndedError: It has ended.
    """
    with uow.begin() as tx:
        silence = tx.silences.find(silence_id, owner_id, is_held=True)
        if silence is None:
            raise NotFoundError("silence")
        if silence.ended_at is not None:
            raise SilenceEndedError
        _end(tx, silence, "ended", actor_id)
        audit.record(tx, actor_id=actor_id, action="silence.end", subject=f"silence:{silence_id}")
        ended = tx.silences.find(silence_id)
    assert ended is not None  # noqa: S101 - silences are never removed
    return ended


def get_silence(uow: UnitOfWork, *, owner_id: UUID | None, silence_id: UUID) -> SilenceRecord:
    """Read one silence.

    Raises:
        NotFoundError: There is no such silence for this owner.
    """
    with uow.read() as tx:
        silence = tx.silences.find(silence_id, owner_id)
    if silence is None:
        raise NotFoundError("silence")
    return silence


def list_silences(
    uow: UnitOfWork, window: Window[UUID], *, owner_id: UUID | None, is_living: bool = False
) -> Page[SilenceRecord]:
    """Read a part of the list of silences, newest first."""
    with uow.read() as tx:
        items, following, total = tx.silences.read_window(window, owner_id=owner_id, is_living=is_living)
    return Page(items, window, Count(total, True), following)


def find_due(silence: SilenceRecord, now: datetime, metric: float | None) -> str | None:
    """Return why a silence ends now; None where it goes on.

    Args:
        silence: One that has not ended.
        now: The moment.
        metric: Last value of the metric of its `until_below`; None where that is not known.
    """
    if now >= silence.until:
        return "expired"
    below = silence.until_below
    if below is not None and metric is not None and metric < float(below["value"]):
        return "below"
    if now - (silence.matched_at or silence.created_at) >= UNMATCHED:
        return "unmatched"
    return None


def advance_silences(
    tx: Transaction, metrics: Mapping[UUID, float | None], hidden: Mapping[UUID, Iterable[UUID]]
) -> None:
    """End the silences that are due, announce those that soon will be, and note what each hides.

    Args:
        tx: A transaction that may write.
        metrics: Last value of the metric of `until_below`, by silence.
        hidden: Alerts that each silence hides now.
    """
    now = tx.now()
    for silence in tx.silences.living():
        reason = find_due(silence, now, metrics.get(silence.id))
        if reason is not None:
            _end(tx, silence, reason, None)
            continue
        changes: dict[str, Any] = {}
        if silence.warned_at is None and now >= silence.until - WARNING:
            changes["warned_at"] = now
            tx.outbox.add([_announce(silence, 1, "silence.expiring", {})])
        ids = [str(one) for one in hidden.get(silence.id, ())]
        new = [one for one in ids if one not in silence.hidden]
        if new or (ids and now - (silence.matched_at or silence.created_at) >= NOTED_EVERY):
            changes |= {"matched_at": now, "hidden": [*silence.hidden, *new][-MOST_HIDDEN:]}
        if changes:
            tx.silences.change(silence.id, **changes)


def is_anything_due(silence: SilenceRecord, now: datetime) -> bool:
    """True where the time alone changes something about a silence."""
    return find_due(silence, now, None) is not None or (silence.warned_at is None and now >= silence.until - WARNING)


def _end(tx: Transaction, silence: SilenceRecord, reason: str, actor_id: UUID | None) -> None:
    tx.silences.change(silence.id, ended_at=tx.now(), ended_by=actor_id, end_reason=reason)
    tx.outbox.add([_announce(silence, 2, "silence.ended", {"reason": reason})])


def _announce(silence: SilenceRecord, version: int, kind: str, more: JsonObject) -> Event:
    payload = {"id": str(silence.id), "owner": str(silence.owner_id), "until": silence.until.isoformat(), **more}
    return Event(f"silence:{silence.id}", version, kind, payload)


def _is_run_of(tx: Transaction, run: str, owner_id: UUID) -> bool:
    try:
        return tx.live_runs.find(UUID(run), owner_id) is not None
    except ValueError:
        raise FieldError("matchers", "name a run by its id") from None
