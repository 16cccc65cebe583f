"""`hot-spot-drift`: a heat source that moves through a steel plate cooled on both faces."""

import math
from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from grid.plugins.builtin.parameters import Parameters, quantity
from grid.plugins.builtin.scenarios.bodies import AMBIENT, CENTRE, STEEL, Json, make_plate, round_tick
from grid.plugins.builtin.scenarios.closed_forms import moving_gaussian
from grid.schemas.scenarios import Expectation, Timing, require_cells

RATE = 40.0  # [1/s]
CALM = 40  # [-] ticks before the source begins
FIRST, LAST = 0.2, 0.8  # [m] of the path along y, at the middle of z
FINEST = 1.0 / 1024.0  # [m] spacing along the path down to which a tick moves the source by half a cell at most
LONGEST_TICK = 1.0  # [s]
SETTLED = 6.0  # [-] relaxation times of the moving frame after which the field around the source is steady
TOLERANCE = 0.03  # [-] of the rise
NEAR, FAR = 3.0, 10.0  # [-] radii from the centre between which the rise is compared
LEAST = 0.02  # [-] of the scale P/(2 pi k d), of rises that are compared
SOURCE = "D. Rosenthal, Trans. ASME 68 (1946) 849, for a Gaussian source (closed_forms.moving_gaussian)"


class HotSpotDriftParams(Parameters):
    """Parameters of `hot-spot-drift`."""

    power: float = quantity(150.0, unit="W", low=1.0, high=1e5, description="Power of the source")
    speed: float = quantity(5e-4, unit="m/s", low=5e-5, high=2e-3, description="Speed of the source")
    radius: float = quantity(0.015, unit="m", low=5e-3, high=0.1, description="Standard deviation of the source")
    thickness: float = quantity(0.01, unit="m", low=1e-3, high=0.02, description="Thickness of the plate")
    heat_transfer_coefficient: float = quantity(
        50.0, unit="W/(m2 K)", low=5.0, high=500.0, description="Film on both large faces"
    )


class HotSpotDriftScenario:
    """The scenario `hot-spot-drift`."""

    name = "hot-spot-drift"
    title = "Hot spot that drifts through a plate"
    description = (
        "A Gaussian heat source moves at constant speed through a steel plate of 1 m x 1 m that films cool on both "
        "faces. After a few relaxation times the temperature around it is steady in its own frame: steep ahead, with a "
        "long wake behind. The field is Rosenthal's of the welder's arc, P/(2 pi k d) exp(-v xi/2a) K0(beta r), with "
        "the Gaussian's width accounted for (Trans. ASME 68, 1946)."
    )
    params_model: type[BaseModel] = HotSpotDriftParams
    axes: tuple[int, ...] = (2,)
    cells: tuple[int, ...] = (128, 128)

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """A plate with films on both faces."""
        drift = cast("HotSpotDriftParams", params)
        require_cells(self, cells)
        return {
            "case": make_plate(STEEL, drift.thickness, cells, drift.heat_transfer_coefficient),
            "structure": {"reference_temperature": AMBIENT, "ultimate_ratio": 1e6},
            "fidelity": {"deviation_k": 10.0},
        }

    def timing(self, params: BaseModel) -> Timing:
        """Tick, pace and length."""
        drift = cast("HotSpotDriftParams", params)
        tick = round_tick(min(LONGEST_TICK, 0.5 * FINEST / drift.speed))
        return Timing(tick, RATE, CALM * tick + _travel(drift, tick))

    def events(self, params: BaseModel) -> Sequence[Json]:
        """The source."""
        drift, timing = cast("HotSpotDriftParams", params), self.timing(params)
        event = {
            "kind": "burst",
            "position_m": [0.5 * drift.thickness, FIRST, CENTRE],
            "velocity_m_s": [0.0, drift.speed, 0.0],
            "radius_m": drift.radius,
            "power_w": drift.power,
            "duration_s": _travel(drift, timing.tick_s),
        }
        return [{"event": event, "at_s": CALM * timing.tick_s}]

    def rules(self, params: BaseModel) -> Sequence[Json]:
        """A rise of half of the scale P/(2 pi k d)."""
        rise = find_scale(cast("HotSpotDriftParams", params))
        return [
            {
                "name": "hot-spot",
                "metric": "highest",
                "raise": AMBIENT + 0.5 * rise,
                "clear": AMBIENT + 0.25 * rise,
                "for_s": 10.0,
                "severity": "high",
                "summary": "The moving source keeps a spot of the plate hot",
            }
        ]

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """Temperatures behind and beside the source once its frame is steady, and the models around its begin."""
        drift, timing = cast("HotSpotDriftParams", params), self.timing(params)
        start = CALM * timing.tick_s
        nu, loss = 0.5 * drift.speed / STEEL.diffusivity, find_loss(drift)
        settled = SETTLED / (STEEL.diffusivity * (nu * nu + loss))
        time = timing.tick_s * math.floor(0.9 * _travel(drift, timing.tick_s) / timing.tick_s)
        model = "a source that moves has no shape, so the lumped model is left when it begins"
        found = [
            Expectation("model", start, "lumped", 0.0, model),
            Expectation("model", start + timing.tick_s, "diffusive", 0.0, model),
        ]
        if time < settled:
            return found
        y = FIRST + drift.speed * time
        for along, across in ((-1.0, 0.0), (0.0, 1.0), (-0.6, 0.8)):
            for distance in (1.1 * NEAR, 0.5 * (NEAR + FAR), 0.95 * FAR):
                xi, eta = along * distance * drift.radius, across * distance * drift.radius
                rise = find_rise(drift, xi, eta)
                place = (0.5 * drift.thickness, y + xi, CENTRE + eta)
                is_inside = place[1] > 0.1 and 0.1 < place[2] < 0.9  # away from the edges
                if rise > LEAST * find_scale(drift) and is_inside:
                    found.append(
                        Expectation("temperature", start + time, AMBIENT + rise, TOLERANCE * rise, SOURCE, at=place)
                    )
        return found


def find_scale(drift: HotSpotDriftParams) -> float:
    """P/(2 pi k d) [K]."""
    return drift.power / (2.0 * math.pi * STEEL.conductivity * drift.thickness)


def find_loss(drift: HotSpotDriftParams) -> float:
    """Films of both faces over k d [1/m2]."""
    return 2.0 * drift.heat_transfer_coefficient / (STEEL.conductivity * drift.thickness)


def find_rise(drift: HotSpotDriftParams, along: float, across: float) -> float:
    """Steady rise at a place from the centre of the source [K]."""
    return moving_gaussian(
        along, across, power=drift.power, radius=drift.radius, speed=drift.speed, thickness=drift.thickness,
        conductivity=STEEL.conductivity, diffusivity=STEEL.diffusivity, loss=find_loss(drift),
    )  # fmt: skip


def _travel(drift: HotSpotDriftParams, tick: float) -> float:
    """Length of the path in whole ticks, which end within it [s]."""
    return tick * math.floor((LAST - FIRST) / drift.speed / tick)
