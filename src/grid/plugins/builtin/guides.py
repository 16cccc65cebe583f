"""Descriptions of the built-in simulations' results, and parameters to begin with. Imports nothing heavy."""

from grid.plugins.builtin.heat_names import describe_parameter, find_metric_unit
from grid.schemas.results import Example, FieldGuide, MetricGuide, ResultsGuide

_MAP = "cividis"
_SIZES = {1: [0.1], 2: [0.1, 0.05]}  # [m]


def _steel(dimension: int) -> dict[str, object]:
    """Return a steel body, hot on one face, that loses heat through the others to the air."""
    film = {"type": "convection", "coefficient": 25.0, "ambient": 20.0}
    faces = {f"{axis}_{side}": film for axis in "xy"[:dimension] for side in ("min", "max")}
    return {
        "dimension": dimension,
        "steady": False,
        "domain": {"coordinates": "cartesian", "size": _SIZES[dimension]},
        "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 460.0},
        "initial": 20.0,
        "boundaries": {**faces, "x_min": {"type": "temperature", "value": 100.0}},
        "temperature_unit": "degC",
        "resolution": {"cells": [40, 20][:dimension], "steps": 100, "end_time": 600.0},
    }


ROD = ResultsGuide(
    metrics=(
        MetricGuide("centre_temperature_degC", "Temperature at the centre", "degC"),
        MetricGuide("mean_temperature_degC", "Mean temperature", "degC"),
        MetricGuide("max_temperature_degC", "Largest temperature", "degC"),
        MetricGuide("min_temperature_degC", "Least temperature", "degC"),
        MetricGuide("fourier_number", "Fourier number"),
        MetricGuide("largest_error", "Largest error, over the span", better="low"),
        MetricGuide("sub_steps", "Sub-steps of an interval"),
        MetricGuide("mesh_fourier", "Mesh Fourier number"),
    ),
    fields=(FieldGuide("temperature", "Temperature", "degC", _MAP),),
    examples=(
        Example("A rod of one metre", {}),
        Example("A short rod that cools to the end", {"length": 0.1, "end_time": 1.0, "diffusivity": 0.005}),
        Example("A fine grid", {"spatial_steps": 1001, "time_steps": 400}),
    ),
)
HEAT = ResultsGuide(
    metrics=(
        MetricGuide("peak_temperature", "Largest temperature of a cell", None),
        MetricGuide("minimum_temperature", "Least temperature of a cell", None),
        MetricGuide("mean_temperature", "Mean temperature", None),
        MetricGuide("hottest_above_mean", "Hottest cell above the mean", "K"),
        MetricGuide("peak_surface_temperature", "Largest temperature of the surface", None),
        MetricGuide("minimum_surface_temperature", "Least temperature of the surface", None),
        MetricGuide("stored_heat_change", "Change of the stored heat", None),
        MetricGuide("heat_in", "Heat in through the faces", None),
        MetricGuide("heat_out", "Heat out through the faces", None),
        MetricGuide("heat_generated", "Heat from sources", None),
        MetricGuide("heat_balance_residual", "Residual of the heat balance", None),
        MetricGuide("steps", "Steps", better="low"),
        MetricGuide("damped_steps", "Steps that were damped", better="low"),
        MetricGuide("rejected_steps", "Steps that were rejected", better="low"),
        MetricGuide("iterations", "Iterations", better="low"),
        MetricGuide("lumped_share", "Time by the lumped model, of all"),
        MetricGuide("model_switches", "Changes of the model"),
        MetricGuide("model_error_bound", "Bound of the model's error", better="low"),
        MetricGuide("volume_missed", "Largest relative volume that the grid misses", better="low"),
        MetricGuide("cell_peclet_number", "Peclet number of a cell"),
        MetricGuide("method", "Method", None),
        MetricGuide("model", "Model", None),
    ),
    fields=(FieldGuide("temperature", "Temperature", None, _MAP),),
    examples=(
        Example("A steel wall, heated from one side", {"problem": _steel(1)}),
        Example("A steel plate, heated at one edge", {"problem": _steel(2)}),
    ),
    describe_parameter=describe_parameter,
    find_metric_unit=find_metric_unit,
)
_TICKS = (
    MetricGuide("lowest", "Least temperature", None),
    MetricGuide("highest", "Largest temperature", None),
    MetricGuide("mean", "Mean temperature", None),
    MetricGuide("gradient", "Largest gradient", "K/m", "low"),
    MetricGuide("stored_heat", "Stored heat", None),
    MetricGuide("balance_residual", "Residual of the heat balance, relative", better="low"),
    MetricGuide("time_error", "Error in time", None, "low"),
    MetricGuide("substeps", "Sub-steps of a tick"),
    MetricGuide("peak_stress", "Largest stress", "Pa", "low"),
    MetricGuide("peak_by_potential", "Largest stress by the potential", "Pa", "low"),
    MetricGuide("utilisation", "Largest stress over the yield stress", better="low"),
    MetricGuide("safety_factor", "Least safety factor", better="high"),
    MetricGuide("damage", "Largest damage", better="low"),
    MetricGuide("failed_cells", "Cells that failed", better="low"),
    MetricGuide("failed_regions", "Regions that failed", better="low"),
    MetricGuide("shed_w", "Load of failed regions", "W"),
    MetricGuide("certificate", "Certificate of the lumped model"),
    MetricGuide("share", "Largest measure of the choice of model, over its limit"),
    MetricGuide("is_lumped", "Whether the lumped model ran"),
)
LIVE = ResultsGuide(
    metrics=(
        MetricGuide("time_s", "Simulated time", "s"),
        MetricGuide("ticks", "Ticks"),
        MetricGuide("lumped_ticks", "Ticks by the lumped model"),
        MetricGuide("switches", "Changes of the model"),
        MetricGuide("alerts", "Alerts that fired", better="low"),
        MetricGuide("expected", "Expectations of the scenario"),
        MetricGuide("met", "Expectations that were met", better="high"),
        MetricGuide("verdict", "Verdict of the replay", None),
        MetricGuide("largest_difference", "Largest difference from the record", None, "low"),
        MetricGuide("first_difference", "Tick of the first difference"),
        MetricGuide("method", "Method", None),
        MetricGuide("model", "Model at the end", None),
        *_TICKS,
    ),
    fields=(FieldGuide("temperature", "Temperature", None, _MAP),),
    examples=(
        Example("A burst on a plate", {"scenario": "burst"}),
        Example("An overload, on a coarse grid", {"scenario": "overload", "cells": [64]}),
    ),
)
NOOP = ResultsGuide(
    metrics=(
        MetricGuide("duration_s", "Time that it slept", "s"),
        MetricGuide("payload_bytes", "Size of the payload", "B"),
    ),
    examples=(
        Example("One second of nothing", {"duration_s": 1.0}),
        Example("A point that diverges", {"fail": "diverge"}),
    ),
)
TICK_GUIDES = {one.name: one for one in _TICKS}  # of the history of a live run, by the names of `TICK_METRICS`
