"""Cases of `kind` `fatigue` (docs/case-format.md, section 8)."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from grid.core.errors import FieldError
from grid.engine.problem.reader import CaseReader
from grid.engine.structural.fatigue.laws import compute_blocks_to_failure, compute_damage
from grid.engine.structural.fatigue.rainflow import count_cycles
from grid.engine.structural.limits import CYCLES, HISTORY_VALUE, STRAIN_RANGE, TEMPERATURE_CHANGE
from grid.engine.verification.structural.fields import (
    Entry,
    ask_number,
    choose_quantity,
    read_case,
    read_limited,
    read_material,
)
from grid.engine.verification.structural.life_laws import read_basquin, read_strain_life

Answer = Callable[[Entry], Any]
MAX_HISTORY = 1_000_000  # [-] entries of a history at most
ELASTIC = ("young_modulus", "thermal_expansion")


def prepare_history(case: Mapping[str, Any]) -> Answer:
    """A record, counted by rainflow; with a law, its damage."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("history",), allowed=("material", "fatigue"))
    fields = reader.read_mapping(
        "history", raw.get("history"), allowed=("type", "values", "scale"), required=("type", "values")
    )
    kind = reader.read_choice("history.type", fields.get("type"), ("plain", "stress", "temperature"))
    entries = reader.read_list("history.values", fields.get("values"), longest=MAX_HISTORY) or []
    values = [read_limited(reader, f"history.values[{k}]", entry, HISTORY_VALUE) for k, entry in enumerate(entries)]
    if entries and len(entries) < 2:
        reader.refuse("history.values", "at least two numbers")
    scale = abs(read_limited(reader, "history.scale", fields.get("scale", 1.0), HISTORY_VALUE))
    if "material" in raw or kind == "temperature":
        material = read_material(reader, raw.get("material"), required=ELASTIC, optional=("poisson_ratio",))
        if kind == "temperature":
            scale *= abs(material.get("young_modulus", 1.0) * material.get("thermal_expansion", 1.0))
    law = read_basquin(reader, raw["fatigue"]) if "fatigue" in raw else None
    reader.finish()
    ranges, counts = count_cycles(np.array(values))

    def answer(entry: Entry) -> Any:
        quantity = choose_quantity(entry, ("cycles_by_range", "damage", "blocks_to_failure"))
        if quantity == "cycles_by_range":
            return [[float(size), float(count)] for size, count in zip(ranges, counts, strict=True)]
        if law is None or kind == "plain":
            raise FieldError("fatigue", "required by this quantity, with a history of stress or temperature")
        damage = compute_damage(scale * ranges, counts, law)
        return damage if quantity == "damage" else _require_finite(float(compute_blocks_to_failure(damage)))

    return answer


def prepare_strain_life(case: Mapping[str, Any]) -> Answer:
    """Cycles of given strain ranges."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("material", "fatigue"), allowed=("blocks",))
    optional = ("poisson_ratio", "yield_stress")
    material = read_material(reader, raw.get("material"), required=ELASTIC, optional=optional)
    law = read_strain_life(reader, raw.get("fatigue"), material.get("young_modulus", 1.0))
    entries = reader.read_list("blocks", raw["blocks"], longest=MAX_HISTORY) or [] if "blocks" in raw else []
    blocks = [_block(reader, f"blocks[{index}]", entry) for index, entry in enumerate(entries)]
    reader.finish()

    def answer(entry: Entry) -> Any:
        quantity = choose_quantity(entry, ("cycles_to_failure", "damage", "strain_range"))
        if quantity == "strain_range":
            return material["thermal_expansion"] * ask_number(entry, "temperature_range", TEMPERATURE_CHANGE)
        if quantity == "cycles_to_failure":
            return _require_finite(float(law(np.array(ask_number(entry, "strain_range", STRAIN_RANGE)))))
        if not blocks:
            raise FieldError("blocks", "required by this quantity")
        ranges, cycles = np.array(blocks).T
        return compute_damage(ranges, cycles, law)

    return answer


def _block(reader: CaseReader, path: str, raw: object) -> tuple[float, float]:
    names = ("strain_range", "cycles")
    fields = reader.read_mapping(path, raw, allowed=names, required=names)
    return (
        read_limited(reader, f"{path}.strain_range", fields.get("strain_range", 1.0), STRAIN_RANGE),
        read_limited(reader, f"{path}.cycles", fields.get("cycles", 1.0), CYCLES),
    )


def _require_finite(value: float) -> float:
    if not math.isfinite(value):
        raise FieldError("quantity", "a load that does damage; this life has no end that a number can tell")
    return value


MODELS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
    "history": prepare_history,
    "strain_life": prepare_strain_life,
}
