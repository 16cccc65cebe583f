"""The replay of an incident as a job: its run up to the alert, carried out again from its log and compared."""

from uuid import UUID

from grid.core.errors import NotFoundError
from grid.database.uow import UnitOfWork
from grid.services.live.replays import LiveReplayService
from grid.services.submission_store import IdempotencyKey
from grid.services.submissions import SubmissionResult


def replay_incident(
    uow: UnitOfWork, replays: LiveReplayService, *, actor_id: UUID, owner_id: UUID | None, incident_id: UUID,
    idempotency: IdempotencyKey | None = None,
) -> SubmissionResult:  # fmt: skip
    """Submit a job that carries out the run of an incident again, up to the last transition of its alerts.

    The job compares every event of the engine, transitions of alerts among them, and says where one differs.

    Raises:
        NotFoundError: There is no such incident for this owner, or its run was removed.
        RunStateError, AdmissionError: The run has not ticked yet, or its log is more than a job may have.
    """
    with uow.read() as tx:
        incident = tx.incidents.find(incident_id, owner_id)
        if incident is None:
            raise NotFoundError("incident")
        run = tx.live_runs.find(incident.run_id, incident.owner_id)
        if run is None:
            raise NotFoundError("live run")
        alerts = tx.alerts.of_incident(incident_id)
    ticks = [tick for alert in alerts for tick in (alert.fired_tick, alert.ended_tick) if tick is not None]
    last = min(max(ticks, default=run.tick) + 1, run.tick)
    return replays.replay(
        actor_id=actor_id, owner_id=owner_id, run_id=run.id, kind="incident", idempotency=idempotency,
        to_s=last * float(run.tick_s) if last > 0 else None,
    )  # fmt: skip
