"""Cases of `kind` `integrity` (docs/case-format.md, section 7)."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from grid.core.errors import FieldError
from grid.engine.problem.reader import CaseReader
from grid.engine.structural.fatigue.laws import PowerLaw
from grid.engine.structural.limits import PRIMARY_STRESS, REPEAT, ROUNDING, SECONDARY_STRESS, STRESS, TEMPERATURE_CHANGE
from grid.engine.structural.strength.bree import compute_growth, find_regime
from grid.engine.structural.strength.integrity import COMPONENTS, compute_principal, compute_tresca, compute_von_mises
from grid.engine.structural.strength.plasticity import compute_plastic_range, compute_shakedown_limit, cycle_bar
from grid.engine.verification.structural.fields import (
    Entry,
    ask_component,
    ask_number,
    ask_safety_factor,
    choose_quantity,
    read_case,
    read_choices,
    read_limited,
    read_material,
    require_expansion,
)
from grid.engine.verification.structural.life_laws import read_coffin_manson

Answer = Callable[[Entry], Any]
MAX_HISTORY = 1_000_000  # [-] entries of a history at most
FIXED = {"x_min": ("fixed",), "x_max": ("fixed",)}


def prepare_stress_state(case: Mapping[str, Any]) -> Answer:
    """One stress tensor."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("stress",), allowed=("material",))
    fields = reader.read_mapping("stress", raw.get("stress"), allowed=COMPONENTS, required=COMPONENTS)
    stress = np.array([read_limited(reader, f"stress.{name}", fields.get(name, 0.0), STRESS) for name in COMPONENTS])
    material = read_material(reader, raw.get("material", {}), required=(), optional=("yield_stress",))
    reader.finish()

    def answer(entry: Entry) -> Any:
        quantity = choose_quantity(entry, ("von_mises", "tresca", "principal", "safety_factor"))
        pressure = ask_number(entry, "added_pressure", STRESS) if "added_pressure" in entry else 0.0
        loaded = stress - pressure * np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
        if quantity == "principal":
            return compute_principal(loaded).tolist()
        if quantity == "tresca":
            return float(compute_tresca(loaded))
        if quantity == "von_mises":
            return float(compute_von_mises(loaded))
        return ask_safety_factor(float(compute_von_mises(loaded)), material)

    return answer


def prepare_cyclic_bar(case: Mapping[str, Any]) -> Answer:
    """A fixed bar under a history of temperature."""
    reader = CaseReader()
    raw = read_case(reader, case, required=("material", "supports", "load"), allowed=("fatigue",))
    names = ("young_modulus", "thermal_expansion", "yield_stress")
    material = read_material(reader, raw.get("material"), required=names, optional=("poisson_ratio",))
    read_choices(reader, "supports", raw.get("supports"), FIXED)
    changes = _history(reader, raw.get("load"))
    law = read_coffin_manson(reader, raw["fatigue"]) if "fatigue" in raw else None
    reader.finish()
    bar = {name: material[name] for name in names}
    states = cycle_bar(changes, **bar)  # a repeat adds nothing to the first pass, and the settled cycle is known

    def answer(entry: Entry) -> Any:
        quantity = choose_quantity(entry, (*BAR_QUANTITIES, "stress", "plastic_strain", "cycles_to_failure"))
        if quantity in ("stress", "plastic_strain", "plastic_strain_range"):
            ask_component(entry, ("xx",))
        if quantity == "cycles_to_failure":
            return _find_life(law, compute_plastic_range(changes, **bar))
        if quantity in BAR_QUANTITIES:
            return BAR_QUANTITIES[quantity](changes, bar)
        step = _step(entry, len(changes))
        return float((states.stress if quantity == "stress" else states.plastic_strain)[step])

    return answer


def _history(reader: CaseReader, raw: object) -> list[float]:
    fields = reader.read_mapping(
        "load", raw, allowed=("type", "temperature_change", "repeat"), required=("type", "temperature_change")
    )
    reader.read_choice("load.type", fields.get("type"), ("history",))
    entries = reader.read_list("load.temperature_change", fields.get("temperature_change"), longest=MAX_HISTORY) or []
    repeat = reader.read_integer("load.repeat", fields.get("repeat", 1))
    if repeat is not None and not REPEAT.allows(repeat):
        reader.refuse("load.repeat", "an integer, at least 1")
    path = "load.temperature_change"
    return [read_limited(reader, f"{path}[{k}]", entry, TEMPERATURE_CHANGE) for k, entry in enumerate(entries)]


def _step(entry: Entry, count: int) -> int:
    reader = CaseReader()
    step = reader.read_integer("step", entry.get("step"))
    reader.finish()
    if step is None or not 0 <= step < count:
        raise FieldError("step", f"an entry of the list, 0 to {count - 1}")
    return step


def _find_life(law: PowerLaw | None, plastic_range: float) -> float:
    if law is None:
        raise FieldError("fatigue", "required by this quantity")
    life = float(law(plastic_range))
    if not math.isfinite(life):
        raise FieldError("quantity", "a plastic strain in the settled cycle; this one is elastic and has no such life")
    return life


def _yield_change(_: list[float], bar: Mapping[str, float]) -> float:
    return bar["yield_stress"] / (bar["young_modulus"] * require_expansion(bar))


def _limit(_: list[float], bar: Mapping[str, float]) -> float:
    require_expansion(bar)
    return compute_shakedown_limit(**bar)


def _shakes_down(changes: list[float], bar: Mapping[str, float]) -> bool:
    """E alpha D <= 2 yield_stress, to rounding."""
    thermal = bar["young_modulus"] * abs(bar["thermal_expansion"]) * (max(changes) - min(changes))
    return thermal <= 2.0 * bar["yield_stress"] * (1.0 + ROUNDING)


BAR_QUANTITIES: dict[str, Callable[[list[float], Mapping[str, float]], Any]] = {
    "plastic_strain_range": lambda changes, bar: compute_plastic_range(changes, **bar),
    "temperature_change_at_yield": _yield_change,
    "shakes_down": _shakes_down,
    "shakedown_limit": _limit,
}


def prepare_bree(case: Mapping[str, Any]) -> Answer:
    """Points of Bree's diagram; X and Y stand in each entry."""
    reader = CaseReader()
    read_case(reader, case)
    reader.finish()

    def answer(entry: Entry) -> Any:
        quantity = choose_quantity(entry, ("regime", "strain_growth_per_cycle"))
        x, y = ask_number(entry, "X", PRIMARY_STRESS), ask_number(entry, "Y", SECONDARY_STRESS)
        return find_regime(x, y) if quantity == "regime" else compute_growth(x, y)

    return answer


MODELS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
    "stress_state": prepare_stress_state,
    "cyclic_bar": prepare_cyclic_bar,
    "bree": prepare_bree,
}
