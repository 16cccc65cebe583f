"""Problems over the territory of all methods, small enough that most of them can be run by most methods."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grid.engine import HeatProblem

LAYERS = {"expression": "where((x > 0.3) & (x < 0.6), 0.01, 1)"}  # conductivity


@dataclass(frozen=True)
class Territory:
    """A problem and how it is asked for.

    Args:
        name: What it stands for.
        make: The problem.
        tolerance: Of the time error.
        times: How many equal times are asked for.
    """

    name: str
    make: Callable[[], HeatProblem]
    tolerance: float = 1e-3
    times: int = 1


def _box(
    cells: tuple[int, ...],
    end: float,
    *,
    material: Mapping[str, Any] | None = None,
    left: object = 1.0,
    **more: Any,
) -> HeatProblem:
    """A unit box that starts at 0, held at `left` on one side and cooled by a film on the other."""
    case = {
        "domain": {"size": [1.0] * len(cells)},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0} | dict(material or {}),
        "initial": 0.0,
        "boundaries": {
            "x_min": {"type": "temperature", "value": left},
            "x_max": {"type": "convection", "coefficient": 2.0, "ambient": 0.0},
        },
        "resolution": {"cells": list(cells), "end_time": end},
    }
    return HeatProblem.from_case(case | more)


def _swinging(end: float) -> dict[str, str]:
    return {"expression": f"sin({20.0 / end!r}*t)"}


def _hot(cells: tuple[int, ...], end: float, *, is_radiating: bool = True, **material: Any) -> HeatProblem:
    """A body between 300 and 600 K, whose conductivity doubles over that range."""
    law = {"conductivity": {"expression": "1 + (T - 300)/300"}, "volumetric_heat_capacity": 1.0}
    loss = {"type": "radiation", "emissivity": 0.8, "surroundings": 300.0}
    return _box(
        cells, end, material=law | material, initial=300.0, temperature_unit="K",
        boundaries={"x_min": {"type": "temperature", "value": 600.0}} | ({"x_max": loss} if is_radiating else {}),
    )  # fmt: skip


HARD = {"conductivity": {"expression": "where((x - 0.5)**2 + (y - 0.5)**2 < 0.1, 0.001, 1)"}}
GRADED = {"conductivity": {"expression": "1 + 4*x*x + z"}}
TERRITORIES = (
    Territory("rod, homogeneous", lambda: _box((200,), 0.1)),
    Territory("rod, layered, long, 20 times", lambda: _box((1000,), 1.0, material={"conductivity": LAYERS}), times=20),
    Territory("rod, swinging load", lambda: _box((200,), 1.0, left=_swinging(1.0))),
    Territory("plate, homogeneous", lambda: _box((512, 512), 0.02), 1e-4),
    Territory("plate, homogeneous, a moment", lambda: _box((512, 512), 2e-5)),
    Territory("plate, inclusion", lambda: _box((384, 384), 0.1, material=HARD)),
    Territory("plate, inclusion, a moment", lambda: _box((512, 512), 1e-5, material=HARD), 1e-2),
    Territory("plate, inclusion, very long", lambda: _box((256, 256), 20.0, material=HARD)),
    Territory("plate, inclusion, 20 times", lambda: _box((200, 200), 0.2, material=HARD), times=20),
    Territory("plate, inclusion, swinging", lambda: _box((200, 200), 0.2, material=HARD, left=_swinging(0.2))),
    Territory("plate, radiating", lambda: _hot((128, 128), 0.1)),
    Territory("plate, heat capacity of T", lambda: _hot(
        (64, 64), 0.1, volumetric_heat_capacity={"expression": "1 + T/600"})),
    Territory("box, graded", lambda: _box((48, 48, 48), 0.05, material=GRADED)),
    Territory("box, graded, swinging", lambda: _box((40, 40, 40), 0.1, material=GRADED, left=_swinging(0.1))),
    Territory("box, conductivity of T", lambda: _hot((24, 24, 24), 0.05, is_radiating=False)),
)  # fmt: skip
