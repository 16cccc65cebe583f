"""Small scenes for the tests of live runs."""

from typing import Any

from grid.engine.live.scene import Scene

STEEL = {"conductivity": 50.0, "density": 7800.0, "specific_heat": 470.0}
FILM = {"type": "convection", "coefficient": 20.0, "ambient": 290.0}
HELD = {"type": "temperature", "value": 310.0}
RADIATING = {"type": "radiation", "emissivity": 0.8, "surroundings": 280.0}


def make_plate(cells: tuple[int, ...] = (24, 20), **changes: Any) -> Scene:
    """A steel plate of 1 m, as thick as its section: 10 mm in 2D."""
    size = [1.0, 0.8, 0.5][: len(cells)]
    domain = {"size": size, "section": 0.01 if len(cells) < 3 else 1.0}
    case = {
        "domain": domain,
        "material": STEEL,
        "initial": 300.0,
        "boundaries": {},
        "resolution": {"cells": list(cells)},
        "temperature_unit": "K",
    }
    return Scene.from_json({"case": case | changes})


def make_two_materials(**changes: Any) -> Scene:
    """Copper beside steel, with a hole."""
    material = [
        {**STEEL, "where": {"expression": "x < 0.5"}},
        {"conductivity": 400.0, "density": 8900.0, "specific_heat": 385.0, "where": {"expression": "x >= 0.5"}},
    ]
    domain = {"size": [1.0, 0.8], "section": 0.01, "active": {"expression": "(x - 0.3)**2 + (y - 0.3)**2 > 0.01"}}
    given: dict[str, Any] = {"material": material, "domain": domain, "boundaries": {"y_min": FILM, "internal": FILM}}
    return make_plate(**given | changes)
