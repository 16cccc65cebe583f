"""`burst`: a Gaussian heat burst in an insulated steel plate."""

import math
from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from grid.plugins.builtin.parameters import Parameters, quantity
from grid.plugins.builtin.scenarios.bodies import AMBIENT, CENTRE, SIDE, STEEL, Json, make_plate
from grid.plugins.builtin.scenarios.closed_forms import bisect
from grid.schemas.scenarios import Expectation, Timing, require_cells

TICK, RATE = 1.0, 15.0  # [s], [1/s]
START = 40.0  # [s] of the burst: what the lumped model needs for it takes 32 ticks
LENGTH = 900.0  # [s]
MARGIN = 1.15  # [-] on the time at which the plate is even enough again, and so on its inverse
FREE = 4.0  # [-] diffusion lengths sqrt(a t) from the edge within which the plate counts as endless
TOLERANCE = 5e-3  # [-] of the rise
SOURCE = "Green's function of an endless plate: H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids, section 10.3"


class BurstParams(Parameters):
    """Parameters of `burst`."""

    power: float = quantity(800.0, unit="W", low=1.0, high=1e6, description="Power of the burst")
    radius: float = quantity(0.05, unit="m", low=0.02, high=0.2, description="Standard deviation of the burst")
    duration: float = quantity(60.0, unit="s", low=1.0, high=300.0, description="Length of the burst")
    thickness: float = quantity(0.01, unit="m", low=1e-3, high=0.05, description="Thickness of the plate")
    stress_limit: float = quantity(
        8e7, unit="Pa", low=1e5, high=1e9, description="Thermal stress above which the lumped model is left"
    )


class BurstScenario:
    """The scenario `burst`."""

    name = "burst"
    title = "Heat burst in a plate"
    description = (
        "A Gaussian heat source acts for a while at the centre of an insulated steel plate of 1 m x 1 m. Its centre "
        "warms with the logarithm of time, then cools as the heat spreads, while the edge notices nothing. The even "
        "plate is advanced by the lumped model, the burst by the diffusive one, and the lumped model returns once the "
        "thermal stress has fallen to half of its limit (Carslaw and Jaeger, Conduction of Heat in Solids, section "
        "10.3)."
    )
    params_model: type[BaseModel] = BurstParams
    axes: tuple[int, ...] = (2,)
    cells: tuple[int, ...] = (128, 128)

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """An insulated plate, with limits of stress."""
        burst = cast("BurstParams", params)
        require_cells(self, cells)
        return {
            "case": make_plate(STEEL, burst.thickness, cells, 0.0),
            "structure": {"reference_temperature": AMBIENT, "ultimate_ratio": 1e6},
            "fidelity": {"stress_pa": burst.stress_limit},
        }

    def timing(self, params: BaseModel) -> Timing:  # noqa: ARG002 - the same for all
        """Tick, pace and length."""
        return Timing(TICK, RATE, LENGTH)

    def events(self, params: BaseModel) -> Sequence[Json]:
        """The burst."""
        burst = cast("BurstParams", params)
        event = {
            "kind": "burst",
            "position_m": [0.5 * burst.thickness, CENTRE, CENTRE],
            "radius_m": burst.radius,
            "power_w": burst.power,
            "duration_s": _whole_duration(burst),
        }
        return [{"event": event, "at_s": START}]

    def rules(self, params: BaseModel) -> Sequence[Json]:
        """Half of the peak of the default burst, and the yield stress."""
        burst = cast("BurstParams", params)
        peak = rise_at_centre(burst, _whole_duration(burst))
        return [
            {
                "name": "hot-spot",
                "metric": "highest",
                "raise": AMBIENT + 0.5 * peak,
                "clear": AMBIENT + 0.25 * peak,
                "severity": "medium",
                "summary": "The burst has reached half of its expected peak",
            },
            {
                "name": "near-yield",
                "metric": "utilisation",
                "raise": 0.8,
                "clear": 0.6,
                "severity": "high",
                "summary": "The thermal stress is above 80 % of the yield stress",
            },
        ]

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """Temperature of the centre, and the model before, during and after the burst."""
        burst = cast("BurstParams", params)
        length, centre = _whole_duration(burst), (0.5 * burst.thickness, CENTRE, CENTRE)
        edge = (0.5 * SIDE / FREE) ** 2 / STEEL.diffusivity
        found = [
            Expectation("temperature", START + time, AMBIENT + rise, TOLERANCE * rise, SOURCE, at=centre)
            for time in (math.ceil(0.5 * length), length, 2.0 * length, 5.0 * length)
            if time < min(edge, LENGTH - START) and (rise := rise_at_centre(burst, time)) > 0.0
        ]
        return found + _expect_models(burst, length, edge)


def rise_at_centre(burst: BurstParams, time: float) -> float:
    """Rise of the centre of an endless plate so long after the begin of the burst [K].

    P/(4 pi k d) ln((s^2 + 2 a t) / (s^2 + 2 a (t - t1))), with t - t1 = 0 while the burst lasts.
    """
    spread, after = burst.radius**2, max(0.0, time - _whole_duration(burst))
    scale = burst.power / (4.0 * math.pi * STEEL.conductivity * burst.thickness)
    step = 2.0 * STEEL.diffusivity
    return scale * math.log((spread + step * time) / (spread + step * after))


def _whole_duration(burst: BurstParams) -> float:
    """The length in whole ticks, so that the power is the one that was asked for [s]."""
    return max(TICK, round(burst.duration / TICK) * TICK)


def _expect_models(burst: BurstParams, length: float, edge: float) -> list[Expectation]:
    """Lumped before the burst, diffusive from its tick on, lumped again when the stress has fallen."""
    mean = burst.power * length / (STEEL.capacity * burst.thickness * SIDE**2)
    limit = burst.stress_limit / STEEL.stress_per_kelvin
    source = "the limit of stress over E alpha / (1 - nu), and half of it for the return"
    if rise_at_centre(burst, TICK) < limit < 2.0 * rise_at_centre(burst, length) and limit > 4.0 * mean:
        # what the burst would reach is weighed before it begins, however short it is
        back = bisect(lambda time: 0.5 * limit - (rise_at_centre(burst, time) - mean), length, edge)
        found = [Expectation("model", START, "lumped", 0.0, source)]
        found.append(Expectation("model", START + TICK, "diffusive", 0.0, source))
        if length < back / MARGIN and MARGIN * back < min(edge, LENGTH - START):
            found.append(Expectation("model", START + back / MARGIN, "diffusive", 0.0, source))
            found.append(Expectation("model", START + MARGIN * back, "lumped", 0.0, source))
        return found
    return []
