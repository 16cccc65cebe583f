"""A live run that this worker holds: its claim, its child, and what is on its way to the ledger."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from grid.core.storable import storable_text
from grid.database.live_commands import CommandSettlement, LiveCommandRecord
from grid.database.live_events import NewLiveEvent
from grid.database.live_samples import Sample
from grid.runtime.live.messages import (
    LiveCommand,
    LiveEvent,
    RunEnded,
    SampleRow,
    SnapshotFile,
    Snapshotted,
    StartRun,
    StoredFile,
)
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind, EventOrigin, RunClaim, RunReason
from grid.services.live import ClaimedRun, ResumeLog
from grid.services.live.limits import UNPACED_SHARE
from grid.services.live.pyramid import MetricSpan, pack_spans
from grid.tasks.children import Child

MOST_REASON = 500  # characters
COMMITS = 50  # of the last ticks of commands, whose durations decide the lead
MOST_LEAD = 8  # ticks
FROZEN_S, FROZEN_PRICES, FROZEN_INTERVALS = 5.0, 20.0, 3.0  # without a tick
FINISH_LIMIT_S = 300.0  # [s] for a result, on a slow disk
END_REASONS: Final = {
    "diverged": RunReason.DIVERGED,
    "bad_input": RunReason.INFRA,
    "other_numerics": RunReason.INFRA,
    "storage_full": RunReason.STORAGE_FULL,
}
QUIET_S = 2.0  # [s] between two looks at the processor time of a child that is silent for too long
LEAST_WORK = 0.25  # [-] of a core: below it nothing is computed
LONGEST_SILENCE_S = 180.0  # [s] then it is frozen, whatever it does
LOAD_EVERY_S = 5.0  # [s] between two measurements of the load
LOAD_WINDOW_S = 60.0  # [s] over which it is averaged


@dataclass(eq=False)
class HeldRun:
    """One run on this worker.

    Args:
        claimed: As the ledger gave it.
        lease_ok_at: When the last renewal that was answered was sent (monotonic) [s].
        started_at: When its child was asked for (monotonic) [s].
        speed: Factor on the rate as the row has it now; None: as fast as can be.
    """

    claimed: ClaimedRun
    lease_ok_at: float
    started_at: float
    speed: float | None
    child: Child | None = None
    is_ready: bool = False
    is_fetched: bool = False  # the state that it goes on from is in the spool
    start: StartRun | None = None
    is_started: bool = False  # the first look was seen
    is_caught_up: bool = False
    is_paused: bool = False
    has_ended: bool = False  # its last message has come
    is_parking: bool = False
    is_compiling: bool = False  # by its own account
    is_renewing: bool = False  # it goes on in another process, once its state is stored
    must_stop: bool = False  # its child is told, because no command does it any more
    is_ending: bool = False  # the child writes the result
    paused_at: float = 0.0
    platform: str = ""
    tick: int = 0
    heard_at: float = 0.0
    quiet: tuple[float, float] | None = None  # since it is silent for too long: wall and processor time of a look [s]
    asked_at: float | None = None  # when the child was sent the first message that it has not answered
    sent: set[int] = field(default_factory=set)  # numbers of commands that the child has
    proposed: int = 0  # answers of ticks that are being committed
    commits: deque[float] = field(default_factory=lambda: deque(maxlen=COMMITS))
    events: list[NewLiveEvent] = field(default_factory=list)
    settlements: list[CommandSettlement] = field(default_factory=list)
    rows: list[Sample] = field(default_factory=list)
    is_recording: bool = False
    is_reading: bool = False  # its commands are being read
    must_read: bool = False  # and are to be read again
    load: float | None = None  # [cores], measured
    measured: tuple[float, float] | None = None  # wall and processor time of the last measurement [s]
    load_at: float = 0.0
    written: int = -1  # the last tick that the row was given

    @property
    def claim(self) -> RunClaim:
        """The fencing token of this run."""
        return self.claimed.claim

    @property
    def lead(self) -> int:
        """Ticks ahead at which commands take effect: one, and as many as a commit lasts in full.

        The tick after the next begins an interval from now at least, so a commit that is shorter holds no tick.
        """
        if not self.commits or self.speed is None:
            return 1
        ordered = sorted(self.commits)
        slow = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        return min(MOST_LEAD, 1 + int(slow * self.claimed.run.rate * self.speed))

    def frozen_s(self) -> float:
        """How long the child may be silent while it ticks, or writes its result [s]."""
        if self.is_ending:
            return FINISH_LIMIT_S
        run = self.claimed.run
        interval = 0.0 if self.speed is None else 1.0 / (run.rate * self.speed)
        return max(FROZEN_S, FROZEN_PRICES * run.price_s, FROZEN_INTERVALS * interval)

    def computes(self, now: float, processor_s: float) -> bool:
        """Whether a child that is silent for too long is at work: the first tick with an event may compile kernels.

        Args:
            now: Monotonic time [s].
            processor_s: That the child has used [s].
        """
        if now - max(self.heard_at, self.asked_at or 0.0) > LONGEST_SILENCE_S:  # a paused run has nothing to say
            return False
        if self.is_compiling:  # on a busy machine it may have little of a core for it
            return True
        if self.quiet is None:
            self.quiet = (now, processor_s)
        wall, used = now - self.quiet[0], processor_s - self.quiet[1]
        if wall < QUIET_S:
            return True
        self.quiet = (now, processor_s)
        return used > LEAST_WORK * wall

    @property
    def cores(self) -> float:
        """Share of a core that it counts for: none in a pause, a fixed one where it takes what others leave."""
        if self.is_paused:
            return 0.0
        if self.speed is None:
            return UNPACED_SHARE
        return self.claimed.run.load_share if self.load is None else self.load

    def measure(self, now: float, processor_s: float) -> None:
        """Take up the processor time of the child, for its share of a core."""
        if self.measured is None or self.is_paused or self.speed is None:
            self.measured, self.load = (now, processor_s), None if self.speed is None else self.load
            return
        wall, used = now - self.measured[0], processor_s - self.measured[1]
        if wall < LOAD_EVERY_S:
            return
        share, weight = max(0.0, used / wall), min(1.0, wall / LOAD_WINDOW_S)
        self.load = share if self.load is None else (1.0 - weight) * self.load + weight * share
        self.measured = (now, processor_s)


def make_start(claimed: ClaimedRun, log: ResumeLog, waiting: Sequence[LiveCommandRecord], socket: str) -> StartRun:
    """What the child needs to go on with a run.

    Args:
        claimed: The run.
        log: Its commands with ticks.
        waiting: Its commands without, those that change physics and others.
        socket: Where the child answers servers of viewers.
    """
    run = claimed.run
    return StartRun(
        scene=claimed.spec.scene,
        tick_s=run.tick_s,
        rate=run.rate,
        speed="max" if run.speed is None else run.speed,
        method=run.method,
        seed=run.seed,
        log=tuple(make_command(command) for command in log.commands),
        waiting=tuple(make_command(command) for command in waiting if command.kind.is_physical),
        until=log.shown_tick,
        is_paused=run.wanted == "pause",
        steps_until=log.steps_until,
        threads=run.threads,
        run_id=run.id,
        epoch=run.epoch,
        steps_per_tick=run.steps_per_tick,
        numerics_version=run.numerics_version,
        snapshots=list_snapshots(claimed),
        socket=socket,
    )


def list_snapshots(claimed: ClaimedRun) -> tuple[SnapshotFile, ...]:
    """Stored states of a run, the newest first."""
    return tuple(SnapshotFile(one.key, one.tick, one.sha256) for one in claimed.snapshots)


def make_command(record: LiveCommandRecord) -> LiveCommand:
    """A command as the child reads it."""
    return LiveCommand(record.seq, record.kind.value, record.payload, record.tick, record.at_s, record.known)


def make_sample(row: SampleRow) -> Sample:
    """A row of samples as the ledger stores it."""
    return Sample(row.level, row.place, pack_spans([MetricSpan(*span) for span in row.values]))


def make_settlement(event: LiveEvent) -> CommandSettlement | None:
    """The outcome of a command that an event tells; None where it tells none."""
    seq = event.payload.get("seq")
    if event.kind not in {"applied", "refused", "state"} or not isinstance(seq, int) or seq < 1:
        return None
    if event.kind == "state" and event.payload.get("kind") == "checkpoint":
        return None  # it is taken, and has its outcome when it is stored
    if event.kind == "refused":
        return CommandSettlement(seq, event.tick, "refused", reason=str(event.payload["reason"]))
    found: dict[str, Any] = dict(event.payload["effective"]) if event.kind == "applied" else dict(event.payload)
    return CommandSettlement(seq, event.tick, "applied", effective=found)


def list_steps(settlements: Sequence[CommandSettlement]) -> tuple[int, ...]:
    """Numbers of the commands among them whose steps may be taken once this is stored."""
    steps = CommandKind.STEP.value
    return tuple(one.seq for one in settlements if one.effective is not None and one.effective.get("kind") == steps)


def make_checkpoint_settlement(message: Snapshotted) -> CommandSettlement:
    """The outcome of a command that asked for a state to be stored."""
    if message.file is None:
        reason = storable_text(message.failure, MOST_REASON) or "it could not be stored"
        return CommandSettlement(message.seq, message.tick, "refused", reason=reason)
    return CommandSettlement(message.seq, message.tick, "applied", effective={"tick": message.tick})


def make_event(event: LiveEvent) -> NewLiveEvent:
    """An event as the ledger stores it."""
    payload = {**event.payload, "time_s": event.time_s}
    return NewLiveEvent(event.tick, event.step, event.kind, payload, event.key, EventOrigin(event.origin))


def make_manifest(ended: RunEnded) -> JsonObject:
    """What a run leaves, as the ledger keeps it."""
    files = [_describe(file) for file in ended.files]
    return {"files": files, "field_sha256": ended.field_sha256, "tick": ended.tick}


def _describe(file: StoredFile) -> JsonObject:
    return {
        "name": file.name, "key": file.key, "bytes": file.bytes, "sha256": file.sha256, "media_type": file.media_type,
    }  # fmt: skip
