"""Messages between the supervisor and the child of a live run. Plain data; loading this loads no numerics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

Origin = Literal["engine", "operator", "wall"]
EndReason = Literal["ok", "stopped_by_user", "diverged", "bad_input", "other_numerics", "storage_full"]


def name_drafts(run_id: UUID, epoch: int) -> str:
    """Label of files that the child of a claim has begun to write into the store, and that may be left there."""
    return f"live-{run_id}-{epoch}"


@dataclass(frozen=True)
class LiveCommand:
    """A command on its way to a run: what changes physics, or its pace.

    Args:
        seq: Its number in the log.
        kind: `event`, `end-event`, `model`, `rules`, `mode`; or `speed`, `pause`, `resume`, `step`, `stop`,
            `checkpoint`.
        payload: As JSON.
        tick: At whose beginning it takes effect; None where the child proposes it.
        at_s: Simulated time for which it is scheduled [s]; None for as soon as may be.
        known: Tick from which on the run prepares for it; None where it does not (`grid.engine.live.Command`).
    """

    seq: int
    kind: str
    payload: Mapping[str, Any]
    tick: int | None = None
    at_s: float | None = None
    known: int | None = None


@dataclass(frozen=True)
class SnapshotFile:
    """A stored state that a run may go on from."""

    key: str
    tick: int
    sha256: str


@dataclass(frozen=True)
class StartRun:
    """Everything that a child needs to go on with a run.

    Args:
        scene: JSON of `grid.engine.live.Scene`.
        tick_s: Length of a tick in simulated time, as text [s].
        rate: Ticks a wall second at speed 1.
        speed: Factor on it, or `max`.
        method: `auto`, `explicit` or `rkl2`.
        seed: Of random numbers.
        saved: State to go on from; None for tick 0.
        log: Commands with their ticks; those that the state holds already are passed over.
        waiting: Commands without a tick that were there at the start: they get theirs before the first tick.
        until: Tick to catch up to without pace, where viewers were; 0 for none.
        is_paused: Begin in a pause.
        steps_until: Tick up to which a paused run takes steps that were asked for before; 0 for none.
        threads: Threads of the method.
        rules: Alert rules in simulation time, as JSON; those of a saved state are in it.
        run_id, epoch: Of the claim: keys of files are made of them.
        steps_per_tick: Steps that the run has in the ledger; 0 for whichever.
        numerics_version: Of the run's ticks so far; empty for whichever.
        snapshots: Stored states, the newest first: the child reads `saved` from the first that is whole.
        socket: Path at which viewers' servers are answered; empty for none.
    """

    scene: Mapping[str, Any]
    tick_s: str
    rate: float
    speed: float | Literal["max"] = 1.0
    method: str = "auto"
    seed: int = 0
    saved: bytes | None = None
    log: tuple[LiveCommand, ...] = ()
    until: int = 0
    is_paused: bool = False
    steps_until: int = 0
    threads: int = 1
    rules: tuple[Mapping[str, Any], ...] = ()
    waiting: tuple[LiveCommand, ...] = ()
    run_id: UUID | None = None
    epoch: int = 0
    steps_per_tick: int = 0
    numerics_version: str = ""
    snapshots: tuple[SnapshotFile, ...] = ()
    socket: str = ""


@dataclass(frozen=True)
class Propose:
    """Commands whose ticks are to be chosen; answered by `Proposed` at once.

    Args:
        commands: In order of their numbers.
        lead: Ticks ahead of the current one, by what commits last at present.
    """

    commands: tuple[LiveCommand, ...]
    lead: int = 1


@dataclass(frozen=True)
class Committed:
    """Numbers of commands whose ticks are in the database: they may take effect. That of steps is where they end."""

    seqs: tuple[int, ...]


@dataclass(frozen=True)
class Refused:
    """Numbers of commands that were proposed and will never be committed: they are forgotten."""

    seqs: tuple[int, ...]


@dataclass(frozen=True)
class Control:
    """A command that changes the pace, not the physics; it takes effect at the next boundary."""

    command: LiveCommand


@dataclass(frozen=True)
class NeedsRenewal:
    """This process may not have the priority that the run needs: it is to go on in another one, which has."""


@dataclass(frozen=True)
class Compiling:
    """Kernels are compiled from now on, or no longer: the ticks that wait for it show no overload."""

    is_on: bool


@dataclass(frozen=True)
class RunStarted:
    """The first look: the child has built the scene and stands at a tick."""

    tick: int
    method: str
    steps_per_tick: int
    price_s: float
    summary: Mapping[str, Any]
    platform: str = ""


@dataclass(frozen=True)
class CaughtUp:
    """The run stands where it was when its owner went, or at its begin; from now on it has a pace."""

    tick: int
    is_paused: bool


@dataclass(frozen=True)
class Proposed:
    """Ticks of commands, in the order in which they were proposed."""

    ticks: Mapping[int, int]


@dataclass(frozen=True)
class LiveEvent:
    """Something that happened at a tick.

    Args:
        tick, step, time_s: When.
        kind: `applied`, `refused`, `switch`, `failed-cell`, `failed-region`, `yield`, `state`, `slip`, `behind`,
            `on-time`, ...
        key: What tells it from others of its kind at the tick.
        payload: As JSON.
        origin: `engine` for what a replay finds again, `wall` for what it does not.
    """

    tick: int
    step: int
    time_s: float
    kind: str
    key: str
    payload: Mapping[str, Any]
    origin: Origin = "engine"


@dataclass(frozen=True)
class Sample:
    """Metrics over some ticks: least, largest, mean and last of each.

    Args:
        first, last: Ticks that begin after those that it covers.
        time_s: Simulated time of the last [s].
        values: Least, largest, mean, last by name; None where a metric is not known.
        pace: Real-time ratio, slips, lag, tick and processor time: of the wall, never compared.
    """

    first: int
    last: int
    time_s: float
    values: Mapping[str, tuple[float, float, float, float] | None]
    pace: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class SampleRow:
    """Metrics over the ticks of one place of the pyramid of samples.

    Args:
        level, place: It covers the ticks [place 2^level, (place + 1) 2^level).
        values: Least, largest, mean and last of each of `grid.schemas.live.SAMPLE_METRICS`; NaN where not known.
    """

    level: int
    place: int
    values: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Looked:
    """Events, a sample and rows of samples since the last message, in order."""

    events: tuple[LiveEvent, ...]
    sample: Sample | None
    rows: tuple[SampleRow, ...] = ()


@dataclass(frozen=True)
class Saved:
    """The state at a tick, on request."""

    seq: int
    tick: int
    data: bytes
    sha256: str


@dataclass(frozen=True)
class StoredFile:
    """A file in the spool that is to be stored under `key`: a snapshot, or a field of the result."""

    name: str
    key: str
    bytes: int
    sha256: str
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Snapshotted:
    """A snapshot is in the spool.

    Args:
        seq: Number of the command that asked for it; 0 for one that the child takes by itself.
        tick: At whose beginning it stands.
        applied_seq: Largest number of a command in it; 0 for none.
        file: Where it is to be stored; None where it could not be written.
        failure: Why not, in one sentence.
    """

    seq: int
    tick: int
    applied_seq: int
    file: StoredFile | None
    failure: str = ""


@dataclass(frozen=True)
class RunEnded:
    """The last message of a child.

    Args:
        tick: Reached.
        reason: Why it ended.
        message: One sentence where it is not `ok` or `stopped_by_user`.
        field_sha256: Of the last good field.
        files: Fields of the result, stored.
        snapshot: The state there, stored; None where it could not be.
    """

    tick: int
    reason: EndReason
    message: str
    field_sha256: str
    files: tuple[StoredFile, ...] = ()
    snapshot: Snapshotted | None = None
