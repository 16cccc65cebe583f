"""Alert rules: which metric, the two thresholds, and the times that a breach and its end must last.

    Rule("over-temperature", "highest", raise_at=520.0, clear_at=510.0, hold=2.0, severity="high")

Raise and clear are two thresholds, so that a value that swings around one of them fires once. The machine that a rule
goes through is in `grid.engine.live.rules`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice, require_kind, require_number
from grid.engine.limits import Limit

Operator = Literal[">", "<"]
RuleClock = Literal["sim", "wall"]
Severity = Literal["low", "medium", "high", "critical"]
NoDataPolicy = Literal["keep", "fire", "ok"]

SPAN = Limit(0.0, 1e9, "s")
WAIT = Limit(0.0, 1e9, "s", exclusive_minimum=True)
MAX_SAMPLES = 1_000_000  # [-] breaches that a rule may wait for
MAX_TEXT = 1_000  # characters of a summary or of a runbook's name
MAX_LABELS = 32
MAX_RULES = 50  # [-] rules of a run
WALL_COUNT_S = 1e-3  # [s] the clock of rules in wall time counts milliseconds
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,99}")
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,99}")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_WIRE_NAMES = {  # Python reserves two of them; the others end in their unit
    "raise_at": "raise",
    "clear_at": "clear",
    "hold": "for_s",
    "keep_firing_for": "keep_firing_for_s",
    "stale_after": "stale_after_s",
    "no_data_after": "no_data_after_s",
}


@dataclass(frozen=True)
class Rule:
    """A condition on one metric, and what it takes to raise and to clear an alert.

    Args:
        name: Unique within a run; lower-case letters, digits, dots, underscores and hyphens.
        metric: Name of a metric of `TickSummary`, or of the service.
        op: `>` for a value that must not exceed a limit, `<` for one that must not fall below it.
        raise_at: Threshold that a value must pass, in the metric's unit.
        clear_at: Threshold at which it counts as back, on the other side of `raise_at` or equal to it.
        region: Region of the scene that the metric belongs to; None for the whole body.
        hold: Time for which every sample must be beyond `raise_at` before the alert fires [s].
        min_samples: Number of samples in a row that it takes at least.
        keep_firing_for: Time at or beyond `clear_at` after which the alert is resolved [s].
        clock: `sim` counts ticks of the run, `wall` the time of the service.
        stale_after: Wall time without a sample after which the value is stale [s].
        no_data_after: Wall time without a sample after which there is no data [s].
        no_data: Effect of no data: `keep` the state, `fire` after `hold`, or `ok` resolves.
        severity: `low`, `medium`, `high` or `critical`.
        labels: Texts by which alerts are grouped and silenced.
        runbook: Name of the runbook; required where `severity` is `critical`.
        summary: One line for the reader of the alert.
        version: Of the rule, counted up at each change of it.

    Raises:
        FieldError: A value is outside its limits, or the thresholds are in the wrong order.
    """

    name: str
    metric: str
    op: Operator = ">"
    raise_at: float = field(kw_only=True)
    clear_at: float = field(kw_only=True)
    region: str | None = None
    hold: float = 0.0
    min_samples: int = 1
    keep_firing_for: float = 0.0
    clock: RuleClock = "sim"
    stale_after: float = 3.0
    no_data_after: float = 30.0
    no_data: NoDataPolicy = "keep"
    severity: Severity = "medium"
    labels: tuple[tuple[str, str], ...] = ()
    runbook: str | None = None
    summary: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        _require_match("name", self.name, _NAME, "a lower-case letter, then at most 99 of a-z, 0-9, '.', '_' and '-'")
        _require_match("metric", self.metric, _METRIC, "the name of a metric, of lower-case letters, digits and '_'")
        require_choice("op", self.op, get_args(Operator))
        require_choice("clock", self.clock, get_args(RuleClock))
        require_choice("severity", self.severity, get_args(Severity))
        require_choice("no_data", self.no_data, get_args(NoDataPolicy))
        for name, limit in _NUMBERS.items():
            object.__setattr__(self, name, require_number(name, getattr(self, name), limit))
        self._require_order()
        _require_count("min_samples", self.min_samples, MAX_SAMPLES)
        _require_count("version", self.version, 2**31 - 1)
        for name in ("region", "runbook"):
            if getattr(self, name) is not None:
                _require_text(name, getattr(self, name), least=1)
        _require_text("summary", self.summary)
        object.__setattr__(self, "labels", _read_labels(self.labels))
        if self.severity == "critical" and self.runbook is None:
            raise FieldError("runbook", "required where the severity is critical")

    def _require_order(self) -> None:
        if not (self.clear_at <= self.raise_at if self.op == ">" else self.clear_at >= self.raise_at):
            raise FieldError("clear_at", f"at {'most' if self.op == '>' else 'least'} raise_at, for op {self.op}")
        if self.no_data_after < self.stale_after:
            raise FieldError("no_data_after", "at least stale_after")

    @property
    def key(self) -> str:
        """Name of the metric, with the region in brackets where there is one."""
        return self.metric if self.region is None else f"{self.metric}[{self.region}]"

    def is_breached(self, value: float) -> bool:
        """True for a value beyond `raise_at`."""
        return value > self.raise_at if self.op == ">" else value < self.raise_at

    def is_cleared(self, value: float) -> bool:
        """True for a value at or beyond `clear_at`."""
        return value <= self.clear_at if self.op == ">" else value >= self.clear_at

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON: thresholds are `raise` and `clear`, times are in seconds, defaults are left out."""
        written: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value != each.default:
                written[_WIRE_NAMES.get(each.name, each.name)] = dict(value) if each.name == "labels" else value
        return written

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Rule":
        """The rule of what `to_json` wrote.

        Raises:
            FieldError: A field is unknown, missing or outside its limits.
        """
        if not isinstance(raw, Mapping):
            raise FieldError("rule", "a mapping of fields to values")
        names = {_WIRE_NAMES.get(each.name, each.name): each.name for each in fields(cls)}
        for name in raw:
            if name not in names:
                is_plain = isinstance(name, str) and _LABEL.fullmatch(name) is not None
                raise FieldError(name if is_plain else "rule", f"unknown; the fields of a rule are {', '.join(names)}")
        for name in ("name", "metric", "raise", "clear"):
            if name not in raw:
                raise FieldError(name, "required")
        return cls(**{names[name]: value for name, value in raw.items()})


