"""The simulation protocol: a typed parameter schema, an estimate, a batch solve, and files on request.

A plugin returns such objects from the hook `grid_simulations` (`grid.plugins.hooks`). Everything but `solve` and
`render` runs in the server and must stay light: importing, listing and describing load nothing heavier than pydantic;
validating and pricing a point may load NumPy where the parameters cannot be read without it, never Numba or SciPy.
`solve` and `render` are called in slot children only, after the optional method `warm_up()`, which compiles kernels;
where that takes long, an optional `is_cold()` says so, and they may be called before it. An optional `compile_ahead()`
puts kernels into the cache, in a process of its own, once for a data folder or, where there is `needs_compiling()`, in
one after the other as long as that says so. After it `calibrate()` is called there, where an optional
`needs_calibration()` says that nobody has measured this machine yet. An optional `use_scenarios(scenarios)` is
called by the registry with the scenarios that are installed, by name. An optional `describe_fields(params, record)`
names the fields that its records hold (`grid.schemas.fields`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from grid.schemas.jobs import Audit, Reason, SlotKind

if TYPE_CHECKING:  # records are NumPy's structured arrays; the server never imports NumPy
    import numpy as np

# Told the fraction done, of all points together, in [0, 1]; returns the indices of points to leave out from now on.
Progress = Callable[[float], frozenset[int]]


@dataclass(frozen=True)
class Estimate:
    """The price of one point, known before anything is allocated."""

    memory_bytes: int
    cell_steps: float  # cells times time steps
    output_bytes: int  # of the files on request; the record itself is smaller
    work_s: float  # seconds of one core
    slot: SlotKind = "small"


@dataclass(frozen=True)
class PointOutcome:
    """End of one point of a batch; a point that failed never stops its neighbours."""

    reason: Reason  # OK, DIVERGED, OOM, NONZERO_EXIT (the model raised); CANCELLED_BY_USER for a point left out
    message: str = ""  # one sentence for the user where the reason is not OK
    metrics: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
    audits: Sequence[Audit] = ()
    field_sha256: str | None = None
    log: str = ""  # lines for the job's log


@dataclass(frozen=True)
class BatchResult:
    """The outcome of every point, in order, and their records: one structured array row for each point.

    Where points differ in shape, the records are a list of such rows, of one dtype for each shape. Rows of points that
    did not end with OK are zero and never read. Equal points give equal bytes, whatever the width of the batch and the
    place in it.
    """

    outcomes: Sequence[PointOutcome]
    records: "np.ndarray[Any, Any] | Sequence[np.void]"  # one for each point; the simulation names the dtype's fields


class Simulation(Protocol):
    """A built-in simulation, or one that a plugin brings."""

    name: str  # as in `simulation: "heat-rod"`
    title: str  # one line for lists
    description: str  # a paragraph: the equation, the method, the source
    params_model: type[BaseModel]  # strict, bounded, unknown fields forbidden; `json_schema_extra={"unit": "m"}`
    numerics_version: str  # changes whenever a result's bytes may change (cheap to read in the server)
    files: tuple[str, ...]  # names that `render` makes, in the order of the zip

    def estimate(self, params: BaseModel) -> Estimate:
        """Price one point; cheap, and never allocates what it prices.

        Raises:
            UnsupportedError: The point is valid, and beyond what this version can do.
            FieldError, InvalidFieldsError: It cannot be solved as asked; fields are named from the parameters down.
        """
        ...

    def batch_key(self, params: BaseModel) -> str:
        """Return the shape of a point: points with equal keys may be solved in one call."""
        ...

    def solve(self, points: Sequence[BaseModel], progress: Progress) -> BatchResult:
        """Solve points of one batch key. Runs in a slot child; raises only where all points are lost."""
        ...

    def render(self, names: Sequence[str], params: BaseModel, record: "np.void", folder: Path) -> str | None:
        """Write the named files of one solved point into `folder`, from its record and where needed by solving again.

        Returns the sha256 of the full field's bytes where it was computed again, so that the caller can compare it
        with the one stored. Runs in a slot child.
        """
        ...
