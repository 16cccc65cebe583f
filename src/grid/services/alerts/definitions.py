"""Rules of a live run, and where each comes from: its scenario, its owner, or Grid itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.database.base import dump_json
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction
from grid.plugins.registry import Registry
from grid.schemas.alerts import RuleOrigin
from grid.schemas.jobs import JsonObject
from grid.services.alerts.builtin_rules import BUILTIN_RULES, make_no_data_rule

log = get_logger(__name__)


@dataclass(frozen=True)
class Definition:
    """A rule that is in force in a run, as `Rule.to_json` writes it."""

    rule: JsonObject
    origin: RuleOrigin

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.rule["name"])

    @property
    def version(self) -> int:
        """Its version."""
        return int(self.rule.get("version", 1))

    @property
    def is_wall(self) -> bool:
        """True where the service evaluates it, by its own clock."""
        return bool(self.rule.get("clock", "sim") == "wall")


def find_definitions(tx: Transaction, registry: Registry, run: LiveRunRecord) -> dict[str, Definition]:
    """Return the rules of a run by name; an owner's rule takes the place of one of Grid's own."""
    standing = {rule.name: rule.definition for rule in tx.alert_rules.of_run(run.owner_id, run.id)}
    found = {str(rule["name"]): Definition(rule, "builtin") for rule in BUILTIN_RULES}
    for rule in read_sim_rules(tx, registry, run):
        name = str(rule.get("name"))
        found[name] = Definition(rule, "owner" if name in standing else "scenario")
        if (derived := make_no_data_rule(rule)) is not None:
            found[str(derived["name"])] = Definition(derived, "builtin")
    for rule in standing.values():
        if rule.get("clock", "sim") == "wall":
            found[str(rule["name"])] = Definition(rule, "owner")
    return found


def read_sim_rules(tx: Transaction, registry: Registry, run: LiveRunRecord) -> list[JsonObject]:
    """Return the rules in simulation time that a run has, or will have once its last command takes effect."""
    sent = tx.alert_rules.find_sent_rules(run.id)
    if sent is not None:
        return sent
    if run.scenario is None:
        return []
    spec = tx.live_runs.find_spec(run.id)
    return list_scenario_rules(registry, run.scenario, spec.params if spec is not None else {})


def list_scenario_rules(registry: Registry, name: str, params: Mapping[str, object]) -> list[JsonObject]:
    """Return the rules that a scenario brings; none where it is not installed any more, or refuses the parameters."""
    try:
        scenario = registry.get_scenario(name)
        rules = scenario.rules(scenario.params_model.model_validate(dict(params)))
        return [json.loads(dump_json(rule)) for rule in rules]  # as a database gives them back
    except (GridError, ValueError) as error:
        log.warning("scenario_rules_unknown", scenario=name, reason=type(error).__name__)
        return []


def merge_rules(present: list[JsonObject], standing: Mapping[str, JsonObject], owned: set[str]) -> list[JsonObject]:
    """Return the rules in simulation time that a run should have.

    Args:
        present: Those that it has.
        standing: Those that its owner keeps, by name, of either clock.
        owned: Names of those present that the owner kept once.
    """
    wanted = {name: rule for name, rule in standing.items() if rule.get("clock", "sim") == "sim"}
    stays = (rule for rule in present if str(rule["name"]) in wanted or str(rule["name"]) not in owned)
    kept = [wanted.get(str(rule["name"]), rule) for rule in stays]
    names = {str(rule["name"]) for rule in kept}
    return kept + [rule for name, rule in wanted.items() if name not in names]
