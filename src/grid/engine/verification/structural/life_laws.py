"""The `fatigue` object of a case: a law of life."""

from collections.abc import Mapping

from grid.engine.limits import YIELD_STRESS
from grid.engine.problem.reader import CaseReader
from grid.engine.structural.fatigue.laws import Life, PowerLaw, UniversalSlopes
from grid.engine.structural.limits import DUCTILITY, EXPONENT
from grid.engine.verification.structural.fields import read_limited


def read_basquin(reader: CaseReader, raw: object) -> PowerLaw:
    """`strength_coefficient` [Pa] and `strength_exponent`."""
    return _power_law(reader, raw, "basquin", "strength")


def read_coffin_manson(reader: CaseReader, raw: object) -> PowerLaw:
    """`ductility_coefficient` and `ductility_exponent`."""
    return _power_law(reader, raw, "coffin_manson", "ductility")


def read_strain_life(reader: CaseReader, raw: object, young_modulus: float) -> Life:
    """`universal_slopes` or `coffin_manson`."""
    if isinstance(raw, Mapping) and raw.get("law") == "coffin_manson":
        return read_coffin_manson(reader, raw)
    names = ("law", "ultimate_strength", "true_fracture_ductility")
    fields = reader.read_mapping("fatigue", raw, allowed=names, required=names)
    reader.read_choice("fatigue.law", fields.get("law"), ("universal_slopes", "coffin_manson"))
    strength = read_limited(reader, "fatigue.ultimate_strength", fields.get(names[1], 1.0), YIELD_STRESS)
    ductility = read_limited(reader, "fatigue.true_fracture_ductility", fields.get(names[2], 1.0), DUCTILITY)
    return UniversalSlopes(young_modulus, strength, ductility)


def _power_law(reader: CaseReader, raw: object, law: str, noun: str) -> PowerLaw:
    coefficient, exponent = f"{noun}_coefficient", f"{noun}_exponent"
    names = ("law", coefficient, exponent)
    fields = reader.read_mapping("fatigue", raw, allowed=names, required=names)
    reader.read_choice("fatigue.law", fields.get("law"), (law,))
    limit = YIELD_STRESS if noun == "strength" else DUCTILITY
    return PowerLaw(
        read_limited(reader, f"fatigue.{coefficient}", fields.get(coefficient, 1.0), limit),
        read_limited(reader, f"fatigue.{exponent}", fields.get(exponent, -1.0), EXPONENT),
    )
