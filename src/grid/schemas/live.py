"""The words of live runs: states, reasons, commands and events. Plain values, shared by every room above."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple
from uuid import UUID

from grid.schemas.jobs import JsonObject


class RunState(StrEnum):
    """The public `status` of a live run. The last two are terminal: they never change again."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    PARKED = "parked"
    INTERRUPTED = "interrupted"
    RESUMING = "resuming"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """True for a final state."""
        return self in RUN_TERMINAL

    @property
    def is_leased(self) -> bool:
        """True where a worker holds the run."""
        return self in RUN_LEASED

    @property
    def sentence(self) -> str:
        """One sentence that tells a user what the run does."""
        return RUN_SENTENCES[self]


RUN_TERMINAL: Final = frozenset({RunState.STOPPED, RunState.FAILED})
RUN_LEASED: Final = frozenset(
    {RunState.STARTING, RunState.RUNNING, RunState.PAUSED, RunState.RESUMING, RunState.STOPPING}
)
RUN_CLAIMABLE: Final = frozenset({RunState.QUEUED, RunState.PARKED, RunState.INTERRUPTED})
RUN_COMMANDABLE: Final = (RUN_LEASED | RUN_CLAIMABLE) - {RunState.STOPPING}

# Who may follow whom. The end of a child is a way through `interrupted`, in one statement: `resuming` follows.
RUN_TRANSITIONS: Final[dict[RunState, frozenset[RunState]]] = {
    RunState.QUEUED: frozenset({RunState.STARTING, RunState.STOPPED}),
    RunState.STARTING: frozenset(
        {RunState.RUNNING, RunState.PAUSED, RunState.INTERRUPTED, RunState.FAILED, RunState.STOPPING}
    ),
    RunState.RUNNING: frozenset({RunState.PAUSED, RunState.STOPPING, RunState.INTERRUPTED, RunState.FAILED}),
    RunState.PAUSED: frozenset(
        {RunState.RUNNING, RunState.PARKED, RunState.STOPPING, RunState.INTERRUPTED, RunState.FAILED}
    ),
    RunState.PARKED: frozenset({RunState.RESUMING, RunState.STOPPED}),
    RunState.INTERRUPTED: frozenset({RunState.RESUMING, RunState.STOPPED}),
    RunState.RESUMING: frozenset(
        {RunState.RUNNING, RunState.PAUSED, RunState.INTERRUPTED, RunState.FAILED, RunState.STOPPING}
    ),
    RunState.STOPPING: frozenset({RunState.STOPPED, RunState.FAILED, RunState.INTERRUPTED}),
    **{state: frozenset() for state in RUN_TERMINAL},
}

RUN_SENTENCES: Final[dict[RunState, str]] = {
    RunState.QUEUED: "The run waits for a place on a worker.",
    RunState.STARTING: "A worker has taken the run and builds the scene.",
    RunState.RUNNING: "The run ticks.",
    RunState.PAUSED: "The run is paused; its state is held.",
    RunState.PARKED: "The run is paused and stored; it goes on when it is resumed.",
    RunState.INTERRUPTED: "The worker of the run went away; another one will go on from the last snapshot.",
    RunState.RESUMING: "A worker computes the run again from its last snapshot to where it was.",
    RunState.STOPPING: "The run is being stopped; its result is written.",
    RunState.STOPPED: "The run has ended.",
    RunState.FAILED: "The run has failed.",
}


class RunReason(StrEnum):
    """Reason of a run's end: a closed list of codes, each with one sentence for people."""

    OK = "ok"
    STOPPED_BY_USER = "stopped_by_user"
    STOPPED_BY_ADMIN = "stopped_by_admin"
    DIVERGED = "diverged"
    OOM = "oom"
    START_TIMEOUT = "start_timeout"
    POISON = "poison"
    STORAGE_FULL = "storage_full"
    INFRA = "infra"

    @property
    def sentence(self) -> str:
        """One sentence that tells a user what happened."""
        return RUN_REASON_SENTENCES[self]


STOP_REASONS: Final = frozenset({RunReason.OK, RunReason.STOPPED_BY_USER, RunReason.STOPPED_BY_ADMIN})
RUN_REASON_SENTENCES: Final[dict[RunReason, str]] = {
    RunReason.OK: "The run came to its end.",
    RunReason.STOPPED_BY_USER: "You stopped the run.",
    RunReason.STOPPED_BY_ADMIN: "An administrator stopped the run.",
    RunReason.DIVERGED: "The solution left the finite numbers, or its error stayed above the tolerance.",
    RunReason.OOM: "The run needed more memory than it may use.",
    RunReason.START_TIMEOUT: "The scene was not built within its time limit.",
    RunReason.POISON: "The run took its worker down three times and is not tried again.",
    RunReason.STORAGE_FULL: "There was no room left for the result of the run.",
    RunReason.INFRA: "The service could not carry the run on; it is not the run's fault.",
}

Wanted = Literal["run", "pause", "stop"]
ModelPolicy = Literal["auto", "lumped", "diffusive"]
OverloadPolicy = Literal["slip", "no-stress", "lumped"]  # what a run may leave out where it cannot keep its pace
Activity = Literal["compiling"]  # what holds up a run's ticks, where it is known
SnapshotKind = Literal["auto", "user", "final", "incident"]


