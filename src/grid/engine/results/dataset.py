"""A solution as labelled arrays: xarray with coordinates, units and facts of the run."""

from typing import TYPE_CHECKING, Any

import numpy as np

from grid.engine.problem.domain import AXES

if TYPE_CHECKING:
    import xarray as xr

    from grid.engine.problem.problem import HeatProblem
    from grid.engine.results.fields import SolutionFields

UNITS = {"K": "K", "degC": "degree_Celsius", "relative": "K"}  # as UDUNITS spells them
HISTORY = ("minimum", "mean", "maximum")


def temperature_attributes(problem: "HeatProblem") -> dict[str, str]:
    """Name and unit of a temperature, by the CF conventions; a relative one states that its zero is free."""
    found = {"units": UNITS[problem.temperature_unit], "long_name": "temperature"}
    if problem.temperature_unit == "relative":
        return found | {"comment": "measured from any zero"}
    return found | {"standard_name": "temperature"}


def make_coordinates(solution: "SolutionFields", *skipped: str) -> dict[str, Any]:
    """The output times and the cell centres, each `(dimension, values, attributes)`, but for the axes in `skipped`."""
    found: dict[str, Any] = {"time": ("time", np.array(solution.times), {"units": "s", "long_name": "time"})}
    for name, values in solution.coordinates.items():
        if name not in skipped:
            found[name] = (
                name,
                values,
                {"units": "m", "long_name": f"{name} of the cell centres", "axis": name.upper()},
            )
    return found


def to_xarray(solution: "SolutionFields") -> "xr.Dataset":
    """Everything of a solution that is a number, labelled.

    Returns:
        `temperature` with dimensions (time, x, y, z), as many axes as the body has, NaN outside a masked body; the
        history `minimum`, `mean`, `maximum` along `report_time`; the plan, the metrics and the verdicts of the audits
        as attributes. A steady state has one time, 0.
    """
    import xarray as xr

    problem, attributes = solution.problem, temperature_attributes(solution.problem)
    axes = ("time", *AXES[: problem.dimension])
    coordinates = make_coordinates(solution)
    coordinates["report_time"] = ("report_time", solution.history.time, {"units": "s", "long_name": "time of a report"})
    variables: dict[str, Any] = {"temperature": (axes, solution.body_fields, attributes)}
    for name in HISTORY:
        told = attributes | {"long_name": f"{name} temperature of the body"}
        variables[name] = ("report_time", getattr(solution.history, name), told)
    return xr.Dataset(variables, coordinates, _describe(solution))


def _describe(solution: "SolutionFields") -> dict[str, Any]:
    """Attributes that every format can store: texts and numbers."""
    from grid.engine.version import compute_numerics_version

    plan, problem = solution.plan, solution.problem
    found: dict[str, Any] = {
        "Conventions": "CF-1.11",
        "title": "rho c dT/dt = div(K grad T) + q, cell-centred finite volumes",
        "source": f"grid.engine {compute_numerics_version()}",
        "temperature_unit": problem.temperature_unit,
        "is_steady": int(problem.steady),
        "section": problem.domain.section,
        "origin_m": np.array(problem.domain.origin),
        "size_m": np.array(problem.domain.size),
        "method": plan.method,
        "reason": plan.reason,
    }
    found |= {f"metric_{name}": float(value) for name, value in solution.metrics.items()}
    return found | {f"audit_{audit.name}": audit.verdict for audit in solution.audits}
