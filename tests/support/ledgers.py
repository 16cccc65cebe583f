"""Small words for tests of the ledger: owners, jobs, sweeps and claims, with everything dull filled in."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from grid.core.ids import new_id
from grid.database.jobs import JobRecord, NewJob, NewJobs
from grid.database.queues import Delta
from grid.database.uow import UnitOfWork
from grid.database.users import Role
from grid.schemas.jobs import Manifest, Share, SlotKind
from grid.services import ledger
from grid.services.ledger import ClaimedBatch

MANIFEST: Manifest = {
    "pack": {"key": "packs/20260101/a.npy", "index": 0, "offset": 128, "size": 64, "sha256": "ab" * 32},
    "metrics": {"peak_temperature": 100.0},
    "audits": [],
    "field_sha256": "cd" * 32,
    "numerics_version": "1",
}
SLOTS: tuple[SlotKind, ...] = ("small", "large", "program", "docker")
QUEUE_LIFE_S = 7 * 86_400.0


def add_owner(uow: UnitOfWork, name: str = "ada") -> UUID:
    """Insert a user who can own jobs."""
    with uow.begin() as tx:
        return tx.users.add(username=name, password_hash="x", role=Role.USER, now=tx.now()).id


def submit(
    uow: UnitOfWork,
    owner: UUID,
    count: int = 1,
    *,
    is_sweep: bool = False,
    batch_key: str = "heat-rod:101",
    simulation: str | None = "heat-rod",
    slot: SlotKind = "small",
    work_s: float = 0.001,
    wall_limit_s: float = 60.0,
    queue_life_s: float = QUEUE_LIFE_S,
    max_attempts: int = 1,
    priority: int = 0,
) -> list[UUID]:
    """Insert queued jobs with their counters, as a submission does; return their ids in order."""
    ids = [new_id() for _ in range(count)]
    with uow.begin() as tx:
        tx.queues.lock(owner)
        sweep_id = new_id() if is_sweep else None
        image = None if simulation else "sim:local"
        if sweep_id is not None:
            tx.sweeps.add(sweep_id, owner_id=owner, total=count, simulation=simulation, image=image)
        shared = NewJobs(
            owner_id=owner,
            simulation=simulation,
            image=image,
            slot=slot,
            wall_limit_s=wall_limit_s,
            available_at=tx.now(),
            expires_at=tx.now() + timedelta(seconds=queue_life_s),
            sweep_id=sweep_id,
            max_attempts=max_attempts,
            priority=priority,
        )
        points = [
            NewJob(job, {"length": 1.0}, "ef" * 32, batch_key, work_s, place if is_sweep else None)
            for place, job in enumerate(ids)
        ]
        tx.jobs.add(shared, points)
        tx.queues.change({owner: Delta(queued=count)})
    return ids


def claim(
    uow: UnitOfWork,
    worker_id: str = "worker-1",
    *,
    max_jobs: int = 2500,
    work_budget_s: float = 2.0,
    lease_s: float = 30.0,
    slots: Sequence[SlotKind] = SLOTS,
    hint: UUID | None = None,
    shares: Sequence[Share] = ("any",),
    parts: int = 1,
) -> ClaimedBatch | None:
    """Claim with the usual limits."""
    return ledger.claim(
        uow, worker_id=worker_id, host="host-1", slots=slots, max_jobs=max_jobs, work_budget_s=work_budget_s,
        lease_s=lease_s, hint=hint, shares=shares, parts=parts,
    )  # fmt: skip


def get_job(uow: UnitOfWork, job_id: UUID) -> JobRecord:
    """Read a job that is there."""
    with uow.read() as tx:
        job = tx.jobs.find(job_id)
    assert job is not None
    return job
