"""Messages between the supervisor and the child of a live run. Plain data; loading this loads no numerics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Origin = Literal["engine", "operator", "wall"]
EndReason = Literal["ok", "stopped_by_user", "diverged", "bad_input"]


@dataclass(frozen=True)
class LiveCommand:
    """A command on its way to a run: what changes physics, or its pace.

    Args:
        seq: Its number in the log.
        kind: `event`, `end-event`, `model`; or `speed`, `pause`, `resume`, `step`, `stop`, `checkpoint`.
        payload: As JSON.
        tick: At whose beginning it takes effect; None where the child proposes it.
        at_s: Simulated time for which it is scheduled [s]; None for as soon as may be.
    """

    seq: int
    kind: str
    payload: Mapping[str, Any]
    tick: int | None = None
    at_s: float | None = None


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
        log: Commands with their ticks that the state does not hold yet.
        until: Tick to catch up to without pace, where viewers were; 0 for none.
        is_paused: Begin in a pause.
        threads: Threads of the method.
        rules: Alert rules in simulation time, as JSON; those of a saved state are in it.
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
    threads: int = 1
    rules: tuple[Mapping[str, Any], ...] = ()


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
    """Numbers of commands whose ticks are in the database: they may take effect."""

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
class RunStarted:
    """The first look: the child has built the scene and stands at a tick."""

    tick: int
    method: str
    steps_per_tick: int
    price_s: float
    summary: Mapping[str, Any]


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
class Looked:
    """Events and a sample since the last message, in order."""

    events: tuple[LiveEvent, ...]
    sample: Sample | None


@dataclass(frozen=True)
class Saved:
    """The state at a tick, on request or at the end."""

    seq: int
    tick: int
    data: bytes
    sha256: str


@dataclass(frozen=True)
class RunEnded:
    """The last message of a child.

    Args:
        tick: Reached.
        reason: Why it ended.
        message: One sentence where it is not `ok` or `stopped_by_user`.
        field_sha256: Of the last good field.
        saved: The state there.
    """

    tick: int
    reason: EndReason
    message: str
    field_sha256: str
    saved: bytes
