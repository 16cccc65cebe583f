"""Simulations: what can be computed, with parameters, units, limits and defaults."""

from typing import Annotated

from fastapi import Path

from grid.api.dependencies import FromDishka, Router
from grid.api.presenting import present_simulation, summarise
from grid.api.problems import problems
from grid.api.security import CurrentUser
from grid.plugins.registry import Registry
from grid.schemas.wire import SimulationList, SimulationOut

router = Router(
    prefix="/simulations", tags=["simulations"], about="What can be computed, with its parameters and their limits"
)


@router.get("")
def list_simulations(_user: CurrentUser, registry: FromDishka[Registry]) -> SimulationList:
    """List the simulations of this server."""
    return SimulationList(items=[summarise(simulation) for simulation in registry.simulations().values()])


@router.get("/{name}", responses=problems(404))
def get_simulation(
    name: Annotated[str, Path(min_length=1, max_length=64)], _user: CurrentUser, registry: FromDishka[Registry]
) -> SimulationOut:
    """Show one simulation: parameters as a JSON Schema with units, examples, and what its result holds and means."""
    return present_simulation(registry.get(name))
