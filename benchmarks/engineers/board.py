"""E4: a board of 200 x 200 x 6 cells with eight materials, its chips switched in steps; steady and transient.

Layers of 0.3 mm from below: copper plane with clearances, FR4 with fields of vias twice, traces, the solder of the
components, the components themselves. What no component fills in the upper two layers is not body.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.engineers import finite_volumes as fv
from benchmarks.engineers import stepping
from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.solvers import MakeSolver, multigrid
from benchmarks.engineers.stepping import Answer, System

MM = 1e-3
CELLS, SIZE = (200, 200, 6), (100.0, 100.0, 1.8)  # mm
LAYER = 0.3  # mm
AMBIENT, ABOVE, BELOW = 40.0, 25.0, 15.0  # degC, W/(m2 K)
END = 60.0
TIMES = (5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0)
TOLERANCE = 1e-3  # of the rise
MATERIALS: dict[str, tuple[float | tuple[float, float, float], float, float]] = {  # k, density, specific heat
    "fr4": ((0.81, 0.81, 0.29), 1900.0, 1150.0),
    "copper": (385.0, 8930.0, 385.0),
    "vias": ((0.95, 0.95, 21.0), 2300.0, 1000.0),
    "solder": (57.0, 7400.0, 220.0),
    "silicon": (120.0, 2330.0, 710.0),
    "mould": (0.9, 1850.0, 900.0),
    "alumina": (24.0, 3900.0, 880.0),
    "aluminium": (205.0, 2700.0, 900.0),
}
Box = tuple[float, float, float, float]  # x from, to, y from, to [mm]


@dataclass(frozen=True)
class Chip:
    """A component with its power.

    Args:
        box: Place on the board.
        material: Of its upper layer.
        steps: Time from which each power holds, and the power [s, W].
    """

    box: Box
    material: str
    steps: tuple[tuple[float, float], ...]


CHIPS = (
    Chip((20, 34, 20, 34), "silicon", ((0, 2.0), (20, 0.5), (40, 2.5))),
    Chip((60, 70, 20, 30), "silicon", ((0, 0.5), (10, 1.5), (30, 0.25))),
    Chip((20, 30, 60, 75), "mould", ((0, 0.4), (20, 0.1))),
    Chip((50, 58, 50, 58), "silicon", ((0, 0.0), (10, 1.25), (40, 0.75))),
    Chip((75, 90, 65, 80), "aluminium", ((0, 2.5), (30, 1.0))),
    Chip((42, 46, 80, 84), "alumina", ((0, 0.25), (20, 0.5))),
)
BREAKPOINTS = (10.0, 20.0, 30.0, 40.0)
IDLE: tuple[tuple[Box, str], ...] = (  # components without power
    ((80, 86, 40, 46), "alumina"),
    ((40, 44, 30, 34), "mould"),
    ((60, 72, 84, 92), "mould"),
    ((10, 14, 44, 48), "alumina"),
)
CLEARANCES: tuple[Box, ...] = ((36, 38, 0, 60), (64, 66, 40, 100), (0, 30, 50, 52))
TRACES: tuple[Box, ...] = (
    (10, 60, 26, 27), (26, 27, 34, 60), (34, 80, 24, 25.5), (65, 66, 30, 65), (54, 55, 10, 50), (58, 75, 54, 55),
    (30, 75, 70, 71.5), (44, 45, 55, 80), (80, 81.5, 5, 65), (10, 90, 95, 96), (90, 92, 10, 90), (8, 9, 10, 90),
)  # fmt: skip
VIAS: tuple[Box, ...] = ((22, 32, 22, 32), (61, 69, 21, 29), (77, 88, 67, 78), (51, 57, 51, 57))


def _inside(boxes: tuple[Box, ...]) -> str:
    parts = [f"((x > {a * MM:g}) & (x < {b * MM:g}) & (y > {c * MM:g}) & (y < {d * MM:g}))" for a, b, c, d in boxes]
    return "(" + " | ".join(parts) + ")"


def _between(low: int, high: int) -> str:
    return f"(z > {low * LAYER * MM:g}) & (z < {high * LAYER * MM:g})"


def _places() -> dict[str, tuple[Box, ...]]:
    """Components by the material of their upper layer."""
    boxes: dict[str, list[Box]] = {}
    for box, material in [*((chip.box, chip.material) for chip in CHIPS), *IDLE]:
        boxes.setdefault(material, []).append(box)
    return {material: tuple(found) for material, found in boxes.items()}


def regions() -> dict[str, str]:
    """Where each material is, as expressions; exactly one is true at each cell of the body."""
    coordinates = _places()
    everywhere = tuple(box for boxes in coordinates.values() for box in boxes)
    clear, traces, vias = _inside(CLEARANCES), _inside(TRACES), _inside(VIAS)
    plane, core, top = _between(0, 1), _between(1, 3), _between(3, 4)
    without = "where({}, 0, 1) > 0"
    return {
        "fr4": " | ".join(
            (
                f"(({plane}) & {clear})",
                f"(({core}) & ({without.format(vias)}))",
                f"(({top}) & ({without.format(traces)}))",
            )
        ),
        "copper": f"(({plane}) & ({without.format(clear)})) | (({top}) & {traces})",
        "vias": f"({core}) & {vias}",
        "solder": f"({_between(4, 5)}) & {_inside(everywhere)}",
        **{material: f"({_between(5, 6)}) & {_inside(boxes)}" for material, boxes in coordinates.items()},
    }


def _density(chip: Chip, power: float) -> float:
    a, b, c, d = chip.box
    return power / ((b - a) * (d - c) * LAYER * MM**3)


def _source(steady: bool) -> str:
    """Heat of the chips' upper layers [W/m3]: that of the last step where the steady state is asked."""
    terms = []
    for chip in CHIPS:
        text = f"{_density(chip, chip.steps[0][1]):.9g}"
        for time, power in chip.steps[1:]:
            text = f"where(t < {time:g}, {text}, {_density(chip, power):.9g})"
        if steady:
            text = f"{_density(chip, chip.steps[-1][1]):.9g}"
        terms.append(f"where(({_between(5, 6)}) & {_inside((chip.box,))}, {text}, 0)")
    return " + ".join(terms)


