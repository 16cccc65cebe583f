"""Cases of `kind` `stress` (docs/case-format.md, section 6)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from grid.core.errors import FieldError
from grid.engine.limits import CONDUCTIVITY, HEAT_FLUX, LENGTH, TEMPERATURE, THERMAL_EXPANSION, YOUNG_MODULUS
from grid.engine.problem.reader import CaseReader
from grid.engine.structural.closed_forms.cylinder import HollowCylinder
from grid.engine.structural.closed_forms.layers import Layer, LayeredStrip
from grid.engine.structural.closed_forms.profiles import Profile, compute_flux_temperature
from grid.engine.structural.closed_forms.quench import find_peak
from grid.engine.structural.limits import BIOT, TEMPERATURE_CHANGE
from grid.engine.values.operations import FloatArray
from grid.engine.verification.structural.fields import (
    Entry,
    ask_component,
    ask_number,
    ask_place,
    ask_safety_factor,
    choose_quantity,
    read_case,
    read_choices,
    read_limited,
    read_material,
    read_profile,
    require_expansion,
    require_property,
)
from grid.engine.verification.structural.plane import prepare_plane

Answer = Callable[[Entry], Any]
HELD_OR_FREE = ("free", "held")
MAX_LAYERS = 1000  # [-] layers of a strip at most


def prepare_bar(case: Mapping[str, Any]) -> Answer:
    """Prepare a bar: xx = -E alpha temperature_change between two fixed ends, 0 with a free one."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("material", "supports", "load"))
    names = ("young_modulus", "thermal_expansion")
    material = read_material(reader, raw.get("material"), required=names, optional=("yield_stress", "poisson_ratio"))
    supports = read_choices(
        reader, "supports", raw.get("supports"), {"x_min": ("fixed", "free"), "x_max": ("fixed", "free")}
    )
    change = _uniform_load(reader, raw.get("load"))
    reader.finish()
    held = set(supports.values()) == {"fixed"}
    stress = -material["young_modulus"] * material["thermal_expansion"] * change if held else 0.0

    def answer(entry: Entry) -> float:
        if choose_quantity(entry, ("stress", "von_mises", "safety_factor")) == "stress":
            ask_component(entry, ("xx",))
            return stress
        return _answer_margin(entry, abs(stress), material)

    return answer


def prepare_plate(case: Mapping[str, Any]) -> Answer:
    """A plate with a temperature through its thickness."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("geometry", "material", "supports", "load"))
    thickness = _geometry(reader, raw.get("geometry"), "plate", "thickness")
    names = ("young_modulus", "poisson_ratio", "thermal_expansion")
    optional = ("yield_stress", "conductivity", "volumetric_heat_capacity")
    material = read_material(reader, raw.get("material"), required=names, optional=optional)
    supports = _through_thickness(reader, raw.get("supports"))
    load = raw.get("load")
    is_flux = isinstance(load, Mapping) and load.get("type") == "quasi_steady_flux"
    if is_flux:
        excess = _flux_load(reader, load, thickness, material)
        if supports["expansion"] != "free":
            reader.refuse("supports.expansion", "free under quasi_steady_flux, whose uniform rise has no end")
    else:
        excess = _profile_load(reader, load, "z", "profile, quasi_steady_flux")
    reader.finish()
    stiffness = material["young_modulus"] * material["thermal_expansion"] / (1.0 - material["poisson_ratio"])
    return _make_profile_answer(excess, (0.0, thickness), stiffness, supports, material, "z", ("xx", "yy"))


def prepare_strip(case: Mapping[str, Any]) -> Answer:
    """A strip in uniaxial stress with a temperature over its height."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("geometry", "material", "supports", "load"))
    half = _geometry(reader, raw.get("geometry"), "strip", "half_height")
    names = ("young_modulus", "thermal_expansion")
    material = read_material(reader, raw.get("material"), required=names, optional=("yield_stress", "poisson_ratio"))
    supports = _through_thickness(reader, raw.get("supports"))
    excess = _profile_load(reader, raw.get("load"), "y", "profile")
    reader.finish()
    stiffness = material["young_modulus"] * material["thermal_expansion"]
    return _make_profile_answer(excess, (-half, half), stiffness, supports, material, "y", ("xx",))


