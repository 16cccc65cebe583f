"""Modes of the parts of the service as they are kept: signals are read, ladders advanced, rows put, changes told.

`grid.services.modes` decides; here is what it decides from, once a second, and who reads what came of it. While the
database is away the board keeps what it knows in memory, and says that.
"""

import math
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from grid.core.errors import GridError, StorageFullError
from grid.core.logging import get_logger
from grid.database.incidents import NewIncidentEntry
from grid.database.live_runs import LiveRunRecord
from grid.database.mode_states import SERVICE, ModeRecord
from grid.database.outbox import Event
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.live import RUN_TERMINAL, CommandKind, RunState
from grid.services.alerts.loop import MOST_RUNS, take_lock
from grid.services.incidents.following import append_to_open
from grid.services.live.commands import CommandRequest, LiveCommandService
from grid.services.live.effects import make_wall_event
from grid.services.live.overload import Physics, choose_physics
from grid.services.mode_signals import RunLook, is_fenced, look_at_run
from grid.services.modes import LADDERS, ModeState, Part, Signals, advance_mode, describe_modes, start_mode
from grid.services.periodic import PeriodicTask

log = get_logger(__name__)

LOOK_EVERY_S: Final = 1.0  # [s]
MODE_LOCK: Final = 0x67726968  # "grih": the key of PostgreSQL's advisory lock around a look
FRESH_S: Final = 1.0  # [s] for which what was read is shown without a look at the database
PROBE_EVERY_S: Final = 10.0  # [s] between two commits that measure the database while nothing runs
QUEUED_TOO_LONG: Final = timedelta(seconds=3)  # after which a run waits because workers are full
SERVICE_PARTS: Final[tuple[Part, ...]] = ("store", "workers", "bell", "notices", "artifacts")
RUN_PARTS: Final[tuple[Part, ...]] = ("physics", "stream")
READ_ONLY: Final = 2  # rung of the part store at which nothing new is stored
SIMPLER: Final = 2  # rung of the part physics at which a run goes simpler
PRICE: Final = "full_price_s"  # beside the timers of the part physics
_OPEN: Final = tuple(state for state in RunState if state not in RUN_TERMINAL)
Key = tuple[Part, str]

ADVICE: Final[dict[tuple[str, int], str]] = {
    ("physics", 1): "Lower the speed, or take fewer cells: `grid engine speed`.",
    ("physics", 2): "Lower the speed, or take fewer cells; the model is simpler than it should be.",
    ("physics", 3): "Look at the run's state and its worker's log; it goes on from its last snapshot by itself.",
    ("stream", 1): "Nothing to do: pictures come more rarely; close some, or ask for a coarser level.",
    ("stream", 2): "Close some pictures, or ask for a coarser level; metrics and events go on.",
    ("stream", 3): "Look at the folder of sockets in the data folder; metrics and events go on, by polling.",
    ("store", 1): "Look at the disk of the database: something else writes to it, or it is away.",
    ("store", 2): "Free disk space: remove ended runs and old results.",
    ("store", 3): "Look at the worker's log: it could not renew its leases.",
    ("workers", 1): "Start another worker, or stop a run.",
    ("workers", 2): "Start a worker: `grid worker`.",
    ("bell", 1): "Look at the folder of sockets in the data folder; everything works, a little later.",
    ("notices", 1): "Look at the addresses of notifiers; nothing is lost.",
    ("artifacts", 1): "Look at /ready, part artifacts; jobs wait, none fails, and they go on by themselves.",
    ("optimizer", 1): "Nothing to do: it is off by its settings.",
}