def case(*, steady: bool = False) -> dict[str, Any]:
    """The problem in the case format."""
    materials = []
    for name, where in regions().items():
        k, density, heat = MATERIALS[name]
        conductivity = list(k) if isinstance(k, tuple) else k
        materials.append(
            {"conductivity": conductivity, "density": density, "specific_heat": heat, "where": {"expression": where}}
        )
    everywhere = tuple(box for boxes in _places().values() for box in boxes)
    above, below = ({"type": "convection", "coefficient": film, "ambient": AMBIENT} for film in (ABOVE, BELOW))
    found: dict[str, Any] = {
        "dimension": 3,
        "steady": steady,
        "temperature_unit": "degC",
        "domain": {
            "coordinates": "cartesian",
            "size": [length * MM for length in SIZE],
            "active": {"expression": f"(z < {4 * LAYER * MM:g}) | {_inside(everywhere)}"},
        },
        "material": materials,
        "source_term": {"expression": _source(steady)},
        "boundaries": {
            "z_min": below,
            **{face: dict(above) for face in ("internal", "x_min", "x_max", "y_min", "y_max", "z_max")},
        },
        "resolution": {"cells": list(CELLS)},
    }
    if not steady:
        found |= {"initial": AMBIENT, "breakpoints": list(BREAKPOINTS)}
        found["resolution"]["end_time"] = END
    return found


def _mask(boxes: tuple[Box, ...], x: FloatArray, y: FloatArray) -> np.ndarray:
    out = np.zeros(x.shape, bool)
    for a, b, c, d in boxes:
        out |= (x > a) & (x < b) & (y > c) & (y < d)
    return out


