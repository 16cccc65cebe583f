"""Watching units of work for those who show them: one look at the ledger for all, once a second and at each ring.

A watcher starts and ends nothing. It hands its hint to the workers of this machine, waits until the unit has ended, and
says how; it is answered at once where the unit has ended before, was never there, or is handed back at the end.
"""

import select
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.services.ports import BellListener
from grid.services.units import Unit, UnitState

log = get_logger(__name__)

LOOK_EVERY_S: Final = 1.0  # [s] without a ring
LEAST_GAP_S: Final = 0.2  # [s] between two looks, however often it rings

ReadStates = Callable[[Collection[Unit]], Mapping[Unit, UnitState]]
Ring = Callable[[str, UUID], None]


@dataclass(eq=False)
class _Watcher:
    """Whoever waits for the end of a unit."""

    unit: Unit
    is_answered: threading.Event = field(default_factory=threading.Event)
    answer: dict[str, Any] = field(default_factory=dict)

    def say(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.is_answered.set()


class UnitWatch(threading.Thread):
    """Looks for all watchers of a process.

    Args:
        read: Reads where units stand; what it raises is logged, and the next look comes all the same.
        ring: Rings the workers of this machine with a topic and a hint.
        listener: Hears changes of the ledger; closed at the end.
    """

    def __init__(self, read: ReadStates, ring: Ring, listener: BellListener) -> None:
        super().__init__(name="unit-watch", daemon=True)
        self._read, self._ring, self._listener = read, ring, listener
        self._watchers: dict[Unit, _Watcher] = {}
        self._changed = threading.Lock()
        self._is_new = self._is_handing_back = self._is_over = False

    def watch(self, name: object, queue: object) -> dict[str, Any]:
        """Wait until a unit has ended, and return its name, status and reason. For any number of threads.

        Further statuses: `unknown` (there is no such unit), `running` (of a live run, once a worker has it),
        `handed-back` (this process ends, or the unit was published again), `unwatched` (it is late).
        """
        unit = Unit.parse(name, queue)
        if unit is None:
            return {"id": None, "status": "unknown", "reason": None}
        watcher = _Watcher(unit)
        with self._changed:
            if self._is_handing_back:
                return _handed_back(unit)
            former, self._watchers[unit] = self._watchers.get(unit), watcher
            self._is_new = True
        if former is not None:
            former.say(_handed_back(unit))
        self._ring("live" if unit.is_run else "work", unit.id)
        watcher.is_answered.wait()
        return watcher.answer

    def hand_back(self) -> None:
        """Answer all watchers, and those who come later, so that nobody is waited for. May be called by a signal."""
        self._is_handing_back = True  # no lock, which the interrupted thread may hold: the thread of the watch answers

    def stop(self, timeout_s: float = 5.0) -> None:
        """Hand back, and end the thread."""
        self._is_handing_back = self._is_over = True
        self.join(timeout_s)

    def run(self) -> None:
        """Look until stopped."""
        try:
            while not self._is_over:
                self._wait()
                if self._is_handing_back:
                    self._answer(_handed_back)
                elif self._watchers:
                    self._look()
        finally:
            self._answer(_handed_back)
            self._listener.close()

    def _wait(self) -> None:
        """Wait for a ring, a watcher or the time to look; less where it ends."""
        until = time.monotonic() + LOOK_EVERY_S
        time.sleep(LEAST_GAP_S)
        while time.monotonic() < until and not (self._is_new or self._is_handing_back):
            if select.select([self._listener], [], [], LEAST_GAP_S)[0]:
                self._listener.drain()
                return

    def _look(self) -> None:
        with self._changed:
            units, self._is_new = list(self._watchers), False
        try:
            states = self._read(units)
        except GridError as error:
            log.warning("watch.look_failed", code=error.code, units=len(units))
            return
        except Exception:  # the thread must go on: every watcher of the process depends on it
            log.exception("watch.look_failed", units=len(units))
            return
        looked = frozenset(units)
        self._answer(lambda unit: _answer(unit, states.get(unit)) if unit in looked else None)

    def _answer(self, find: Callable[[Unit], dict[str, Any] | None]) -> None:
        with self._changed:
            found = [(watcher, find(unit)) for unit, watcher in self._watchers.items()]
            for watcher, answer in found:
                if answer is not None:
                    del self._watchers[watcher.unit]
        for watcher, answer in found:
            if answer is not None:
                watcher.say(answer)


def _handed_back(unit: Unit) -> dict[str, Any]:
    return {"id": unit.name, "status": "handed-back", "reason": None}


def _answer(unit: Unit, state: UnitState | None) -> dict[str, Any] | None:
    """Return what to say of a unit; None while it goes on."""
    if state is None:
        return {"id": unit.name, "status": "unknown", "reason": None}
    if state.is_ended:
        return state.describe(unit)
    if state.is_held and unit.is_run:
        return {"id": unit.name, "status": "running", "reason": None}
    return {"id": unit.name, "status": "unwatched", "reason": None} if state.is_late else None
