"""Container images that jobs may name: the administrator's list, each by its digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, String, Table, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base
from grid.database.jobs import is_leased, is_queued, jobs
from grid.database.record_table import RecordTable
from grid.database.transaction import DatabaseTransaction
from grid.schemas.images import ImagePin


class Image(Base):
    """One listed image. Without digest and content no container runs it; the listed local program has neither."""

    __tablename__ = "images"
    __table_args__ = (
        CheckConstraint("digest IS NULL OR digest LIKE 'sha256:%'", name="digest_shape"),
        CheckConstraint("image_id IS NULL OR image_id LIKE 'sha256:%'", name="image_id_shape"),
    )

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    digest: Mapped[str | None] = mapped_column(String(71))  # of its manifest in a registry
    image_id: Mapped[str | None] = mapped_column(String(71))  # of its configuration; known where an engine has it
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(String(255))
    pulled_at: Mapped[datetime | None]


images: Table = Image.__table__  # type: ignore[assignment]
_image: Final = images.c


@dataclass(frozen=True)
class ImageRecord:
    """One row of `images`."""

    name: str
    digest: str | None
    image_id: str | None
    size_bytes: int | None
    added_at: datetime
    added_by: str
    pulled_at: datetime | None

    @property
    def pin(self) -> ImagePin:
        """The image as it is to run."""
        return ImagePin(self.name, self.digest, self.image_id)


class ImageRepository:
    """Adds, reads, changes and removes listed images."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self._rows: RecordTable[ImageRecord] = RecordTable(tx, images, ImageRecord)

    def find(self, name: str, *, is_held: bool = False) -> ImageRecord | None:
        """Read one image; held, nobody else changes it until the transaction ends."""
        return self._rows.find(_image.name == name, is_held=is_held)

    def list_all(self) -> Sequence[ImageRecord]:
        """Read the list, by name."""
        return self._rows.read(order=(_image.name,))

    def add(self, record: ImageRecord) -> None:
        """Insert an image."""
        self._rows.add([vars(record)])

    def change(self, name: str, **values: Any) -> None:
        """Change an image."""
        self._rows.change(_image.name == name, **values)

    def remove(self, name: str) -> int:
        """Remove an image; return how many there were."""
        return self._rows.remove(_image.name == name)

    def count_open_jobs(self, name: str) -> int:
        """Count the jobs of all owners that name it and have not ended."""
        query = select(func.count()).select_from(jobs).where(or_(is_queued, is_leased), jobs.c.image == name)
        return int(self._tx.connection.execute(query).scalar_one())