def _make_profile_answer(
    excess: Callable[[FloatArray], FloatArray],
    faces: tuple[float, float],
    stiffness: float,
    supports: Mapping[str, str],
    material: Mapping[str, float],
    coordinate: str,
    components: tuple[str, ...],
) -> Answer:
    profile = Profile(excess, *faces, stiffness, supports["expansion"] == "free", supports["bending"] == "free")
    known: tuple[str, ...] = ("stress", "von_mises", "safety_factor", "net_force", "zero_stress_position")
    if len(components) == 2:
        known = (*known, "temperature_difference_at_yield")

    def answer(entry: Entry) -> float:
        quantity = choose_quantity(entry, known)
        if quantity in ("stress", "net_force", "zero_stress_position"):
            ask_component(entry, components)
        if quantity == "stress" or (quantity == "von_mises" and "at" in entry):
            value = float(profile.stress_at(ask_place(entry, coordinate, *faces)))
            return value if quantity == "stress" else abs(value)
        if quantity == "net_force":
            return profile.net_force()
        if quantity == "zero_stress_position":
            return profile.zero_stress_position()
        if quantity == "temperature_difference_at_yield":
            factor = _answer_margin({"quantity": "safety_factor"}, profile.largest_von_mises, material)
            return profile.face_difference() * factor
        return _answer_margin(entry, profile.largest_von_mises, material)

    return answer


def _answer_margin(entry: Entry, largest: float, material: Mapping[str, float]) -> float:
    if entry["quantity"] == "von_mises":
        return largest
    return ask_safety_factor(largest, material)


def prepare_layered_strip(case: Mapping[str, Any]) -> Answer:
    """Bonded layers that stretch and bend."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("geometry", "supports", "load"))
    geometry = reader.read_mapping(
        "geometry", raw.get("geometry"), allowed=("shape", "layers", "length"), required=("shape", "layers")
    )
    reader.read_choice("geometry.shape", geometry.get("shape"), ("layers",))
    entries = reader.read_list("geometry.layers", geometry.get("layers"), longest=MAX_LAYERS) or []
    layers = tuple(_layer(reader, f"geometry.layers[{index}]", entry) for index, entry in enumerate(entries))
    length = read_limited(reader, "geometry.length", geometry["length"], LENGTH) if "length" in geometry else None
    choices = {"x_min": ("free", "clamped"), "x_max": ("free",)}
    read_choices(reader, "supports", raw.get("supports"), choices)
    change = _uniform_load(reader, raw.get("load"))
    reader.finish()
    strip = LayeredStrip(layers, change)

    def answer(entry: Entry) -> float:
        quantity = choose_quantity(entry, ("stress", "curvature", "tip_deflection", "axial_growth"))
        if quantity == "curvature":
            return abs(strip.curvature)
        if quantity == "stress":
            ask_component(entry, ("xx",))
            chosen = CaseReader()
            layer = chosen.read_integer("layer", entry.get("layer"))
            chosen.finish()
            return strip.stress_at(ask_place(entry, "z", 0.0, strip.interfaces[-1]), layer or 0)
        if length is None:
            raise FieldError("geometry.length", "required by this quantity")
        return strip.tip_deflection(length) if quantity == "tip_deflection" else strip.axial_growth(length)

    return answer


def _layer(reader: CaseReader, path: str, raw: object) -> Layer:
    limits = {"thickness": LENGTH, "young_modulus": YOUNG_MODULUS, "thermal_expansion": THERMAL_EXPANSION}
    fields = reader.read_mapping(path, raw, allowed=limits, required=limits)
    return Layer(*(read_limited(reader, f"{path}.{name}", fields.get(name, 1.0), limits[name]) for name in limits))


def prepare_quenched_plate(case: Mapping[str, Any]) -> Answer:
    """A plate whose both faces meet a colder fluid."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("geometry", "material", "supports", "load"))
    _geometry(reader, raw.get("geometry"), "wall", "half_thickness")
    names = ("young_modulus", "poisson_ratio", "thermal_expansion", "conductivity", "volumetric_heat_capacity")
    material = read_material(reader, raw.get("material"), required=names, optional=("yield_stress",))
    supports = _through_thickness(reader, raw.get("supports"))
    if supports["expansion"] != "free":  # both faces are quenched alike, so bending does not matter
        reader.refuse("supports.expansion", "free, since the stress of a held plate has no peak")
    load = _load(reader, raw.get("load"), "quench", ("temperature_drop",))
    drop = read_limited(reader, "load.temperature_drop", load.get("temperature_drop", 0.0), TEMPERATURE_CHANGE)
    reader.finish()
    stiffness = material["young_modulus"] * material["thermal_expansion"] / (1.0 - material["poisson_ratio"])

    def answer(entry: Entry) -> float:
        quantity = choose_quantity(entry, ("peak_surface_stress", "fourier_number_of_peak", "critical_quench"))
        peak = find_peak(ask_number(entry, "biot", BIOT))
        if quantity == "fourier_number_of_peak":
            return peak.fourier_number
        if quantity == "peak_surface_stress":
            return stiffness * drop * peak.share
        require_expansion(material)
        return require_property(material, "yield_stress") / (abs(stiffness) * peak.share)

    return answer


