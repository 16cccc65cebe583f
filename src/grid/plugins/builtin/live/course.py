"""The course of a live run without a pace: a session from its begin to its end, with what it shows and says kept.

What it says are the events of the engine, in the words that the ledger has for those of a live run, so that both can be
compared.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.core.errors import InputError
from grid.core.storable import storable_key
from grid.engine.errors import CancelledError
from grid.engine.live import Command, RefusedChangeError, Session, Transition
from grid.engine.live.summary import TickSummary
from grid.plugins.builtin.live.inputs import CHECKED, LiveInput
from grid.plugins.scenario_run import ScenarioRun, run_scenario
from grid.schemas.live import TICK_METRICS
from grid.schemas.live_log import digest_event, make_alert_key
from grid.schemas.scenarios import Json

FloatArray = npt.NDArray[np.float64]

MOST_ROWS = 4096  # of a history
MOST_KEPT = 10_000  # events that are kept in words; of the others their number
MOST_COMPARED = 200_000  # events whose digests are kept
LOOK_TICKS = 8  # between two looks at whether the point was cancelled
FEED_TICKS = 256  # ahead of its tick, or of that at which it is known, that a session is given a command
OnProgress = Callable[[float], bool]  # is told the fraction done; False cancels


@dataclass
class Course:
    """A run that has come to its end.

    Args:
        session: There.
        level: Of the history: each of its rows covers 2^level ticks.
        place: Number of the first row; row p covers the boundaries from p 2^level on.
        history: Least, largest, mean and last of each metric of `TICK_METRICS`, shape `(rows, metrics, 4)`; NaN where
            a metric is not known.
        events: What the engine said, in order, the first of them.
        counts: How many of each kind there were.
        digests: Of each event, by tick, kind and key.
        seen: What the run showed at the boundaries that are checked: hash of the field, and metrics.
        scenario: The scenario's run, with what was expected; None for a log.
    """

    session: Session
    level: int
    place: int
    history: FloatArray
    events: list[Json] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    digests: dict[tuple[int, str, str], str] = field(default_factory=dict)
    seen: dict[int, tuple[str | None, dict[str, float]]] = field(default_factory=dict)
    scenario: ScenarioRun | None = None


def run_course(given: LiveInput, on_progress: OnProgress) -> Course:
    """Compute a point.

    Args:
        given: The point.
        on_progress: Told the fraction done, in [0, 1].

    Raises:
        CancelledError: It was cancelled.
        DivergedError: A temperature is no finite number.
        FieldError, InvalidFieldsError: The scenario has no such grid.
    """
    recorder: list[Recorder] = []

    def begin(session: Session) -> "Recorder":
        recorder.append(Recorder(session, given))
        return recorder[0]

    def watch(session: Session) -> None:
        if session.tick % LOOK_TICKS == 0 and not on_progress(session.tick / max(1, given.until)):
            raise CancelledError(session.tick * session.clock.steps, session.time)

    if given.scenario is None or given.scenario_params is None:
        session = Session(given.scene, given.clock, seed=given.seed, rules=given.rules)
        own = begin(session)
        feed = Feed(given.commands, own)
        while session.tick < given.until:
            feed.give(session)
            session.advance()
            own.note(session.take_transitions())
            watch(session)
        return own.finish()
    return _run_scenario(given, begin, watch)


def _run_scenario(given: LiveInput, begin: Callable[[Session], "Recorder"], watch: Callable[[Session], None]) -> Course:
    assert given.scenario is not None  # noqa: S101 - the caller has looked
    assert given.scenario_params is not None  # noqa: S101
    policy = None if given.scene.fidelity is None else given.scene.fidelity.policy
    own: list[Recorder] = []

    def on_tick(session: Session, changes: Sequence[Transition]) -> None:
        own[0].note(changes)
        watch(session)

    run = run_scenario(
        given.scenario, given.scenario_params, given.cells, method=given.clock.method, model=policy,
        ticks=given.until, on_begin=lambda session: own.append(begin(session)), on_tick=on_tick,
    )  # fmt: skip
    course = own[0].finish()
    course.scenario = run
    return course


@dataclass
class Feed:
    """Gives a session the commands of a log, somewhat ahead of their ticks.

    Args:
        commands: In the order of their numbers.
        recorder: Notes those that are refused at once.
    """

    commands: Sequence[Command]
    recorder: "Recorder"

    def __post_init__(self) -> None:
        self._waiting = sorted(self.commands, key=lambda one: (_needed(one), one.seq))
        self._next, self._place = 0, 0

    def give(self, session: Session) -> None:
        """Give what is needed before the session is asked again."""
        if session.tick < self._next:
            return
        self._next = session.tick + FEED_TICKS // 2
        until = session.tick + FEED_TICKS
        while self._place < len(self._waiting) and _needed(self._waiting[self._place]) < until:
            command = self._waiting[self._place]
            self._place += 1
            try:
                session.execute(command)
            except (RefusedChangeError, InputError) as error:
                self.recorder.say("refused", str(command.seq), {"seq": command.seq, "reason": str(error)}, command.tick)


def _needed(command: Command) -> int:
    return command.tick if command.known is None else min(command.known, command.tick)


def count_rows(given: LiveInput) -> tuple[int, int]:
    """Level and number of rows of a history: one row a boundary, or 2^level where they would be too many."""
    level = max(0, math.ceil(math.log2((given.until - given.first + 1) / MOST_ROWS)))
    return level, (given.until >> level) - (given.first >> level) + 1


class Recorder:
    """Keeps what a session shows and says.

    Args:
        session: At its begin.
        given: What it computes.
    """

    def __init__(self, session: Session, given: LiveInput) -> None:
        self.session, self.first = session, given.first
        level, rows = count_rows(given)
        history = np.full((rows, len(TICK_METRICS), 4), np.nan)
        self.course = Course(session, level, given.first >> level, history)
        self._sums, self._row, self._counted = np.zeros(len(TICK_METRICS)), -1, np.zeros(len(TICK_METRICS))
        self._checked = {} if given.record is None else dict.fromkeys(check.tick for check in given.record.checks)
        self._hashed = set() if given.record is None else {
            check.tick for check in given.record.checks if check.field_sha256 is not None
        }  # fmt: skip
        self._show(session.summary)

    def note(self, transitions: Sequence[Transition]) -> None:
        """Keep what the tick that has just ended shows and says."""
        session = self.session
        self._say_outcomes()
        switches = session.state.model.switches
        if switches and switches[-1].tick == session.tick - 1:
            last = switches[-1]
            self.say("switch", last.model, last.to_json(), last.tick)
        for change in transitions:
            key = make_alert_key(change.rule, change.alert, change.after, change.rule_version)
            self.say("alert", key, change.to_json(), change.tick)
        for failure in session.take_failures():
            self.say(failure.kind, failure.name, failure.payload, failure.tick)
        self._show(session.summary)

    def say(self, kind: str, key: str, payload: Mapping[str, Any], tick: int) -> None:
        """Keep an event."""
        course, clock, key = self.course, self.session.clock, storable_key(key)
        if len(course.digests) < MOST_COMPARED:
            course.digests[(tick, kind, key)] = digest_event(kind, payload)
        if tick < self.first:
            return
        course.counts[kind] = course.counts.get(kind, 0) + 1
        if len(course.events) < MOST_KEPT:
            said = {"tick": tick, "step": tick * clock.steps, "time_s": clock.time(tick), "kind": kind, "key": key}
            course.events.append({**said, "payload": dict(payload)})

    def finish(self) -> Course:
        """The course up to here."""
        self._say_outcomes()
        self._close()
        return self.course

    def _say_outcomes(self) -> None:
        for outcome in self.session.take_outcomes():
            kind, payload = outcome.describe()
            self.say(kind, str(outcome.seq), payload, outcome.tick)

    def _show(self, summary: TickSummary) -> None:
        if summary.tick in self._checked:
            sha256 = self.session.hash() if summary.tick in self._hashed else None
            self.course.seen[summary.tick] = sha256, {name: getattr(summary, name) for name in CHECKED}
        if summary.tick < self.first:
            return
        row = (summary.tick >> self.course.level) - self.course.place
        if row != self._row:
            self._close()
            self._row = row
            self._sums[:], self._counted[:] = 0.0, 0.0
        metrics = summary.metrics()
        values = np.array([np.nan if (one := metrics[name]) is None else one for name in TICK_METRICS])
        kept, known = self.course.history[row], np.isfinite(values)
        kept[:, 0] = np.fmin(kept[:, 0], values)
        kept[:, 1] = np.fmax(kept[:, 1], values)
        kept[known, 3] = values[known]
        self._sums[known] += values[known]
        self._counted += known

    def _close(self) -> None:
        """Write the means of the row that has ended."""
        if self._row < 0:
            return
        with np.errstate(invalid="ignore"):
            self.course.history[self._row, :, 2] = self._sums / self._counted
