"""What a backup of the database is worth: soundness, the audit log, and the artifacts that it refers to."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from grid.database import migrate
from grid.database.engine import create_database
from grid.database.garbage import ReferenceRepository
from grid.database.uow import UnitOfWork
from grid.services import audit
from grid.services.ports import ArtifactStore


@dataclass(frozen=True)
class BackupReport:
    """Outcome of a verification.

    Args:
        problems: One sentence for each; none where the database is sound.
        references: Artifacts that it refers to.
        missing: Keys of those that are not in the store, in order.
    """

    problems: tuple[str, ...]
    references: int
    missing: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """True where nothing is wrong and nothing is missing."""
        return not (self.problems or self.missing)


def verify_file(path: Path, store: ArtifactStore) -> BackupReport:
    """Verify a backup of SQLite, and what it refers to; a copy of it is opened, so that the file does not change."""
    with TemporaryDirectory(prefix=".grid-verify-", dir=path.absolute().parent) as folder:
        copied = Path(folder) / "backup.db"
        shutil.copyfile(path, copied)
        return verify_database(f"sqlite:///{copied}", store)


def verify_database(url: str, store: ArtifactStore) -> BackupReport:
    """Verify integrity, references and schema of a database, its audit log, and that its artifacts are in the store.

    Raises:
        UnavailableError: The database or the store does not answer.
    """
    problems = migrate.check(url)
    if problems:  # of another version, or damaged: rows cannot be read by this one
        return BackupReport(tuple(problems), 0, ())
    with _opened(url) as uow:
        faults = audit.verify(uow).faults
        problems += [f"The audit log is damaged: {fault}." for fault in faults[:20]]
        references, missing = find_missing(uow, store)
    return BackupReport(tuple(problems), references, missing)


def find_missing(uow: UnitOfWork, store: ArtifactStore) -> tuple[int, tuple[str, ...]]:
    """Return how many artifacts the database refers to, and the keys of those that are not in the store."""
    with uow.read() as tx:
        wanted = set(ReferenceRepository(tx).iterate_keys())
    references = len(wanted)
    if wanted:
        wanted.difference_update(store.keys())
    return references, tuple(sorted(wanted))


def list_living(url: str, within_s: float) -> list[str]:
    """Return the workers of a database, wherever they run, that were heard of lately [s]; none of another version."""
    if not migrate.is_current(url):
        return []
    with _opened(url) as uow, uow.read() as tx:
        return [worker.id for worker in tx.workers.living(within=timedelta(seconds=within_s))]


@contextmanager
def _opened(url: str) -> Iterator[UnitOfWork]:
    database = create_database(url, application="backup")
    try:
        yield UnitOfWork(database)
    finally:
        database.close()