def make_system(coarse: int = 1) -> System:
    """Cells and coefficients with array operations; `coarse` times larger cells along the board, for quick checks."""
    cells = (CELLS[0] // coarse, CELLS[1] // coarse, CELLS[2])
    size = tuple(length * MM for length in SIZE)
    x, y, z = fv.centres(size, cells)
    x, y, layer = x / MM, y / MM, np.floor(z / MM / LAYER).astype(int)
    coordinates = _places()
    everywhere = tuple(box for boxes in coordinates.values() for box in boxes)
    parts = _mask(everywhere, x, y)
    active = (layer < 4) | parts
    clear, traces, vias = (_mask(boxes, x, y) for boxes in (CLEARANCES, TRACES, VIAS))
    names = list(MATERIALS)
    material = np.full(cells, names.index("fr4"))
    material[((layer == 0) & ~clear) | ((layer == 3) & traces)] = names.index("copper")
    material[((layer == 1) | (layer == 2)) & vias] = names.index("vias")
    material[layer == 4] = names.index("solder")
    for name, boxes in coordinates.items():
        material[(layer == 5) & _mask(boxes, x, y)] = names.index(name)
    body, own = fv.make_body(active, size), material[active]
    tables = [np.broadcast_to(np.array(k), 3) for k, _, _ in MATERIALS.values()]
    k = np.stack([np.array([table[axis] for table in tables])[own] for axis in range(3)])
    capacity = np.array([density * heat for _, density, heat in MATERIALS.values()])[own] * body.volume
    outward = np.zeros(body.count)
    for name, faces in body.faces.items():
        outward += _film_of(faces, k, BELOW if name == "z_min" else ABOVE, body, size, cells)
    conduction = fv.matrix(body, fv.conductances(body, k), outward)
    shares = []
    for chip in CHIPS:
        place = ((layer == 5) & _mask((chip.box,), x, y))[active]
        shares.append(np.where(place, 1.0, 0.0) * body.volume * _density(chip, 1.0))
    air, share = outward * AMBIENT, np.stack(shares)
    return System(
        capacity, conduction, lambda time: air + powers(time) @ share, np.full(body.count, AMBIENT), BREAKPOINTS
    )


def _film_of(
    faces: fv.Faces, k: FloatArray, film: float, body: fv.Body, size: tuple[float, ...], cells: tuple[int, ...]
) -> FloatArray:
    """Conductance of films for each cell; faces are told apart by the distance to their centre, axis by axis."""
    halves = [0.5 * length / count for length, count in zip(size, cells, strict=True)]
    upright = np.isclose(faces.half, halves[2])
    heat = np.where(upright, fv.film(faces, k[2], film), fv.film(faces, k[0], film))  # k is the same along x and y
    return fv.gather(faces, heat, body.count)


def powers(time: float) -> FloatArray:
    """Of all chips [W]."""
    return np.array([[power for start, power in chip.steps if start <= time][-1] for chip in CHIPS])


def peer_steady(tolerance: float = 1e-3, kind: str = "ruge_stuben", coarse: int = 1) -> Answer:
    """E4s by hand: conjugate gradients preconditioned by PyAMG."""
    system = make_system(coarse)
    found = multigrid(tolerance, kind)(system.conduction)(system.load(END), system.start)
    return Answer(found[None], 1)


def peer_transient(
    step: float = 1.0, scheme: str = "tr_bdf2", tolerance: float = 5e-5, kind: str = "ruge_stuben",
    coarse: int = 1,
) -> Answer:  # fmt: skip
    """E4t by hand: conjugate gradients preconditioned by PyAMG, a hierarchy kept for each length of step."""
    return stepping.march(make_system(coarse), TIMES, step, multigrid(tolerance, kind), getattr(stepping, scheme))


def reference_steady(coarse: int = 1) -> FloatArray:
    """E4s to 1e-11."""
    return peer_steady(1e-11, "ruge_stuben", coarse).fields


def reference_transient(step: float = 0.625, coarse: int = 1, make: MakeSolver | None = None) -> FloatArray:
    """E4t at fourth order, each stage to 1e-9."""
    return stepping.march(
        make_system(coarse), TIMES, step, make or multigrid(1e-9, "ruge_stuben"), stepping.sdirk4
    ).fields


def rise(fields: FloatArray) -> float:
    """What errors are a share of [K]."""
    return float(fields.max()) - AMBIENT
