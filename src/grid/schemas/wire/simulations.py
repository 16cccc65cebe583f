"""The built-in simulations, described well enough to fill in a form."""

from pydantic import BaseModel, Field, JsonValue


class SimulationSummary(BaseModel):
    """One line of the list."""

    name: str
    title: str
    numerics_version: str
    link: str


class SimulationOut(SimulationSummary):
    """A simulation with its parameter schema."""

    description: str
    parameters: dict[str, JsonValue] = Field(description="JSON Schema; each property has a `unit` where it has one")
    defaults: dict[str, JsonValue]
    files: list[str] = Field(description="What the result's zip holds")


class SimulationList(BaseModel):
    """All simulations of this server."""

    items: list[SimulationSummary]
