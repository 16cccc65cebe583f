"""Rules of a live run, and where each comes from: its scenario, its owner, or Grid itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction
from grid.schemas.alerts import RuleOrigin
from grid.schemas.jobs import JsonObject
from grid.services.alerts.builtin_rules import BUILTIN_RULES, make_no_data_rule
from grid.services.alerts.rule_reading import find_temperature_unit, resolve_rule


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


def find_definitions(tx: Transaction, run: LiveRunRecord) -> dict[str, Definition]:
    """Return the rules of a run by name; an owner's rule takes the place of one of Grid's own."""
    standing = find_standing(tx, run)
    found = {str(rule["name"]): Definition(rule, "builtin") for rule in BUILTIN_RULES}
    for rule in read_sim_rules(tx, run):
        name = str(rule.get("name"))
        found[name] = Definition(rule, "owner" if name in standing else "scenario")
        if (derived := make_no_data_rule(rule)) is not None:
            found[str(derived["name"])] = Definition(derived, "builtin")
    for rule in standing.values():
        if rule.get("clock", "sim") == "wall":
            found[str(rule["name"])] = Definition(rule, "owner")
    return found


def find_standing(tx: Transaction, run: LiveRunRecord) -> dict[str, JsonObject]:
    """Return the rules that its owner keeps for a run, by name, in the units of its scene."""
    kept = tx.alert_rules.of_run(run.owner_id, run.id)
    if not kept:
        return {}
    spec = tx.live_runs.find_spec(run.id)
    unit = find_temperature_unit(spec.scene) if spec is not None else "relative"
    rules = ((rule.name, resolve_rule(rule.definition, unit)) for rule in kept)
    return {name: rule for name, rule in rules if rule is not None}


def read_sim_rules(tx: Transaction, run: LiveRunRecord) -> list[JsonObject]:
    """Return the rules in simulation time that a run has, or will have once its last command takes effect.

    The first command of a scenario brings its own.
    """
    return tx.alert_rules.find_sent_rules(run.id) or []


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
