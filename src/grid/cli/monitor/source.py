"""What the monitor asks of a live run, wherever it runs: streams to read, and commands to give."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from grid.core.errors import ConflictError

Json = Mapping[str, Any]
Link = Literal["live", "lost", "over"]
PICTURES_A_SECOND = 10.0


class NotOfferedError(ConflictError):
    """Something that this way of looking at a run does not have."""

    code, title = "not-offered", "This is not offered here"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Run:
    """What does not change of a run while it is watched.

    Args:
        id: Of the run; of a run in this process any text.
        name: Shown first.
        scenario: Its name; None for a scene.
        tick_s: Length of a tick in simulated time [s].
        rate: Ticks a wall second at speed 1.
        method: Live method.
        unit: Of temperatures: `°C`, `K`, or empty for relative ones.
        cells: Along each axis; empty where it is not known.
        origin, size: Of the body along each axis [m]; empty where they are not known.
        fields: Names of fields that can be shown.
        thresholds: Lowest threshold of the alert rules by metric.
        proposal: Where a burst is proposed [m]; empty for the middle of the body.
    """

    id: str
    name: str
    scenario: str | None
    tick_s: float
    rate: float
    method: str
    unit: str = ""
    cells: tuple[int, ...] = ()
    origin: tuple[float, ...] = ()
    size: tuple[float, ...] = ()
    fields: tuple[str, ...] = ("temperature",)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    proposal: tuple[float, ...] = ()


@dataclass(frozen=True)
class Status:
    """How a run stands, and the way to it.

    Args:
        state: A state of live runs, such as `running` or `paused`.
        speed: Factor on the rate; None: as fast as can be.
        model: Who chooses the model: `auto`, `lumped` or `diffusive`.
        mode: Degraded mode of the service as it tells it, `full` without one.
        link: `live` while data come; `lost` while the way is tried again; `over` when no more will come.
        reason: Why, in one sentence, where the link is not live or the run has failed.
        tick: Of the run as far as is known.
        skew_s: Clock of the run's machine less the clock here [s].
        others: Other viewers of the run, as far as the server knows.
    """

    state: str = "starting"
    speed: float | None = 1.0
    model: str = "auto"
    mode: str = "full"
    link: Link = "live"
    reason: str = ""
    tick: int = 0
    skew_s: float = 0.0
    others: int = 0


@dataclass(frozen=True)
class Reading:
    """A sample of metrics.

    Args:
        tick: Of the last tick that it covers.
        time_s: Simulated [s].
        last: Last value of each metric of `SAMPLE_METRICS`; None where one is not known.
        most: Largest value of each over the ticks that it covers.
        taken_s: Unix time at which it was taken, by the clock of the run's machine [s].
    """

    tick: int
    time_s: float
    last: Mapping[str, float | None]
    most: Mapping[str, float | None]
    taken_s: float


@dataclass(frozen=True)
class Happening:
    """An event of a run.

    Args:
        tick: At which it happened.
        kind: Of `live.md`: `applied`, `refused`, `switch`, `alert`, `state`, `slip`, `gap`, ...
        payload: As JSON.
        command: What was asked for, for `applied` and `refused`: `{"kind": ..., "payload": ...}`.
    """

    tick: int
    kind: str
    payload: Json
    command: Json | None = None


@dataclass(frozen=True)
class Alert:
    """An alert rule that is not in order at present.

    Args:
        id: By which it is acknowledged; empty where it cannot be.
        rule: Name of the rule.
        severity: `low`, `medium`, `high` or `critical`.
        state: `pending`, `firing`, `holding`, `stale`, `no_data` or `suspended`.
        metric: Which.
        op: `>` or `<`.
        value: Sample that decided; None where none did.
        threshold: Beyond which it fires.
        tick: Since when.
        is_acknowledged: Somebody has seen it.
        hidden: `silenced`, `inhibited`, or empty.
    """

    id: str
    rule: str
    severity: str
    state: str
    metric: str
    op: str
    value: float | None
    threshold: float
    tick: int
    is_acknowledged: bool = False
    hidden: str = ""

    @property
    def is_firing(self) -> bool:
        """True where somebody should look."""
        return self.state in ("firing", "holding")


@dataclass(frozen=True)
class Want:
    """What is to be shown.

    Args:
        field: Name of the field; None for no pictures at all.
        level: 0 for full resolution, 1 for half, 2 for a quarter.
        max_hz: Pictures a second.
    """

    field: str | None
    level: int = 0
    max_hz: float = PICTURES_A_SECOND


@dataclass(frozen=True)
class Answer:
    """What became of a command.

    Args:
        text: One sentence for the operator.
        seq: Its number in the log; None where it has none.
    """

    text: str
    seq: int | None = None


class MonitorSource(Protocol):
    """A live run that can be watched and steered. One reader of each stream; all in one event loop.

    Every command raises `GridError` where it is refused, and its text names field and limit.
    """

    can_return: ClassVar[bool]  # whether `branch` of a branch goes back to where it left

    async def open(self) -> Run:
        """Find the run, and begin to listen."""
        ...

    async def close(self) -> None:
        """Stop listening; a run in this process ends."""
        ...

    def runs(self) -> AsyncIterator[Run]:
        """The run again, each time another one takes its place or more of it is known."""
        ...

    def statuses(self) -> AsyncIterator[Status]:
        """The newest status, each time it changes."""
        ...

    def frames(self) -> AsyncIterator[bytes]:
        """The newest frame of what is wanted; a frame counts as shown when the next one is asked for."""
        ...

    def readings(self) -> AsyncIterator[Reading]:
        """Samples of metrics."""
        ...

    def happenings(self) -> AsyncIterator[Happening]:
        """Events, in order."""
        ...

    def alerts(self) -> AsyncIterator[tuple[Alert, ...]]:
        """All alerts that are not in order, each time they change."""
        ...

    async def want(self, want: Want) -> None:
        """Say what is to be shown."""
        ...

    async def inject(self, event: Json) -> Answer:
        """Inject an event, such as a burst, at the next boundary."""
        ...

    async def choose_model(self, policy: str) -> Answer:
        """Choose the model: `auto`, `lumped` or `diffusive`."""
        ...

    async def pause(self) -> Answer:
        """Pause the run."""
        ...

    async def resume(self) -> Answer:
        """Let a paused run go on."""
        ...

    async def step(self, ticks: int) -> Answer:
        """Advance a paused run by so many ticks."""
        ...

    async def set_speed(self, speed: float | None) -> Answer:
        """Change how fast the run goes; None: as fast as can be."""
        ...

    async def acknowledge(self, alert: Alert) -> Answer:
        """Say that somebody has seen an alert."""
        ...

    async def branch(self) -> Answer:
        """Begin another run at the present tick."""
        ...

    async def replay(self) -> Answer:
        """Run the log again and compare the field's bytes."""
        ...
