"""Stages of a batch in a slot child as finished spans: reading parameters, each call of the solver, storing the pack.

A child knows nothing of OpenTelemetry: it notes times where the supervisor asks for them, and sends them with its
answer. Calls of a solver say how many points and time steps they took, and show their progress as events.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from grid.core.tracing import Attribute, FinishedSpan, SpanEvent

MOST_STAGES = 200  # of a batch whose points are solved apart; the others are left out
MOST_EVENTS = 64  # of one stage: beyond it every second one is dropped, and from then on twice the gap kept


@dataclass
class Stage:
    """A stage that goes on."""

    name: str
    attributes: dict[str, Attribute]
    events: list[SpanEvent] = field(default_factory=list)
    stride: int = 1
    reports: int = 0

    def note_progress(self, fraction: float) -> None:
        """Add an event for a fraction done, in [0, 1]."""
        self.reports += 1
        if self.reports % self.stride:
            return
        self.events.append(SpanEvent("progress", time.time(), {"grid.fraction": round(fraction, 4)}))
        if len(self.events) > MOST_EVENTS:
            self.events, self.stride = self.events[1::2], 2 * self.stride


class SolveStages:
    """The stages of one batch; without `is_on` nothing is kept and no clock is read."""

    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on
        self.finished: list[FinishedSpan] = []
        self._current: Stage | None = None

    @contextmanager
    def stage(self, name: str, **attributes: Attribute) -> Iterator[dict[str, Attribute]]:
        """Note a stage; what is put into the dictionary meanwhile becomes its attributes."""
        if not self.is_on or len(self.finished) >= MOST_STAGES:
            yield {}
            return
        stage, start, has_failed = Stage(name, dict(attributes)), time.time(), True
        outer, self._current = self._current, stage
        try:
            yield stage.attributes
            has_failed = False
        finally:
            self._current = outer
            self.finished.append(
                FinishedSpan(name, start, time.time(), stage.attributes, tuple(stage.events), is_error=has_failed)
            )

    def note_progress(self, fraction: float) -> None:
        """Note the progress of the stage that goes on."""
        if self._current is not None:
            self._current.note_progress(fraction)
