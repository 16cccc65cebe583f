"""Random problems as engineers bring them, masked, of several materials, under tables; each from its number alone."""

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEED = 4711
COUNT = 200
AXES = "xyz"
START = 20.0  # degC
SWING = 60.0  # K, of what loads do
MATERIALS = (  # conductivity, density, specific heat
    (390.0, 8930.0, 385.0), (170.0, 2700.0, 896.0), (45.0, 7850.0, 470.0), (16.0, 7900.0, 500.0), (1.7, 2300.0, 900.0),
    (0.8, 1700.0, 850.0), (0.3, 1900.0, 1150.0), (0.035, 30.0, 1030.0), (0.14, 600.0, 1600.0), (1.0, 2500.0, 800.0),
)  # fmt: skip
LEAST, MOST = 50, 60_000  # cells


@dataclass(frozen=True)
class RandomProblem:
    """A problem and how it is asked for.

    Args:
        number: What it was made from.
        case: In the case format.
        times: Asked for [s]; empty for a steady state.
        tolerance: None for the default.
        features: For people.
    """

    number: int
    case: dict[str, Any]
    times: tuple[float, ...]
    tolerance: float | None
    features: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class _Frame:
    """What the parts of a problem share.

    Args:
        random: Where all numbers come from.
        size, cells: Of the box.
        conductivity, capacity: Geometric means of the materials.
        end: Of the run [s]; infinite where it is steady.
    """

    random: np.random.Generator
    size: tuple[float, ...]
    cells: tuple[int, ...]
    conductivity: float = 1.0
    capacity: float = 1.0
    end: float = math.inf

    @property
    def length(self) -> float:
        return 0.5 * max(self.size)

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def pick(self, *options: Any) -> Any:
        return options[int(self.random.integers(len(options)))]

    def plane(self, axis: int) -> float:
        """A coordinate on a face inside the box [m]."""
        face = int(self.random.integers(1, self.cells[axis]))
        return face * self.size[axis] / self.cells[axis]

    def box(self) -> str:
        """Where a random box of at least a cell along each axis is, as an expression."""
        parts = []
        for axis, (size, cells) in enumerate(zip(self.size, self.cells, strict=True)):
            low = int(self.random.integers(0, cells))
            high = int(self.random.integers(low + 1, cells + 1))
            parts += [f"({AXES[axis]} > {low * size / cells:.9g})", f"({AXES[axis]} < {high * size / cells:.9g})"]
        return " & ".join(parts)


def make(number: int) -> RandomProblem:
    """The problem of a number: the same everywhere and always.

    One of whose materials the mask leaves nothing is drawn again, from the next numbers of the same generator.
    """
    random = np.random.default_rng([SEED, number])
    while True:
        found = _draw(number, random)
        if _owns_cells(found.case):
            return found


def _draw(number: int, random: np.random.Generator) -> RandomProblem:
    frame, steady = _make_frame(random), bool(random.random() < 0.1)
    materials, of_temperature = _materials(frame)
    values = np.log([[material[name] for name in ("base", "density", "specific_heat")] for material in materials])
    k, density, heat = np.exp(values.mean(axis=0))
    end = math.inf
    if not steady:
        end = float(f"{frame.length**2 * density * heat / k * 10 ** random.uniform(-2.0, 0.7):.4g}")
    frame = _Frame(random, frame.size, frame.cells, float(k), float(density * heat), end)
    for material in materials:
        del material["base"]
    mask = _mask(frame) if len(frame.cells) > 1 and frame.chance(0.7) else None
    boundaries, kinds = _boundaries(frame, mask is not None)
    source, breakpoints = _source(frame)
    case: dict[str, Any] = {
        "dimension": len(frame.cells), "steady": steady, "temperature_unit": "degC",
        "domain": {"coordinates": "cartesian", "size": list(frame.size)},
        "material": materials, "boundaries": boundaries, "resolution": {"cells": list(frame.cells)},
    }  # fmt: skip
    if mask is not None:
        case["domain"]["active"] = {"expression": mask}
    if source is not None:
        case["source_term"] = {"expression": source}
    if not steady:
        case["initial"] = START
        case["resolution"]["end_time"] = end
        if breakpoints:
            case["breakpoints"] = breakpoints
    else:
        case["guess"] = START
    count = int(random.integers(1, 41))
    times = () if steady else tuple(end * (entry + 1) / count for entry in range(count))
    said = [f"{len(frame.cells)}D", f"{len(materials)} materials", *kinds]
    flags = ((steady, "steady"), (mask is not None, "masked"), (of_temperature, "k(T)"), (source is not None, "source"))
    features = (*said, *(name for is_there, name in flags if is_there))
    return RandomProblem(number, case, times, None if frame.chance(0.6) else 1e-3, features)


