"""Subscription of a viewer to frames of a run: the newest that its credit allows, at the level that its link allows."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from grid.api.live.credit import Step, ViewerCredit
from grid.api.live.hub import RunTopic
from grid.api.live.replies import SubId, end_reply, reply
from grid.api.live.states import find_notice
from grid.api.live.tailer import RunTailer
from grid.api.live.updates import RunUpdate
from grid.schemas.frame_requests import MOST_LEVEL, FrameRequest
from grid.schemas.live import RunState

SAME_S: Final = 0.5  # [s] between two notices that the picture is still the same


class FrameSub:
    """Frames of one run and field for one viewer.

    Args:
        sub_id: The viewer's own name of it.
        topic: Of the run; held by the caller for this subscription, which releases it.
        tailer: Tells of the run's state.
        request: What it asked for.
        max_hz: At most so many a second.
        wake: Called when there may be something to send.
        clock: Monotonic time [s].
        socket: By which it is sent: several subscriptions of one are one viewer.
    """

    def __init__(
        self,
        sub_id: SubId,
        topic: RunTopic,
        tailer: RunTailer,
        request: FrameRequest,
        max_hz: float,
        wake: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        socket: object = None,
    ) -> None:
        self.id, self.is_over, self.request, self.run_id = sub_id, False, request, topic.run_id
        self.credit = ViewerCredit(request.level, max_hz, clock())
        self._topic, self._tailer, self._wake, self._clock = topic, tailer, wake, clock
        self._texts: deque[str] = deque()
        self._same: tuple[int, int] | None = None
        self._same_due = 0.0
        self._state: RunState | None = None
        self._is_ending, self._is_closed = False, False
        self._others: int | None = None  # that look too; None: as was told
        self._others_told = 0
        self._show(request.level, max_hz)
        topic.enter_audience(self, socket if socket is not None else self)
        tailer.watch(topic.run_id, self)

    def next(self, now: float) -> str | bytes | None:
        """The next message: notices first, then the newest frame."""
        step = self.credit.look(now)
        if step is not None:
            self._take_step(step)
        if self._texts:
            text = self._texts.popleft()
            self.is_over = self._is_ending and not self._texts
            return text
        if self._others is not None:
            self._others_told, self._others = self._others, None
            return reply("notice", sub=self.id, kind="viewers", others=self._others_told)
        if self._same is not None and now >= self._same_due:
            (tick, computed_ms), self._same, self._same_due = self._same, None, now + SAME_S
            return reply("notice", sub=self.id, kind="same", tick=tick, computed_ms=computed_ms)
        frame = self._topic.find_newest(self.request)
        if frame is None or self._is_ending or not self.credit.may_send(now, len(frame.data)):
            return None
        self._same = None
        self.credit.send(now, frame.number, len(frame.data))
        return frame.data

    def wait(self, now: float) -> float:
        """Longest time after which there may be something to send without a call [s]."""
        wait = self.credit.wait(now)
        return wait if self._same is None else min(wait, max(0.0, self._same_due - now))

    def grant(self, number: int) -> None:
        """Note that the viewer has shown a frame."""
        if self.credit.grant(self._clock(), number):
            self._wake()

    def is_stalled(self, now: float) -> bool:
        """True where the viewer has not shown a frame for half a minute."""
        return self.credit.is_stalled(now)

    def close(self) -> None:
        """Look no more; twice is harmless."""
        if not self._is_closed:
            self._is_closed = True
            self._tailer.leave(self._topic.run_id, self)
            self._topic.remove_viewer(self, self.request)
            self._topic.leave_audience(self)
            self._topic.release()

    # What the topic and the tailer say.

    def on_frame(self) -> None:
        """There is a new frame."""
        self.credit.arrive(self._clock())
        self._wake()

    def on_audience(self, others: int) -> None:
        """Tell how many others look, where that is another number than was told."""
        self._others = None if others == self._others_told else others
        self._wake()

    def on_same(self, tick: int, computed_ms: int) -> None:
        """The run goes on, and its picture is that of the last frame."""
        self._same = tick, computed_ms
        self._wake()

    def on_refused(self, reason: str) -> None:
        """Ask for the next level where the frame is too large; else there is nothing to show."""
        field, _, detail = reason.partition(": ")
        level = self.credit.level + 1
        if field == "level" and level <= MOST_LEVEL:
            max_hz = self.credit.max_hz
            self.credit = ViewerCredit(level, max_hz, self._clock())
            self._show(level, max_hz)
            self._say(reply("notice", sub=self.id, kind="level", level=level, detail=detail))
        else:
            self._end(reply("end", sub=self.id, reason="invalid", field=field, detail=reason))

    def on_update(self, update: RunUpdate) -> None:
        """Tell of the run's state, or of its end."""
        if self._is_ending:
            return
        if update.is_final:
            self._end(end_reply(self.id, update))
            return
        kind = find_notice(self._state, update.state)
        self._state = update.state
        if kind is not None:
            self._say(reply("notice", sub=self.id, kind=kind, run=update.state_document))

    def _take_step(self, step: Step) -> None:
        rung = step.rung
        self._say(
            reply("notice", sub=self.id, kind="slow", level=rung.level, max_hz=rung.max_hz, skipped=step.skipped)
        )  # fmt: skip
        self._show(rung.level, rung.max_hz)

    def _show(self, level: int, max_hz: float) -> None:
        """Look at a level, so often; not at all where the rate is 0."""
        self._topic.remove_viewer(self, self.request)
        self.request = self.request.at_level(level)
        if max_hz > 0.0 and self._topic.add_viewer(self, self.request, max_hz) is not None:
            self.on_frame()

    def _say(self, text: str) -> None:
        self._texts.append(text)
        self._wake()

    def _end(self, text: str) -> None:
        self._is_ending = True
        self._topic.remove_viewer(self, self.request)
        self._say(text)
