"""One batch in a slot child: parse, solve, isolate points that fail, leave the pack in the spool."""

import hashlib
import json
import math
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ValidationError

from grid.core.errors import ConflictError, GridError, NotFoundError, NumericsError, StorageFullError
from grid.core.storable import storable_scalars, storable_text
from grid.core.tracing import Attribute
from grid.runtime.messages import (
    CancelPoints,
    PointResult,
    Solve,
    SolveFinished,
    SolveProgress,
    SolveStarted,
    SpooledFile,
)
from grid.runtime.packs import write_pack
from grid.runtime.preload import Registry
from grid.runtime.processes import read_peak_rss_bytes, reset_peak_rss
from grid.runtime.solve_stages import SolveStages
from grid.runtime.spool import ChildFiles
from grid.runtime.store import storage_errors
from grid.schemas.jobs import Audit, Claim, Manifest, PackEntry, Reason
from grid.schemas.simulations import BatchResult, PointOutcome, Progress, Simulation

if TYPE_CHECKING:
    import numpy as np

PROGRESS_INTERVAL_S = 0.25  # [s] between two messages
LOG_CHARACTERS = 16 << 10  # of one point, from its end
SENTENCE_CHARACTERS = 500  # of a message to the user


class SupervisorGoneError(EOFError):
    """The supervisor has ended."""


class SolveChannel(Protocol):
    """The two-way channel between a solve and the supervisor."""

    def send(self, message: object) -> None:
        """Send a message."""
        ...

    def take_cancellations(self) -> list[CancelPoints]:
        """Return the cancellations that came since the last call."""
        ...


def solve(message: Solve, registry: Registry, spool: ChildFiles, channel: SolveChannel) -> SolveFinished:
    """Solve a batch; the answer has a result for each point, or the reason why the whole batch is requeued."""
    stages = SolveStages(message.is_traced)
    finished = _solve(message, registry, spool, channel, stages)
    return replace(finished, stages=tuple(stages.finished)) if message.is_traced else finished


def _solve(
    message: Solve, registry: Registry, spool: ChildFiles, channel: SolveChannel, stages: SolveStages
) -> SolveFinished:
    started = time.monotonic()
    reset_peak_rss()
    try:
        simulation = registry.get(message.simulation)
        channel.send(SolveStarted(message.batch_id))
        solved = Batch(message, simulation, channel, stages).solve()
        with stages.stage("solver.store"):
            results, pack = _leave(message, simulation, spool, solved)
    except NotFoundError:
        return _fail_batch(message, started, f"This worker has no simulation {message.simulation!r}.")
    except StorageFullError as error:
        return _fail_batch(message, started, str(error), is_storage_full=True)
    except ConflictError:
        return _fail_batch(message, started, "A pack of this batch is stored already.")
    except OSError as error:
        return _fail_batch(
            message, started, f"The result could not be stored ({error.strerror or type(error).__name__})."
        )
    elapsed = time.monotonic() - started
    return SolveFinished(message.batch_id, results, elapsed, read_peak_rss_bytes(), pack=pack)


def parse_params(simulation: Simulation, params: Mapping[str, Any]) -> BaseModel:
    """Return the typed parameters of one point, read as JSON, which is what they were stored as."""
    return simulation.params_model.model_validate_json(json.dumps(params))


