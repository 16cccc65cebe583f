"""The log of a live run, the whole input of a replay: what ran, the commands with their ticks, and what was recorded.

The alert rules of a run at its begin are a command of the log, as every later change of them is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from grid.core.errors import AdmissionError, NotFoundError
from grid.database.live_events import LiveEventRecord
from grid.database.live_runs import LiveRunRecord, LiveSpec
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.live import SAMPLE_METRICS, EventOrigin
from grid.schemas.live_log import (
    COMPARED_KINDS,
    FORMAT,
    MOST_EVENTS,
    digest_event,
    is_before,
    read_lines,
    write_line,
)
from grid.services.live.events import ALWAYS_STORED
from grid.services.live.pyramid import unpack_spans

READ_AT_ONCE: Final = 500  # rows of one transaction
MOST_CHECKS: Final = 256  # temperatures of the run that a log holds
CHECKED: Final = ("lowest", "highest", "mean")
MOST_LOG_BYTES: Final = 4 * 2**20 - 4096  # of a log that a job has in its parameters


@dataclass(frozen=True)
class LogCut:
    """A log up to a boundary.

    Args:
        document: As `params.log` of the simulation `live` takes it.
        end: The boundary.
        tick_s: Simulated time of a tick [s].
    """

    document: JsonObject
    end: int
    tick_s: float


def export_log(
    uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID, until: int | None = None
) -> Iterator[str]:  # fmt: skip
    """Yield the lines of a run's log: header, commands that change physics, events of the engine, temperatures, end.

    Args:
        uow: Opens transactions.
        owner_id: Whose run it is; None for an administrator who asked for all.
        run_id: The run.
        until: Boundary at which the log ends; None: with the run, and without an end where it goes on.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        run, spec = tx.live_runs.find(run_id, owner_id), tx.live_runs.find_spec(run_id)
    if run is None or spec is None:
        raise NotFoundError("live run")
    return _export(uow, run, spec, until)


def read_log(
    uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID, until: int | None = None, most_bytes: int = MOST_LOG_BYTES
) -> LogCut:
    """Read the log of a run up to a boundary, or up to where it has come.

    Raises:
        NotFoundError: There is no such run for this owner.
        AdmissionError: The log has more bytes than a job takes.
    """
    with uow.read() as tx:
        run = tx.live_runs.find(run_id, owner_id)
    if run is None:
        raise NotFoundError("live run")
    end = find_end(run) if until is None else min(until, find_end(run))

    def counted() -> Iterator[str]:
        size = 0
        for line in export_log(uow, owner_id=owner_id, run_id=run_id, until=end):
            size += len(line)
            if size > most_bytes:
                raise AdmissionError("log of the run", size, most_bytes, "bytes")
            yield line

    return LogCut(read_lines(counted()), end, float(run.tick_s))


def find_end(run: LiveRunRecord) -> int:
    """Return the boundary that a run has come to: the last, or the largest that anybody was shown."""
    last = (run.result_manifest or {}).get("tick")
    return last if isinstance(last, int) else run.tick


def _export(uow: UnitOfWork, run: LiveRunRecord, spec: LiveSpec, until: int | None) -> Iterator[str]:
    kinds = [kind for kind in COMPARED_KINDS if kind in ALWAYS_STORED or not run.dropped_events]
    yield write_line(_make_header(run, spec, kinds))
    yield from _commands(uow, run, until)
    yield from _events(uow, run, kinds, until)
    yield from _checks(uow, run, until)
    if run.state.is_terminal or until is not None:
        end, manifest = find_end(run), run.result_manifest or {}
        is_whole = run.state.is_terminal and (until is None or until == end)
        yield write_line({
            "end": {
                "tick": end if until is None else until,
                "field_sha256": manifest.get("field_sha256") if is_whole else None,
            }
        })  # fmt: skip


def _make_header(run: LiveRunRecord, spec: LiveSpec, kinds: list[str]) -> JsonObject:
    header: JsonObject = {
        "format": FORMAT,
        "run": str(run.id),
        "scenario": run.scenario,
        "params": spec.params,
        "scene": spec.scene,
        "spec_hash": run.spec_hash,
        "tick_s": run.tick_s,
        "steps": run.steps_per_tick,
        "method": run.method,
        "seed": run.seed,
        "rules": [],
        "numerics_version": run.numerics_version,
        "platform": run.platform,
        "event_kinds": kinds,
    }
    if run.parent_id is not None:
        header["parent"] = {"run": str(run.parent_id), "tick": run.parent_tick}
    return header


def _commands(uow: UnitOfWork, run: LiveRunRecord, until: int | None) -> Iterator[str]:
    after = 0
    while True:
        with uow.read() as tx:
            commands = tx.live_commands.read(run.id, after=after, limit=READ_AT_ONCE)
        for command in commands:
            if command.kind.is_physical and command.tick is not None and (until is None or command.tick < until):
                entry = {"seq": command.seq, "kind": command.kind.value, "payload": command.payload}
                known = {} if command.known is None else {"known": command.known}
                yield write_line({**entry, "tick": command.tick, **known})
        if len(commands) < READ_AT_ONCE:
            return
        after = commands[-1].seq


def _events(uow: UnitOfWork, run: LiveRunRecord, kinds: list[str], until: int | None) -> Iterator[str]:
    after = count = 0
    while count < MOST_EVENTS:
        with uow.read() as tx:
            events = tx.live_events.read(run.id, after=after, limit=READ_AT_ONCE, kinds=kinds)
        for event in events:
            if _is_told(event, until) and count < MOST_EVENTS:
                count += 1
                digest = digest_event(event.kind, event.payload)
                yield write_line({"event": [event.tick, event.kind, event.key, digest]})
        if len(events) < READ_AT_ONCE:
            return
        after = events[-1].n


def _is_told(event: LiveEventRecord, until: int | None) -> bool:
    return event.origin is EventOrigin.ENGINE and (until is None or is_before(event.kind, event.tick, until))


def _checks(uow: UnitOfWork, run: LiveRunRecord, until: int | None) -> Iterator[str]:
    """Yield temperatures at some boundaries: the last of rows of the finest level that is not too long."""
    with uow.read() as tx:
        extents = [one for one in tx.live_samples.extents(run.id) if one.rows <= MOST_CHECKS]
        rows = tx.live_samples.read(run.id, extents[0].level) if extents else []
    places = [SAMPLE_METRICS.index(name) for name in CHECKED]
    for row in rows:
        spans, tick = unpack_spans(row.metrics), row.ticks.stop
        if len(spans) <= max(places) or (until is not None and tick > until):
            continue
        values = {name: spans[place].last for name, place in zip(CHECKED, places, strict=True)}
        known = {name: value for name, value in values.items() if value == value}
        if known:
            yield write_line({"check": {"tick": tick, **known}})
