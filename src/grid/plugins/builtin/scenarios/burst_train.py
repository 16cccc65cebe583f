"""`burst-train`: heat bursts at equal intervals in a cooled aluminium plate."""

import math
from collections.abc import Sequence
from typing import Self, cast

from pydantic import BaseModel, model_validator

from grid.plugins.builtin.parameters import Parameters, quantity
from grid.plugins.builtin.scenarios.bodies import ALUMINIUM, AMBIENT, CENTRE, SIDE, Json, make_plate
from grid.plugins.builtin.scenarios.slab import Slab
from grid.schemas.scenarios import Expectation, Timing, require_cells

TICK, RATE = 1.0, 30.0  # [s], [1/s]
START = 40.0  # [s] of the first burst
SETTLED = 5.5  # [-] time constants after which the mean is within 0.5 % of its mean over a period
TOLERANCE = 0.01  # [-] of the mean rise
CLEAR = 0.7  # [-] share of the limit that a spread must be below, to be sure of the return
SOURCE = "geometric series of the rises of single bursts, each of which decays with C/H (1 + phi)"


class BurstTrainParams(Parameters):
    """Parameters of `burst-train`."""

    energy: float = quantity(5e4, unit="J", low=1.0, high=1e8, description="Energy of each burst")
    period: float = quantity(120.0, unit="s", low=20.0, high=600.0, description="Time from one burst to the next")
    duration: float = quantity(5.0, unit="s", low=1.0, high=60.0, description="Length of each burst")
    radius: float = quantity(0.06, unit="m", low=0.02, high=0.2, description="Standard deviation of the bursts")
    thickness: float = quantity(0.01, unit="m", low=2e-3, high=0.02, description="Thickness of the plate")
    heat_transfer_coefficient: float = quantity(
        50.0, unit="W/(m2 K)", low=20.0, high=200.0, description="Film on both large faces"
    )
    deviation_limit: float = quantity(
        50.0, unit="K", low=0.1, high=1e4, description="Distance from the mean above which the lumped model is left"
    )

    @model_validator(mode="after")
    def _require_gaps(self) -> Self:
        if not self.duration < self.period:
            raise ValueError("duration must be shorter than period")
        return self


