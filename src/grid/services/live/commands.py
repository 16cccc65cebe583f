"""Commands to live runs: checked against the scene, numbered, and stored with what they change about the run.

A command that is answered is committed. The same command may be sent any number of times under one client id: it has
one number, and one effect.
"""

import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from grid.core.errors import (
    ConflictError,
    FieldError,
    InputError,
    InvalidFieldsError,
    NotFoundError,
    TooManyRequestsError,
)
from grid.database.live_commands import CommandSettlement, LiveCommandRecord, NewLiveCommand
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.live import RUN_CLAIMABLE, RUN_COMMANDABLE, CommandKind, RunReason, RunState
from grid.schemas.parameter_errors import move_error
from grid.services import audit
from grid.services.live.effects import move
from grid.services.live.fingerprints import compute_fingerprint, dump_payload
from grid.services.live.limits import CommandLimitError, LiveLimits, compute_share, require_affordable
from grid.services.live.overload import PHYSICS
from grid.services.live.submission import require_speed
from grid.services.ports import Doorbell, RunPlanner

MODELS: Final = ("auto", "lumped", "diffusive")
MOST_COMMANDS: Final = 50  # of one request
MODE_ROOM: Final = 1_000  # commands of Grid itself beyond those of people: no flood keeps a run from going on
SCHEDULED: Final = frozenset({CommandKind.EVENT, CommandKind.END_EVENT, CommandKind.MODEL})
_CLIENT_ID: Final = re.compile(r"[\x21-\x7e]{1,255}")


class RunStateError(ConflictError):
    """The state of the run does not allow the command."""

    code, title = "run-state", "The state of the run does not allow this"

    def __init__(self, state: RunState, needed: str = "") -> None:
        super().__init__(state, needed)
        self.state, self.needed = state, needed

    def __str__(self) -> str:
        return f"The run is {self.state.value}{'; ' + self.needed if self.needed else ''}."


class ClientIdReusedError(InputError):
    """The client id belongs to another command."""

    code, title = "client-id-reused", "The client id was used for another command"

    def __str__(self) -> str:
        return "Send another client_id with another command; a run keeps them as long as it is there."


class PayloadTooLargeError(InputError):
    """A command has more bytes than one may have."""

    code, title = "command-too-large", "The command is larger than the limit"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size, self.limit = size, limit

    def __str__(self) -> str:
        return f"The command has {self.size} bytes; at most {self.limit} are taken."


class RulesVersionError(ConflictError):
    """The rules of the run were changed by somebody else meanwhile."""

    code, title = "rules-changed", "The rules of the run have changed"

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        return f"The rules are at version {self.version}; read them again."


@dataclass(frozen=True)
class CommandRequest:
    """A command as somebody sends it.

    Args:
        kind: Its kind.
        payload: What it says, as JSON.
        client_id: The sender's name for it; None: one is made.
        at_s: Simulated time at which it is to take effect [s]; None: as soon as can be.
        rules_version: The version of the rules that `rules` replaces; None: whichever.
    """

    kind: CommandKind
    payload: JsonObject
    client_id: str | None = None
    at_s: float | None = None
    rules_version: int | None = None


@dataclass(frozen=True)
class AcceptedCommand:
    """The answer to a command; `is_repeated` where it had been accepted before."""

    run_id: UUID
    seq: int
    client_id: str
    is_repeated: bool


@dataclass(frozen=True)
class _Checked:
    """A request with its name and fingerprint."""

    request: CommandRequest
    client_id: str
    fingerprint: str


