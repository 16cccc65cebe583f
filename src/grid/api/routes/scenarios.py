"""Scenarios of live runs: what they show, with parameters, units, limits, and the course that is expected."""

from typing import Annotated

from fastapi import Path

from grid.api.dependencies import FromDishka, Router
from grid.api.live_presenting import present_scenario, summarise_scenario
from grid.api.problems import problems
from grid.api.security import CurrentUser
from grid.plugins.registry import Registry
from grid.schemas.wire.scenarios import ScenarioList, ScenarioOut

router = Router(
    prefix="/scenarios", tags=["scenarios"], about="What live runs can show, with the course that closed forms say"
)


@router.get("")
def list_scenarios(_user: CurrentUser, registry: FromDishka[Registry]) -> ScenarioList:
    """List the scenarios of this server."""
    return ScenarioList(items=[summarise_scenario(scenario) for scenario in registry.scenarios().values()])


@router.get("/{name}", responses=problems(404))
def get_scenario(
    name: Annotated[str, Path(min_length=1, max_length=64)], _user: CurrentUser, registry: FromDishka[Registry]
) -> ScenarioOut:
    """Show one scenario: its physics, its parameters as a JSON Schema, its events and rules, and what will happen."""
    return present_scenario(registry.get_scenario(name))
