"""The service as an administrator sees it: its machines, queues and disk, and the log of who changed what."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from grid.schemas.wire.incidents import ModeOut


class DatabaseOut(BaseModel):
    """The database of the service."""

    kind: Literal["sqlite", "postgresql"]
    outbox_backlog: int = Field(description="Events that are committed and not announced yet")


class WorkerOut(BaseModel):
    """A worker that was heard of lately; what it has not said is null."""

    id: str
    host: str
    version: str | None
    started_at: datetime
    seen_at: datetime
    polled_at: datetime | None = Field(description="When it last looked for work")
    slots: int | None = Field(description="Cores that it gives to jobs and live runs")
    busy: int | None = Field(description="Of these, in use when it was last heard of")
    live_runs: int | None
    draining: bool | None = Field(description="It takes no more work, and ends when what it holds has ended")
    simulations: dict[str, str] = Field(description="Numerics versions by simulation")


class QueueOut(BaseModel):
    """The jobs of one user that wait and run."""

    user_id: UUID
    user: str
    queued: int
    running: int
    queue_limit: int = Field(description="Most jobs of this user that may wait")


class StoreOut(BaseModel):
    """Where results are; sizes are of the whole file system, null where the store is no folder of this machine."""

    kind: str
    free_bytes: int | None
    used_bytes: int | None


class SystemOut(BaseModel):
    """The service at this moment."""

    version: str
    started_at: datetime = Field(description="Of the server that answers")
    database: DatabaseOut
    workers: list[WorkerOut]
    queues: list[QueueOut] = Field(description="Of users with jobs that wait or run, longest first; 100 at most")
    store: StoreOut
    modes: list[ModeOut] = Field(description="Of the service's parts; those of live runs are at `/modes`")


class AuditEntryOut(BaseModel):
    """One entry of the audit log."""

    id: UUID
    at: datetime
    actor_id: UUID | None = Field(description="Null: Grid itself")
    actor: str | None = Field(description="The user's name today")
    action: str
    subject: str
    details: dict[str, JsonValue]
    chain: int
    seq: int = Field(description="Its place in its chain")
    hash: str = Field(description="SHA-256 of the entry and of the one before it; `grid audit verify` checks all")


class AuditPage(BaseModel):
    """A part of the audit log, newest first."""

    items: list[AuditEntryOut]
    next: UUID | None = Field(description="Send it as `after` to read on; null at the end")