@dataclass(frozen=True)
class LiveCommandService:
    """Acceptance of commands.

    Args:
        uow: Where they are stored.
        planner: Checks them against the scene.
        doorbell: Rung for the run's worker after the commit.
        limits: Of commands.
    """

    uow: UnitOfWork
    planner: RunPlanner
    doorbell: Doorbell
    limits: LiveLimits = field(default_factory=LiveLimits)

    def accept(
        self, requests: Sequence[CommandRequest], *, actor_id: UUID | None, owner_id: UUID | None, run_id: UUID
    ) -> list[AcceptedCommand]:
        """Store commands, all of them or none, and answer in their order. Answered means committed.

        Args:
            requests: Up to 50; they get their numbers in this order.
            actor_id: Who sends them; None: Grid itself.
            owner_id: Whose run it is; None: anybody's, for an administrator who asked for all.
            run_id: The run.

        Raises:
            NotFoundError: There is no such run, or no such event to end, for this owner.
            FieldError, InvalidFieldsError: A value is outside the scene or its limits.
            PayloadTooLargeError: A command has too many bytes.
            ClientIdReusedError: Its client id belongs to another command of the run.
            RunStateError: The run takes no such command in its state.
            RunTooDearError: The speed is more than there is time for.
            RulesVersionError: The rules are not those that the sender has read.
            CommandLimitError: The run has had too many commands, or too many events wait.
            TooManyRequestsError: They come faster than they may.
        """
        if not 1 <= len(requests) <= MOST_COMMANDS:
            raise FieldError("commands", f"must be 1 to {MOST_COMMANDS}")
        checked = []
        for index, request in enumerate(requests):
            with naming(index, len(requests)):
                checked.append(self._check(request, actor_id))
        with self.uow.read() as tx:
            run = tx.live_runs.find(run_id, owner_id)
            if run is None:
                raise NotFoundError("live run")
            known = _find_known(tx, run_id, checked)
            if len(known) < len({one.client_id for one in checked}):
                self._require_open(tx, run, [one for one in checked if one.client_id not in known])
                spec = tx.live_runs.find_spec(run_id)
        if len(known) == len({one.client_id for one in checked}):
            return [AcceptedCommand(run_id, known[one.client_id].seq, one.client_id, True) for one in checked]
        for index, one in enumerate(checked):
            if spec is not None and one.request.kind.is_physical and one.client_id not in known:
                with naming(index, len(checked)):
                    self.planner.check_command(spec.scene, one.request.kind, one.request.payload, tick_s=run.tick_s)
        answers = self._store(checked, actor_id=actor_id, owner_id=owner_id, run_id=run_id)
        self.doorbell.ring("live", run_id)
        return answers

    def _check(self, request: CommandRequest, actor_id: UUID | None) -> _Checked:
        """Check what can be checked without the run."""
        try:
            size = len(dump_payload(request.payload).encode())
        except ValueError as error:
            raise FieldError("payload", "must hold finite numbers only") from error
        if size > self.limits.payload_bytes:
            raise PayloadTooLargeError(size, self.limits.payload_bytes)
        client_id = request.client_id if request.client_id is not None else secrets.token_hex(16)
        if not _CLIENT_ID.fullmatch(client_id):
            raise FieldError("client_id", "must be 1 to 255 visible ASCII characters")
        if request.kind is CommandKind.MODE and actor_id is not None:
            raise FieldError("kind", "must not be mode: Grid alone degrades a run")
        _require_time(request)
        _require_payload(request, self.limits)
        return _Checked(request, client_id, compute_fingerprint(request.kind, request.payload, request.at_s))

    def _store(
        self, checked: Sequence[_Checked], *, actor_id: UUID | None, owner_id: UUID | None, run_id: UUID
    ) -> list[AcceptedCommand]:
        with self.uow.begin() as tx:
            run = tx.live_runs.hold(run_id, owner_id)
            if run is None:
                raise NotFoundError("live run")
            known = _find_known(tx, run_id, checked)
            answers: list[AcceptedCommand] = []
            new: dict[str, _Checked] = {}
            seqs = {client_id: command.seq for client_id, command in known.items()}
            for one in checked:
                is_repeated = one.client_id in seqs
                if not is_repeated:
                    seqs[one.client_id] = run.next_seq + len(new)
                    new[one.client_id] = one
                elif one.client_id in new and new[one.client_id].fingerprint != one.fingerprint:
                    raise ClientIdReusedError
                answers.append(AcceptedCommand(run_id, seqs[one.client_id], one.client_id, is_repeated))
            if new:
                self._write(tx, run, list(new.values()), actor_id)
        return answers

    def _write(self, tx: Transaction, run: LiveRunRecord, new: Sequence[_Checked], actor_id: UUID | None) -> None:
        self._require_open(tx, run, new)
        values: dict[str, Any] = {"next_seq": run.next_seq + len(new), "paced_until": self._pace(tx, run, new)}
        for one in new:
            values |= self._effect(replace(run, **values), one.request)
        if values.keys() & {"wanted", "speed", "model_policy", "rules_version"}:
            values["version"] = run.version + 1
        held = tx.live_runs.change(run, **values)
        rows = [
            NewLiveCommand(
                one.client_id, one.fingerprint, one.request.kind, one.request.payload, actor_id, one.request.at_s
            )
            for one in new
        ]
        tx.live_commands.add(run.id, run.next_seq, rows)
        for index, one in enumerate(new):
            if one.request.kind is CommandKind.STOP:
                held = _stop(tx, held, run.next_seq + index, actor_id)
        kinds = sorted({one.request.kind.value for one in new})
        details = {"first": run.next_seq, "count": len(new), "kinds": kinds}
        audit.record(tx, actor_id=actor_id, action="run.command", subject=f"run:{run.id}", details=details)

    def _require_open(self, tx: Transaction, run: LiveRunRecord, new: Sequence[_Checked]) -> None:
        """Refuse what the run cannot take now."""
        kinds = [one.request.kind for one in new]
        is_stop = set(kinds) == {CommandKind.STOP}
        if run.state not in RUN_COMMANDABLE:
            raise RunStateError(run.state)
        if is_stop:  # it is taken beyond every limit: whoever floods a run can still stop it
            if len(new) > 1:
                raise FieldError("commands", "must hold one stop")
            return
        if run.wanted == "stop" or CommandKind.STOP in kinds:
            raise RunStateError(run.state, "it is being stopped" if run.wanted == "stop" else "send stop alone")
        room = MODE_ROOM if set(kinds) == {CommandKind.MODE} else 0
        if run.next_seq - 1 + len(new) > self.limits.commands + room:
            raise CommandLimitError("commands", self.limits.commands)
        events = kinds.count(CommandKind.EVENT)
        if events and tx.live_commands.count_open_events(run.id) + events > self.limits.open_events:
            raise CommandLimitError("events that have not taken effect", self.limits.open_events)
        self._pace(tx, run, new)
        for one in new:
            _require_possible(tx, run, one.request, self.limits)

    def _pace(self, tx: Transaction, run: LiveRunRecord, new: Sequence[_Checked]) -> Any:
        """Return the next theoretical arrival time of the run's commands (GCRA).

        Raises:
            TooManyRequestsError: They come faster than they may.
        """
        if new[0].request.kind in {CommandKind.STOP, CommandKind.MODE}:
            return run.paced_until
        after = max(run.paced_until, tx.now()) + timedelta(seconds=len(new) / self.limits.commands_per_s)
        burst = timedelta(seconds=self.limits.command_burst / self.limits.commands_per_s)
        if after - tx.now() > burst:
            per_s = self.limits.commands_per_s
            raise TooManyRequestsError(
                f"A run takes {per_s:g} commands a second", (after - tx.now() - burst).total_seconds()
            )
        return after

    def _effect(self, run: LiveRunRecord, request: CommandRequest) -> dict[str, Any]:
        """Return what a command changes about the row of its run."""
        match request.kind:
            case CommandKind.PAUSE:
                return {"wanted": "pause"}
            case CommandKind.RESUME:
                return {"wanted": "run"}
            case CommandKind.SPEED:
                speed = read_speed(request.payload)
                return {"speed": speed, "load_share": compute_share(run.price_s, run.rate, speed)}
            case CommandKind.MODEL:
                return {"model_policy": request.payload["model"]}
            case CommandKind.RULES:
                return {"rules_version": run.rules_version + 1}
        return {}


