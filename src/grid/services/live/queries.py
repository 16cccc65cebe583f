"""Live runs of an owner: read, list, export, remove. `owner_id` is None only for an administrator who asked for all."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from grid.core.errors import GridError, NotFoundError
from grid.core.ids import find_creation
from grid.core.logging import get_logger
from grid.database.job_queries import Count
from grid.database.live_commands import LiveCommandRecord
from grid.database.live_events import LiveEventRecord
from grid.database.live_runs import LiveRunRecord
from grid.database.live_samples import LevelExtent, Sample
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.jobs import JsonObject
from grid.schemas.live import RunState
from grid.services import audit
from grid.services.jobs import Page
from grid.services.live.commands import RunStateError
from grid.services.live.pyramid import find_gaps, lay_over
from grid.services.ports import ArtifactStore

log = get_logger(__name__)

READ_AT_ONCE = 500  # rows of one transaction of an export
MOST_GAPS = 32  # of a level that are filled from each other one


@dataclass(frozen=True)
class NewestSample:
    """The newest sample of a run, none where it has none, and how old what is known of it is.

    Args:
        run: The run.
        sample: Its newest row.
        age_s: Time since the run was sampled, by the clock of the database [s]; None where it never was.
    """

    run: LiveRunRecord
    sample: Sample | None
    age_s: float | None


@dataclass(frozen=True)
class RunRules:
    """Alert rules of a run, as they were asked for last; `version` is what a change names."""

    version: int
    rules: tuple[JsonObject, ...]


@dataclass(frozen=True)
class MetricHistory:
    """Rows of a run's samples, of the coarsest level that has as many as were asked for.

    Where that level has none, because the run was faster or slower there or they are too old, rows of other levels
    take their place: every row says which ticks it covers.
    """

    level: int
    samples: tuple[Sample, ...]


def describe_run(run: LiveRunRecord, *, position: int | None = None) -> str:
    """Return the state of a run as one sentence."""
    if run.message:
        return run.message
    if run.state.is_terminal and run.reason is not None:
        return run.reason.sentence
    if run.activity == "compiling":
        return f"{run.state.sentence} It is compiling kernels, once on this machine; time that passes is no overload."
    if position is not None and run.state is RunState.QUEUED:
        return f"{run.state.sentence} It is number {position} of those that wait."
    return run.state.sentence


def get_run(uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID) -> tuple[LiveRunRecord, int | None]:
    """Read one run, and its place among those that wait where it waits.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        run = _find(tx, owner_id, run_id)
        return run, tx.live_runs.position(run) if run.state is RunState.QUEUED else None


def get_scene(uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID) -> tuple[LiveRunRecord, JsonObject]:
    """Read one run and its scene.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        run, spec = _find(tx, owner_id, run_id), tx.live_runs.find_spec(run_id)
    if spec is None:
        raise NotFoundError("live run")
    return run, spec.scene


def list_runs(
    uow: UnitOfWork, window: Window[UUID], *, owner_id: UUID | None, states: Sequence[RunState] = ()
) -> Page[LiveRunRecord]:
    """Read a part of the list of runs, newest first."""
    with uow.read() as tx:
        items, following = tx.live_runs.read_window(window, owner_id=owner_id, states=states)
        total = tx.live_runs.count(owner_id=owner_id, states=states)
    return Page(items, window, Count(total, True), following)


def read_commands(
    uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID, after: int = 0, limit: int = READ_AT_ONCE
) -> list[LiveCommandRecord]:
    """Read commands of a run in the order of their numbers.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        _find(tx, owner_id, run_id)
        return tx.live_commands.read(run_id, after=after, limit=limit)


def get_command(uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID, seq: int) -> LiveCommandRecord:
    """Read one command of a run.

    Raises:
        NotFoundError: There is no such run, or no such command, for this owner.
    """
    with uow.read() as tx:
        _find(tx, owner_id, run_id)
        command = tx.live_commands.find(run_id, seq)
    if command is None:
        raise NotFoundError("command")
    return command


def read_events(
    uow: UnitOfWork,
    *,
    owner_id: UUID | None,
    run_id: UUID,
    after: int = 0,
    limit: int = READ_AT_ONCE,
    kinds: Sequence[str] = (),
) -> list[LiveEventRecord]:
    """Read events of a run in the order of their numbers.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        _find(tx, owner_id, run_id)
        return tx.live_events.read(run_id, after=after, limit=limit, kinds=kinds)


def read_rules(uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID) -> RunRules:
    """Read the alert rules of a run: those of its scenario, or of the last command `rules` that was not refused.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        run = _find(tx, owner_id, run_id)
        command = tx.live_commands.last_rules(run_id)
    return RunRules(run.rules_version, tuple(command.payload["rules"]) if command is not None else ())


def read_newest(uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID) -> NewestSample:
    """Read the newest metrics of a run.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        run = _find(tx, owner_id, run_id)
        sample, now = tx.live_samples.newest(run_id), tx.now()
    age = None if run.sampled_at is None else max(0.0, (now - run.sampled_at).total_seconds())
    return NewestSample(run, sample, age)


def read_history(
    uow: UnitOfWork,
    *,
    owner_id: UUID | None,
    run_id: UUID,
    points: int,
    first_tick: int = 0,
    last_tick: int | None = None,
) -> MetricHistory:
    """Read metrics over a span of ticks, from the coarsest level with `points` rows in it, else from the finest.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        _find(tx, owner_id, run_id)
        extents = tx.live_samples.extents(run_id, first_tick=first_tick, last_tick=last_tick)
        if not extents:
            return MetricHistory(0, ())
        enough = [extent for extent in extents if extent.rows >= points]
        chosen = enough[-1] if enough else max(extents, key=lambda extent: (extent.rows, extent.level))
        rows = read_joined(tx, run_id, extents, chosen.level, first_tick=first_tick, last_tick=last_tick)
    return MetricHistory(chosen.level, tuple(rows))


