"""Log chunks: what a run printed, in rows that can be followed while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Table, Text, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Key
from grid.database.row_insert import RowInsert
from grid.database.transaction import DatabaseTransaction

CHUNK_BYTES: Final = 16 * 1024  # [B] of one row: an event of a stream stays small
CHUNKS_PER_ATTEMPT: Final = 4096  # rows of one attempt: hours of lines as they come; the worker caps the bytes at 1 MiB


class LogChunkRow(Base):
    """One piece of the log of one attempt; `seq` counts from 0 without gaps."""

    __tablename__ = "job_log_chunks"
    __table_args__ = (
        CheckConstraint(f"seq BETWEEN 0 AND {CHUNKS_PER_ATTEMPT - 1}", name="seq_within_cap"),
        CheckConstraint(f"length(text) <= {CHUNK_BYTES}", name="text_within_cap"),
        {"sqlite_with_rowid": False},
    )

    job_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


job_log_chunks: Table = LogChunkRow.__table__  # type: ignore[assignment]

# Made once: the end of every run that printed something adds its log.
_ADD: Final = RowInsert(job_log_chunks, [column.name for column in job_log_chunks.c], keeps_known=True)


@dataclass(frozen=True)
class LogRecord:
    """One row of `job_log_chunks`."""

    job_id: UUID
    epoch: int
    seq: int
    text: str
    created_at: datetime


class LogRepository:
    """Appends and reads log chunks."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(self, chunks: Sequence[tuple[UUID, int, int, str]]) -> None:
        """Store chunks (job, epoch, seq, text); one that is there already stays, one beyond the cap is dropped.

        Text is cut to `CHUNK_BYTES`; what no database can hold (NUL, lone surrogates) becomes U+FFFD.
        """
        now = self._tx.now()
        rows = [
            {"job_id": job_id, "epoch": epoch, "seq": seq, "text": _storable(text), "created_at": now}
            for job_id, epoch, seq, text in chunks
            if seq < CHUNKS_PER_ATTEMPT
        ]
        if rows:
            self._tx.insert_later(_ADD, rows)

    def read(self, job_id: UUID, *, after: tuple[int, int] = (-1, -1), limit: int = 1000) -> list[LogRecord]:
        """Read chunks of a job in order, from behind `after` (epoch, seq) on."""
        table = job_log_chunks.c
        query = (
            select(*table)
            .where(table.job_id == job_id, tuple_(table.epoch, table.seq) > after)
            .order_by(table.epoch, table.seq)
            .limit(limit)
        )
        return [LogRecord(*row) for row in self._tx.connection.execute(query)]


def _storable(text: str) -> str:
    raw = text.replace("\x00", "\ufffd").encode("utf-8", errors="surrogatepass")
    if len(raw) <= CHUNK_BYTES and text.isascii():
        return text.replace("\x00", "\ufffd")
    return raw[:CHUNK_BYTES].decode("utf-8", errors="replace")[:CHUNK_BYTES]