class CommandKind(StrEnum):
    """Kinds of commands. The first five change physics: a replay carries them out at their ticks."""

    EVENT = "event"
    END_EVENT = "end-event"
    MODEL = "model"
    RULES = "rules"
    MODE = "mode"
    SPEED = "speed"
    PAUSE = "pause"
    RESUME = "resume"
    STEP = "step"
    STOP = "stop"
    CHECKPOINT = "checkpoint"

    @property
    def is_physical(self) -> bool:
        """True where a replay carries the command out."""
        return self in PHYSICAL


PHYSICAL: Final = frozenset(
    {CommandKind.EVENT, CommandKind.END_EVENT, CommandKind.MODEL, CommandKind.RULES, CommandKind.MODE}
)
CommandOutcome = Literal["applied", "refused"]

# Metrics of a sample, in the order of its row: what a tick shows, then what the wall clock knows. Only appended to.
TICK_METRICS: Final = (
    "lowest", "highest", "mean", "gradient", "stored_heat", "balance_residual", "time_error", "substeps", "peak_stress",
    "peak_by_potential", "utilisation", "safety_factor", "damage", "failed_cells", "failed_regions", "shed_w",
    "certificate", "share", "is_lumped",
)  # fmt: skip
PACE_METRICS: Final = (
    "ratio", "simulated_rate", "slips", "slipped_s", "processor_s", "wall_s", "lag_s", "jitter_s", "encode_share",
    "frames_stopped", "has_frames",
)  # fmt: skip
SAMPLE_METRICS: Final = TICK_METRICS + PACE_METRICS


class EventOrigin(StrEnum):
    """Origin of an event: `engine` follows from the log and is compared in a replay, the others are not."""

    ENGINE = "engine"
    OPERATOR = "operator"
    WALL = "wall"


class RunClaim(NamedTuple):
    """A live run as one worker holds it: every write by the worker carries the epoch."""

    run_id: UUID
    epoch: int


@dataclass(frozen=True)
class RunSpec:
    """What somebody asks for: a scenario with its parameters, or a scene.

    Args:
        scenario: Name of a scenario; None where a scene is given.
        params: Of the scenario.
        cells: Numbers of cells along the axes; None: the scenario's.
        scene: `{"case": ..., "structure": ...}`; None where a scenario is named.
        tick_s: Simulated time of a tick [s], as text that is read once; None: the scenario's.
        rate: Ticks a second of wall time at speed 1; None: the scenario's.
        speed: Factor on the rate, 0.1 to 100; None: as fast as can be.
        method: `auto`, or the name of a live method.
        model: Who chooses between the lumped and the diffusive model.
        policy: What it may leave out where it cannot keep its pace: nothing, so that time slips; stress by potential;
            or then the field, by the lumped model above its limits.
        seed: Of random numbers.
        threads: Threads of the run's kernels; the bytes do not depend on it.
        is_paused: Whether it pauses before its first tick.
        name: For people.
    """

    scenario: str | None = None
    params: JsonObject = field(default_factory=dict)
    cells: tuple[int, ...] | None = None
    scene: JsonObject | None = None
    tick_s: str | None = None
    rate: float | None = None
    speed: float | None = 1.0
    method: str = "auto"
    model: ModelPolicy = "auto"
    policy: OverloadPolicy = "slip"
    seed: int = 0
    threads: int = 1
    is_paused: bool = False
    name: str = ""


@dataclass(frozen=True)
class PlannedCommand:
    """A command that a scenario brings along, first in the log.

    Args:
        kind: Its kind.
        payload: As JSON.
        at_s: Simulated time for which it is scheduled [s]; None: as soon as can be.
        tick: At whose beginning it takes effect; None: the run's owner decides.
    """

    kind: CommandKind
    payload: JsonObject
    at_s: float | None = None
    tick: int | None = None


@dataclass(frozen=True)
class RunBody:
    """What is told of the body of a scene where the whole scene would be too much.

    Args:
        temperature_unit: `degC`, `K` or `relative`.
        cells: Along each axis.
        has_structure: Whether stress and strength are computed.
        origin_m: Its lowest corner, a number for each axis [m].
        size_m: Its length along each axis [m].
    """

    temperature_unit: str
    cells: tuple[int, ...]
    has_structure: bool
    origin_m: tuple[float, ...] = ()
    size_m: tuple[float, ...] = ()

    def to_json(self) -> JsonObject:
        """The body as it is stored."""
        return {
            "temperature_unit": self.temperature_unit, "cells": list(self.cells), "has_structure": self.has_structure,
            "origin_m": list(self.origin_m), "size_m": list(self.size_m),
        }  # fmt: skip


@dataclass(frozen=True)
class PlannedRun:
    """A specification that was validated and priced; what `services.ports.RunPlanner` returns.

    Args:
        scene: Normalised, as it is stored and as a child reads it.
        params: Of the scenario, with defaults filled in.
        tick_s: Simulated time of a tick [s], as text.
        rate: Ticks a second of wall time at speed 1.
        method: The live method.
        steps_per_tick: Steps of a tick, a power of two.
        price_s: Processor time of a tick [s].
        memory_bytes: At the peak, beyond the libraries.
        cells: Number of cells.
        body: What lists tell of the scene.
        spec_hash: Hash of scene and clock.
        numerics_version: Of the sources that the bytes depend on.
        commands: First entries of the log.
    """

    scene: JsonObject
    tick_s: str
    rate: float
    method: str
    steps_per_tick: int
    price_s: float
    memory_bytes: int
    cells: int
    body: RunBody
    spec_hash: str
    numerics_version: str
    params: JsonObject = field(default_factory=dict)
    commands: tuple[PlannedCommand, ...] = ()
