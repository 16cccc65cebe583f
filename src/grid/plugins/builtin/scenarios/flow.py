"""`flow`: a heat flux through a steel wall to a film on its other side."""

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from grid.plugins.builtin.parameters import Parameters, quantity
from grid.plugins.builtin.scenarios.bodies import AMBIENT, STEEL, Json, make_film, make_slab, round_tick
from grid.plugins.builtin.scenarios.closed_forms import find_slowest_root
from grid.schemas.scenarios import Expectation, Timing, require_cells

RATE = 30.0  # [1/s]
TICKS = 80.0  # [-] ticks of the slowest time constant at least
CONSTANTS = 18.0  # [-] slowest time constants of the show: exp(-18) is 1.5e-8
CALM = 40  # [-] ticks before the flux begins
STEADY = 1e-6  # [-] of the span
RATE_TOLERANCE = 0.01  # [-]
SOURCE = "H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids, section 3.11"


class FlowParams(Parameters):
    """Parameters of `flow`."""

    heat_flux: float = quantity(5e4, unit="W/m2", low=10.0, high=1e7, description="Heat flux into the left side")
    length: float = quantity(0.05, unit="m", low=5e-3, high=1.0, description="Thickness of the wall")
    heat_transfer_coefficient: float = quantity(
        500.0, unit="W/(m2 K)", low=5.0, high=1e5, description="Film on the right side"
    )


class FlowScenario:
    """The scenario `flow`."""

    name = "flow"
    title = "Heat flow through a wall"
    description = (
        "A constant heat flux enters one side of a steel wall, and a film cools the other. The temperature rises with "
        "the slowest time constant of the wall, L^2 / (a z^2) with z tan z = h L / k, to a straight line from one side "
        "to the other. In two and three dimensions nothing changes along the wall (Carslaw and Jaeger, Conduction of "
        "Heat in Solids, section 3.11)."
    )
    params_model: type[BaseModel] = FlowParams
    axes: tuple[int, ...] = (1, 2, 3)
    cells: tuple[int, ...] = (128, 128)

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """A wall with a film on its right side."""
        flow = cast("FlowParams", params)
        require_cells(self, cells)
        faces = {"x_max": make_film(flow.heat_transfer_coefficient)}
        return {
            "case": make_slab(STEEL, flow.length, cells, faces),
            "structure": {"reference_temperature": AMBIENT, "ultimate_ratio": 1e6},
            "fidelity": {"deviation_k": 10.0},
        }

    def timing(self, params: BaseModel) -> Timing:
        """Tick, pace and length."""
        constant = find_time_constant(cast("FlowParams", params))
        tick = round_tick(constant / TICKS)
        return Timing(tick, RATE, CALM * tick + CONSTANTS * constant)

    def events(self, params: BaseModel) -> Sequence[Json]:
        """The flux, which lasts longer than the show."""
        flow, timing = cast("FlowParams", params), self.timing(params)
        event = {"kind": "flow", "face": "x_min", "heat_flux_w_m2": flow.heat_flux, "duration_s": 10 * timing.length_s}
        return [{"event": event, "at_s": CALM * timing.tick_s}]

    def rules(self, params: BaseModel) -> Sequence[Json]:
        """90 % of the rise of the hot side."""
        flow = cast("FlowParams", params)
        rise = find_end(flow, 0.0) - AMBIENT
        return [
            {
                "name": "hot-side",
                "metric": "highest",
                "raise": AMBIENT + 0.9 * rise,
                "clear": AMBIENT + 0.8 * rise,
                "severity": "medium",
                "summary": "The hot side has reached 90 % of its steady rise",
            }
        ]

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """The steady profile at the end, and the slowest rate on the way to it."""
        flow, timing = cast("FlowParams", params), self.timing(params)
        start, constant = CALM * timing.tick_s, find_time_constant(flow)
        span = find_end(flow, 0.0) - AMBIENT
        steady = f"T = T_a + q/h + q (L - x)/k: {SOURCE}"
        found = [
            Expectation("temperature", timing.length_s, find_end(flow, x), STEADY * span, steady, at=(x,))
            for x in (0.0, 0.25 * flow.length, 0.5 * flow.length, flow.length)
        ]
        found.append(
            Expectation(
                "temperature", start + 4.0 * constant, 1.0 / constant, RATE_TOLERANCE / constant,
                f"a z^2 / L^2 with z tan z = h L / k: {SOURCE}", "decay_rate", start + 2.0 * constant,
                find_end(flow, 0.0), at=(0.0,),
            )
        )  # fmt: skip
        return found


def find_time_constant(flow: FlowParams) -> float:
    """The slowest one, L^2 / (a z^2) [s]."""
    root = find_slowest_root(flow.heat_transfer_coefficient * flow.length / STEEL.conductivity)
    return (flow.length / root) ** 2 / STEEL.diffusivity


def find_end(flow: FlowParams, x: float) -> float:
    """Steady temperature at a place [degC]."""
    within = (flow.length - x) / STEEL.conductivity
    return AMBIENT + flow.heat_flux * (1.0 / flow.heat_transfer_coefficient + within)
