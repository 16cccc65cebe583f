"""Scenarios of live runs, described well enough to fill in a form and to say what will happen."""

from pydantic import BaseModel, Field, JsonValue

from grid.schemas.scenarios import Comparison, Measure


class ScenarioSummary(BaseModel):
    """One line of the list."""

    name: str
    title: str
    axes: list[int] = Field(description="How many numbers of cells it takes")
    cells: list[int] = Field(description="The default grid, along the axes that may be refined")
    link: str


class ExpectationOut(BaseModel):
    """One number of the expected course, with the equation that it follows from."""

    quantity: str
    measure: Measure
    time_s: float = Field(description="Simulated time [s]")
    from_s: float = Field(description="Beginning of the span, where it is one [s]")
    value: float | str
    tolerance: float
    compare: Comparison
    level: float | str | None
    at: list[float] = Field(description="Place of a temperature [m]")
    source: str


class ScenarioOut(ScenarioSummary):
    """A scenario with its parameter schema, and what it shows with their defaults."""

    description: str
    picture: str = Field(description="Name of its picture in docs/images/scenarios")
    parameters: dict[str, JsonValue] = Field(description="JSON Schema; each property has a `unit` where it has one")
    defaults: dict[str, JsonValue]
    tick_s: float = Field(description="Simulated time of a tick [s]")
    rate: float = Field(description="Ticks a second of wall time at speed 1")
    length_s: float = Field(description="Simulated time after which everything has happened [s]")
    events: list[dict[str, JsonValue]] = Field(description="First commands of the log, each with `at_s`")
    rules: list[dict[str, JsonValue]] = Field(description="Alert rules")
    expected: list[ExpectationOut]


class ScenarioList(BaseModel):
    """All scenarios of this server."""

    items: list[ScenarioSummary]