_NUMBERS: dict[str, Limit | None] = {
    "raise_at": None,
    "clear_at": None,
    "hold": SPAN,
    "keep_firing_for": SPAN,
    "stale_after": WAIT,
    "no_data_after": WAIT,
}


@dataclass(frozen=True)
class ActiveRule:
    """A rule in force, its times in whole counts of its clock: ticks, or milliseconds of wall time.

    Args:
        rule: The rule.
        hold: Least number of counts between the first breach in a row and the alert.
        keep_firing_for: Least number of counts between the first cleared sample in a row and the end of the alert.
    """

    rule: Rule
    hold: int
    keep_firing_for: int


def activate(rule: Rule, tick: float) -> ActiveRule:
    """Express the times of a rule in whole counts of its clock, rounded up.

    Args:
        rule: The rule.
        tick: Length of a tick [s]; of no effect for rules in wall time.

    Raises:
        FieldError: The tick is not a positive number.
    """
    length = require_number("tick", tick, WAIT) if rule.clock == "sim" else WALL_COUNT_S
    return ActiveRule(rule, count_spans(rule.hold, length), count_spans(rule.keep_firing_for, length))


def require_rules(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Rules of a run, in simulation time, each with a name of its own.

    Raises:
        FieldError: Too many, two of one name, one in wall time, or something else than a rule.
    """
    if len(rules) > MAX_RULES:
        raise FieldError("rules", f"at most {MAX_RULES}")
    names = set[str]()
    for index, rule in enumerate(rules):
        require_kind(f"rules[{index}]", rule, Rule, "a Rule")
        if rule.clock != "sim":
            raise FieldError(f"rules[{index}].clock", "sim: rules in wall time are not the run's")
        if rule.name in names:
            raise FieldError(f"rules[{index}].name", "a name of its own")
        names.add(rule.name)
    return tuple(rules)


def count_spans(duration: float, length: float) -> int:
    """Least whole number of spans that last as long as a duration, a rounding of either number forgiven."""
    return math.ceil(duration / length * (1.0 - 1e-12))


def _require_match(name: str, value: object, pattern: re.Pattern[str], told: str) -> None:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise FieldError(name, told)


def _require_text(name: str, value: object, least: int = 0) -> None:
    if not isinstance(value, str) or not least <= len(value) <= MAX_TEXT or not (value == "" or value.isprintable()):
        raise FieldError(name, f"{least} to {MAX_TEXT} printable characters on one line")


def _require_count(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise FieldError(name, f"a whole number, 1 to {most}")


def _read_labels(raw: object) -> tuple[tuple[str, str], ...]:
    """Labels of a mapping or of pairs, in the order of their keys."""
    pairs = list(raw.items()) if isinstance(raw, Mapping) else raw
    if not isinstance(pairs, Sequence) or isinstance(pairs, str) or len(pairs) > MAX_LABELS:
        raise FieldError("labels", f"at most {MAX_LABELS} pairs of a name and a text")
    read: dict[str, str] = {}
    for pair in pairs:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise FieldError("labels", "pairs of a name and a text")
        key, text = pair
        _require_match("labels", key, _LABEL, "names of at most 64 letters, digits and underscores")
        _require_text(f"labels.{key}", text)
        if key in read:
            raise FieldError(f"labels.{key}", "named once")
        read[key] = text
    return tuple(sorted(read.items()))
