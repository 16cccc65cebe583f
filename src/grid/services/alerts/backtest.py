"""Back-tests of rules: what they would have said of a course whose truth is known. Pure functions.

A truth is the moment at which what the rules should warn of begins. An alert up to `WINDOW_S` before it warns of it,
one after it is late. An alert without a truth in that time is a false alarm; a truth without an alert is missed.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from grid.core.errors import FieldError
from grid.schemas.jobs import JsonObject
from grid.services.alerts.rule_reading import METRIC_UNITS, WALL_METRICS, read_quantity

if TYPE_CHECKING:
    from grid.engine.live.rule_state import Transition

WINDOW_S: Final = 60.0  # [s] simulated: how far an alert and its truth may lie apart, and fires that flap
_TRUTH: Final = re.compile(r"\s*([a-z][a-z0-9_]{0,99})\s*(>=|<=|>|<)\s*(\S.{0,60})")

Metrics = Mapping[str, float | None]


@dataclass(frozen=True)
class Truth:
    """A condition on a metric whose begin the rules should warn of."""

    metric: str
    op: str
    value: float

    def holds(self, metrics: Metrics) -> bool:
        """True where the metric is known and beyond the value."""
        found = metrics.get(self.metric)
        if found is None:
            return False
        return {">": found > self.value, ">=": found >= self.value, "<": found < self.value, "<=": found <= self.value}[
            self.op
        ]


FIRST_FAILED_CELL: Final = Truth("failed_cells", ">=", 1.0)


@dataclass
class RuleScore:
    """What a rule has done over one course, or several.

    Args:
        rule: Its name.
        fired: How often it fired.
        false_alarms: Fires without a truth in their time.
        missed: Truths without a fire in their time.
        flaps: Fires within `WINDOW_S` of the end of the fire before.
        delays: From a truth to the first fire after it, where none was before [s].
        warnings: From the last fire before a truth to it [s].
        length_s: Simulated time over which it was watched [s].
    """

    rule: str
    fired: int = 0
    false_alarms: int = 0
    missed: int = 0
    flaps: int = 0
    delays: list[float] = field(default_factory=list)
    warnings: list[float] = field(default_factory=list)
    length_s: float = 0.0

    @property
    def false_per_hour(self) -> float:
        """False alarms an hour of simulated time."""
        return self.false_alarms / self.length_s * 3600.0 if self.length_s else 0.0

    def add(self, other: "RuleScore") -> None:
        """Add what the rule has done over another course."""
        self.fired += other.fired
        self.false_alarms += other.false_alarms
        self.missed += other.missed
        self.flaps += other.flaps
        self.delays += other.delays
        self.warnings += other.warnings
        self.length_s += other.length_s

    def to_json(self) -> JsonObject:
        """The score as JSON."""
        return {
            "rule": self.rule,
            "fired": self.fired,
            "false_alarms": self.false_alarms,
            "false_per_hour": self.false_per_hour,
            "missed": self.missed,
            "flaps": self.flaps,
            "delay_s": max(self.delays) if self.delays else None,
            "warning_s": min(self.warnings) if self.warnings else None,
            "length_s": self.length_s,
        }


def read_truth(text: str, temperature_unit: str = "K") -> Truth:
    """Read a condition such as `highest > 540 K`.

    Raises:
        FieldError: It is none.
    """
    match = _TRUTH.fullmatch(text)
    if match is None or match[1] not in WALL_METRICS:
        raise FieldError("truth", f"must be a metric, an operator and a value; metrics: {', '.join(WALL_METRICS)}")
    dimension = METRIC_UNITS.get(match[1], "1")
    return Truth(match[1], match[2], read_quantity("truth", match[3], dimension, temperature_unit))


class Trial:
    """Rules that see one course, sample by sample.

    Args:
        rules: As `read_rules` returns them.
        tick_s: Simulated time of a tick [s].
        truth: What they should warn of.
    """

    def __init__(self, rules: Sequence[JsonObject], tick_s: float, truth: Truth) -> None:
        from grid.engine.live.rules import Rule, activate, start_rule

        self.truth, self.tick_s = truth, tick_s
        self._rules = tuple(activate(Rule.from_json(rule), tick_s) for rule in rules if rule.get("clock") != "wall")
        self._states = tuple(start_rule(active) for active in self._rules)
        self.transitions: list[Transition] = []
        self.truths: list[float] = []
        self._was_true, self.begin_s, self.end_s = False, math.nan, 0.0

    def see(self, tick: int, metrics: Metrics) -> None:
        """Show the metrics of a tick."""
        from grid.engine.live.rules import evaluate

        time_s = tick * self.tick_s
        self.begin_s = time_s if math.isnan(self.begin_s) else self.begin_s
        self.end_s = time_s
        self._states, changes = evaluate(self._rules, self._states, metrics, tick, time_s)
        self.transitions += changes
        is_true = self.truth.holds(metrics)
        if is_true and not self._was_true:
            self.truths.append(time_s)
        self._was_true = is_true

    def scores(self) -> list[RuleScore]:
        """Return what each rule has done."""
        length = 0.0 if math.isnan(self.begin_s) else self.end_s - self.begin_s
        found = []
        for active in self._rules:
            of_rule = [one for one in self.transitions if one.rule == active.rule.name]
            fires = [one.time_s for one in of_rule if one.after == "firing" and one.before in ("ok", "pending")]
            ends = [one.time_s for one in of_rule if one.after == "ok" and one.before in ("firing", "holding")]
            found.append(score_rule(active.rule.name, fires, ends, self.truths, length))
        return found


def score_rule(
    rule: str, fires: Sequence[float], ends: Sequence[float], truths: Sequence[float], length_s: float
) -> RuleScore:
    """Compare the fires of a rule with the truth; an alert lasts from its fire to the end behind it.

    Args:
        rule: Its name.
        fires, ends: Times, ascending; fire, end, fire, ... [s].
        truths: Times at which a truth began, ascending [s].
        length_s: Simulated time over which the rule was watched [s].
    """
    spans = [(fire, next((end for end in ends if end >= fire), math.inf)) for fire in fires]
    score = RuleScore(rule, fired=len(fires), length_s=length_s)
    for truth in truths:
        before = [fire for fire, end in spans if fire <= truth and (end >= truth or truth - fire <= WINDOW_S)]
        after = [fire for fire, _ in spans if truth < fire <= truth + WINDOW_S]
        if before:
            score.warnings.append(truth - before[-1])
        elif after:
            score.delays.append(after[0] - truth)
        else:
            score.missed += 1
    for fire, end in spans:
        if not any(fire - WINDOW_S <= truth <= max(end, fire + WINDOW_S) for truth in truths):
            score.false_alarms += 1
    score.flaps = sum(1 for (_, end), (fire, _) in itertools.pairwise(spans) if 0.0 <= fire - end <= WINDOW_S)
    return score


def try_rules(
    rules: Sequence[JsonObject], tick_s: float, samples: Iterable[tuple[int, Callable[[str, str], float | None]]],
    truth: Truth,
) -> Trial:  # fmt: skip
    """Show rules the stored samples of a run, of each the worst value over its ticks.

    Args:
        rules: As `read_rules` returns them.
        tick_s: Simulated time of a tick [s].
        samples: Tick at the end of each, and what gives the worst value of a metric for an operator.
        truth: What the rules should warn of.
    """
    trial = Trial(rules, tick_s, truth)
    ops = {str(rule["metric"]): str(rule.get("op", ">")) for rule in rules}
    ops.setdefault(truth.metric, truth.op[0])
    for tick, worst in samples:
        trial.see(tick, {metric: worst(metric, op) for metric, op in ops.items()})
    return trial
