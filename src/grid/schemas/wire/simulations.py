"""The built-in simulations, described well enough to fill in a form and to draw a chart."""

from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from grid.schemas.wire.json_schemas import ParametersSchema


class SimulationSummary(BaseModel):
    """One line of the list."""

    name: str
    title: str
    numerics_version: str
    link: str


class MetricGuideOut(BaseModel):
    """A metric of a finished point."""

    name: str
    title: str
    unit: str | None = Field(description="Null: it follows from the parameters, or the metric is a word")
    better: Literal["low", "high"] | None = Field(description="Which values are good; null where neither is")


class FieldGuideOut(BaseModel):
    """A field that results hold."""

    name: str
    title: str
    unit: str | None = Field(description="Null: it follows from the parameters")
    map: str = Field(description="Colour map that suits it")


class ExampleOut(BaseModel):
    """Parameters to begin with."""

    title: str
    params: dict[str, JsonValue]


class SimulationOut(SimulationSummary):
    """A simulation with its parameter schema, and what its results mean."""

    description: str
    parameters: ParametersSchema = Field(
        description="JSON Schema; each number has a `title`, a `unit` and a `scale`; what is an object may have the "
        "address of its `schema`"
    )
    defaults: dict[str, JsonValue]
    files: list[str] = Field(description="What the result's zip holds")
    metrics: list[MetricGuideOut] = Field(default_factory=list)
    fields: list[FieldGuideOut] = Field(default_factory=list)
    examples: list[ExampleOut] = Field(default_factory=list)


class SimulationList(BaseModel):
    """All simulations of this server."""

    items: list[SimulationSummary]
