"""The parameters of `live`: a scenario with its parameters, or the log of a run.

What they mean is checked where a point is priced (`grid.plugins.builtin.live.inputs`), because scenarios are known by
their names there, and because the engine reads scenes and logs, which loads NumPy.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from grid.core.errors import FieldError
from grid.plugins.builtin.heat_params import require_plain_json
from grid.plugins.builtin.parameters import Parameters, Whole, quantity

DEFAULT_SCENARIO = "burst"
MOST_LOG_ENTRIES = 500_000  # values of a log; a point has at most 4 MiB of JSON besides
NAME = r"^[a-z][a-z0-9-]{0,62}$"  # of a scenario
MOST_TIME = 1e12  # [s]


def _require_plain(document: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object as it is.

    Raises:
        PydanticCustomError: It is deeper or larger than allowed, or holds what no database keeps.
    """
    try:
        require_plain_json(document, most_entries=MOST_LOG_ENTRIES)
    except FieldError as error:
        raise PydanticCustomError("document", "{limit}", {"limit": error.limit}) from error
    return document


def _require_log(log: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(log.get("header"), dict):
        raise PydanticCustomError("log", "must have a header, the first line of a log")
    return log


Document = Annotated[dict[str, Any], AfterValidator(_require_plain)]
Axis = Annotated[Whole, Field(ge=1, le=1_048_576)]


class LiveParams(Parameters):
    """Parameters of `live`."""

    scenario: Annotated[str, Field(pattern=NAME)] | None = Field(
        None,
        description=f"Name of a scenario (docs/scenarios.md); without it and without a log, {DEFAULT_SCENARIO}",
        json_schema_extra={"unit": "1"},
    )
    params: Document = Field(
        default_factory=dict,
        description="Parameters of the scenario; those left out take its defaults",
        json_schema_extra={"unit": "SI", "default": {}},
    )
    cells: Annotated[list[Axis], Field(min_length=1, max_length=3)] | None = Field(
        None, description="Cells along the axes of the scenario; null: its own", json_schema_extra={"unit": "1"}
    )
    method: Literal["auto", "explicit", "rkl2", "implicit"] = Field(
        "auto", description="How a tick is stepped; a log names its own", json_schema_extra={"unit": "1"}
    )
    model: Literal["auto", "lumped", "diffusive"] | None = Field(
        None,
        description="Who chooses between the lumped and the diffusive model; null: as the scenario has it",
        json_schema_extra={"unit": "1"},
    )
    until_s: float | None = Field(
        None,
        gt=0,
        le=MOST_TIME,
        description="Simulated time of the end; null: that of the scenario, or of the log",
        title="End",
        json_schema_extra={"unit": "s", "scale": "log"},
    )
    from_s: float = quantity(
        0.0,
        unit="s",
        low=0.0,
        high=MOST_TIME,
        title="Kept from",
        description="Simulated time from which on metrics and events are kept",
    )
    log: Annotated[Document, AfterValidator(_require_log)] | None = Field(
        None,
        description="The log of a run (docs/replay.md), in place of a scenario: its commands are carried out again at "
        "their ticks, and what it recorded is compared",
        json_schema_extra={"unit": "SI"},
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "LiveParams":
        if self.log is None:
            return self
        for name in ("scenario", "params", "cells", "model"):
            if getattr(self, name) not in (None, {}):
                raise PydanticCustomError("log", "{name} must be left out with a log", {"name": name})
        if self.method != "auto":
            raise PydanticCustomError("log", "method must be left out with a log, which names its own")
        return self

    @property
    def scenario_name(self) -> str:
        """The scenario that is meant where there is no log."""
        return self.scenario or DEFAULT_SCENARIO
