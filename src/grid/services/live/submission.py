"""Submission of live runs: validated and priced first, then one transaction stores the run with its first commands."""

from dataclasses import dataclass, field
from typing import Final, get_args
from uuid import UUID

from grid.core.errors import AdmissionError, FieldError, GoneError
from grid.core.ids import new_id
from grid.database.idempotency import StoredAnswer
from grid.database.live_commands import NewLiveCommand
from grid.database.live_runs import LiveRunRecord, NewLiveRun
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.live import RUN_TERMINAL, OverloadPolicy, PlannedRun, RunSpec, RunState
from grid.services import audit
from grid.services.live.effects import make_announcement, make_state_event
from grid.services.live.fingerprints import compute_fingerprint
from grid.services.live.limits import LiveLimits, TooManyRunsError, find_largest_rate, require_affordable
from grid.services.ports import Doorbell, RunPlanner
from grid.services.submission_store import IdempotencyKey, KeyInFlightError, KeyReusedError

ROUTE: Final = "POST /api/v1/engine/runs"
ACCEPTED: Final = 202  # HTTP status that is stored with an answer
RETRY_AFTER_S: Final = 30.0  # [s] a run that was stopped has written its result in less
LEAST_SPEED, LARGEST_SPEED = 0.1, 100.0
LEAST_RATE, LARGEST_RATE = 1.0, 60.0  # ticks a second of wall time
MOST_THREADS: Final = 2
MOST_NAME: Final = 100  # characters
OVERLOAD_POLICIES: Final = get_args(OverloadPolicy)
_OPEN: Final = tuple(state for state in RunState if state not in RUN_TERMINAL)
_WAITING: Final = (RunState.QUEUED,)


@dataclass(frozen=True)
class PricedRun:
    """What a run would be, if it were submitted now."""

    planned: PlannedRun
    load_share: float  # cores
    largest_rate: float  # ticks a second that fit
    place_in_queue: int


@dataclass(frozen=True)
class LiveSubmissionService:
    """Submission of live runs.

    Args:
        uow: Where they are stored.
        planner: Validates and prices.
        doorbell: Rung for the workers after the commit.
        limits: Of runs.
    """

    uow: UnitOfWork
    planner: RunPlanner
    doorbell: Doorbell
    limits: LiveLimits = field(default_factory=LiveLimits)

    def submit(self, owner_id: UUID, spec: RunSpec, idempotency: IdempotencyKey | None = None) -> LiveRunRecord:
        """Store a run; it can be claimed once this returns.

        Raises:
            FieldError, InvalidFieldsError: A field is outside its limits; nothing is stored.
            RunTooDearError: Its ticks cost more than there is time for; names the largest rate that fits.
            AdmissionError: It needs more memory than a run may use.
            TooManyRunsError: The owner has too many runs, or too many wait.
            KeyReusedError, KeyInFlightError: The idempotency key is another request's.
            GoneError: The run that the key started was removed.
        """
        if idempotency is not None and (known := self._find_answer(owner_id, idempotency)) is not None:
            return known
        planned, share = self._validate(spec)
        new = _make_run(owner_id, spec, planned, share)
        with self.uow.begin() as tx:
            tx.live_runs.lock_submissions()
            if idempotency is not None:
                known = _find_known(tx, owner_id, idempotency)
                if known is not None:
                    return known
                stored = StoredAnswer(idempotency.fingerprint, ACCEPTED, {"run": str(new.id)})
                if not tx.idempotency.add(owner_id, ROUTE, idempotency.key, stored):
                    raise KeyInFlightError
            self._require_room(tx, owner_id)
            run = _store(tx, new, planned)
        self.doorbell.ring("live", run.id)
        return run

    def price(self, spec: RunSpec) -> PricedRun:
        """Validate and price a run as `submit` does, and store nothing; raises as it does, but for the queue."""
        planned, share = self._validate(spec)
        with self.uow.read() as tx:
            waiting = tx.live_runs.count(states=_WAITING)
        return PricedRun(planned, share, find_largest_rate(planned.price_s, self.limits), waiting + 1)

    def _find_answer(self, owner_id: UUID, idempotency: IdempotencyKey) -> LiveRunRecord | None:
        with self.uow.read() as tx:
            return _find_known(tx, owner_id, idempotency)

    def _validate(self, spec: RunSpec) -> tuple[PlannedRun, float]:
        require_speed(spec.speed)
        if spec.rate is not None and not LEAST_RATE <= spec.rate <= LARGEST_RATE:
            raise FieldError("rate", f"must be {LEAST_RATE:g} to {LARGEST_RATE:g} ticks a second")
        if spec.policy not in OVERLOAD_POLICIES:
            raise FieldError("policy", f"must be one of {', '.join(OVERLOAD_POLICIES)}")
        if not 1 <= spec.threads <= MOST_THREADS:
            raise FieldError("threads", f"must be 1 to {MOST_THREADS}")
        if len(spec.name) > MOST_NAME:
            raise FieldError("name", f"must be at most {MOST_NAME} characters")
        if (spec.scenario is None) == (spec.scene is None):
            raise FieldError("scenario", "must be given, or a scene, and not both")
        planned = self.planner.plan(spec)
        if planned.memory_bytes > self.limits.memory_bytes:
            raise AdmissionError("memory", planned.memory_bytes, self.limits.memory_bytes, "bytes")
        return planned, require_affordable(planned.price_s, planned.rate, spec.speed, self.limits)

    def _require_room(self, tx: Transaction, owner_id: UUID) -> None:
        own = tx.live_runs.count(owner_id=owner_id, states=_OPEN)
        if own >= self.limits.runs_of_owner:
            words = f"You have {own} live runs of {self.limits.runs_of_owner}; stop one first"
            raise TooManyRunsError(words, RETRY_AFTER_S)
        waiting = tx.live_runs.count(states=_WAITING)
        if waiting >= self.limits.waiting_runs:
            raise TooManyRunsError(f"{waiting} live runs wait for a worker already", RETRY_AFTER_S)


