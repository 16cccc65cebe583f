"""All tables in one place: importing this module fills `metadata`, for migrations and for tests."""

from sqlalchemy import MetaData

from grid.database import (
    attempts,
    audit,
    idempotency,
    jobs,
    logs,
    outbox,
    queues,
    renders,
    sessions,
    sweeps,
    users,
    workers,
)
from grid.database.base import Base

TABLE_MODULES = (
    users, sessions, audit, sweeps, jobs, attempts, queues, logs, outbox, idempotency, renders, workers
)  # fmt: skip

metadata: MetaData = Base.metadata
