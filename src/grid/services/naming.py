"""Titles and units of parameters and metrics, as their simulation declares them."""

from collections.abc import Sequence

from grid.schemas.jobs import JsonObject
from grid.schemas.parameter_errors import find_field, find_unit
from grid.schemas.results import ParameterGuide, guide_of
from grid.schemas.simulations import Simulation


def describe_parameter(simulation: Simulation | None, path: Sequence[str | int], params: JsonObject) -> ParameterGuide:
    """Return title and unit of the parameter at a path; the end of the path where nothing describes it.

    Args:
        simulation: None for an image.
        path: Steps of a dotted name.
        params: Of a job: the unit of a part of a problem may follow from the others.
    """
    plain = ParameterGuide(".".join(str(step) for step in path[-2:]), None)
    if simulation is None:
        return plain
    describe = guide_of(simulation).describe_parameter
    described = None if describe is None else describe(path, params)
    if described is not None:
        return described
    declared = find_field(simulation.params_model, path)
    title = plain.title if declared is None or declared.title is None else declared.title
    return ParameterGuide(title, find_unit(simulation.params_model, path))


def describe_metric(simulation: Simulation | None, name: str, params: JsonObject) -> ParameterGuide:
    """Return title and unit of a metric; the name where nothing describes it.

    Args:
        simulation: None for an image.
        name: As in the result.
        params: Of a job that has it: the unit may follow from them.
    """
    guide = guide_of(simulation)
    known = next((one for one in guide.metrics if one.name == name), None)
    if known is None:
        return ParameterGuide(name.replace("_", " "), None)
    if known.unit is None and guide.find_metric_unit is not None:
        return ParameterGuide(known.title, guide.find_metric_unit(name, params))
    return ParameterGuide(known.title, known.unit)
