"""`overload`: a steel slab that generates more heat than its films carry off below a limit."""

import math
from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from grid.plugins.builtin.parameters import Parameters, quantity
from grid.plugins.builtin.scenarios.bodies import AMBIENT, STEEL, Json, make_slab, round_tick
from grid.plugins.builtin.scenarios.slab import Slab
from grid.schemas.scenarios import Expectation, Timing, require_cells

RATE = 30.0  # [1/s]
TICKS = 300.0  # [-] ticks of the time constant at least
CONSTANTS = 4.0  # [-] time constants of the show
CALM = 40  # [-] ticks before the overload begins
SMALL = 0.1  # [-] Biot number up to which the lumped model is expected throughout
TOLERANCE = 0.01  # [-] of the rise
SOURCE = "F. P. Incropera, D. P. DeWitt, Fundamentals of Heat and Mass Transfer, section 5.3; phi = Bi / 3 of a slab"


class OverloadParams(Parameters):
    """Parameters of `overload`."""

    power: float = quantity(25e3, unit="W", low=1.0, high=1e7, description="Power that comes on top")
    nominal_power: float = quantity(10e3, unit="W", low=0.0, high=1e7, description="Power before, at a steady state")
    limit: float = quantity(150.0, unit="degC", low=30.0, high=2000.0, description="Limit of the mean temperature")
    thickness: float = quantity(0.04, unit="m", low=2e-3, high=0.5, description="Thickness of the slab")
    heat_transfer_coefficient: float = quantity(
        100.0, unit="W/(m2 K)", low=1.0, high=1e4, description="Film on both large faces"
    )


class OverloadScenario:
    """The scenario `overload`."""

    name = "overload"
    title = "Overload of a cooled slab"
    description = (
        "A steel slab generates heat evenly and is cooled by films on both faces; it is steady until the power rises. "
        "Its mean temperature then follows one exponential with the time constant C/H (1 + phi), phi = Bi/3 for the "
        "resistance within, and passes its limit at a time that is known beforehand. While the Biot number is small "
        "the lumped model does all of it (Incropera and DeWitt, Fundamentals of Heat and Mass Transfer, section 5.3)."
    )
    params_model: type[BaseModel] = OverloadParams
    axes: tuple[int, ...] = (1, 2, 3)
    cells: tuple[int, ...] = (32, 128)

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """A slab at its steady state under the nominal power."""
        overload = cast("OverloadParams", params)
        require_cells(self, cells)
        slab = make_overload_slab(overload)
        source = overload.nominal_power / overload.thickness
        faces = slab.faces()
        return {
            "case": make_slab(
                STEEL,
                overload.thickness,
                cells,
                faces,
                source_term=source,
                initial=slab.profile(overload.nominal_power),
            ),
            "structure": {"reference_temperature": AMBIENT, "ultimate_ratio": 1e6},
            "fidelity": {"deviation_k": 20.0},
        }

    def timing(self, params: BaseModel) -> Timing:
        """Tick, pace and length."""
        constant = make_overload_slab(cast("OverloadParams", params)).time_constant
        tick = round_tick(constant / TICKS)
        return Timing(tick, RATE, CALM * tick + CONSTANTS * constant)

    def events(self, params: BaseModel) -> Sequence[Json]:
        """The power that comes on top, until it is ended."""
        event = {"kind": "overload", "power_w": cast("OverloadParams", params).power}
        return [{"event": event, "at_s": CALM * self.timing(params).tick_s}]

    def rules(self, params: BaseModel) -> Sequence[Json]:
        """The limit of the mean temperature."""
        overload = cast("OverloadParams", params)
        return [
            {
                "name": "over-temperature",
                "metric": "mean",
                "raise": overload.limit,
                "clear": overload.limit - 0.05 * (overload.limit - AMBIENT),
                "severity": "high",
                "summary": "The mean temperature has passed its limit",
            }
        ]

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """The exponential, the tick of the alert, and the lumped model throughout."""
        overload, timing = cast("OverloadParams", params), self.timing(params)
        slab = make_overload_slab(overload)
        if slab.biot_number > SMALL:
            return []
        start, constant = CALM * timing.tick_s, slab.time_constant
        first, last = (slab.mean(power) for power in (overload.nominal_power, overload.nominal_power + overload.power))
        law = f"T = T_2 - (T_2 - T_1) exp(-t/tau'), T_i = T_a + (1 + phi) P_i/H, tau' = (1 + phi) C/H: {SOURCE}"
        found = [
            Expectation(
                "mean",
                start + time,
                last - (last - first) * math.exp(-time / constant),
                TOLERANCE * (last - first),
                law,
            )
            for time in (0.0, 0.5 * constant, constant, 3.0 * constant)
            if (start + time) % timing.tick_s == 0.0 or time > 0.0
        ]
        if first < overload.limit < last - 0.01 * (last - first):
            crossing = -constant * math.log((last - overload.limit) / (last - first))
            if start + crossing < timing.length_s - 2.0 * timing.tick_s:
                found.append(
                    Expectation(
                        "firing", timing.length_s, start + crossing, 1.5 * timing.tick_s,
                        f"t = -tau' ln((T_2 - T_lim)/(T_2 - T_1)): {SOURCE}", "first_time", level="over-temperature",
                    )
                )  # fmt: skip
        small = f"Bi = h (d/2) / k below {SMALL}: {SOURCE}"
        found += [
            Expectation("model", time, "lumped", 0.0, small)
            for time in (timing.tick_s, start, start + timing.tick_s, start + constant, timing.length_s)
        ]
        return found


def make_overload_slab(overload: OverloadParams) -> Slab:
    """The slab of the parameters."""
    return Slab(STEEL, overload.thickness, overload.heat_transfer_coefficient)
