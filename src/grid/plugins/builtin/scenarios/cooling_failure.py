"""`cooling-failure`: a steel slab at its steady state loses a share of its cooling."""

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
CONSTANTS = 3.5  # [-] time constants of the cooled slab in the show
CALM = 40  # [-] ticks before the cooling fails
SMALL = 0.1  # [-] Biot number up to which the lumped model is expected throughout
TOLERANCE = 0.01  # [-] of the rise, and of the time to the limit
SOURCE = "F. P. Incropera, D. P. DeWitt, Fundamentals of Heat and Mass Transfer, section 5.3; phi = Bi / 3 of a slab"


class CoolingFailureParams(Parameters):
    """Parameters of `cooling-failure`."""

    power: float = quantity(20e3, unit="W", low=1.0, high=1e7, description="Power, the same all the time")
    remaining: float = quantity(0.2, unit="1", low=0.0, high=0.9, description="Share of the films that remains")
    limit: float = quantity(200.0, unit="degC", low=30.0, high=2000.0, description="Limit of the mean temperature")
    thickness: float = quantity(0.04, unit="m", low=2e-3, high=0.5, description="Thickness of the slab")
    heat_transfer_coefficient: float = quantity(
        100.0, unit="W/(m2 K)", low=1.0, high=1e4, description="Film on both large faces before it fails"
    )


class CoolingFailureScenario:
    """The scenario `cooling-failure`."""

    name = "cooling-failure"
    title = "Cooling failure of a slab under power"
    description = (
        "A steel slab generates heat evenly and is steady under its films, until they fall to a share f of what they "
        "were. The mean temperature then goes from T_a + P/H to T_a + P/(f H) with the time constant C/(f H), so that "
        "weaker cooling is slower as well as hotter; without any it is a ramp P/C. The time that is left until the "
        "limit follows from it (Incropera and DeWitt, Fundamentals of Heat and Mass Transfer, section 5.3)."
    )
    params_model: type[BaseModel] = CoolingFailureParams
    axes: tuple[int, ...] = (1, 2, 3)
    cells: tuple[int, ...] = (32, 128)

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """A slab at its steady state."""
        failure = cast("CoolingFailureParams", params)
        require_cells(self, cells)
        slab, source = make_cooled_slab(failure), failure.power / failure.thickness
        profile = slab.profile(failure.power)
        return {
            "case": make_slab(STEEL, failure.thickness, cells, slab.faces(), source_term=source, initial=profile),
            "structure": {"reference_temperature": AMBIENT, "ultimate_ratio": 1e6},
            "fidelity": {"deviation_k": 20.0},
        }

    def timing(self, params: BaseModel) -> Timing:
        """Tick, pace and length."""
        constant = make_cooled_slab(cast("CoolingFailureParams", params)).time_constant
        tick = round_tick(constant / TICKS)
        return Timing(tick, RATE, CALM * tick + CONSTANTS * constant)

    def events(self, params: BaseModel) -> Sequence[Json]:
        """The loss of cooling, for good."""
        remaining = cast("CoolingFailureParams", params).remaining
        event = {"kind": "cooling-loss", "faces": ["x_min", "x_max"], "remaining": remaining}
        return [{"event": event, "at_s": CALM * self.timing(params).tick_s}]

    def rules(self, params: BaseModel) -> Sequence[Json]:
        """The limit of the mean temperature, and a warning at half of the way to it."""
        failure = cast("CoolingFailureParams", params)
        first = make_cooled_slab(failure).mean(failure.power)
        half = 0.5 * (first + failure.limit)
        return [
            {
                "name": "over-temperature",
                "metric": "mean",
                "raise": failure.limit,
                "clear": failure.limit - 0.05 * (failure.limit - AMBIENT),
                "severity": "high",
                "summary": "The mean temperature has passed its limit",
            },
            {
                "name": "warming",
                "metric": "mean",
                "raise": half,
                "clear": half - 0.05 * abs(failure.limit - first),
                "severity": "medium",
                "summary": "Half of the margin to the limit of the mean temperature is gone",
            },
        ]

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """The exponential or the ramp, the time to the limit, and the lumped model throughout."""
        failure, timing = cast("CoolingFailureParams", params), self.timing(params)
        slab = make_cooled_slab(failure)
        if slab.biot_number > SMALL:
            return []
        start = CALM * timing.tick_s
        first, last = slab.mean(failure.power), find_mean(failure, timing.length_s - start)
        law = f"T = T_2 - (T_2 - T_1) exp(-t/tau_2), tau_2 = (1 + f phi) C/(f H); a ramp P/C for f = 0: {SOURCE}"
        found = [Expectation("mean", start, first, TOLERANCE * (last - first), law)]
        found += [
            Expectation("mean", time, find_mean(failure, time - start), TOLERANCE * (last - first), law)
            for ticks in (0.25, 0.5, 1.0)
            for time in [timing.tick_s * round((start + ticks * (timing.length_s - start)) / timing.tick_s)]
        ]
        time = find_time_to_limit(failure)
        if time is not None and start + 1.05 * time < timing.length_s:
            for quantity_name, level in (("mean", failure.limit), ("firing", "over-temperature")):
                found.append(
                    Expectation(
                        quantity_name, timing.length_s, start + time, TOLERANCE * time + timing.tick_s,
                        f"t = -tau_2 ln((T_2 - T_lim)/(T_2 - T_1)): {SOURCE}", "first_time", level=level,
                    )
                )  # fmt: skip
        small = f"Bi = h (d/2) / k below {SMALL}: {SOURCE}"
        found += [
            Expectation("model", time, "lumped", 0.0, small)
            for time in (timing.tick_s, start, start + timing.tick_s, timing.length_s)
        ]
        return found


def make_cooled_slab(failure: CoolingFailureParams) -> Slab:
    """The slab before its cooling fails."""
    return Slab(STEEL, failure.thickness, failure.heat_transfer_coefficient)


def find_mean(failure: CoolingFailureParams, time: float) -> float:
    """Mean temperature so long after the failure [degC]."""
    slab = make_cooled_slab(failure)
    first = slab.mean(failure.power)
    if failure.remaining == 0.0:
        return first + failure.power / slab.capacity * time
    left = Slab(STEEL, failure.thickness, failure.remaining * failure.heat_transfer_coefficient)
    last = left.mean(failure.power)
    return last - (last - first) * math.exp(-time / left.time_constant)


def find_time_to_limit(failure: CoolingFailureParams) -> float | None:
    """Time from the failure until the mean temperature is at its limit [s]; None where it never is, or was before."""
    slab = make_cooled_slab(failure)
    first = slab.mean(failure.power)
    if failure.limit <= first:
        return None
    if failure.remaining == 0.0:
        return (failure.limit - first) * slab.capacity / failure.power
    left = Slab(STEEL, failure.thickness, failure.remaining * failure.heat_transfer_coefficient)
    last = left.mean(failure.power)
    if failure.limit >= last:
        return None
    return -left.time_constant * math.log((last - failure.limit) / (last - first))
