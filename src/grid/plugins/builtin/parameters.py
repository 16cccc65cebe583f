"""What the parameter models of the built-in simulations share: strict numbers, units, one base."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Parameters(BaseModel):
    """Typed and bounded: no unknown names, no text or truth values for numbers, nothing that is not finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _whole(value: object) -> object:
    """Take 100.0 for 100: JSON has one kind of number, and a range in a sweep makes floats."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


Whole = Annotated[int, BeforeValidator(_whole)]


def quantity(default: float, *, unit: str, low: float, high: float, description: str) -> Any:
    """Declare a number with its unit and its limits, both included."""
    return Field(default, ge=low, le=high, description=description, json_schema_extra={"unit": unit})