@contextmanager
def naming(index: int, count: int) -> Iterator[None]:
    """Let errors about one of several commands name its place among them."""
    try:
        yield
    except InvalidFieldsError as error:
        if count == 1:
            raise
        raise InvalidFieldsError(tuple(move_error(one, f"events[{index}]") for one in error.errors)) from None
    except FieldError as error:
        if count == 1:
            raise
        raise move_error(error, f"events[{index}]") from None


def read_speed(payload: Mapping[str, Any]) -> float | None:
    """Return the speed that a payload asks for; None is as fast as can be.

    Raises:
        FieldError: It is none.
    """
    speed = payload.get("speed")
    if speed == "max":
        return None
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise FieldError("speed", "must be a number, or max")
    require_speed(float(speed))
    return float(speed)


def _find_known(tx: Transaction, run_id: UUID, checked: Sequence[_Checked]) -> dict[str, LiveCommandRecord]:
    """Find the commands that were accepted before under the same client ids.

    Raises:
        ClientIdReusedError: One of them was another command.
    """
    known = tx.live_commands.find_known(run_id, [one.client_id for one in checked])
    for one in checked:
        if one.client_id in known and known[one.client_id].fingerprint != one.fingerprint:
            raise ClientIdReusedError
    return known


def _require_time(request: CommandRequest) -> None:
    if request.at_s is None:
        return
    if request.kind not in SCHEDULED:
        raise FieldError("at_s", f"must not be given with {request.kind.value}")
    if not (math.isfinite(request.at_s) and request.at_s >= 0):
        raise FieldError("at_s", "must be finite and not negative")


