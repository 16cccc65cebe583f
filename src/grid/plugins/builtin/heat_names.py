"""Titles and units of what stands in a problem of `heat`, and units of metrics that follow from it.

The names are those of the case format (docs/case-format.md). Imports nothing heavy.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grid.schemas.jobs import JsonObject
from grid.schemas.results import ParameterGuide

_TEMPERATURE: Final = "(temperature)"  # K or degC: as the problem has it
_KELVINS: Final = {"K": "K", "degC": "degC", "relative": "K"}
_MATERIAL: Final[Mapping[str, tuple[str, str]]] = {
    "conductivity": ("Conductivity", "W/(m K)"),
    "density": ("Density", "kg/m3"),
    "specific_heat": ("Specific heat", "J/(kg K)"),
    "volumetric_heat_capacity": ("Heat capacity by volume", "J/(m3 K)"),
    "young_modulus": ("Young's modulus", "Pa"),
    "poisson_ratio": ("Poisson's ratio", "1"),
    "thermal_expansion": ("Thermal expansion", "1/K"),
    "yield_stress": ("Yield stress", "Pa"),
    "melting_temperature": ("Melting temperature", _TEMPERATURE),
    "latent_heat": ("Latent heat", "J/kg"),
    "volumetric_latent_heat": ("Latent heat by volume", "J/m3"),
}
_FACE: Final[Mapping[str, tuple[str, str]]] = {
    "temperature.value": ("Temperature", _TEMPERATURE),
    "flux.value": ("Heat flux", "W/m2"),
    "coefficient": ("Heat transfer coefficient", "W/(m2 K)"),
    "ambient": ("Ambient temperature", _TEMPERATURE),
    "emissivity": ("Emissivity", "1"),
    "surroundings": ("Temperature of the surroundings", _TEMPERATURE),
    "stefan_boltzmann": ("Stefan-Boltzmann constant", "W/(m2 K4)"),
    "type": ("Law", "1"),
}
_PLAIN: Final[Mapping[str, tuple[str, str]]] = {
    "dimension": ("Axes", "1"),
    "domain.size": ("Size", "m"),
    "domain.origin": ("Origin", "m"),
    "domain.section": ("Section", "m2"),
    "resolution.cells": ("Cells", "1"),
    "resolution.steps": ("Steps", "1"),
    "resolution.end_time": ("Simulated time", "s"),
    "initial": ("Temperature at the start", _TEMPERATURE),
    "guess": ("Temperature to begin with", _TEMPERATURE),
    "source_term": ("Heat source", "W/m3"),
    "velocity": ("Velocity", "m/s"),
    "breakpoints": ("Breakpoint", "s"),
    "contacts.conductance": ("Conductance of contact", "W/(m2 K)"),
    "contacts.position": ("Position of contact", "m"),
    "pin.temperature": ("Temperature of the pin", _TEMPERATURE),
    "pin.mean_temperature": ("Mean temperature", _TEMPERATURE),
    "adaptive.return_fraction": ("Fraction to return at", "1"),
    "adaptive.dwell": ("Least time in a model", "s"),
}
_THRESHOLDS: Final = {"surface_stress": "Pa", "hottest_above_mean": "K"}
_BY_AXES: Final = ("domain.size", "domain.origin", "resolution.cells", "velocity")
_WORDINGS: Final = ("expression", "table")  # of a value that is no plain number
_HEATS: Final = ("stored_heat_change", "heat_in", "heat_out", "heat_generated", "heat_balance_residual")
_TEMPERATURES: Final = (
    "peak_temperature", "minimum_temperature", "mean_temperature", "peak_surface_temperature",
    "minimum_surface_temperature",
)  # fmt: skip


def describe_parameter(path: Sequence[str | int], params: JsonObject) -> ParameterGuide | None:
    """Return title and unit of what stands at a path of the parameters; None outside of the problem or unknown.

    Args:
        path: As `("problem", "boundaries", "x_min", "coefficient")`.
        params: Of a point that has it: the unit of a temperature is the problem's, that of a face's value its law's.
    """
    problem = params.get("problem")
    if not path or path[0] != "problem" or not isinstance(problem, dict):
        return None
    steps = tuple(step for step in path[1:] if step not in _WORDINGS)
    found = _describe(steps, problem)
    if found is None:
        return None
    title, unit = found
    return ParameterGuide(title, _temperature(problem) if unit == _TEMPERATURE else unit)


def find_metric_unit(name: str, params: JsonObject) -> str | None:
    """Return the unit of a metric of the problem in `params`; None where it has none, or the metric is a word.

    Heat is for each m2 of a wall in 1D, for each m of depth in 2D; a steady state has heat by time.
    """
    problem = params.get("problem")
    if not isinstance(problem, dict):
        return None
    if name in _TEMPERATURES:
        return _temperature(problem)
    dimension = problem.get("dimension")
    if name not in _HEATS or dimension not in {1, 2, 3}:
        return None
    heat = "W" if problem.get("steady") is True else "J"
    return heat + ("/m2", "/m", "")[dimension - 1]


def _temperature(problem: Mapping[str, Any]) -> str:
    return _KELVINS.get(str(problem.get("temperature_unit")), "K")


def _describe(steps: tuple[str | int, ...], problem: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return title and unit, that of a temperature as a mark."""
    match steps:
        case ("material", int(place), *rest):
            return _of_material(rest, f" of material {place + 1}")
        case ("material", *rest):
            return _of_material(rest, "")
        case ("boundaries", str(face), str(member)):
            return _of_face(face, member, problem)
        case ("adaptive", "threshold"):
            measure = problem.get("adaptive", {}).get("measure")
            return "Threshold of the model", _THRESHOLDS.get(measure, "1")
    names = ".".join(step for step in steps if isinstance(step, str))
    places = [step for step in steps if isinstance(step, int)]
    plain = _PLAIN.get(names)
    if plain is None or not places:
        return plain
    title, unit = plain
    return (f"{title} along {'xyz'[places[0] % 3]}" if names in _BY_AXES else f"{title} {places[0] + 1}"), unit


def _of_material(steps: Sequence[str | int], whose: str) -> tuple[str, str] | None:
    phase = f", {steps[0]}" if steps and steps[0] in {"solid", "liquid"} else ""
    names = [step for step in steps[1 if phase else 0 :] if isinstance(step, str)]
    if names == ["where"]:
        return f"Place{whose}", "1"
    if len(names) != 1 or names[0] not in _MATERIAL:
        return None
    title, unit = _MATERIAL[names[0]]
    axes = "".join("xyz"[step % 3] for step in steps if isinstance(step, int))
    return f"{title}{f' along {axes}' if axes else ''}{phase}{whose}", unit


def _of_face(face: str, member: str, problem: Mapping[str, Any]) -> tuple[str, str] | None:
    law = problem.get("boundaries", {}).get(face, {})
    kind = law.get("type") if isinstance(law, dict) else None
    found = _FACE.get(f"{kind}.{member}") or _FACE.get(member)
    if found is None:
        return None
    axis, _, end = face.partition("_")
    place = {"min": f" at low {axis}", "max": f" at high {axis}"}.get(end, " at inner faces")
    return found[0] + place, found[1]
