"""Problems out of nothing, and published ones bent: what a stranger may send in the case format."""

import copy
import math
import random
from typing import Any

NASTY = [
    None, True, False, 0, -1, 1, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf, 10**400, -(10**400),
    "", "x", "\x00", "\ud800", "1e5", [], [[]], {}, [1.0, 2.0, 3.0], 1e9,
    {"expression": "1/0"}, {"expression": "x/0*t"}, {"expression": "T"}, {"expression": "where(x<0,1,2)"},
    {"expression": "(" * 100}, {"table": [[0, 1], [1, 2]]}, {"table": [[0, math.nan]]},
]  # fmt: skip
FACES = ("x_min", "x_max", "y_min", "y_max", "z_min", "z_max")
Json = dict[str, Any]


def make_small(case: Json) -> Json:
    """The case on few cells and steps, so that solving it costs little."""
    case = copy.deepcopy(case)
    resolution = case.get("resolution")
    if isinstance(resolution, dict):
        resolution["cells"] = [min(count, 6) for count in resolution["cells"]]
        if "steps" in resolution:
            resolution["steps"] = min(resolution["steps"], 5)
    for entry in case.get("expected", ()):
        if "grids" in entry:
            entry["grids"] = [
                [min(count, 4 * 2**level) for count in grid] for level, grid in enumerate(entry["grids"][:2])
            ]
            entry["steps"] = [min(count, 8) for count in entry.get("steps", [4, 8])[:2]]
    return case


def find_places(node: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of every value of a JSON tree."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, child in items for place in ((*path, key), *find_places(child, (*path, key)))]


def mutate(case: Json, rng: random.Random) -> Json:
    """Replace, remove, scale or add one to three values somewhere in a case."""
    case = copy.deepcopy(case)
    for _ in range(rng.choice((1, 1, 2, 3))):
        path = rng.choice(find_places(case))
        parent: Any = case
        for key in path[:-1]:
            parent = parent[key]
        old, action = parent[path[-1]], rng.randrange(5)
        if action == 0 and isinstance(parent, dict):
            del parent[path[-1]]
        elif action == 1 and isinstance(old, (int, float)) and not isinstance(old, bool) and abs(old) < 10**308:
            parent[path[-1]] = old * rng.choice((-1.0, 0.0, 1e-6, 1e6, 1e-300, 1e300, 0.5, 3.0))
        elif action == 2 and isinstance(parent, dict):
            parent[rng.choice(("velocity", "where", "zz", "value", "type"))] = copy.deepcopy(rng.choice(NASTY))
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(NASTY))
    return case


def make_problem(rng: random.Random) -> Json:
    """A heat problem with features drawn at random; most are valid, some ask for what does not go together."""
    dimension = rng.choice((1, 1, 2, 2, 3))
    axes = "xyz"[:dimension]
    cells = [rng.randint(1, 8 if dimension < 3 else 5) for _ in axes]
    size = [_magnitude(rng, 1e-3, 10.0) for _ in axes]
    unit = rng.choice(("K", "degC", "relative"))
    steady = rng.random() < 0.2
    diffusivity, length = _magnitude(rng, 1e-8, 1e-3), max(size)
    capacity = _magnitude(rng, 1e2, 1e7)
    end = _magnitude(rng, 1e-3, 3.0) * length**2 / diffusivity
    level = {"K": 300.0, "degC": 20.0, "relative": 0.0}[unit]
    draw = _Draw(rng, axes, size, level, end, unit)
    case: Json = {
        "kind": "diffusion",
        "dimension": dimension,
        "steady": steady,
        "temperature_unit": unit,
        "domain": {"coordinates": "cartesian", "size": size},
        "material": draw.material(diffusivity * capacity, capacity, steady),
        "boundaries": draw.boundaries(diffusivity * capacity / length),
        "resolution": {"cells": cells},
    }
    if not steady:
        case["initial"] = draw.temperature_of_place()
        case["resolution"] |= {"steps": rng.randint(1, 8), "end_time": end}
    draw.extras(case, diffusivity * capacity * 50.0 / length**2, diffusivity / length)
    return case