@dataclass
class ModeBoard:
    """What is known of every part: read by everybody, written by the loop of one server.

    Args:
        uow: Where modes are kept.
    """

    uow: UnitOfWork
    _states: dict[Key, ModeState] = field(default_factory=dict)
    _records: dict[Key, ModeRecord] = field(default_factory=dict)
    _read_at: float = -math.inf
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, records: Iterable[ModeRecord], states: dict[Key, ModeState]) -> None:
        """Show what the loop of this process knows."""
        self._records = {_key(record): record for record in records}
        self._states, self._read_at = states, time.monotonic()

    def known(self) -> tuple[dict[Key, ModeRecord], dict[Key, ModeState]]:
        """Return copies of what is shown, whatever its age."""
        return dict(self._records), dict(self._states)

    def records(self) -> list[ModeRecord]:
        """Return every mode, as fresh as the database lets it be, by scope and part."""
        self._refresh()
        return [self._records[key] for key in sorted(self._records, key=lambda key: (key[1], key[0]))]

    @property
    def is_fresh(self) -> bool:
        """True where `describe` needs no look at the database."""
        return time.monotonic() - self._read_at <= FRESH_S

    def refresh(self) -> None:
        """Read the rows, unless what is known is fresh."""
        self._refresh()

    def describe(self, run_id: UUID | None = None, *, refreshes: bool = True) -> str:
        """Return the value of the header `Grid-Mode`: of the service, and of one run.

        Args:
            run_id: The run; None: the service alone.
            refreshes: Look at the database where what is known is old.
        """
        if refreshes:
            self._refresh()
        scopes = {SERVICE} if run_id is None else {SERVICE, str(run_id)}
        return describe_modes(state for (_, scope), state in list(self._states.items()) if scope in scopes)

    def require_room(self) -> None:
        """Refuse to store anything new while the store is read-only, as last known.

        Raises:
            StorageFullError: The disk is nearly full.
        """
        state = self._states.get(("store", SERVICE))
        if state is not None and READ_ONLY in {state.rung, *state.entered}:
            raise StorageFullError(
                "The disk is nearly full: nothing new is stored until there is room again. "
                "Reading works, and so do `stop` and `pause`."
            )

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() - self._read_at <= FRESH_S:
                return
            try:
                with self.uow.read() as tx:
                    records = _read(tx)
                self.show(records, {_key(record): read_mode(record) for record in records})
            except GridError:  # what was known is shown on; the store's own rung says why
                self._read_at = time.monotonic()


@dataclass(frozen=True)
class PhysicsOrder:
    """What a run is to compute from now on.

    Args:
        run_id: The run.
        physics: What it leaves out, or `full`.
        client_id: Name of the command: the same for an order that is given again.
    """

    run_id: UUID
    physics: Physics
    client_id: str

    def send(self, commands: LiveCommandService) -> None:
        """Write it into the log of the run, by Grid itself."""
        request = CommandRequest(CommandKind.MODE, {"physics": self.physics}, self.client_id)
        commands.accept([request], actor_id=None, owner_id=None, run_id=self.run_id)


