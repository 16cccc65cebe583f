"""State of an alert rule in a run, what it is told, and its transitions.

The state has two parts with two writers. `value` (ok, pending, firing, holding) follows from samples alone, so that a
replay of a rule in simulation time reaches it again; `cover` (stale, no data, suspended, closed) says why `value` is
not to be trusted at present. Shown is the cover where there is one. Everything is kept, timers and the hold after a
clear among them, so that a restart changes no transition.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from grid.core.errors import FieldError

ValueState = Literal["ok", "pending", "firing", "holding"]
Cover = Literal["stale", "no_data", "suspended", "closed"]
InputKind = Literal["sample", "stale", "no_data", "paused", "resumed", "ended", "revised"]
_VALUES, _COVERS = get_args(ValueState), get_args(Cover)


@dataclass(frozen=True)
class RuleInput:
    """Something that a rule is told at a tick.

    Args:
        kind: `sample`: a value of the metric; `stale`: none for `stale_after`; `no_data`: none for `no_data_after`, or
            the metric has none; `paused` and `resumed`: the run; `ended`: it; `revised`: the rule has a new version.
        tick: Of the run.
        time_s: Simulated time of that tick [s].
        value: Of the metric; for samples alone. NaN counts as no data.
        now: Reading of the rule's clock in its counts; None where it counts ticks.
    """

    kind: InputKind
    tick: int
    time_s: float
    value: float | None = None
    now: int | None = None

    @property
    def clock(self) -> int:
        """Reading of the rule's clock."""
        return self.tick if self.now is None else self.now


@dataclass(frozen=True)
class Transition:
    """A change of what a rule shows.

    Args:
        rule, rule_version: Name and version of the rule that decided.
        alert: Number of the alert, counted from 1 for each rule of a run; 0 before the first.
        tick, time_s: Of the run, when the change was decided [s].
        before, after: States.
        cause: Kind of the input.
        value: Sample that decided; None where none did.
        threshold: Threshold that the sample was compared with; None where none decided.
        first_tick, first_value: Of the first breach in a row, where `after` is `firing`.
    """

    rule: str
    rule_version: int
    alert: int
    tick: int
    time_s: float
    before: ValueState | Cover
    after: ValueState | Cover
    cause: InputKind
    value: float | None = None
    threshold: float | None = None
    first_tick: int | None = None
    first_value: float | None = None

    @property
    def value_hex(self) -> str | None:
        """The value to the bit, as `float.hex` writes it."""
        return None if self.value is None else float(self.value).hex()

    def to_json(self) -> dict[str, Any]:
        """The transition as JSON; `from` and `to` are the states."""
        names = {"before": "from", "after": "to"}
        written = {names.get(name, name): value for name, value in asdict(self).items()}
        return written | {"value_hex": self.value_hex}


@dataclass(frozen=True)
class RuleState:
    """Everything that is known of a rule in a run.

    Args:
        rule, version: Name and version of the rule.
        metric: Key of the metric that `last_value` belongs to.
        value: What the samples say.
        since: Reading of the clock at which `pending` or `holding` began, moved on by gaps.
        samples: Breaches in a row while pending; 0 where it is no data that is pending.
        alert: Number of the last alert.
        first_tick, first_value: Of the first breach of the pending or firing alert.
        last_clock, last_tick, last_value: Of the last sample.
        has_gap: True where samples were missing since the last one, for rules in wall time.
        cover: Why `value` is not to be trusted; None where it is.
        beneath: Cover to which the end of a suspension returns.
    """

    rule: str
    version: int
    metric: str
    value: ValueState = "ok"
    since: int = 0
    samples: int = 0
    alert: int = 0
    first_tick: int | None = None
    first_value: float | None = None
    last_clock: int | None = None
    last_tick: int | None = None
    last_value: float | None = None
    has_gap: bool = False
    cover: Cover | None = None
    beneath: Cover | None = None

    @property
    def shown(self) -> ValueState | Cover:
        """The cover, or the value where there is none."""
        return self.value if self.cover is None else self.cover

    @property
    def is_firing(self) -> bool:
        """True while an alert is neither resolved nor closed, whatever covers it."""
        return self.value in ("firing", "holding") and self.cover != "closed"

    def pack(self) -> dict[str, Any]:
        """The state as JSON without loss; numbers that may be fractions are hexadecimal texts."""
        return {name: value.hex() if isinstance(value, float) else value for name, value in asdict(self).items()}

    @classmethod
    def unpack(cls, raw: Mapping[str, Any]) -> "RuleState":
        """The state of what `pack` returned.

        Raises:
            FieldError: It is not that.
        """
        names = [each.name for each in fields(cls)]
        if not isinstance(raw, Mapping) or sorted(raw) != sorted(names):
            raise FieldError("rule_state", f"the fields {', '.join(names)}")
        return cls(**{name: _unpack(name, raw[name]) for name in names})


_TEXTS = ("rule", "metric")
_COUNTS = ("version", "since", "samples", "alert")
_OPTIONAL_COUNTS = ("first_tick", "last_clock", "last_tick")
_WORDS = {"value": _VALUES, "cover": (*_COVERS, None), "beneath": ("stale", "no_data", None)}


def _unpack(name: str, value: Any) -> Any:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if name in _WORDS:
        is_right = value in _WORDS[name]
    elif name in _TEXTS:
        is_right = isinstance(value, str)
    elif name == "has_gap":
        is_right = isinstance(value, bool)
    elif name in _COUNTS:
        is_right = is_count
    elif name in _OPTIONAL_COUNTS:
        is_right = is_count or value is None
    else:
        return _unpack_number(name, value)
    if not is_right:
        raise FieldError(name, "what a packed state of a rule has there")
    return value


def _unpack_number(name: str, value: object) -> float | None:
    if value is None:
        return None
    try:
        return float.fromhex(value)  # type: ignore[arg-type]  # another type is refused below
    except (TypeError, ValueError, OverflowError):
        raise FieldError(name, "a number as float.hex writes it, or none") from None