class BurstTrainScenario:
    """The scenario `burst-train`."""

    name = "burst-train"
    title = "Train of bursts in a cooled plate"
    description = (
        "Equal heat bursts strike the centre of an aluminium plate that films cool on both faces. With J = E/C and "
        "x = exp(-p/tau), tau = C/H, the mean rise settles to a saw tooth between J x/(1 - x) and J/(1 - x) with the "
        "mean E/(p H). The lumped model is left at each burst and returns in between, at most once in a dwell."
    )
    params_model: type[BaseModel] = BurstTrainParams
    axes: tuple[int, ...] = (2,)
    cells: tuple[int, ...] = (128, 128)

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """A plate with films on both faces."""
        train = cast("BurstTrainParams", params)
        require_cells(self, cells)
        return {
            "case": make_plate(ALUMINIUM, train.thickness, cells, train.heat_transfer_coefficient),
            "structure": {"reference_temperature": AMBIENT, "ultimate_ratio": 1e6},
            "fidelity": {"deviation_k": train.deviation_limit},
        }

    def timing(self, params: BaseModel) -> Timing:
        """Tick, pace and length."""
        train = cast("BurstTrainParams", params)
        return Timing(TICK, RATE, START + count_bursts(train) * whole_period(train))

    def events(self, params: BaseModel) -> Sequence[Json]:
        """The bursts."""
        train = cast("BurstTrainParams", params)
        event = {
            "kind": "burst",
            "position_m": [0.5 * train.thickness, CENTRE, CENTRE],
            "radius_m": train.radius,
            "energy_j": train.energy,
            "duration_s": train.duration,
        }
        period = whole_period(train)
        return [{"event": event, "at_s": START + number * period} for number in range(count_bursts(train))]

    def rules(self, params: BaseModel) -> Sequence[Json]:
        """The mean at 80 % of its settled rise, and the hot spot of each burst."""
        train = cast("BurstTrainParams", params)
        mean = find_mean_rise(train)
        peak = train.energy / (ALUMINIUM.capacity * train.thickness * 2.0 * math.pi * train.radius**2)
        return [
            {
                "name": "warm-plate",
                "metric": "mean",
                "raise": AMBIENT + 0.8 * mean,
                "clear": AMBIENT + 0.5 * mean,
                "for_s": whole_period(train),
                "severity": "medium",
                "summary": "The plate has stayed above 80 % of its settled mean rise for a period",
            },
            {
                "name": "hot-spot",
                "metric": "highest",
                "raise": AMBIENT + 0.5 * peak,
                "clear": AMBIENT + 0.25 * peak,
                "severity": "low",
                "summary": "A burst heats the centre",
            },
        ]

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """Mean and bounds of the settled saw tooth, and the models of the last period."""
        train = cast("BurstTrainParams", params)
        period, last = whole_period(train), self.timing(params).length_s
        step = train.energy / _slab(train).capacity
        left = math.exp(-period / _slab(train).time_constant)
        low, high, mean = AMBIENT + step * left / (1.0 - left), AMBIENT + step / (1.0 - left), find_mean_rise(train)
        slack = TOLERANCE * mean
        found = [
            Expectation("mean", last, AMBIENT + mean, slack, f"E/(p H): {SOURCE}", "average", last - period),
            Expectation("mean", last - period, low, slack, f"J x/(1 - x): {SOURCE}", compare="at_least"),
            Expectation("mean", last, low, slack, f"J x/(1 - x): {SOURCE}", compare="at_least"),
        ]
        after = last - period + TICK * round(max(TICK, train.duration) / TICK)
        found.append(Expectation("mean", after, high, slack, f"J/(1 - x): {SOURCE}", compare="at_most"))
        limit, model = train.deviation_limit, "the limit of the distance from the mean, and half of it for the return"
        if find_spread(train, 0.0) * CLEAR > limit:
            found += [Expectation("model", time, "lumped", 0.0, model) for time in (TICK, START)]
            found.append(Expectation("model", START + TICK, "diffusive", 0.0, model))
            found.append(Expectation("model", last - period + TICK, "diffusive", 0.0, model))
            if find_spread(train, period - 2.0 * RETURN_WAIT) < CLEAR * 0.5 * limit:
                found.append(Expectation("model", last - period, "lumped", 0.0, model))
                found.append(Expectation("model", last, "lumped", 0.0, model))
        return found


RETURN_WAIT = 8.0 * TICK  # [s] between two looks at whether the lumped model may return


def whole_period(train: BurstTrainParams) -> float:
    """The period in whole ticks [s]."""
    return round(train.period / TICK) * TICK


def count_bursts(train: BurstTrainParams) -> int:
    """Bursts until the mean has settled, and one period more."""
    return math.ceil(SETTLED * _slab(train).time_constant / whole_period(train)) + 1


def find_mean_rise(train: BurstTrainParams) -> float:
    """Mean over a period of the settled rise, (1 + phi) E/(p H) [K]."""
    return _slab(train).mean(train.energy / whole_period(train)) - AMBIENT


def find_spread(train: BurstTrainParams, time: float) -> float:
    """Distance of the centre from the mean so long after the end of a burst of a settled train, about [K]."""
    slab, total = _slab(train), 0.0
    for number in range(count_bursts(train)):
        age = time + number * whole_period(train)
        area = 2.0 * math.pi * (train.radius**2 + 2.0 * ALUMINIUM.diffusivity * age)
        density = max(0.0, 1.0 / area - 1.0 / SIDE**2)
        total += train.energy / slab.capacity * math.exp(-age / slab.time_constant) * density
    return total


def _slab(train: BurstTrainParams) -> Slab:
    return Slab(ALUMINIUM, train.thickness, train.heat_transfer_coefficient)