def require_speed(speed: float | None) -> None:
    """Refuse a speed outside its limits; None is as fast as can be.

    Raises:
        FieldError: It is.
    """
    if speed is not None and not LEAST_SPEED <= speed <= LARGEST_SPEED:  # NaN fails the comparison
        raise FieldError("speed", f"must be {LEAST_SPEED:g} to {LARGEST_SPEED:g}, or max")


def _find_known(tx: Transaction, owner_id: UUID, idempotency: IdempotencyKey) -> LiveRunRecord | None:
    stored = tx.idempotency.find(owner_id, ROUTE, idempotency.key)
    if stored is None:
        return None
    if stored.fingerprint != idempotency.fingerprint:
        raise KeyReusedError
    run = tx.live_runs.find(UUID(stored.answer["run"]), owner_id)
    if run is None:
        raise GoneError("The run that this Idempotency-Key started was removed; send another key.")
    return run


def _make_run(owner_id: UUID, spec: RunSpec, planned: PlannedRun, share: float) -> NewLiveRun:
    return NewLiveRun(
        id=new_id(),
        owner_id=owner_id,
        name=spec.name,
        scenario=spec.scenario,
        params=planned.params,
        scene=planned.scene,
        body=planned.body.to_json(),
        tick_s=planned.tick_s,
        steps_per_tick=planned.steps_per_tick,
        method=planned.method,
        seed=spec.seed,
        rate=planned.rate,
        price_s=planned.price_s,
        memory_bytes=planned.memory_bytes,
        threads=spec.threads,
        spec_hash=planned.spec_hash,
        numerics_version=planned.numerics_version,
        wanted="pause" if spec.is_paused else "run",
        speed=spec.speed,
        model_policy=spec.model,
        overload_policy=spec.policy,
        load_share=share,
    )


def _store(tx: Transaction, new: NewLiveRun, planned: PlannedRun) -> LiveRunRecord:
    run = tx.live_runs.add(new, next_seq=1 + len(planned.commands), next_event=2)
    commands = [
        NewLiveCommand(
            client_id=f"scenario:{index}",
            fingerprint=compute_fingerprint(one.kind, one.payload, one.at_s),
            kind=one.kind,
            payload=one.payload,
            actor_id=None,
            at_s=one.at_s,
            tick=one.tick,
        )
        for index, one in enumerate(planned.commands)
    ]
    tx.live_commands.add(run.id, 1, commands)
    tx.live_events.add(run.id, 1, [make_state_event(run)])
    tx.outbox.add([make_announcement(run)])
    details = {"scenario": run.scenario, "cells": planned.cells, "spec_hash": run.spec_hash}
    audit.record(tx, actor_id=run.owner_id, action="run.submit", subject=f"run:{run.id}", details=details)
    return run