def prepare_hollow_cylinder(case: Mapping[str, Any]) -> Answer:
    """A long tube, hot on one side."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("geometry", "material", "supports", "load"))
    radii = ("inner_radius", "outer_radius")
    geometry = reader.read_mapping(
        "geometry", raw.get("geometry"), allowed=("shape", *radii), required=("shape", *radii)
    )
    reader.read_choice("geometry.shape", geometry.get("shape"), ("hollow_cylinder",))
    inner, outer = (read_limited(reader, f"geometry.{name}", geometry.get(name, 1.0), LENGTH) for name in radii)
    if not inner < outer:
        reader.refuse("geometry.outer_radius", "greater than inner_radius")
    names = ("young_modulus", "poisson_ratio", "thermal_expansion")
    material = read_material(reader, raw.get("material"), required=names, optional=("yield_stress", "conductivity"))
    read_choices(reader, "supports", raw.get("supports"), {"ends": ("free",)})
    ends = ("inner_temperature", "outer_temperature")
    load = _load(reader, raw.get("load"), "radial_difference", ends)
    hot, cold = (read_limited(reader, f"load.{name}", load.get(name, 0.0), TEMPERATURE) for name in ends)
    reader.finish()
    stiffness = material["young_modulus"] * material["thermal_expansion"] / (1.0 - material["poisson_ratio"])
    cylinder = HollowCylinder(inner, outer, stiffness, hot - cold)

    def answer(entry: Entry) -> float:
        choose_quantity(entry, ("stress",))
        component = ask_component(entry, ("radial", "hoop", "axial"))
        return cylinder.stress_at(ask_place(entry, "r", inner, outer), component)

    return answer


def _geometry(reader: CaseReader, raw: object, shape: str, length: str) -> float:
    """The one length of a shape [m]."""
    fields = reader.read_mapping("geometry", raw, allowed=("shape", length), required=("shape", length))
    reader.read_choice("geometry.shape", fields.get("shape"), (shape,))
    return read_limited(reader, f"geometry.{length}", fields.get(length, 1.0), LENGTH)


def _through_thickness(reader: CaseReader, raw: object) -> dict[str, str]:
    return read_choices(reader, "supports", raw, {"expansion": HELD_OR_FREE, "bending": HELD_OR_FREE})


def _load(
    reader: CaseReader,
    raw: object,
    kind: str,
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    known: str = "",
) -> dict[str, Any]:
    if not isinstance(raw, Mapping) or raw.get("type") != kind:
        reader.refuse("load.type", f"one of {known or kind}")
        return {}
    return reader.read_mapping("load", raw, allowed=("type", *required, *optional), required=required)


def _uniform_load(reader: CaseReader, raw: object) -> float:
    load = _load(reader, raw, "uniform", ("temperature_change",))
    return read_limited(reader, "load.temperature_change", load.get("temperature_change", 0.0), TEMPERATURE_CHANGE)


def _profile_load(reader: CaseReader, raw: object, coordinate: str, known: str) -> Callable[[FloatArray], FloatArray]:
    load = _load(reader, raw, "profile", ("temperature",), ("reference_temperature",), known)
    value = read_profile(reader, "load.temperature", load.get("temperature", 0.0), coordinate)
    reference = read_limited(reader, "load.reference_temperature", load.get("reference_temperature", 0.0), TEMPERATURE)

    def excess(place: FloatArray) -> FloatArray:
        temperature = np.broadcast_to(np.asarray(value.evaluate({coordinate: place}), dtype=np.float64), place.shape)
        if not np.all(np.abs(temperature) <= TEMPERATURE.maximum):  # NaN fails the comparison
            raise FieldError("load.temperature", f"everywhere {TEMPERATURE}")
        return temperature - reference

    return excess


def _flux_load(
    reader: CaseReader, raw: object, thickness: float, material: Mapping[str, float]
) -> Callable[[FloatArray], FloatArray]:
    load = _load(reader, raw, "quasi_steady_flux", ("flux", "face"))
    flux = read_limited(reader, "load.flux", load.get("flux", 0.0), HEAT_FLUX)
    face = reader.read_choice("load.face", load.get("face", "z_min"), ("z_min", "z_max")) or "z_min"
    if "conductivity" not in material:
        reader.refuse("material.conductivity", "required under quasi_steady_flux")
    conductivity = material.get("conductivity", CONDUCTIVITY.maximum)
    return lambda place: compute_flux_temperature(place, thickness, flux, conductivity, face)


MODELS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
    "bar": prepare_bar,
    "plate": prepare_plate,
    "strip": prepare_strip,
    "layered_strip": prepare_layered_strip,
    "plane": prepare_plane,
    "quenched_plate": prepare_quenched_plate,
    "hollow_cylinder": prepare_hollow_cylinder,
}
