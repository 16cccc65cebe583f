"""`thermal-cycling`: a held steel plate whose ambient switches between two temperatures."""

import math
from collections.abc import Sequence
from typing import Self, cast

from pydantic import BaseModel, model_validator

from grid.plugins.builtin.parameters import Parameters, quantity
from grid.plugins.builtin.scenarios.bodies import AMBIENT, STEEL, Json, make_film, make_plate, round_tick
from grid.plugins.builtin.scenarios.slab import Slab
from grid.schemas.scenarios import Expectation, Timing, require_cells

RATE = 30.0  # [1/s]
TICKS = 40.0  # [-] ticks of a period at least
LEAST_RATIO = 8.0  # [-] half a period over the time constant: the range is that of the ambient to 0.07 %
BEYOND = 2  # [-] periods after the last that a cell can live
HALF = 0.5  # [-] cycles that may be open
SOURCE = "E alpha dT / (1 - nu) of a held plate; M. A. Miner, J. Appl. Mech. 12 (1945) A159; ASTM E1049"


class ThermalCyclingParams(Parameters):
    """Parameters of `thermal-cycling`."""

    temperature_range: float = quantity(
        100.0, unit="K", low=10.0, high=500.0, description="Distance of the two ambient temperatures"
    )
    period: float = quantity(400.0, unit="s", low=10.0, high=1e5, description="Of the ambient")
    life: float = quantity(39.5, unit="1", low=3.0, high=200.0, description="Cycles to failure at that range")
    exponent: float = quantity(-0.1, unit="1", low=-0.5, high=-0.05, description="Basquin's exponent of the material")
    thickness: float = quantity(0.01, unit="m", low=1e-3, high=0.02, description="Thickness of the plate")
    heat_transfer_coefficient: float = quantity(
        1000.0, unit="W/(m2 K)", low=10.0, high=5000.0, description="Film on both large faces"
    )

    @model_validator(mode="after")
    def _require_settling(self) -> Self:
        if 0.5 * self.period < LEAST_RATIO * _slab(self).time_constant:
            raise ValueError(f"half a period must last {LEAST_RATIO:g} time constants of the plate at least")
        return self


class ThermalCyclingScenario:
    """The scenario `thermal-cycling`."""

    name = "thermal-cycling"
    title = "Thermal cycling until fatigue"
    description = (
        "A steel plate is held, and the air around it switches between two temperatures. Each period closes one "
        "stress cycle of the range E alpha dT/(1 - nu), and Miner's sum grows by 1/N of Basquin's law. Cells fail when "
        "it reaches 1, after N periods (Miner, J. Appl. Mech. 12, 1945; cycles by ASTM E1049)."
    )
    params_model: type[BaseModel] = ThermalCyclingParams
    axes: tuple[int, ...] = (2,)
    cells: tuple[int, ...] = (64, 64)

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """A held plate at the lower temperature, without stress half-way between both."""
        cycling = cast("ThermalCyclingParams", params)
        require_cells(self, cells)
        amplitude = 0.5 * STEEL.stress_per_kelvin * cycling.temperature_range
        law = {
            "coefficient_pa": amplitude / (2.0 * cycling.life) ** cycling.exponent,
            "exponent": cycling.exponent,
        }
        structure = {
            "reference_temperature": AMBIENT + 0.5 * cycling.temperature_range,
            "support": "held",
            "ultimate_ratio": 1e6,
            "life": law,
        }
        case = make_plate(STEEL, cycling.thickness, cells, cycling.heat_transfer_coefficient)
        return {"case": case, "structure": structure}

    def timing(self, params: BaseModel) -> Timing:
        """Tick, pace and length."""
        cycling = cast("ThermalCyclingParams", params)
        tick = round_tick(cycling.period / TICKS)
        return Timing(tick, RATE, whole_half(cycling, tick) * 2 * (math.ceil(find_life(cycling)) + BEYOND))

    def events(self, params: BaseModel) -> Sequence[Json]:
        """The warm halves of the periods, on both faces."""
        cycling, timing = cast("ThermalCyclingParams", params), self.timing(params)
        half = whole_half(cycling, timing.tick_s)
        law = make_film(cycling.heat_transfer_coefficient, AMBIENT + cycling.temperature_range)
        return [
            {
                "event": {"kind": "boundary", "face": face, "law": law, "duration_s": half},
                "at_s": (2 * number + 1) * half,
            }
            for number in range(math.ceil(find_life(cycling)) + BEYOND)
            for face in ("x_min", "x_max")
        ]

    def rules(self, params: BaseModel) -> Sequence[Json]:  # noqa: ARG002 - the same for all
        """Half of the life, and the first failed cell."""
        return [
            {
                "name": "half-life",
                "metric": "damage",
                "raise": 0.5,
                "clear": 0.5,
                "severity": "medium",
                "summary": "Half of the fatigue life is used up somewhere",
            },
            {
                "name": "cell-failed",
                "metric": "failed_cells",
                "raise": 0.5,
                "clear": 0.0,
                "severity": "critical",
                "runbook": "stop-cycling",
                "summary": "A cell has failed",
            },
        ]

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """Damage after whole periods, the peak of the stress, and the period of the first failure."""
        cycling, timing = cast("ThermalCyclingParams", params), self.timing(params)
        half, life = whole_half(cycling, timing.tick_s), find_life(cycling)
        amplitude = 0.5 * STEEL.stress_per_kelvin * cycling.temperature_range
        closed = f"m/N once the plate is warm for the m-th time after the first, when m cycles have closed: {SOURCE}"
        found = [
            Expectation("damage", 2 * half * (count + 1), count / life, HALF / life, closed)
            for count in sorted({1, 2, math.floor(0.5 * life), math.ceil(life) - 1})
        ]
        found.append(Expectation("peak_stress", half, amplitude, 0.01 * amplitude, f"half of the range: {SOURCE}"))
        end = f"first failure in period ceil(N) or the next: {SOURCE}"
        boundary = 2 * half * math.ceil(life)  # between both periods
        found.append(
            Expectation(
                "failed_cells", timing.length_s, boundary, 2 * half + timing.tick_s, end, "first_time", level=1.0
            )
        )
        return found


def find_life(cycling: ThermalCyclingParams) -> float:
    """Cycles to failure at the range that is reached in half a period, a little less than that of the ambient."""
    left = math.exp(-0.5 * cycling.period / _slab(cycling).time_constant)
    return cycling.life * math.pow((1.0 - left) / (1.0 + left), 1.0 / cycling.exponent)


def whole_half(cycling: ThermalCyclingParams, tick: float) -> float:
    """Half a period in whole ticks [s]."""
    return tick * round(0.5 * cycling.period / tick)


def _slab(cycling: ThermalCyclingParams) -> Slab:
    return Slab(STEEL, cycling.thickness, cycling.heat_transfer_coefficient)
