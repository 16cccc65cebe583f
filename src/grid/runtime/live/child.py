"""A live run in its slot child: its files, its pipe, and the loop between them."""

import select
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from grid.core.errors import GridError, InputError, StorageFullError
from grid.core.logging import get_logger
from grid.engine.errors import CheckpointError, DivergedError
from grid.engine.live.events import Burst
from grid.engine.live.session import Session
from grid.engine.version import compute_numerics_version
from grid.runtime.live.ahead import AheadWorker
from grid.runtime.live.compile_watch import CompileWatch
from grid.runtime.live.loop import LiveLoop
from grid.runtime.live.loop_ports import LostViewers
from grid.runtime.live.messages import Compiling, EndReason, NeedsRenewal, RunEnded, StartRun
from grid.runtime.live.priority import Priority
from grid.runtime.live.publisher import FramePublisher
from grid.runtime.live.snapshots import SnapshotWriter, read_state
from grid.runtime.live.turns import shorten_turns
from grid.runtime.spool import ChildFiles

log = get_logger(__name__)

TURN_S = 1e-3  # [s] turns of the loop's thread on a core: a few percent of a tick, and some tens of a pass of a kernel
SWITCH_S = 5e-4  # [s] after which a thread that encodes or stores lets the loop go on: a tenth of Python's own
WARM_RADIUS, WARM_POWER = 0.1, 1.0  # of the longest side, [W]
WARM_TICKS = 2  # [-] the second of them releases what the first took


class LockedChannel:
    """The pipe to the supervisor; several threads of the child send.

    Args:
        connection: The pipe.
        early: Messages that were read from it already, in order.
    """

    def __init__(self, connection: Connection, early: deque[object]) -> None:
        self._connection, self._early, self._lock = connection, early, threading.Lock()

    def receive(self, timeout: float) -> object | None:
        """The next message; None if none comes in time [s].

        Raises:
            EOFError: The supervisor is gone.
        """
        if self._early:
            return self._early.popleft()
        try:
            if not select.select([self._connection], [], [], timeout)[0]:  # poll() would round up to a millisecond
                return None
            message: object = self._connection.recv()
        except (OSError, ValueError) as error:
            raise EOFError from error
        return message

    def send(self, message: object) -> None:
        """Send a message."""
        with self._lock:
            self._connection.send(message)


def run_live(start: StartRun, connection: Connection, early: deque[object], store: ChildFiles) -> None:
    """Carry a run on until it ends; the last message is `RunEnded`.

    Args:
        start: What to run.
        connection: The pipe to the supervisor.
        early: Messages that were read from it already, in order.
        store: Where snapshots to go on from were put, and where new ones and results are left.

    Raises:
        EOFError, ConnectionError: The supervisor is gone.
    """
    channel = LockedChannel(connection, early)
    sys.setswitchinterval(SWITCH_S)
    watch = CompileWatch(lambda is_on: channel.send(Compiling(is_on)))
    watch.listen()
    priority = Priority()
    priority.follow(start.speed)
    version = compute_numerics_version()
    if start.numerics_version not in {"", version}:
        words = f"The run was computed by numerics {start.numerics_version}, and this worker has {version}."
        _end(channel, "other_numerics", words)
        return
    saved, wrong = read_state(store, start.snapshots)
    try:
        keeper = None if start.run_id is None else SnapshotWriter(store, start.run_id, start.epoch, channel)
        viewers = _open_viewers(start)
        loop = LiveLoop(
            replace(start, saved=saved), channel, keeper=keeper, ahead=AheadWorker().give, compiler=watch,
            viewers=LostViewers() if viewers is None and start.socket else viewers,
            on_speed=lambda speed: None if priority.follow(speed) else channel.send(NeedsRenewal()),
        )  # fmt: skip
    except CheckpointError as error:
        _end(channel, "other_numerics", str(error))
        return
    except (InputError, GridError) as error:
        _end(channel, "bad_input", str(error))
        return
    if start.steps_per_tick not in {0, loop.session.clock.steps}:
        words = f"A tick has {loop.session.clock.steps} steps here, and {start.steps_per_tick} in the ledger."
        _end(channel, "other_numerics", words)
        return
    _warm_up(loop.session)
    for words in wrong:
        loop.note_wall("note", "snapshot", {"text": words})
    if start.speed != "max":
        shorten_turns(TURN_S)  # this thread alone: those that encode and store are there already
    try:
        loop.run()
    except StorageFullError as error:
        _end(channel, "storage_full", str(error), tick=loop.session.tick)
    finally:
        if viewers is not None:
            viewers.close(is_final=True)


def _warm_up(session: Session) -> None:
    """Load what ticks need, in forks that are dropped: else the first ones are late, and on a cold machine by far.

    A run of the lumped model may have to leave it at any tick: compiling the field's kernels then would take so long
    that its ticks are late by far. All of it happens in forks, which the run does not see.
    """
    domain = session.scene.problem.domain
    middle = tuple(start + 0.5 * side for start, side in zip(domain.origin, domain.size, strict=True))
    burst = Burst(middle, WARM_RADIUS * max(domain.size), WARM_TICKS * session.clock.tick, power=WARM_POWER)
    with suppress(DivergedError):  # the run says so itself
        session.fork().advance(WARM_TICKS)
        field = session.fork()
        field.choose_model("diffusive")
        with suppress(GridError):  # the scene has no room for it: then no burst comes
            field.apply(burst)
        field.advance(WARM_TICKS)


def _open_viewers(start: StartRun) -> FramePublisher | None:
    """Listen for servers with viewers; without a socket the run goes on unseen."""
    if not start.socket or start.run_id is None:
        return None
    publisher = FramePublisher(Path(start.socket), start.run_id, start.epoch)
    try:
        publisher.start()
    except OSError as error:
        log.warning("live.no_pictures", reason=str(error))
        return None
    return publisher


def _end(channel: LockedChannel, reason: EndReason, message: str, *, tick: int = 0) -> None:
    channel.send(RunEnded(tick, reason, message, ""))
