"""Slot children and programs in memory: a test sets the messages that they send, and reads those sent to them."""

import os
from collections import deque
from pathlib import Path
from uuid import uuid4

from grid.core.errors import UnavailableError
from grid.runtime.messages import ChildReady, PointResult, Solve, SolveFinished, SolveStarted
from grid.runtime.processes import ExitReason
from grid.runtime.programs import ProgramLimits
from grid.runtime.slots import ChildKind
from grid.runtime.watched_run import ProgramEnded, ProgramMessage
from grid.schemas.jobs import Reason


class MemoryChild:
    """A child that lives in the test."""

    def __init__(self, kind: ChildKind, tokens: int) -> None:
        self.kind, self.tokens = kind, tokens
        self.pid, self.start_time = os.getpid(), 1
        self.sent: list[object] = []
        self.says: deque[object] = deque()
        self.is_dead = self.was_killed = self.is_closed = self.is_over_limit = False
        self.end = ExitReason(exit_code=3)
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)

    def fileno(self) -> int:
        return self._reading

    def say(self, *messages: object) -> None:
        self.says.extend(messages)
        os.write(self._writing, b"!" * len(messages))

    def die(self, end: ExitReason | None = None) -> None:
        self.is_dead, self.end = True, end or self.end
        os.write(self._writing, b"!")

    def be_ready(self) -> None:
        self.say(ChildReady(self.pid, {"toy": "toy-1"}))

    def solve(self, reason: Reason = Reason.OK, **words: object) -> Solve:
        """Answer the last batch: every point ends alike."""
        message = next(message for message in reversed(self.sent) if isinstance(message, Solve))
        results = [PointResult(claim, reason, "", {} if reason is Reason.OK else None) for claim in message.claims]
        self.say(SolveStarted(message.batch_id), SolveFinished(message.batch_id, results, 0.1, 1 << 20, **words))  # type: ignore[arg-type]
        return message

    def send(self, message: object) -> None:
        self.sent.append(message)

    def poll(self, timeout_s: float = 0.0) -> bool:
        return bool(self.says) or self.is_dead

    def receive(self) -> object:
        if not self.says:
            raise EOFError
        os.read(self._reading, 1)
        return self.says.popleft()

    def is_over_memory(self) -> bool:
        return self.is_over_limit

    def exit_reason(self, timeout_s: float = 2.0) -> ExitReason | None:
        return self.end if self.is_dead else None

    def kill(self, *, is_oom: bool = False) -> ExitReason | None:
        if not self.is_dead:
            self.is_dead, self.was_killed = True, True
            self.end = ExitReason(signal=9, is_oom=is_oom, was_killed=True)
        self.close()
        return self.end

    def close(self, timeout_s: float = 1.0) -> ExitReason | None:
        if not self.is_closed:
            self.is_closed = True
            os.close(self._reading)
            os.close(self._writing)
        return self.end


class MemoryFactory:
    """Makes such children; `refusals` makes the next starts fail."""

    def __init__(self) -> None:
        self.children: list[MemoryChild] = []
        self.refusals = 0

    def start(self, kind: ChildKind, *, tokens: int = 1) -> MemoryChild:
        if self.refusals:
            self.refusals -= 1
            raise UnavailableError("no child today")
        self.children.append(MemoryChild(kind, tokens))
        return self.children[-1]

    def close(self) -> None:
        for child in self.children:
            child.close()


class MemoryProgram:
    """A program run that lives in the test (`grid.runtime.watched_run.WatchedRun`)."""

    def __init__(self, output: Path, limits: ProgramLimits | None = None) -> None:
        self.output, self.limits = output, limits or ProgramLimits(60.0)
        self.says: deque[ProgramMessage] = deque()
        self.is_cancelled = self.is_killed = self.is_closed = False
        self.collected: object = []
        self.pid = os.getpid()
        self.label = uuid4()
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)

    def fileno(self) -> int:
        return self._reading

    def say(self, *messages: ProgramMessage) -> None:
        self.says.extend(messages)

    def poll(self, timeout_s: float = 0.0) -> bool:
        return bool(self.says)

    def receive(self) -> ProgramMessage:
        message = self.says.popleft()
        assert not (isinstance(message, ProgramEnded) and self.says), "nothing comes after the end"
        return message

    def cancel(self) -> None:
        self.is_cancelled = True

    def kill(self) -> None:
        self.is_killed = True
        self.close()

    def close(self, timeout_s: float = 5.0) -> None:
        if not self.is_closed:
            self.is_closed = True
            os.close(self._reading)
            os.close(self._writing)

    def collect(self, store: object, key_prefix: str) -> object:
        if isinstance(self.collected, Exception):
            raise self.collected
        return self.collected
