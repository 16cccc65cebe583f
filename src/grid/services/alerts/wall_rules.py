"""Rules in wall time, by the machine of the engine: their state is kept in rows, so that a restart changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grid.database.alert_rules import RuleStateRecord
from grid.database.live_runs import LiveRunRecord
from grid.schemas.jobs import JsonObject
from grid.services.alerts.builtin_rules import SERVICE_METRICS
from grid.services.alerts.covers import Covered, Sighting, list_inputs
from grid.services.alerts.definitions import Definition
from grid.services.alerts.metrics import RunMetrics
from grid.services.live.rule_transitions import Change

if TYPE_CHECKING:  # the engine's package brings NumPy along, which a server without live runs has no use for
    from grid.engine.live.rules import ActiveRule, RuleState


@dataclass(frozen=True)
class WallOutcome:
    """What a look at a rule in wall time has changed.

    Args:
        changes: Its transitions.
        machine: State of its machine; None where it is what is stored.
        counted_from: End of the last pause.
    """

    changes: tuple[Change, ...] = ()
    machine: "RuleState | None" = None
    counted_from: datetime | None = None

    @property
    def is_new(self) -> bool:
        """True where something has to be stored."""
        return bool(self.changes) or self.machine is not None


def judge_wall_rule(
    definition: Definition, stored: RuleStateRecord, run: LiveRunRecord, seen: Sighting, metrics: RunMetrics
) -> WallOutcome:
    """Tell a rule everything that is new about its run.

    Args:
        definition: The rule in force.
        stored: What is known of it.
        run: The run.
        seen: Whether it ticks, and when it was last heard of.
        metrics: Of its newest sample.
    """
    from grid.engine.live.rules import Rule, RuleInput, RuleState, activate, advance_rule, start_rule

    active = activate(Rule.from_json(definition.rule), float(run.tick_s))
    before = RuleState.unpack(stored.machine) if stored.machine is not None else start_rule(active)
    if before.cover == "closed":
        return WallOutcome(counted_from=stored.counted_from)
    now = int(seen.now.timestamp() * 1000)
    counted_from, after, changes = stored.counted_from, before, list[Change]()

    def tell(kind: str, value: float | None = None, tick: int | None = None) -> None:
        nonlocal after
        at = run.tick if tick is None else tick
        given = RuleInput(kind, at, at * float(run.tick_s), value, now)  # type: ignore[arg-type]  # a word of its own
        after, transitions = advance_rule(active, after, given)
        changes.extend(Change.read(one.to_json()) for one in transitions)

    if before.version != active.rule.version:
        tell("revised")
    covered = Covered(after.cover, after.beneath, counted_from)
    is_service = active.rule.metric in SERVICE_METRICS
    for told in list_inputs(
        covered, seen, stale_after=active.rule.stale_after, no_data_after=active.rule.no_data_after
    ):
        if told in ("sample", "stale", "no_data") and (is_service or told == "sample"):
            continue  # the service itself always knows its metrics; a sample is told below, with its value
        counted_from = seen.now if told == "resumed" else counted_from
        tell(told)
    if seen.phase == "ticks":
        _tell_sample(active, after, seen, metrics, counted_from, tell)
    is_new = after.pack() != before.pack() and (bool(changes) or _has_to_be_kept(before, after))
    return WallOutcome(tuple(changes), after if is_new else None, counted_from)


def _tell_sample(
    active: "ActiveRule", state: "RuleState", seen: Sighting, metrics: RunMetrics, counted_from: datetime | None,
    tell: Callable[[str, float | None, int | None], None],
) -> None:  # fmt: skip
    """Tell a rule the newest value of its metric, where there is one that it has not seen."""
    rule = active.rule
    if rule.metric == "data_age_s":
        tell("sample", seen.age_s(counted_from), None)
    elif rule.metric in SERVICE_METRICS:
        tell("sample", metrics.worst(rule.metric, rule.op), None)
    elif (
        metrics.tick is not None
        and seen.age_s(counted_from) <= max(rule.stale_after, seen.least_s)
        and (state.last_tick is None or metrics.tick > state.last_tick)
        and not (state.cover == "no_data" and metrics.worst(rule.metric, rule.op) is None)
    ):
        tell("sample", metrics.worst(rule.metric, rule.op), metrics.tick)


def _has_to_be_kept(before: "RuleState", after: "RuleState") -> bool:
    """False where only the last sample of a rule that is calm, or fires already, was noted.

    That sample decides nothing but after a gap or for a new version; a calm rule would else be written every second.
    """
    if after.value in ("pending", "holding"):
        return True
    return _without_last(before) != _without_last(after)


def _without_last(state: "RuleState") -> JsonObject:
    return {name: value for name, value in state.pack().items() if not name.startswith("last_")}