def _make_frame(random: np.random.Generator) -> _Frame:
    dimension = int(random.choice([1, 2, 3], p=[0.2, 0.4, 0.4]))
    most = 2_000 if dimension == 1 else MOST
    count = math.exp(random.uniform(math.log(LEAST), math.log(most)))
    shares = 2.0 ** random.uniform(-1.0, 1.0, dimension)
    shares /= np.prod(shares) ** (1.0 / dimension)
    cells = tuple(max(4, round(count ** (1.0 / dimension) * share)) for share in shares)
    if not LEAST <= math.prod(cells) <= MOST:
        return _make_frame(random)
    spacing = 10 ** random.uniform(-2.0, -0.3) / max(cells)  # the longest side from 1 cm to half a metre
    stretch = 2.0 ** random.uniform(-1.0, 1.0, dimension)
    size = tuple(float(f"{cells[axis] * spacing * stretch[axis]:.4g}") for axis in range(dimension))
    return _Frame(random, size, cells)


def _materials(frame: _Frame) -> tuple[list[dict[str, Any]], bool]:
    """Bands along an axis and, in some, a box; `base` is the conductivity at the start."""
    count, axis = int(frame.random.integers(1, 6)), int(frame.random.integers(len(frame.cells)))
    count = min(count, frame.cells[axis])
    has_box = count > 1 and len(frame.cells) > 1 and frame.chance(0.5)
    bands = count - 1 if has_box else count
    faces = np.sort(frame.random.choice(np.arange(1, frame.cells[axis]), bands - 1, replace=False))
    edges = [0, *map(int, faces), frame.cells[axis]]
    step, name, box = frame.size[axis] / frame.cells[axis], AXES[axis], frame.box()
    wheres = [f"({name} > {low * step:.9g}) & ({name} < {high * step:.9g})" for low, high in itertools.pairwise(edges)]
    if has_box:
        wheres = [f"({where}) & (where({box}, 0, 1) > 0)" for where in wheres] + [box]
    of_temperature, out = frame.chance(0.2), []
    for number, where in enumerate(wheres):
        k, density, heat = MATERIALS[int(frame.random.integers(len(MATERIALS)))]
        entry: dict[str, Any] = {"conductivity": k, "density": density, "specific_heat": heat, "base": k}
        if of_temperature and (number == 0 or frame.chance(0.5)):
            slope = frame.random.uniform(-1.5e-3, 1.5e-3)
            entry["conductivity"] = {"expression": f"{k:g}*(1 {slope:+.4g}*(T - {START:g}))"}
        if len(wheres) > 1:
            entry["where"] = {"expression": where}
        out.append(entry)
    return out, of_temperature