def read_joined(
    tx: Transaction,
    run_id: UUID,
    extents: Sequence[LevelExtent],
    level: int,
    *,
    first_tick: int = 0,
    last_tick: int | None = None,
) -> list[Sample]:
    """Read rows of a level, and where it has none those of finer levels, then of coarser ones, in order.

    A coarser row takes the place of the finer ones that it covers, so that no tick is told twice.

    Args:
        tx: Opens nothing of its own.
        run_id: The run.
        extents: Of all levels that have rows within the span.
        level: That is preferred.
        first_tick, last_tick: Ends of the span, both in it; None: the newest.
    """
    begin = max(first_tick, min(extent.first << extent.level for extent in extents))
    end = max((extent.last + 1) << extent.level for extent in extents)
    span = range(begin, end if last_tick is None else min(end, last_tick + 1))
    rows = tx.live_samples.read(run_id, level, first_tick=first_tick, last_tick=last_tick)
    finer = sorted((extent.level for extent in extents if extent.level < level), reverse=True)
    coarser = sorted(extent.level for extent in extents if extent.level > level)
    for other in (*finer, *coarser):
        gaps = find_gaps(rows, span)[:MOST_GAPS]
        for gap in gaps:
            found = tx.live_samples.read(run_id, other, first_tick=gap.start, last_tick=gap.stop - 1)
            if other < level:  # a finer row may not reach into what is there
                found = [row for row in found if gap.start <= row.ticks.start and row.ticks.stop <= gap.stop]
            rows = lay_over(rows, found)
        if not gaps:
            break
    return rows


def purge_run(uow: UnitOfWork, store: ArtifactStore, *, actor_id: UUID, owner_id: UUID | None, run_id: UUID) -> None:
    """Remove a run that has ended, with its commands, events, samples, snapshots and files.

    Files go after the commit: where the process dies between the two, `find_unknown_files` names them.

    Raises:
        NotFoundError: There is no such run for this owner.
        RunStateError: It has not ended.
    """
    with uow.begin() as tx:
        run = _find(tx, owner_id, run_id)
        keys = [snapshot.key for snapshot in tx.live_snapshots.of_run(run_id)]
        keys += _result_keys(run)
        if not run.state.is_terminal or not tx.live_runs.remove(run_id):
            raise RunStateError(run.state, "stop it first, then remove it")
        audit.record(tx, actor_id=actor_id, action="run.purge", subject=f"run:{run_id}")
    for key in keys:
        try:
            with suppress(NotFoundError):
                store.delete(key)
        except GridError as error:
            log.warning("purge_left_files", run_id=str(run_id), reason=str(error))


def find_unknown_files(uow: UnitOfWork, keys: Sequence[str], *, older_than: timedelta = timedelta(0)) -> set[str]:
    """Return those of the keys `live/<run>/<epoch>/...` that neither a snapshot nor a result refers to.

    A file is there before its row, so a run that lives may refer to those of its epoch yet: of them none is returned.

    Args:
        uow: Opens the transaction.
        keys: Of files.
        older_than: How long ago a run has to have ended, or to have been claimed by another owner than the file's; and
            the age of a run that is not there any more.
    """
    parts = {key: found for key in keys if (found := _owner_of(key)) is not None}
    with uow.read() as tx:
        known = tx.live_snapshots.known_keys(list(parts))
        before = tx.now() - older_than
        done: dict[UUID, LiveRunRecord | None] = {
            run_id: tx.live_runs.find(run_id) for run_id in {run_id for run_id, _ in parts.values()}
        }
    for run in done.values():
        known |= set(_result_keys(run)) if run is not None else set()
    return {key for key, (run_id, epoch) in parts.items() if _is_past(done[run_id], run_id, epoch, before)} - known


def _is_past(run: LiveRunRecord | None, run_id: UUID, epoch: int, before: datetime) -> bool:
    """Whether nothing can refer to an owner's file any more, if nothing did before a moment."""
    if run is None:
        return find_creation(run_id) <= before
    if run.finished_at is not None:
        return run.finished_at <= before
    return epoch < run.epoch and run.claimed_at is not None and run.claimed_at <= before


def _result_keys(run: LiveRunRecord) -> list[str]:
    manifest = run.result_manifest or {}
    return [entry["key"] for entry in (*manifest.get("files", ()), *filter(None, (manifest.get("pack"),)))]


def _owner_of(key: str) -> tuple[UUID, int] | None:
    """Run and epoch of `live/<run>/<epoch>/...`."""
    parts = key.split("/")
    try:
        return (UUID(parts[1]), int(parts[2])) if parts[0] == "live" and len(parts) > 3 else None
    except ValueError:
        return None


def _find(tx: Transaction, owner_id: UUID | None, run_id: UUID) -> LiveRunRecord:
    run = tx.live_runs.find(run_id, owner_id)
    if run is None:
        raise NotFoundError("live run")
    return run