@dataclass
class ModeLoop:
    """Looks at the signals, and advances every ladder.

    Args:
        uow: Where they are kept.
        board: Shows them.
        folder: Its disk is watched.
        does_ring: Tells whether the doorbell works.
        heard_within: Time within which a worker has to be heard of to count as living.
        can_store: Tells whether results can be stored; None: that is not known.
        clock: Monotonic [s].
        command: Has a run compute what an order says, by a command in its log; None: nobody does.
    """

    uow: UnitOfWork
    board: ModeBoard
    folder: Path
    does_ring: Callable[[], bool]
    heard_within: timedelta
    can_store: Callable[[], bool | None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    command: Callable[[PhysicsOrder], object] | None = None
    _commit_s: float | None = None
    _probed_at: float = -math.inf

    def take_turn(self) -> None:
        """Advance every ladder, and put what has changed.

        Raises:
            GridError: The database does not answer; the board shows it.
        """
        try:
            self._measure_commit()
            with self.uow.begin() as tx:
                if not take_lock(tx, MODE_LOCK):
                    return
                known = {_key(record): record for record in _read(tx)}
                after, orders = self._advance(tx, known)
        except GridError:
            self._commit_s = math.inf
            self._show_without_database()
            raise
        self.board.show(after.values(), {key: read_mode(record) for key, record in after.items()})
        self._give(orders)

    def _give(self, orders: Iterable[PhysicsOrder]) -> None:
        """Have runs compute something else; what is refused now is tried again at the next turn."""
        for order in orders:
            try:
                if self.command is not None:
                    self.command(order)
            except GridError as error:
                log.warning("physics_not_changed", run_id=str(order.run_id), physics=order.physics, reason=str(error))

    def _measure_commit(self) -> None:
        """Time a commit: every turn while something runs, else every few seconds."""
        with self.uow.read() as tx:
            is_busy = tx.live_runs.count(states=_OPEN) > 0
        if not is_busy and self.clock() - self._probed_at < PROBE_EVERY_S and self._commit_s is not None:
            return
        began = self.clock()
        with self.uow.begin() as tx:
            tx.modes.put(_probe(tx.now()))
        self._probed_at = self.clock()
        self._commit_s = self._probed_at - began

    def _advance(
        self, tx: Transaction, known: dict[Key, ModeRecord]
    ) -> tuple[dict[Key, ModeRecord], list[PhysicsOrder]]:
        now = tx.now()
        after, told, orders = dict[Key, ModeRecord](), list[ModeRecord](), list[PhysicsOrder]()
        runs, _ = tx.live_runs.read_window(Window(size=MOST_RUNS), states=_OPEN)
        service, of_run = self._read_service(tx, runs), dict[str, tuple[LiveRunRecord, RunLook]]()
        looks: list[tuple[Key, Signals]] = [((part, SERVICE), service) for part in SERVICE_PARTS]
        for run in runs:
            scope = str(run.id)
            of_run[scope] = run, look_at_run(tx, run, now, _find_price(known.get(("physics", scope))))
            looks += [((part, scope), of_run[scope][1].signals) for part in RUN_PARTS]
        for key, signals in looks:
            before = known.get(key)
            state = advance_mode(key[0], _start(before, key[0], now), signals, now.timestamp())
            after[key] = _record(key, state, before, now)
            if key[0] == "physics":
                after[key].timers[PRICE] = of_run[key[1]][1].full_price_s
                orders += _find_order(*of_run[key[1]], state, now)
            if before is None or _kept(after[key]) != _kept(before):
                tx.modes.put(after[key])
            if (before.rung if before is not None else 0) != state.rung:
                told.append(after[key])
        for gone in {scope for _, scope in known} - {scope for _, scope in after} - {SERVICE}:
            tx.modes.forget(gone)
        _tell(tx, told, {str(run.id): run for run in runs})
        return after, orders

    def _read_service(self, tx: Transaction, runs: list[LiveRunRecord]) -> Signals:
        usage, now = shutil.disk_usage(self.folder), tx.now()
        waiting = [run for run in runs if run.state is RunState.QUEUED and now - run.available_at > QUEUED_TOO_LONG]
        living = len(tx.workers.living(within=self.heard_within))
        oldest = [at for at in (tx.outbox.oldest(), tx.notices.oldest_waiting()) if at is not None]
        return Signals(
            commit_s=self._commit_s,
            disk_free=usage.free / usage.total,
            living_workers=living,
            free_slots=0 if waiting else max(living, 1),
            is_leased=not any(is_fenced(run, now) for run in runs),
            does_ring=self.does_ring(),
            can_store=self.can_store(),
            oldest_notice_s=(now - min(oldest)).total_seconds() if oldest else 0.0,
        )

    def _show_without_database(self) -> None:
        """Show that the database is away, from what is known of the store."""
        now = datetime.now(UTC)
        records, states = self.board.known()
        key: Key = ("store", SERVICE)
        before = records.get(key)
        state = advance_mode(
            "store", _start(before, "store", now), Signals(commit_s=math.inf), max(now.timestamp(), _since(before))
        )
        states[key], records[key] = state, _record(key, state, before, now)
        self.board.show(records.values(), states)


def make_mode_loop(loop: ModeLoop, *, longest_pause_s: float | None = None) -> PeriodicTask:
    """Return the task that looks at the signals once a second."""
    return PeriodicTask("modes", loop.take_turn, every_s=LOOK_EVERY_S, longest_pause_s=longest_pause_s)


def list_own_runs(uow: UnitOfWork, owner_id: UUID | None) -> set[str]:
    """Return the scopes of the open runs of an owner, or of everybody."""
    with uow.read() as tx:
        runs, _ = tx.live_runs.read_window(Window(size=MOST_RUNS), owner_id=owner_id, states=_OPEN)
    return {str(run.id) for run in runs}


def find_advice(part: str, rung: int) -> str:
    """Return what to do about a rung; empty for full service."""
    return ADVICE.get((part, rung), "")


def read_mode(record: ModeRecord) -> ModeState:
    """Return the mode that a row holds."""
    part: Part = record.part  # type: ignore[assignment]  # only parts are put
    timers = record.timers
    evidence = tuple((name, math.inf if value == "inf" else value) for name, value in record.evidence.items())
    return ModeState(
        part,
        record.rung,
        record.since.timestamp(),
        record.reason,
        evidence,
        frozenset(timers.get("entered", ())),
        tuple(timers.get("entering", ())),
        timers.get("leaving"),
    )


_PROBE: Final = "probe"  # scope of the row by which commits are timed


def _probe(now: datetime) -> ModeRecord:
    return ModeRecord("store", _PROBE, 0, now, "", {}, {}, 0, now)


def _read(tx: Transaction) -> list[ModeRecord]:
    return [record for record in tx.modes.read() if record.scope != _PROBE]


def _key(record: ModeRecord) -> Key:
    return record.part, record.scope  # type: ignore[return-value]  # only parts are put


def _since(record: ModeRecord | None) -> float:
    return record.since.timestamp() if record is not None else 0.0


def _start(record: ModeRecord | None, part: Part, now: datetime) -> ModeState:
    if record is None or len(record.timers.get("entering", ())) != len(LADDERS[part]):  # or the ladder has changed
        return start_mode(part, now.timestamp())
    return read_mode(record)


def _record(key: Key, state: ModeState, before: ModeRecord | None, now: datetime) -> ModeRecord:
    has_changed = before is None or before.rung != state.rung
    changes = (before.changes if before is not None else 0) + (1 if before is not None and has_changed else 0)
    evidence = {name: "inf" if value is not None and math.isinf(value) else value for name, value in state.evidence}
    timers = {"entered": sorted(state.entered), "entering": list(state.entering), "leaving": state.leaving}
    since = now if has_changed or before is None else before.since
    return ModeRecord(*key, state.rung, since, state.reason, evidence, timers, changes, now)


def _kept(record: ModeRecord) -> ModeRecord:
    return replace(record, updated_at=record.since)


def _find_price(record: ModeRecord | None) -> float | None:
    price: float | None = None if record is None else record.timers.get(PRICE)
    return price


def _find_order(run: LiveRunRecord, look: RunLook, state: ModeState, now: datetime) -> list[PhysicsOrder]:
    """Return what a run is to be told, where that is not what it was asked for last."""
    low_since = state.entering[SIMPLER - 1] if state.entering else None
    wanted = choose_physics(
        look.asked, run.overload_policy, now,
        is_simpler=SIMPLER in state.entered,
        low_since=None if low_since is None else datetime.fromtimestamp(low_since, UTC),
    )  # fmt: skip
    if wanted == look.asked.physics or run.wanted == "stop":
        return []
    return [PhysicsOrder(run.id, wanted, f"mode:{look.asked.count + 1}:{wanted}")]


def _tell(tx: Transaction, told: list[ModeRecord], runs: dict[str, LiveRunRecord]) -> None:
    """Tell readers of the stream, the run, and the incidents that are open."""
    for record in sorted(told, key=lambda one: one.scope):  # runs are held in the order of their ids
        payload = {
            "part": record.part, "scope": record.scope, "rung": record.rung, "reason": record.reason,
            "evidence": record.evidence, "since": record.since.isoformat(),
        }  # fmt: skip
        aggregate = f"mode:{record.part}:{record.scope}"
        tx.outbox.add([Event(aggregate, int(record.since.timestamp() * 1e6), "mode.changed", payload)])
        log.warning("mode_changed", part=record.part, scope=record.scope, rung=record.rung, reason=record.reason)
        if record.scope == SERVICE:
            append_to_open(tx, [NewIncidentEntry("mode", payload)])
            continue
        run = tx.live_runs.hold(runs[record.scope].id)
        if run is not None and not run.state.is_terminal:
            event = make_wall_event(run, "mode", f"{record.part}-{record.changes}", payload)
            tx.live_events.add(run.id, run.next_event, [event])
            tx.live_runs.change(run, next_event=run.next_event + 1)
