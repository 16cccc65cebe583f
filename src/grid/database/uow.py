"""The unit of work: one ledger transition is one transaction, written out as `with uow.begin() as tx:` in a service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

from grid.core.errors import UnavailableError
from grid.database.alert_rules import AlertRuleRepository
from grid.database.alerts import AlertRepository
from grid.database.attempts import AttemptRepository
from grid.database.audit import AuditRepository
from grid.database.engine import Database
from grid.database.errors import BUSY, translated
from grid.database.idempotency import IdempotencyRepository
from grid.database.images import ImageRepository
from grid.database.incidents import IncidentRepository
from grid.database.jobs import JobRepository
from grid.database.live_branches import LiveBranchRepository
from grid.database.live_commands import LiveCommandRepository
from grid.database.live_events import LiveEventRepository
from grid.database.live_leases import LiveLeaseRepository
from grid.database.live_runs import LiveRunRepository
from grid.database.live_samples import LiveSampleRepository
from grid.database.live_snapshots import LiveSnapshotRepository
from grid.database.logs import LogRepository
from grid.database.mode_states import ModeRepository
from grid.database.notices import NoticeRepository
from grid.database.one_time_tokens import OneTimeTokenRepository
from grid.database.outbox import OutboxRepository
from grid.database.queues import QueueRepository
from grid.database.renders import RenderRepository
from grid.database.saved_views import SavedViewsRepository
from grid.database.sessions import SessionRepository
from grid.database.silences import SilenceRepository
from grid.database.sweeps import SweepRepository
from grid.database.tickets import TicketRepository
from grid.database.transaction import DatabaseTransaction
from grid.database.transitions import TransitionRepository
from grid.database.units import UnitRepository
from grid.database.users import UserRepository
from grid.database.workers import WorkerRepository
from grid.database.writer import GroupWrite, do_nothing

WRITER_WAIT_S = 5.0  # [s] longest wait for the one writer of SQLite, as long as its own `busy_timeout`

T = TypeVar("T")
Item = TypeVar("Item")


class Transaction(DatabaseTransaction):
    """One open transaction with the repositories of all tables, each made when first asked for."""

    @cached_property
    def jobs(self) -> JobRepository:
        """Jobs: added and read."""
        return JobRepository(self)

    @cached_property
    def transitions(self) -> TransitionRepository:
        """Jobs: moved from state to state."""
        return TransitionRepository(self)

    @cached_property
    def attempts(self) -> AttemptRepository:
        """One row for each claim of a job."""
        return AttemptRepository(self)

    @cached_property
    def sweeps(self) -> SweepRepository:
        """Sweeps and their counts of finished points."""
        return SweepRepository(self)

    @cached_property
    def queues(self) -> QueueRepository:
        """Counters, quota and turn of each owner."""
        return QueueRepository(self)

    @cached_property
    def idempotency(self) -> IdempotencyRepository:
        """Stored answers to requests that may be repeated."""
        return IdempotencyRepository(self)

    @cached_property
    def outbox(self) -> OutboxRepository:
        """Events that leave with the transaction, and the stream made of them."""
        return OutboxRepository(self)

    @cached_property
    def logs(self) -> LogRepository:
        """Chunks of the jobs' logs."""
        return LogRepository(self)

    @cached_property
    def workers(self) -> WorkerRepository:
        """Workers that were heard of."""
        return WorkerRepository(self)

    @cached_property
    def units(self) -> UnitRepository:
        """Units of work, for those who show them elsewhere."""
        return UnitRepository(self)

    @cached_property
    def renders(self) -> RenderRepository:
        """Files of finished jobs, made on request."""
        return RenderRepository(self)

    @cached_property
    def users(self) -> UserRepository:
        """Users."""
        return UserRepository(self)

    @cached_property
    def sessions(self) -> SessionRepository:
        """Sessions and their refresh tokens."""
        return SessionRepository(self)

    @cached_property
    def tickets(self) -> TicketRepository:
        """Tickets of streams."""
        return TicketRepository(self)

    @cached_property
    def one_time_tokens(self) -> OneTimeTokenRepository:
        """Codes of login links and tokens of downloads."""
        return OneTimeTokenRepository(self)

    @cached_property
    def images(self) -> ImageRepository:
        """Images that jobs may name."""
        return ImageRepository(self)

    @cached_property
    def saved_views(self) -> SavedViewsRepository:
        """Views of the web page that users saved."""
        return SavedViewsRepository(self)

    @cached_property
    def live_runs(self) -> LiveRunRepository:
        """Live runs: added, read, held and changed."""
        return LiveRunRepository(self)

    @cached_property
    def live_leases(self) -> LiveLeaseRepository:
        """Live runs: leases, turns and progress."""
        return LiveLeaseRepository(self)

    @cached_property
    def live_commands(self) -> LiveCommandRepository:
        """Commands to live runs."""
        return LiveCommandRepository(self)

    @cached_property
    def live_events(self) -> LiveEventRepository:
        """Events of live runs."""
        return LiveEventRepository(self)

    @cached_property
    def live_samples(self) -> LiveSampleRepository:
        """Metrics of live runs."""
        return LiveSampleRepository(self)

    @cached_property
    def live_branches(self) -> LiveBranchRepository:
        """What branches of live runs take over from their parents."""
        return LiveBranchRepository(self)

    @cached_property
    def live_snapshots(self) -> LiveSnapshotRepository:
        """Snapshots of live runs."""
        return LiveSnapshotRepository(self)

    @cached_property
    def alert_rules(self) -> AlertRuleRepository:
        """Alert rules of owners, and states of rules in live runs."""
        return AlertRuleRepository(self)

    @cached_property
    def alerts(self) -> AlertRepository:
        """Alerts and transitions of their rules."""
        return AlertRepository(self)

    @cached_property
    def silences(self) -> SilenceRepository:
        """Silences of alerts."""
        return SilenceRepository(self)

    @cached_property
    def notices(self) -> NoticeRepository:
        """Groups of alerts, and notices on their way."""
        return NoticeRepository(self)

    @cached_property
    def incidents(self) -> IncidentRepository:
        """Incidents and their entries."""
        return IncidentRepository(self)

    @cached_property
    def modes(self) -> ModeRepository:
        """Modes of the service's parts."""
        return ModeRepository(self)

    @cached_property
    def audit(self) -> AuditRepository:
        """The append-only audit trail."""
        return AuditRepository(self)