def _magnitude(rng: random.Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


class _Draw:
    """Draws the parts of one problem."""

    def __init__(self, rng: random.Random, axes: str, size: list[float], level: float, end: float, unit: str) -> None:
        self.rng, self.axes, self.size, self.level, self.end, self.unit = rng, axes, size, level, end, unit

    def temperature(self) -> float:
        return self.level + self.rng.uniform(-100.0, 100.0)

    def temperature_of_place(self) -> Any:
        if self.rng.random() < 0.4:
            return self.temperature()
        axis = self.rng.randrange(len(self.axes))
        wave = f"cos({self.rng.randint(1, 4)}*pi*{self.axes[axis]}/{self.size[axis]!r})"
        return {"expression": f"{self.temperature()!r} + {self.rng.uniform(-90.0, 90.0)!r}*{wave}"}

    def value(self, number: float, *, spread: float = 0.5) -> Any:
        """A number, or a table or an expression about it."""
        other = number + spread * number * self.rng.uniform(-1.0, 1.0)
        match self.rng.randrange(6):
            case 0:
                times = sorted(self.rng.uniform(0.0, self.end) for _ in range(2))
                table = [[0.0, number], [times[0], other], [max(times[1], 1.001 * times[0] + 1e-9), number]]
                return {"table": table, "interpolation": self.rng.choice(("linear", "previous"))}
            case 1:
                return {"expression": f"where(t < {0.5 * self.end!r}, {number!r}, {other!r})"}
            case 2:
                axis = self.rng.randrange(len(self.axes))
                return {"expression": f"where({self.axes[axis]} < {0.5 * self.size[axis]!r}, {number!r}, {other!r})"}
            case _:
                return number

    def material(self, conductivity: float, capacity: float, steady: bool) -> Any:
        rng = self.rng
        match rng.randrange(8):
            case 0 | 1:
                cut = 0.5 * self.size[0]
                return [
                    self._plain(conductivity, capacity) | {"where": {"expression": f"x < {cut!r}"}},
                    self._plain(conductivity * _magnitude(rng, 1e-3, 1e3), capacity * _magnitude(rng, 0.1, 10.0))
                    | {"where": {"expression": f"x >= {cut!r}"}},
                ]
            case 2:
                law = f"{conductivity!r}*(1 + {rng.uniform(0.0, 0.02)!r}*abs(T - {self.level!r}))"
                return self._plain(conductivity, capacity) | {"conductivity": {"expression": law}}
            case 3 if len(self.axes) > 1:
                share = rng.uniform(-0.95, 0.95)
                rows = [[conductivity * (1.0 if i == j else share / 3.0) for j in self.axes] for i in self.axes]
                return self._plain(conductivity, capacity) | {"conductivity": rows}
            case 4 if not steady:
                latent = capacity * _magnitude(rng, 1.0, 200.0)
                phase = {"melting_temperature": self.level + rng.uniform(-20.0, 20.0), "volumetric_latent_heat": latent}
                return self._plain(conductivity, capacity) | phase
            case 5:
                return self._plain(conductivity, capacity) | {
                    "conductivity": [conductivity * _magnitude(rng, 0.1, 10.0) for _ in self.axes]
                }
            case _:
                return self._plain(conductivity, capacity)

    def _plain(self, conductivity: float, capacity: float) -> Json:
        if self.rng.random() < 0.5:
            return {"conductivity": conductivity, "volumetric_heat_capacity": capacity}
        return {"conductivity": conductivity, "density": 1000.0, "specific_heat": capacity / 1000.0}

    def boundaries(self, conductance: float) -> Json:
        found: Json = {}
        for face in FACES[: 2 * len(self.axes)]:
            if self.rng.random() < 0.7:
                found[face] = self._boundary(conductance)
        if self.rng.random() < 0.15:
            axis = self.rng.choice(self.axes)
            found |= {f"{axis}_{end}": {"type": "periodic"} for end in ("min", "max")}
        return found

    def _boundary(self, conductance: float) -> Json:
        film = conductance * _magnitude(self.rng, 1e-3, 1e3)
        radiation = {"emissivity": self.rng.uniform(0.0, 1.0), "surroundings": abs(self.temperature())}
        convection = {"coefficient": self.value(film), "ambient": self.value(self.temperature(), spread=0.1)}
        match self.rng.randrange(8):
            case 0 | 1:
                return {"type": "temperature", "value": self.value(self.temperature(), spread=0.1)}
            case 2:
                return {"type": "flux", "value": self.value(conductance * self.rng.uniform(-50.0, 50.0))}
            case 3 | 4:
                return {"type": "convection"} | convection
            case 5 if self.unit != "relative":
                return {"type": "radiation"} | radiation
            case 6 if self.unit != "relative":
                return {"type": "convection_radiation"} | convection | radiation
            case _:
                return {"type": "insulated"}

    def extras(self, case: Json, source: float, speed: float) -> None:
        """Sources, flow, masks, contacts and breakpoints, each now and then."""
        rng = self.rng
        if rng.random() < 0.3:
            case["source_term"] = self.value(source * rng.uniform(-1.0, 1.0))
        if rng.random() < 0.1:
            case["velocity"] = [speed * rng.uniform(-20.0, 20.0) for _ in self.axes]
        if rng.random() < 0.15:
            limit = rng.uniform(0.1, 1.0) * self.size[0]
            case["domain"]["active"] = {"expression": f"({self.axes[-1]} < {limit!r}) | (x < {0.5 * limit!r})"}
            if rng.random() < 0.5:
                case["boundaries"]["internal"] = self._boundary(speed)
        if rng.random() < 0.1:
            count = case["resolution"]["cells"][0]
            place = self.size[0] * rng.randint(0, count) / count
            case["contacts"] = [{"axis": "x", "position": place, "conductance": _magnitude(rng, 1e-2, 1e5)}]
        if rng.random() < 0.2:
            case["breakpoints"] = sorted(rng.uniform(0.0, self.end) for _ in range(rng.randint(1, 3)))
