"""Commands: what changes the physics of a live run, each with the tick at whose beginning it takes effect.

The log of a run is its commands in order of `seq`. Together with scene, clock and seed it is the whole input of a
replay, so nothing else may change physics.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from grid.core.errors import FieldError
from grid.engine.kernel_folder import describe_environment
from grid.engine.live.changes import Effective
from grid.engine.live.clock import Clock
from grid.engine.live.scene import Scene
from grid.engine.problem.reader import CaseReader
from grid.engine.values.content_hash import hash_content
from grid.engine.version import compute_numerics_version

Kind = Literal["event", "end-event", "model", "rules", "mode"]
KINDS: tuple[Kind, ...] = ("event", "end-event", "model", "rules", "mode")
MAX_COMMANDS = 11_000  # [-] commands of a run: of people, and of the service itself


@dataclass(frozen=True)
class Command:
    """One entry of the log.

    Args:
        seq: Its number, from 1.
        kind: One of `KINDS`.
        payload: As JSON: the event; `{"seq": n}` of the event to end; `{"model": policy}`; `{"rules": [...]}`;
            or `{"physics": what is left out}` of a mode (`grid.engine.live.degradation`).
        tick: At whose beginning it takes effect.
        known: Tick from which on the run prepares for it, as the lumped model does for scheduled loads; None: it does
            not. What a run prepares for changes its physics, so it must not follow from when the command was heard of.
    """

    seq: int
    kind: Kind
    payload: Mapping[str, Any]
    tick: int
    known: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The command as a line of the log."""
        line = {"seq": self.seq, "kind": self.kind, "payload": dict(self.payload), "tick": self.tick}
        return line if self.known is None else {**line, "known": self.known}


@dataclass(frozen=True)
class Outcome:
    """What became of a command at its tick.

    Args:
        seq: Its number.
        tick: When.
        effective: What it did; None where it was refused.
        reason: Why it was refused; None where it was not.
    """

    seq: int
    tick: int
    effective: Effective | None
    reason: str | None

    def describe(self) -> tuple[str, dict[str, Any]]:
        """Kind and payload of the event that tells it: `applied` with what it did, or `refused` with the reason."""
        if self.effective is None:
            return "refused", {"seq": self.seq, "reason": self.reason}
        return "applied", {"seq": self.seq, "effective": asdict(self.effective)}


@dataclass(frozen=True)
class LogHeader:
    """First line of a log: what the commands belong to.

    Args:
        spec_hash: Hash of scene, tick and method.
        tick_s: Length of a tick [s].
        steps: Steps of a tick.
        seed: Of random numbers.
        numerics_version, platform: Where the bytes of the fields hold.
    """

    spec_hash: str
    tick_s: float
    steps: int
    seed: int
    numerics_version: str
    platform: str


def make_header(scene: Scene, clock: Clock, seed: int) -> LogHeader:
    """First line of the log of a run."""
    spec = compute_spec_hash(scene, clock)
    return LogHeader(spec, clock.tick, clock.steps, seed, compute_numerics_version(), find_platform())


def compute_spec_hash(scene: Scene, clock: Clock) -> str:
    """SHA-256 of scene, tick and method, hexadecimal; the same on every platform."""
    return hash_content(scene, clock.course)


def find_platform() -> str:
    """Twelve hexadecimal digits over what decides the machine code of kernels: where the bytes of fields hold."""
    environment = json.dumps(describe_environment(), sort_keys=True)
    return hashlib.sha256(environment.encode()).hexdigest()[:12]


def read_commands(raw: Iterable[object]) -> Iterator[Command]:
    """Read the commands of a log.

    Raises:
        FieldError, InvalidFieldsError: A line is none, their numbers do not increase, or they are too many.
    """
    last = 0
    for index, line in enumerate(raw):
        if index >= MAX_COMMANDS:
            raise FieldError("log", f"at most {MAX_COMMANDS} commands")
        reader = CaseReader()
        names = ("seq", "kind", "payload", "tick")
        fields = reader.read_mapping(f"log[{index}]", line, allowed=(*names, "known"), required=names)
        seq, tick = (reader.read_integer(f"log[{index}].{name}", fields.get(name)) for name in ("seq", "tick"))
        kind = reader.read_choice(f"log[{index}].kind", fields.get("kind"), KINDS)
        known = reader.read_integer(f"log[{index}].known", fields["known"]) if "known" in fields else None
        payload = fields.get("payload")
        if not isinstance(payload, Mapping):
            reader.refuse(f"log[{index}].payload", "an object")
        reader.finish()
        if seq is None or tick is None or kind is None or not isinstance(payload, Mapping):
            raise FieldError(f"log[{index}]", "a command")
        if seq <= last or tick < 0:
            raise FieldError(f"log[{index}].seq", "above that of the line before, with a tick of 0 or more")
        if known is not None and not 0 <= known <= tick:
            raise FieldError(f"log[{index}].known", "0 to the tick of the command")
        last = seq
        yield Command(seq, next(each for each in KINDS if each == kind), payload, tick, known)