def _mask(frame: _Frame) -> str:
    """A notched corner, a hole, or fins."""
    kind, (a, b) = frame.pick("notch", "hole", "fins"), frame.random.choice(len(frame.cells), 2, replace=False)
    one, other = AXES[a], AXES[b]
    if kind == "notch":
        return f"({one} < {frame.plane(a):.9g}) | ({other} < {frame.plane(b):.9g})"
    if kind == "hole":
        radius = 0.5 * min(frame.size[a], frame.size[b]) * frame.random.uniform(0.2, 0.8)
        middle = [frame.size[axis] * frame.random.uniform(0.3, 0.7) for axis in (a, b)]
        return f"(({one} - {middle[0]:.6g})**2 + ({other} - {middle[1]:.6g})**2) > {radius**2:.6g}"
    step, fins = frame.size[a] / frame.cells[a], []
    period = max(2, frame.cells[a] // int(frame.random.integers(2, 9)))
    thick = max(1, period // int(frame.random.integers(2, 5)))
    for low in range(0, frame.cells[a], period):
        fins += [f"(({one} > {low * step:.9g}) & ({one} < {(low + thick) * step:.9g}))"]
    return f"({other} < {frame.plane(b):.9g}) | {' | '.join(fins)}"


def _load(frame: _Frame, middle: float, swing: float) -> Any:
    """A constant, a table with straight pieces, or steps."""
    kind = "constant" if math.isinf(frame.end) else frame.pick("constant", "table", "table", "steps")
    if kind == "constant":
        return float(f"{middle + swing * frame.random.uniform(-1.0, 1.0):.6g}")
    count = int(frame.random.integers(2, 41 if kind == "table" else 9))
    inner = np.sort(frame.random.random(count - 1)) * frame.end
    times = [0.0, *(float(f"{time:.6g}") for time in inner)]
    times = sorted(set(times))
    values = middle + swing * frame.random.uniform(-1.0, 1.0, len(times))
    table = [[time, float(f"{value:.6g}")] for time, value in zip(times, values, strict=True)]
    return {"table": table} | ({"interpolation": "previous"} if kind == "steps" else {})


def _boundaries(frame: _Frame, is_masked: bool) -> tuple[dict[str, Any], list[str]]:
    """Laws of all faces; the first one ties the body to a temperature."""
    faces = [f"{axis}_{end}" for axis in AXES[: len(frame.cells)] for end in ("min", "max")]
    order = [faces[index] for index in frame.random.permutation(len(faces))]
    radiates, out = frame.chance(0.15), {}
    heat_flux = SWING * min(frame.conductivity / frame.length, frame.capacity * frame.length / frame.end)
    for number, face in enumerate(order):
        kinds = ["convection", "convection", "temperature"] + ["flux", "insulated"] * (number > 0)
        kinds += ["radiation"] * (2 if radiates and number > 0 else 0)
        out[face] = _law(frame, frame.pick(*kinds), heat_flux)
    if is_masked and frame.chance(0.8):
        out["internal"] = _law(frame, "convection", heat_flux)
    return out, sorted({law["type"] for law in out.values()})


def _law(frame: _Frame, kind: str, heat_flux: float) -> dict[str, Any]:
    if kind == "convection":
        film = float(f"{10 ** frame.random.uniform(0.5, 3.0):.4g}")
        return {"type": kind, "coefficient": film, "ambient": _load(frame, START, SWING)}
    if kind == "temperature":
        return {"type": kind, "value": _load(frame, START, SWING)}
    if kind == "flux":
        return {"type": kind, "value": _load(frame, 0.0, heat_flux)}
    if kind == "radiation":
        emissivity = float(f"{frame.random.uniform(0.3, 0.95):.3g}")
        return {"type": kind, "emissivity": emissivity, "surroundings": _load(frame, START + SWING, SWING)}
    return {"type": kind}


def _source(frame: _Frame) -> tuple[str | None, list[float]]:
    """Heat in a box, constant or switched, with its breakpoints."""
    if not frame.chance(0.4):
        return None, []
    heat = SWING * min(frame.conductivity / frame.length**2, frame.capacity / frame.end)
    values = [f"{heat * frame.random.uniform(0.1, 1.0):.5g}" for _ in range(4)]
    text, breakpoints = values[0], list[float]()
    if not math.isinf(frame.end) and frame.chance(0.6):
        shares = np.sort(frame.random.random(int(frame.random.integers(1, 4))))
        breakpoints = [float(f"{frame.end * share:.6g}") for share in shares]
        for time, value in zip(breakpoints, values[1:], strict=False):
            text = f"where(t < {time:.6g}, {text}, {value})"
    return f"where({frame.box()}, {text}, 0)", breakpoints


def _owns_cells(case: dict[str, Any]) -> bool:
    """Whether each material has a cell of the body."""
    from grid.engine import HeatProblem
    from grid.engine.space.regions import find_regions

    region = find_regions(HeatProblem.from_case(case))
    return region is None or set(range(len(case["material"]))) <= set(np.unique(region).tolist())
