"""Small scenes that the method `implicit` alone computes."""

from typing import Any

from tests.unit.engine.live.scenes import FILM, RADIATING, make_plate

from grid.engine.live.scene import Scene

DENSE = {"density": 7800.0, "specific_heat": 470.0}
FALLING = {"table": [[200.0, 60.0], [300.0, 50.0], [400.0, 35.0], [900.0, 20.0]], "of": "T"}
RISING = {"table": [[200.0, 400.0], [300.0, 470.0], [500.0, 600.0], [900.0, 900.0]], "of": "T"}
TENSOR = [[50.0, 20.0], [20.0, 30.0]]
HOT = {"type": "temperature", "value": 340.0}
MELTING = {"conductivity": 50.0, **DENSE, "melting_temperature": 310.0, "latent_heat": 2e4}
BY_PHASE = {
    "density": 7800.0, "melting_temperature": 310.0, "latent_heat": 2e4,
    "solid": {"conductivity": 50.0, "specific_heat": 470.0}, "liquid": {"conductivity": 30.0, "specific_heat": 520.0},
}  # fmt: skip
TWO = [
    {"conductivity": FALLING, **DENSE, "where": {"expression": "x < 0.5"}},
    {"conductivity": 400.0, "density": 8900.0, "specific_heat": 385.0, "where": {"expression": "x >= 0.5"}},
]
HOLE = {"size": [1.0, 0.8], "section": 0.01, "active": {"expression": "(x - 0.3)**2 + (y - 0.3)**2 > 0.01"}}
RING = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}

CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "conductivity": ((14, 10), {"material": {"conductivity": FALLING, **DENSE}, "boundaries": {"x_min": FILM}}),
    "capacity": (
        (14, 10), {"material": {"conductivity": FALLING, "density": 7800.0, "specific_heat": RISING},
                   "boundaries": {"x_min": RADIATING, "y_max": HOT}},
    ),
    "two materials": ((14, 10), {"material": TWO, "domain": HOLE, "boundaries": {"internal": FILM}}),
    "tensor": ((14, 10), {"material": {"conductivity": TENSOR, **DENSE}, "boundaries": {"x_min": FILM, "y_max": HOT}}),
    "front": ((40,), {"material": {"conductivity": 50.0, **DENSE}, "velocity": [0.02], "boundaries": {"x_min": HOT}}),
    "flow": (
        (14, 10), {"material": {"conductivity": 5.0, **DENSE}, "velocity": [0.01, -0.02], "boundaries": {"x_min": HOT}},
    ),
    "ring": ((14, 10), {"velocity": [0.02, 0.0], "boundaries": {**RING, "y_max": HOT}}),
    "block": ((6, 5, 4), {"material": {"conductivity": FALLING, **DENSE}, "boundaries": {"z_max": HOT}}),
    "melting": ((14, 10), {"material": MELTING, "boundaries": {"x_min": HOT}}),
    "phases": ((14, 10), {"material": BY_PHASE, "boundaries": {"x_min": HOT, "y_max": FILM}}),
    "melting rod": ((40,), {"material": MELTING, "boundaries": {"x_min": HOT}}),
    "glowing": ((10, 8), {"material": MELTING, "boundaries": {"x_min": {**RADIATING, "surroundings": 1200.0}}}),
}  # fmt: skip


def make_scene(name: str, cells: tuple[int, ...] | None = None, **changes: Any) -> Scene:
    """A scene by its name."""
    own, given = CASES[name]
    return make_plate(cells or own, **given | changes)
