"""A simulation of one's own: a cup of coffee by Newton's law of cooling, in closed form."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from grid.plugins.hooks import hookimpl
from grid.schemas.jobs import Reason
from grid.schemas.simulations import BatchResult, Estimate, PointOutcome, Progress

Celsius = Annotated[float, Field(ge=-50, le=200, json_schema_extra={"unit": "degC"})]
Seconds = Annotated[float, Field(ge=1e-6, le=1e6, json_schema_extra={"unit": "s"})]


class CupParams(BaseModel):
    """Unknown fields are refused; every field has a unit, a default and limits, which forms and `--help` show."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    start: Celsius = Field(90.0, description="Temperature at the start")
    ambient: Celsius = Field(20.0, description="Temperature of the room")
    time_constant: Seconds = Field(1200.0, description="Heat capacity over heat loss per kelvin")
    end_time: Seconds = Field(600.0, description="Time to cool")


class CoolingCup:
    """Light to import: NumPy is loaded in `solve`, which runs in a slot child."""

    name = "cooling-cup"
    title = "A cup that cools"
    description = "T = ambient + (start - ambient) exp(-t / time_constant): Newton's law of cooling, exact."
    params_model: type[BaseModel] = CupParams
    numerics_version = "coolingcup1"
    files: tuple[str, ...] = ("meta.json",)

    def estimate(self, params: BaseModel) -> Estimate:  # noqa: ARG002 - all cups cost the same
        return Estimate(memory_bytes=1024, cell_steps=1, output_bytes=200, work_s=1e-6)

    def batch_key(self, params: BaseModel) -> str:  # noqa: ARG002 - all cups have one shape
        return "cup"

    def solve(self, points: Sequence[Any], progress: Progress) -> BatchResult:
        import numpy as np

        records: np.ndarray[Any, Any] = np.zeros(len(points), dtype=[("final", "f8")])
        for index, cup in enumerate(points):  # one by one: the same bytes in a batch of any width
            decay = math.exp(-cup.end_time / cup.time_constant)
            records["final"][index] = cup.ambient + (cup.start - cup.ambient) * decay
        progress(1.0)
        outcomes = [PointOutcome(Reason.OK, metrics={"final_degC": float(value)}) for value in records["final"]]
        return BatchResult(outcomes, records)

    def render(self, names: Sequence[str], params: BaseModel, record: Any, folder: Path) -> str | None:
        for name in names:
            document = {
                "numerics_version": self.numerics_version,
                "parameters": params.model_dump(),
                "final_degC": float(record["final"]),
            }
            (folder / name).write_text(json.dumps(document), encoding="utf-8")
        return None


@hookimpl
def grid_simulations() -> list[CoolingCup]:
    return [CoolingCup()]