def _require_payload(request: CommandRequest, limits: LiveLimits) -> None:
    """Check payloads that need no scene; events and rules are the planner's."""
    payload, allowed = request.payload, set[str]()
    match request.kind:
        case CommandKind.EVENT:
            return
        case CommandKind.MODE:
            if payload.get("physics") not in PHYSICS:
                raise FieldError("physics", f"must be one of {', '.join(PHYSICS)}")
            allowed = {"physics"}
        case CommandKind.SPEED:
            read_speed(payload)
            allowed = {"speed"}
        case CommandKind.STEP:
            _require_whole("ticks", payload.get("ticks"), limits.step_ticks)
            allowed = {"ticks"}
        case CommandKind.END_EVENT:
            _require_whole("seq", payload.get("seq"), 2**31 - 1)
            allowed = {"seq"}
        case CommandKind.MODEL:
            if payload.get("model") not in MODELS:
                raise FieldError("model", f"must be one of {', '.join(MODELS)}")
            allowed = {"model"}
        case CommandKind.RULES:
            rules = payload.get("rules")
            if not isinstance(rules, list) or len(rules) > limits.rules:
                raise FieldError("rules", f"must be a list of at most {limits.rules}")
            allowed = {"rules"}
    unknown = sorted(payload.keys() - allowed)
    if unknown:
        raise FieldError(unknown[0][:64], "is not known")


def _require_whole(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise FieldError(name, f"must be a whole number from 1 to {most}")


def _require_possible(tx: Transaction, run: LiveRunRecord, request: CommandRequest, limits: LiveLimits) -> None:
    """Refuse a command that the present row of its run rules out."""
    if request.at_s is not None and request.at_s > (run.tick + limits.ticks_ahead) * float(run.tick_s):
        latest = (run.tick + limits.ticks_ahead) * float(run.tick_s)
        raise FieldError("at_s", f"must be at most {latest:.6g} s, {limits.ticks_ahead} ticks ahead")
    match request.kind:
        case CommandKind.STEP:
            if run.wanted != "pause" or run.state is RunState.PARKED:
                raise RunStateError(run.state, "pause it to step, or resume it where it is parked")
        case CommandKind.SPEED:
            require_affordable(run.price_s, run.rate, read_speed(request.payload), limits)
        case CommandKind.END_EVENT:
            event = tx.live_commands.find(run.id, request.payload["seq"])
            if event is None or event.kind is not CommandKind.EVENT:
                raise NotFoundError("event")
        case CommandKind.RULES:
            if request.rules_version is not None and request.rules_version != run.rules_version:
                raise RulesVersionError(run.rules_version)


def _stop(tx: Transaction, run: LiveRunRecord, seq: int, actor_id: UUID | None) -> LiveRunRecord:
    """End a run that nobody holds, or have its holder write the result."""
    by = RunReason.STOPPED_BY_USER if actor_id in {run.owner_id, None} else RunReason.STOPPED_BY_ADMIN
    reason = run.reason or by
    if run.state not in RUN_CLAIMABLE:
        return move(tx, run, RunState.STOPPING, wanted="stop", reason=reason)
    tx.live_commands.settle(run.id, [CommandSettlement(seq, run.tick, "applied", {"tick": run.tick})])
    return move(tx, run, RunState.STOPPED, wanted="stop", reason=reason)
