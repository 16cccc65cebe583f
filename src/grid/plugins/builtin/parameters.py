"""Base of the built-in simulations' parameter models: strict numbers, units."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Parameters(BaseModel):
    """Typed and bounded: no unknown names, no text or truth values for numbers, nothing that is not finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


_ROUNDING = 1e-12  # relative: thousands of roundings of a double


def _whole(value: object) -> object:
    """Take 100.0 for 100, and 199.99999999999997 for 200: JSON has one kind of number, and ranges by ratio round."""
    if isinstance(value, float) and abs(value) < 2**53 and abs(value - round(value)) <= _ROUNDING * abs(value):
        return round(value)
    return value


Whole = Annotated[int, BeforeValidator(_whole)]


def quantity(
    default: float,
    *,
    unit: str,
    low: float,
    high: float,
    description: str,
    title: str | None = None,
    scale: Literal["linear", "log"] = "linear",
) -> Any:
    """Declare a number with its unit and its limits, both included.

    Args:
        default, low, high: In the unit.
        unit: As the engine writes it.
        description: One sentence for people.
        title: A few words; by default the name.
        scale: `log` for what is varied by factors: axes of a sweep and of a chart are divided so.
    """
    return Field(
        default,
        ge=low,
        le=high,
        title=title,
        description=description,
        json_schema_extra={"unit": unit, "scale": scale},
    )
