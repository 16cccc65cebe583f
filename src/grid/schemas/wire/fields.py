"""The fields that the result of a job holds."""

from typing import Literal

from pydantic import BaseModel, Field


class FieldAxisOut(BaseModel):
    """One axis of a field."""

    name: Literal["x", "y", "z"]
    unit: str
    at: Literal["cell", "node"] = Field(
        description="cell: value i is at origin + (i + 1/2) spacing; node: at origin + i spacing"
    )
    count: int
    origin: float | None = Field(description="Low end of the axis")
    spacing: float | None
    values: list[float] | None = Field(description="Positions, where they are not equally spaced, else null")


class FieldOut(BaseModel):
    """A field that the record of a job holds."""

    name: str
    title: str
    unit: str
    map: str = Field(description="Colour map that suits it")
    axes: list[FieldAxisOut] = Field(description="In the order of the array's: x, y, z")
    times: list[float] = Field(description="Output times that are kept [s]; the tick of a frame is a place in it")
    kept: Literal["snapshots", "all"] = Field(description="Whether these are all output times of the simulation")
    min: float | None = Field(description="Over all of these, in the body; null where no cell has a value")
    max: float | None
    sha256: str = Field(description="Of the values as they are stored, in the order of time")


class FieldList(BaseModel):
    """The fields of one job; none where its simulation names none."""

    items: list[FieldOut]


class SeriesColumnOut(BaseModel):
    """One quantity over time."""

    name: str
    title: str
    unit: str
    values: list[float | None] = Field(description="One for each time; null where there is none")


class SeriesOut(BaseModel):
    """Quantities of one job over the times that its record keeps; the first column is `time`."""

    columns: list[SeriesColumnOut]