class Batch:
    """The points of one message with their outcomes and records."""

    def __init__(
        self, message: Solve, simulation: Simulation, channel: SolveChannel, stages: SolveStages | None = None
    ) -> None:
        self.message, self.simulation, self.channel = message, simulation, channel
        self.stages = stages or SolveStages(is_on=False)
        self.index_of = {claim.job_id: index for index, claim in enumerate(message.claims)}
        self.cancelled: set[int] = set()
        self.outcomes: dict[int, PointOutcome] = {}
        self.rows: dict[int, np.void] = {}
        self.records: np.ndarray[Any, Any] | None = None  # where one call solved all of them, in order
        self.last_progress_s = -math.inf
        self.done = 0

    def solve(self) -> "Batch":
        """Solve all points: each gets an outcome, and each that succeeded a record."""
        points: dict[int, BaseModel] = {}
        with self.stages.stage("solver.parse", **{"grid.points": len(self.message.points)}):
            for index, params in enumerate(self.message.points):
                try:
                    points[index] = parse_params(self.simulation, params)
                except ValidationError as error:
                    self.outcomes[index] = _describe_invalid(error)
        if points:
            self._solve(points)
        return self

    def _solve(self, points: Mapping[int, BaseModel]) -> None:
        """Solve points together; where that raises, solve each half alone, down to the point that causes it."""
        try:
            result = self._call_solver(points)
        except (StorageFullError, SupervisorGoneError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model raises fails its own points only
            if len(points) == 1:
                (index,) = points
                self.outcomes[index] = _describe(error)
                self.done += 1
                return
            indices, middle = list(points), len(points) // 2
            for half in (indices[:middle], indices[middle:]):
                self._solve({index: points[index] for index in half})
            return
        self.done += len(points)
        for row, (index, outcome) in enumerate(zip(points, result.outcomes, strict=True)):
            self.outcomes[index] = outcome
            self.rows[index] = result.records[row]
        if len(points) == len(self.message.points) and not isinstance(result.records, Sequence):
            self.records = result.records

    def _call_solver(self, points: Mapping[int, BaseModel]) -> BatchResult:
        called: dict[str, Attribute] = {"grid.simulation": self.simulation.name, "grid.points": len(points)}
        with self.stages.stage("solver.solve", **called) as attributes:
            result = self.simulation.solve(list(points.values()), self._progress(list(points)))
            if self.stages.is_on:
                attributes.update(count_steps(list(points.values()), result))
        return result

    def _progress(self, indices: Sequence[int]) -> Progress:
        """Return the callback of one call, which covers only these points of the batch."""
        total = len(self.message.points)

        def progress(fraction: float) -> frozenset[int]:
            now = time.monotonic()
            if now - self.last_progress_s >= PROGRESS_INTERVAL_S:
                self.last_progress_s = now
                self._report_progress((self.done + len(indices) * min(1.0, max(0.0, fraction))) / total)
            if not self.cancelled:
                return frozenset()
            return frozenset(place for place, index in enumerate(indices) if index in self.cancelled)

        return progress

    def _report_progress(self, fraction: float) -> None:
        self.stages.note_progress(fraction)
        try:
            self.channel.send(SolveProgress(self.message.batch_id, fraction))
            for cancellation in self.channel.take_cancellations():
                self._cancel(cancellation.batch_id, cancellation.job_ids)
        except (EOFError, ConnectionError) as error:
            raise SupervisorGoneError from error

    def _cancel(self, batch_id: UUID, job_ids: frozenset[UUID]) -> None:
        if batch_id == self.message.batch_id:
            self.cancelled.update(self.index_of[job_id] for job_id in job_ids if job_id in self.index_of)

    def successful(self) -> list[int]:
        """Return the indices of the points that succeeded, in order."""
        return [index for index in sorted(self.outcomes) if self.outcomes[index].reason is Reason.OK]

    def by_shape(self, indices: Sequence[int]) -> list[list[int]]:
        """Return the points whose records are not empty, apart by the dtype of their record."""
        if self.records is not None:
            return [list(indices)] if self.records.dtype.itemsize else []
        shapes: dict[Any, list[int]] = {}
        for index in indices:
            shapes.setdefault(self.rows[index].dtype, []).append(index)
        return [places for dtype, places in shapes.items() if dtype.itemsize]

    def stack(self, indices: Sequence[int]) -> "np.ndarray[Any, Any]":
        """Return the records of these points as one array."""
        import numpy as np

        if self.records is not None:
            return self.records if len(indices) == len(self.records) else self.records[list(indices)]
        stacked = np.empty(len(indices), dtype=self.rows[indices[0]].dtype)
        for row, index in enumerate(indices):
            stacked[row] = self.rows[index]
        return stacked


def count_steps(points: Sequence[BaseModel], result: BatchResult) -> dict[str, int]:
    """Count the time steps of a call: those that its points report, or were asked for, with their sub-steps."""
    counts = []
    for point, outcome in zip(points, result.outcomes, strict=True):
        steps = outcome.metrics.get("steps")
        if steps is None and isinstance(asked := getattr(point, "time_steps", None), int):
            sub_steps = outcome.metrics.get("sub_steps")
            steps = asked * (sub_steps if isinstance(sub_steps, int | float) else 1)
        if isinstance(steps, int | float) and math.isfinite(steps):
            counts.append(int(steps))
    return {"grid.solver.steps": sum(counts)} if counts else {}


def _leave(
    message: Solve, simulation: Simulation, spool: ChildFiles, batch: Batch
) -> tuple[list[PointResult], SpooledFile | None]:
    """Leave the pack of the points that succeeded in the spool; return the result of each point, and the pack."""
    shapes = batch.by_shape(batch.successful())
    entries: dict[int, PackEntry] = {}
    pack = None
    if shapes:  # a simulation without a record (`noop`) leaves no file
        with spool.draft() as path, storage_errors():
            written = write_pack(path, message.pack_key, *map(batch.stack, shapes))
            entries = dict(zip((index for places in shapes for index in places), written, strict=True))
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            pack = SpooledFile(message.pack_key, spool.adopt(message.pack_key, path), sha256)
    version = simulation.numerics_version
    results = [
        _make_result(claim, batch.outcomes[index], entries.get(index), version)
        for index, claim in enumerate(message.claims)
    ]
    return results, pack


def _make_result(claim: Claim, outcome: PointOutcome, entry: PackEntry | None, version: str) -> PointResult:
    log = storable_text(outcome.log[-LOG_CHARACTERS:], LOG_CHARACTERS)
    if outcome.reason is not Reason.OK:
        return PointResult(claim, outcome.reason, storable_text(outcome.message, SENTENCE_CHARACTERS), None, log)
    manifest = Manifest(
        metrics=storable_scalars(outcome.metrics),
        audits=[_finite_audit(audit) for audit in outcome.audits],
        numerics_version=version,
    )
    if entry is not None:
        manifest["pack"] = entry
    else:
        manifest["files"] = []
    if outcome.field_sha256 is not None:
        manifest["field_sha256"] = outcome.field_sha256
    return PointResult(claim, Reason.OK, storable_text(outcome.message, SENTENCE_CHARACTERS), manifest, log)


def _finite(value: Any) -> Any:
    """Return a plain, JSON-safe value: NumPy scalars become Python's, numbers that are not finite become None."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _finite_audit(audit: Audit) -> Audit:
    return Audit(
        name=audit["name"],
        verdict=audit["verdict"],
        value=_finite(audit["value"]),
        limit=_finite(audit["limit"]),
        detail=audit["detail"],
    )


def _describe(error: Exception) -> PointOutcome:
    """Return the outcome for an exception of a model: one sentence for the user, the traceback for the log."""
    log = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError):
        return PointOutcome(Reason.OOM, Reason.OOM.sentence, log=log)
    if isinstance(error, NumericsError):
        return PointOutcome(Reason.DIVERGED, str(error) or error.title, log=log)
    if isinstance(error, GridError):
        return PointOutcome(Reason.NONZERO_EXIT, str(error) or error.title, log=log)
    sentence = f"The simulation raised {type(error).__name__}; its log says where."
    return PointOutcome(Reason.NONZERO_EXIT, sentence, log=log)


def _describe_invalid(error: ValidationError) -> PointOutcome:
    fields = ", ".join(sorted({".".join(map(str, detail["loc"])) for detail in error.errors(include_input=False)}))
    return PointOutcome(
        Reason.NONZERO_EXIT, f"The stored parameters are not valid for this version of the simulation: {fields}."
    )


def _fail_batch(message: Solve, started: float, failure: str, *, is_storage_full: bool = False) -> SolveFinished:
    elapsed = time.monotonic() - started
    return SolveFinished(message.batch_id, (), elapsed, read_peak_rss_bytes(), failure, is_storage_full)