class UnitOfWork:
    """Opens transactions on one database. Cheap to make; holds no connection by itself."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """Open a write transaction: committed at the end of the block, undone where the block raises.

        Keep validation, hashing and requests out of it: on SQLite nobody else writes meanwhile.

        Raises:
            UnavailableError: The database is locked, timed out or cannot be reached.
            StorageFullError: The disk is full.
        """
        with self._writing(), translated(), self.database.engine.begin() as connection:
            tx = Transaction(connection, self.database.kind, self.database.clock)
            yield tx
            tx.finish()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a read-only snapshot: all that is read in the block is of one moment.

        Raises:
            UnavailableError: The database is locked, timed out or cannot be reached.
        """
        options: dict[str, Any] = (
            {"grid_read": True}
            if self.database.kind == "sqlite"
            else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        with (
            translated(),
            self.database.engine.connect() as connection,
            connection.execution_options(**options).begin(),
        ):
            yield Transaction(connection, self.database.kind, self.database.clock)

    def group(
        self, write: GroupWrite[Transaction, Item, T], item: Item, after: Callable[[T], object] = do_nothing
    ) -> T:
        """Write `item` together with those of other threads, in one of them; return once it is durable.

        Args:
            write: Writes any number of items and returns for each its result, or the error that refused it alone.
                Threads that pass the same function share its calls. What it raises concerns all its items: then each
                is written again in a transaction of its own.
            item: What to write.
            after: Called after the commit, once for all items of a transaction that share it, with a result of one.

        Raises:
            UnavailableError, StorageFullError: As `begin`; nothing of the group was stored.
        """
        return self.database.writer.submit(self.begin, write, item, after)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        lock = self.database.writer_lock
        if lock is None:
            yield
            return
        if not lock.acquire(timeout=WRITER_WAIT_S):
            raise UnavailableError(BUSY)
        try:
            yield
        finally:
            lock.release()
