"""Alert rules that owners keep: added, changed and removed by people, and brought to the runs that they apply to.

A rule in simulation time reaches a run as a command `rules`, in its log, so that a replay has it at the same tick. A
rule in wall time is looked up by the evaluation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, GridError, NotFoundError
from grid.core.ids import new_id
from grid.core.logging import get_logger
from grid.database.alert_rules import AlertRuleRecord
from grid.database.job_queries import Count
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.jobs import JsonObject
from grid.schemas.live import RUN_COMMANDABLE, CommandKind
from grid.services import audit
from grid.services.alerts.definitions import find_standing, merge_rules, read_sim_rules
from grid.services.alerts.rule_reading import MOST_RULES, find_temperature_unit, read_rule
from grid.services.jobs import Page
from grid.services.live.commands import CommandRequest, LiveCommandService
from grid.services.live.fingerprints import compute_fingerprint

log = get_logger(__name__)

MOST_RUNS: Final = 1000  # of an owner that a rule is brought to


class RuleNameTakenError(ConflictError):
    """The owner, or the run, has a rule of that name."""

    code, title = "rule-exists", "There is a rule of that name"

    def __str__(self) -> str:
        return "There is a rule of that name; change it, or choose another name."


class RuleVersionError(ConflictError):
    """The rule was changed by somebody else meanwhile."""

    code, title = "rule-changed", "The rule has changed"

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        return f"The rule is at version {self.version}; read it again."


@dataclass(frozen=True)
class RuleService:
    """Rules of owners. `owner_id` is None only for an administrator who asked for everybody's.

    Args:
        uow: Where they are.
        commands: By which they reach runs.
    """

    uow: UnitOfWork
    commands: LiveCommandService

    def add(self, *, owner_id: UUID, raw: Mapping[str, object], run_id: UUID | None = None) -> AlertRuleRecord:
        """Keep a rule, and bring it to the runs that it applies to.

        Raises:
            FieldError: It is no rule, or the owner has too many.
            NotFoundError: There is no such run for this owner.
            RuleNameTakenError: There is a rule of that name.
        """
        with self.uow.read() as tx:
            unit = _find_unit(tx, owner_id, run_id)
        name = str(read_rule({**raw, "version": 1}, temperature_unit=unit)["name"])
        rule: JsonObject = {**raw, "version": 1}
        with self.uow.begin() as tx:
            if run_id is not None and tx.live_runs.find(run_id, owner_id) is None:
                raise NotFoundError("live run")
            if tx.alert_rules.count(owner_id) >= MOST_RULES:
                raise FieldError("rules", f"must be at most {MOST_RULES}: remove one first")
            now = tx.now()
            record = AlertRuleRecord(new_id(), owner_id, run_id, name, 1, rule, now, now)
            if not tx.alert_rules.add(record):
                raise RuleNameTakenError
            audit.record(tx, actor_id=owner_id, action="rule.add", subject=f"rule:{record.id}", details={"rule": rule})
        self.bring(owner_id, run_id)
        return record

    def change(
        self, *, actor_id: UUID, owner_id: UUID | None, rule_id: UUID, raw: Mapping[str, object],
        version: int | None = None,
    ) -> AlertRuleRecord:  # fmt: skip
        """Replace a rule, whose version counts up; an alert that still fires by it keeps its id.

        Args:
            actor_id: Who changes it.
            owner_id: Whose it is.
            rule_id: Its id.
            raw: The new rule; its name stays.
            version: The one that was read; None: whichever.

        Raises:
            NotFoundError: There is no such rule for this owner.
            FieldError: It is no rule, or has another name.
            RuleVersionError: It was changed meanwhile.
        """
        with self.uow.read() as tx:
            known = _find(tx, rule_id, owner_id)
            unit = _find_unit(tx, known.owner_id, known.run_id)
        if read_rule({**raw, "version": 1}, temperature_unit=unit)["name"] != known.name:
            raise FieldError("rule.name", "must stay: add another rule instead")
        with self.uow.begin() as tx:
            record = _find(tx, rule_id, owner_id, is_held=True)
            if version is not None and version != record.version:
                raise RuleVersionError(record.version)
            rule: JsonObject = {**raw, "version": record.version + 1}
            tx.alert_rules.change(rule_id, version=record.version + 1, definition=rule, updated_at=tx.now())
            audit.record(tx, actor_id=actor_id, action="rule.change", subject=f"rule:{rule_id}", details={"rule": rule})
            changed = replace(record, version=record.version + 1, definition=rule, updated_at=tx.now())
        self.bring(changed.owner_id, changed.run_id)
        return changed

    def remove(self, *, actor_id: UUID, owner_id: UUID | None, rule_id: UUID) -> None:
        """Remove a rule; an alert that fires by it ends as unresolved.

        Raises:
            NotFoundError: There is no such rule for this owner.
        """
        with self.uow.begin() as tx:
            record = _find(tx, rule_id, owner_id, is_held=True)
            tx.alert_rules.remove(rule_id)
            audit.record(tx, actor_id=actor_id, action="rule.remove", subject=f"rule:{rule_id}")
        self.bring(record.owner_id, record.run_id)

    def get(self, *, owner_id: UUID | None, rule_id: UUID) -> AlertRuleRecord:
        """Read one rule.

        Raises:
            NotFoundError: There is no such rule for this owner.
        """
        with self.uow.read() as tx:
            return _find(tx, rule_id, owner_id)

    def list(self, window: Window[UUID], *, owner_id: UUID | None) -> Page[AlertRuleRecord]:
        """Read a part of the list of rules, newest first."""
        with self.uow.read() as tx:
            items, following, total = tx.alert_rules.read_window(window, owner_id)
        return Page(items, window, Count(total, True), following)

    def bring(self, owner_id: UUID, run_id: UUID | None = None) -> int:
        """Bring the rules in simulation time to an owner's open runs, or to one; return how many got a command.

        A run that takes no command now gets it from the evaluation, which asks for the same every second.
        """
        with self.uow.read() as tx:
            runs, _ = tx.live_runs.read_window(Window(size=MOST_RUNS), owner_id=owner_id, states=tuple(RUN_COMMANDABLE))
        return sum(self.bring_to(run) for run in runs if run_id in (None, run.id))

    def bring_to(self, run: LiveRunRecord) -> bool:
        """Bring the rules in simulation time to a run that has others; False where nothing is to be done, or can be."""
        with self.uow.read() as tx:
            wanted = find_wanted(tx, run)
        if wanted is None or run.state not in RUN_COMMANDABLE:
            return False
        name = f"rules:{run.rules_version}:{compute_fingerprint(CommandKind.RULES, {'rules': wanted}, None)[:16]}"
        request = CommandRequest(CommandKind.RULES, {"rules": wanted}, name, None, run.rules_version)
        try:
            self.commands.accept([request], actor_id=None, owner_id=None, run_id=run.id)
        except GridError as error:  # it comes again with the next turn
            log.warning("rules_not_brought", run_id=str(run.id), code=error.code, detail=str(error))
            return False
        return True


def find_wanted(tx: Transaction, run: LiveRunRecord) -> list[JsonObject] | None:
    """Return the rules in simulation time that a run should have; None where it has them."""
    standing = find_standing(tx, run)
    states = tx.alert_rules.states_of([run.id])
    owned = {state.rule for state in states if state.origin == "owner"}
    if not standing and not owned:
        return None
    present = read_sim_rules(tx, run)
    wanted = merge_rules(present, standing, owned)
    return None if wanted == present else wanted[:MOST_RULES]


def _find(tx: Transaction, rule_id: UUID, owner_id: UUID | None, *, is_held: bool = False) -> AlertRuleRecord:
    record = tx.alert_rules.find(rule_id, owner_id, is_held=is_held)
    if record is None:
        raise NotFoundError("alert rule")
    return record


def _find_unit(tx: Transaction, owner_id: UUID, run_id: UUID | None) -> str:
    """Return the unit of temperatures of the run that a rule is for; where it is for all, one that has units."""
    if run_id is None:
        return "K"
    if tx.live_runs.find(run_id, owner_id) is None:
        raise NotFoundError("live run")
    spec = tx.live_runs.find_spec(run_id)
    return find_temperature_unit(spec.scene) if spec is not None else "K"
