"""A service to test against: a real database with users in it, the built-in simulations, and a bell that counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from grid.core.settings import Settings
from grid.database import schema
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.database.users import Role
from grid.plugins.registry import Registry, load_registry
from grid.schemas.images import ListedImage, Runner
from grid.schemas.wire import SubmissionIn
from grid.services.submissions import IdempotencyKey, SubmissionService

CONTENT = "sha256:" + "ab" * 32  # of images that run in containers


@dataclass
class CountingBell:
    """A doorbell that remembers who was rung."""

    rings: list[tuple[str, UUID | None]] = field(default_factory=list)

    def ring(self, topic: str, hint: UUID | None = None) -> None:
        self.rings.append((topic, hint))


@dataclass(frozen=True)
class Catalogue:
    """Listed images, by where they run."""

    kinds: dict[str, Runner | None] = field(default_factory=lambda: {"sim:local": "program", "no-sandbox:1": None})

    def find(self, image: str) -> ListedImage | None:
        if image not in self.kinds:
            return None
        return ListedImage(image, self.kinds[image], CONTENT if self.kinds[image] == "docker" else None)


@dataclass
class Service:
    """The dependencies of service functions."""

    uow: UnitOfWork
    settings: Settings
    registry: Registry
    alice: UUID
    bob: UUID
    bell: CountingBell = field(default_factory=CountingBell)
    images: Catalogue = field(default_factory=Catalogue)

    def submit(self, owner_id: UUID | None = None, *, key: IdempotencyKey | None = None, **body: object):
        """Submit as Alice, or as somebody else."""
        return self.submissions.submit(owner_id or self.alice, SubmissionIn.model_validate(body), key)

    @property
    def submissions(self) -> SubmissionService:
        return SubmissionService(self.uow, self.registry, self.images, self.settings, self.bell)


def make_service(uow: UnitOfWork, folder: Path, **settings: object) -> Service:
    """Put two users into a database that has its tables."""
    with uow.begin() as tx:
        now = datetime.now(UTC)
        alice, bob = (
            tx.users.add(username=name, password_hash="x", role=Role.USER, now=now).id for name in ("alice", "bob")
        )
    chosen = Settings(_env_file=None, grid_home=folder, **settings)
    return Service(uow, chosen, load_registry(), alice, bob)


@contextmanager
def open_service(folder: Path, **settings: object) -> Iterator[Service]:
    """Make a SQLite database in `folder` with two users, and close it at the end."""
    database = create_database(f"sqlite:///{folder / 'grid.db'}")
    try:
        schema.metadata.create_all(database.engine)
        yield make_service(UnitOfWork(database), folder, **settings)
    finally:
        database.close()
