"""The ledger of live runs as one worker calls it: functions of the services, bound to its identity and limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grid.database.live_commands import CommandSettlement, LiveCommandRecord
from grid.database.live_events import NewLiveEvent
from grid.database.live_snapshots import NewSnapshot
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.live import RunClaim, RunReason
from grid.services import live
from grid.services.live import ClaimedRun, LiveRenewal, Look, RecordedEvents, ResumeLog
from grid.services.ports import ArtifactStore


@dataclass(frozen=True)
class LiveLedger:
    """Calls of a worker; each is one transaction, and may come from any thread.

    Args:
        uow: Opens transactions.
        store: Where files of runs lie.
        worker_id: Who calls.
        cores: What live runs of this worker may take together.
        lease_s: Life of a claim without a heartbeat [s].
        most_runs: Runs of this worker.
    """

    uow: UnitOfWork
    store: ArtifactStore
    worker_id: str
    cores: float
    lease_s: float
    most_runs: int

    def claim(self) -> ClaimedRun | None:
        """Claim the next run that fits; it looks without writing first."""
        if not live.is_any_waiting(self.uow):
            return None
        return live.claim_run(
            self.uow, worker_id=self.worker_id, cores=self.cores, lease_s=self.lease_s, most_runs=self.most_runs
        )

    def restart(self, claim: RunClaim, tick: int, *, is_loss: bool = True) -> ClaimedRun | None:
        """Claim a run anew whose child has ended; None where it is another's, or has failed now."""
        return live.restart_run(
            self.uow, claim, worker_id=self.worker_id, lease_s=self.lease_s, tick=tick, is_loss=is_loss
        )

    def read_start(self, claim: RunClaim) -> tuple[ResumeLog, list[LiveCommandRecord]]:
        """Read what a child needs besides the row: the log, and the commands that have no tick yet."""
        return live.read_resume_log(self.uow, claim, from_tick=0), self.read_waiting(claim)

    def read_waiting(self, claim: RunClaim) -> list[LiveCommandRecord]:
        """Read the commands without a tick, in the order of their numbers."""
        return live.read_waiting(self.uow, claim)

    def commit_ticks(self, claim: RunClaim, ticks: Mapping[int, int]) -> dict[int, int] | None:
        """Write the ticks of commands; None where the run is another's."""
        return live.commit_ticks(self.uow, claim, ticks)

    def record(
        self, claim: RunClaim, events: Sequence[NewLiveEvent], settlements: Sequence[CommandSettlement]
    ) -> RecordedEvents | None:
        """Store events and outcomes; None where the run is another's."""
        return live.record_events(self.uow, claim, events, settlements=settlements)

    def write_looks(self, looks: Sequence[Look]) -> frozenset[RunClaim]:
        """Write ticks and samples; return the claims that hold."""
        return live.write_looks(self.uow, looks)

    def begin(self, claim: RunClaim, *, platform: str, is_paused: bool) -> bool:
        """Starting or resuming becomes running or paused; or stopping, where its owner before was stopping it."""
        return live.resume_stop(self.uow, claim) or live.begin_run(
            self.uow, claim, platform=platform, is_paused=is_paused
        )

    def pause(self, claim: RunClaim) -> bool:
        """Running becomes paused."""
        return live.pause_run(self.uow, claim)

    def go_on(self, claim: RunClaim) -> bool:
        """Paused becomes running."""
        return live.continue_run(self.uow, claim)

    def park(self, claim: RunClaim) -> bool:
        """Paused becomes parked: its snapshot is stored."""
        return live.park_run(self.uow, claim)

    def conclude(self, claim: RunClaim, manifest: JsonObject, tick: int) -> bool:
        """Stopping becomes stopped, with its result."""
        return live.conclude_run(self.uow, claim, manifest, tick=tick)

    def begin_stop(self, claim: RunClaim) -> bool:
        """Running becomes stopping: it has come to its own end."""
        return live.begin_stop(self.uow, claim)

    def fail(self, claim: RunClaim, reason: RunReason, message: str) -> bool:
        """End a run that cannot go on."""
        return live.fail_run(self.uow, claim, reason, message)

    def note_compiling(self, claim: RunClaim, *, is_on: bool) -> bool:
        """Note that compiling holds up the ticks of a run, or that nothing does any more."""
        return live.note_activity(self.uow, claim, "compiling" if is_on else None)

    def hand_back(self, claims: Sequence[RunClaim]) -> frozenset[RunClaim]:
        """Give runs back for other workers."""
        return live.hand_back_runs(self.uow, claims)

    def renew(self, claims: Sequence[RunClaim]) -> LiveRenewal:
        """Renew leases."""
        return live.renew_leases(self.uow, claims, worker_id=self.worker_id, lease_s=self.lease_s)

    def add_snapshot(self, claim: RunClaim, snapshot: NewSnapshot) -> tuple[str, ...]:
        """Store the row of a snapshot; return the keys of files that are not kept any longer, its own where it lost."""
        stored = live.add_snapshot(self.uow, claim, snapshot)
        return (snapshot.key,) if stored is None else tuple(one.key for one in stored.removed)
