"""`cascade`: aluminium modules that take over the load of a neighbour that fails."""

import math
from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from grid.plugins.builtin.parameters import Parameters, Whole, quantity
from grid.plugins.builtin.scenarios.bodies import ALUMINIUM, AMBIENT, SIDE, Json, make_plate, round_tick
from grid.plugins.builtin.scenarios.slab import Slab
from grid.schemas.scenarios import Expectation, Timing, require_cells

RATE = 30.0  # [1/s]
TICKS = 200.0  # [-] ticks of the time constant at least
CONSTANTS = 4.0  # [-] time constants of the show
CALM = 10  # [-] ticks before the overload
FACTOR = 3.0  # [-] load of the overloaded module in all, over its own
CRITICAL = 1.25  # [-] capacity above which the four neighbours survive: each gets a quarter of a load more
TOLERANCE = 0.05  # [-] of the time from the first failure to those of the neighbours
NEARLY = 0.06  # [-] distance of the capacity from the critical one within which nothing is expected
SOURCE = "fibre bundle with local load sharing: S. Sinha, J. T. Kjellstadli, A. Hansen, arXiv:1501.02489"


class CascadeParams(Parameters):
    """Parameters of `cascade`."""

    regions: Whole = quantity(8, unit="1", low=3, high=32, description="Modules along each side of the board")
    power: float = quantity(100.0, unit="W", low=0.1, high=1e5, description="Load of each module")
    capacity: float = quantity(
        1.15, unit="1", low=1.02, high=2.0, description="Rise at which a module fails, over its rise under its load"
    )
    thickness: float = quantity(0.01, unit="m", low=2e-3, high=0.02, description="Thickness of the modules")
    heat_transfer_coefficient: float = quantity(
        50.0, unit="W/(m2 K)", low=10.0, high=200.0, description="Film on both large faces"
    )
    seam_conductance: float = quantity(
        0.5, unit="W/(m2 K)", low=1e-6, high=100.0, description="Conductance of the seams between modules"
    )


class CascadeScenario:
    """The scenario `cascade`."""

    name = "cascade"
    title = "Cascade of failing modules"
    description = (
        "A board of equal modules, each with a load that heats it and a temperature at which it fails; the load of a "
        "failed module goes to its neighbours in equal parts. One module is overloaded until it fails, so its four "
        "neighbours get 5/4 of their loads: with a capacity g below 5/4 of the rise they fail tau ln((1/4)/(5/4 - g)) "
        "later and the rest follows, above it one failure is all. It is a fibre bundle with local load sharing (Sinha, "
        "Kjellstadli and Hansen, arXiv:1501.02489), with the modules' heat as its memory."
    )
    params_model: type[BaseModel] = CascadeParams
    axes: tuple[int, ...] = (2,)
    cells: tuple[int, ...] = (128, 128)

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """A board at its steady state under the loads; the grid is a whole multiple of the modules."""
        cascade = cast("CascadeParams", params)
        require_cells(self, cells, cascade.regions)
        seams = [
            {"axis": axis, "position": SIDE * number / cascade.regions, "conductance": cascade.seam_conductance}
            for axis in ("y", "z")
            for number in range(1, cascade.regions)
        ]
        rise = find_rise(cascade)
        case = make_plate(
            ALUMINIUM, cascade.thickness, cells, cascade.heat_transfer_coefficient, initial=AMBIENT + rise,
            contacts=seams,
        )  # fmt: skip
        structure = {
            "reference_temperature": AMBIENT,
            "ultimate_ratio": 1e6,
            "regions": {"tiles": [1, cascade.regions, cascade.regions], "load_w": cascade.power},
            "capacity": {"mean_temperature": AMBIENT + cascade.capacity * rise},
            "sharing": "local",
        }
        return {"case": case, "structure": structure}

    def timing(self, params: BaseModel) -> Timing:
        """Tick, pace and length."""
        constant = find_time_constant(cast("CascadeParams", params))
        return Timing(round_tick(constant / TICKS), RATE, CONSTANTS * constant)

    def events(self, params: BaseModel) -> Sequence[Json]:
        """Heat on top of the load of the module in the middle, which ends when the module fails and moves nowhere."""
        cascade, timing = cast("CascadeParams", params), self.timing(params)
        middle = cascade.regions // 2
        event = {
            "kind": "overload",
            "power_w": (FACTOR - 1.0) * cascade.power,
            "region": {"name": f"tile-0-{middle}-{middle}"},
        }
        return [{"event": event, "at_s": CALM * timing.tick_s}]

    def rules(self, params: BaseModel) -> Sequence[Json]:
        """The first failed module, and a quarter of them."""
        count = cast("CascadeParams", params).regions ** 2
        return [
            {
                "name": "module-failed",
                "metric": "failed_regions",
                "raise": 0.5,
                "clear": 0.0,
                "severity": "high",
                "summary": "A module has failed",
            },
            {
                "name": "cascade",
                "metric": "failed_regions",
                "raise": 0.25 * count,
                "clear": 0.0,
                "severity": "critical",
                "runbook": "shed-load",
                "summary": "A quarter of the modules have failed",
            },
        ]

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """The first failure, that of the four neighbours, and how many fail in the end."""
        cascade, timing = cast("CascadeParams", params), self.timing(params)
        if abs(cascade.capacity - CRITICAL) < NEARLY:
            return []
        constant, tick = find_time_constant(cascade), timing.tick_s
        first = CALM * tick + find_first_failure(cascade)
        slack = TOLERANCE * find_first_failure(cascade) + tick
        found = [
            Expectation(
                "failed_regions", timing.length_s, first, slack, f"t = tau ln(2/(3 - g)): {SOURCE}", "first_time",
                level=1.0,
            )
        ]  # fmt: skip
        if cascade.capacity > CRITICAL:
            end = f"g > 5/4: one fails: {SOURCE}"
            return [*found, Expectation("failed_regions", timing.length_s, 1.0, 0.0, end)]
        wait = constant * math.log((CRITICAL - 1.0) / (CRITICAL - cascade.capacity))
        total = cascade.regions**2
        found.append(
            Expectation(
                "failed_regions", timing.length_s, first + wait, TOLERANCE * wait + slack,
                f"t = tau ln((1/4)/(5/4 - g)) after the first: {SOURCE}", "first_time", level=5.0,
            )
        )  # fmt: skip
        end = f"g < 5/4: all fail, and all load is shed: {SOURCE}"
        found.append(Expectation("failed_regions", timing.length_s, float(total), 0.0, end))
        load = total * cascade.power
        found.append(Expectation("shed_w", timing.length_s, load, 1e-12 * load, end))
        return found


def _module(cascade: CascadeParams) -> Slab:
    """A module, for each square metre of it."""
    return Slab(ALUMINIUM, cascade.thickness, cascade.heat_transfer_coefficient)


def find_time_constant(cascade: CascadeParams) -> float:
    """Of a module [s]."""
    return _module(cascade).time_constant


def find_rise(cascade: CascadeParams) -> float:
    """Steady rise of a module under its load [K]."""
    return _module(cascade).mean(cascade.power * (cascade.regions / SIDE) ** 2) - AMBIENT


def find_first_failure(cascade: CascadeParams) -> float:
    """Time from the overload to the failure of the module, whose rise goes from 1 to 3 of its own [s]."""
    return find_time_constant(cascade) * math.log((FACTOR - 1.0) / (FACTOR - cascade.capacity))
