"""The scene of a live run: the body with what acts on it all the time, and its structure.

    Scene(HeatProblem.from_case(case), Structure(reference_temperature=293.15))
    Scene.from_json({"case": {...}, "structure": {...}})

Loads must not depend on time: what changes in time are events, at ticks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.live.fidelity_limits import Fidelity, read_fidelity
from grid.engine.live.regions import Mask
from grid.engine.live.structure import Structure
from grid.engine.live.structure_case import read_structure
from grid.engine.lumped.fidelity import stress_factor
from grid.engine.problem.problem import HeatProblem
from grid.engine.problem.reader import CaseReader
from grid.engine.space.regions import find_regions

MAX_CELLS = 1_048_576  # [-] cells of a live run
ENDLESS = 1.0  # [s] end time of a case that has none; a live run does not use it


@dataclass(frozen=True)
class Scene:
    """What a live run simulates.

    Args:
        problem: Body, materials, faces and sources that are constant in time; its `end_time` is not used.
        structure: Limits of stress and temperature, laws of life, regions with loads; None for heat alone.
        fidelity: Limits of the lumped model; None for the diffusive model throughout.

    Raises:
        FieldError: A steady problem, loads that depend on time, too many cells, or a structure that does not fit.
    """

    problem: HeatProblem
    structure: Structure | None = None
    fidelity: Fidelity | None = None

    def __post_init__(self) -> None:
        problem = self.problem
        if problem.steady:
            raise FieldError("case.steady", "false: a live run is a transient")
        if problem.has_timed_values:
            raise FieldError("case", "loads and properties without t; what changes in time are events")
        if problem.domain.cell_count > MAX_CELLS:
            raise FieldError("case.resolution.cells", f"at most {MAX_CELLS} cells in all")
        if self.structure is not None:
            self.structure.require_fit(problem)
        if self.fidelity is not None:
            self.fidelity.check(stress_factor(problem))

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Scene":
        """Read `{"case": {...}, "structure": {...}, "fidelity": {...}}`; a case without `resolution.end_time` gets one.

        Raises:
            FieldError, InvalidFieldsError: Fields are missing, unknown or outside their limits.
            UnsupportedError: A feature of the case that this version does not have.
        """
        reader = CaseReader()
        fields = reader.read_mapping("scene", raw, allowed=("case", "structure", "fidelity"), required=("case",))
        reader.finish()
        case = fields["case"]
        if isinstance(case, Mapping) and isinstance(case.get("resolution"), Mapping):
            case = {**case, "resolution": {"end_time": ENDLESS, **case["resolution"]}}
        problem = HeatProblem.from_case(case)
        structure = None
        if fields.get("structure") is not None:
            structure = read_structure(reader, "structure", fields["structure"], problem.dimension)
            reader.finish()
        fidelity = None
        if fields.get("fidelity") is not None:
            fidelity = read_fidelity(reader, "fidelity", fields["fidelity"])
            reader.finish()
        return cls(problem, structure, fidelity)

    @cached_property
    def active(self) -> NDArray[np.bool_] | None:
        """True in cells of a masked body, shape `cells`; None where all belong to it."""
        region = None if self.problem.domain.active is None else find_regions(self.problem)
        return None if region is None else region >= 0

    @cached_property
    def regions(self) -> Mapping[str, Mask]:
        """Cells of each region that the structure names, shape `cells`; made when they are asked for."""
        return {} if self.structure is None else self.structure.masks(self.problem)

    @property
    def section(self) -> float:
        """Area [m2] or depth [m] by which heats of a body of fewer than three axes are multiplied."""
        return self.problem.domain.section
