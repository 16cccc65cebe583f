r"""E6: a box of aluminium with fins, filled with wax that melts and freezes again; 80 x 60 cells of 1 mm, masked.

The wax melts between 52 and 56 degC; its enthalpy is a table of temperature. The box stands on a cold plate whose
coolant is hot for twenty minutes and then cold for as long. Above the wax there is nothing but the walls.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import solveh_banded

from benchmarks.engineers import finite_volumes as fv
from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.stepping import GAMMA, Answer, Interval, make_intervals

MM = 1e-3
SIZE, CELLS = (80.0, 60.0), (80, 60)  # mm
WALL, BASE, LEVEL, TOP = 2.0, 4.0, 54.0, 50.0  # mm: walls, base, surface of the wax, end of the fins
FINS = tuple(range(6, 78, 11))  # low edges [mm]
FIN = 2.0
ALUMINIUM = (167.0, 2700.0, 896.0)  # conductivity, density, specific heat
WAX_CONDUCTIVITY = 0.24
ENTHALPY = (
    (0.0, 0.0),
    (52.0, 9.282e7),
    (56.0, 2.6146e8),
    (100.0, 3.4748e8),
)  # degC, J/m3: 1.785 MJ/(m3 K), 161.5 MJ/m3
AMBIENT, AIR, PLATE = 20.0, 5.0, 400.0  # degC, W/(m2 K)
COOLANT = ((0.0, 20.0), (60.0, 75.0), (1200.0, 75.0), (1260.0, 20.0), (2400.0, 20.0))  # s, degC
KNOTS = tuple(time for time, _ in COOLANT)
END = 2400.0
TIMES = tuple(200.0 * number for number in range(1, 13))
TOLERANCE = 1e-3  # of the rise


def case() -> dict[str, Any]:
    """The problem in the case format."""
    walls = f"(x < {WALL * MM:g}) | (x > {(SIZE[0] - WALL) * MM:g})"
    fins = " | ".join(f"((x > {low * MM:g}) & (x < {(low + FIN) * MM:g}) & (y < {TOP * MM:g}))" for low in FINS)
    metal = f"(y < {BASE * MM:g}) | {walls} | {fins}"
    conductivity, density, heat = ALUMINIUM
    air = {"type": "convection", "coefficient": AIR, "ambient": AMBIENT}
    coolant = {"table": [list(entry) for entry in COOLANT]}
    return {
        "kind": "extension",
        "dimension": 2,
        "steady": False,
        "temperature_unit": "degC",
        "domain": {
            "coordinates": "cartesian",
            "size": [length * MM for length in SIZE],
            "active": {"expression": f"(y < {LEVEL * MM:g}) | {walls}"},
        },
        "material": [
            {
                "conductivity": conductivity,
                "density": density,
                "specific_heat": heat,
                "where": {"expression": metal},
            },
            {
                "conductivity": WAX_CONDUCTIVITY,
                "volumetric_enthalpy": {"table": [list(entry) for entry in ENTHALPY]},
                "where": {"expression": f"where({metal}, 0, 1) > 0"},
            },
        ],
        "initial": AMBIENT,
        "boundaries": {
            "y_min": {"type": "convection", "coefficient": PLATE, "ambient": coolant},
            **{face: dict(air) for face in ("internal", "x_min", "x_max", "y_max")},
        },
        "resolution": {"cells": list(CELLS), "end_time": END},
    }


class Box:
    """The equations: dH/dt = q(t) - K T, with H a chain of straight pieces of T in each cell of wax.

    Args:
        coarse: Divides the cells along both axes, for quick checks.
    """

    def __init__(self, coarse: int = 1) -> None:
        size = tuple(length * MM for length in SIZE)
        x, y = (place / MM for place in fv.centres(size, tuple(count // coarse for count in CELLS)))
        walls = (x < WALL) | (x > SIZE[0] - WALL)
        metal = (y < BASE) | walls
        for low in FINS:
            metal |= (x > low) & (x < low + FIN) & (y < TOP)
        active = (y < LEVEL) | walls
        self.body, self.is_wax = fv.make_body(active, size), ~metal[active]
        k = np.where(self.is_wax, WAX_CONDUCTIVITY, ALUMINIUM[0])
        films = {
            name: fv.gather(faces, fv.film(faces, k, PLATE if name == "y_min" else AIR), self.body.count)
            for name, faces in self.body.faces.items()
        }
        self._plate = films["y_min"]
        outward = sum(films.values(), np.zeros(1))
        self.conduction = fv.matrix(self.body, fv.conductances(self.body, k), outward)
        self._air = (outward - self._plate) * AMBIENT
        lower = sparse.tril(self.conduction).tocoo()
        self._place, self._values = (lower.row - lower.col, lower.col), lower.data
        self.start = np.full(self.body.count, AMBIENT)
        self._metal = ALUMINIUM[1] * ALUMINIUM[2] * self.body.volume
        nodes, contents = np.array(ENTHALPY).T
        self._nodes, self._contents = nodes, contents * self.body.volume
        self._slopes = np.diff(self._contents) / np.diff(nodes)

    def load(self, time: float) -> FloatArray:
        """Heat that air and coolant would give to a body at 0 degC [W]."""
        return self._air + self._plate * float(np.interp(time, *zip(*COOLANT, strict=True)))

    def content(self, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Enthalpy [J] and its slope [J/K] of each cell."""
        piece = np.clip(np.searchsorted(self._nodes, temperature, side="right") - 1, 0, len(self._slopes) - 1)
        slope = np.where(self.is_wax, self._slopes[piece], self._metal)
        wax = self._contents[piece] + self._slopes[piece] * (temperature - self._nodes[piece])
        return np.where(self.is_wax, wax, self._metal * temperature), slope

    def correct(self, residual: FloatArray, slope: FloatArray, tau: float) -> FloatArray:
        """Solve (dH/dT + tau K) x = residual by banded Cholesky: with 60 bands twice as fast as a sparse LU."""
        bands = np.zeros((int(self._place[0].max()) + 1, self.body.count))
        bands[self._place] = tau * self._values
        bands[0] += slope
        out: FloatArray = solveh_banded(bands, residual, lower=True, overwrite_ab=True, check_finite=False)
        return out

    def melted(self, fields: FloatArray) -> FloatArray:
        """Melted share of the wax at each time."""
        low, high = ENTHALPY[1][0], ENTHALPY[2][0]
        out: FloatArray = np.clip((fields[:, self.is_wax] - low) / (high - low), 0.0, 1.0).mean(axis=1)
        return out


def stage(box: Box, known: FloatArray, guess: FloatArray, tau: float, time: float, allowed: float) -> FloatArray:
    """The temperatures with H(T) = known + tau (q - K T), by Newton's method.

    The enthalpies are chains of straight pieces, so a turn is exact once every cell is on its piece; halved corrections
    end a cell's jumping between two of them.
    """
    temperature, load = guess, box.load(time)
    for turn in range(100):
        content, slope = box.content(temperature)
        residual = known + tau * (load - box.conduction @ temperature) - content
        correction = box.correct(residual, slope, tau)
        temperature = temperature + (correction if turn < 20 else 0.5 * correction)
        if float(np.abs(correction).max()) < allowed:
            return temperature
    raise RuntimeError("the temperatures of a stage did not settle")


def _loop(box: Box, step: float, advance: Callable[[FloatArray, Interval, int], FloatArray]) -> tuple[FloatArray, int]:
    asked, temperature, steps = {time: index for index, time in enumerate(TIMES)}, box.start, 0
    fields = np.empty((len(TIMES), len(temperature)))
    for interval in make_intervals(KNOTS, TIMES, step):
        for number in range(interval.count):
            temperature = advance(temperature, interval, number)
        steps += interval.count
        if interval.end in asked:
            fields[asked[interval.end]] = temperature
    return fields, steps


def peer(step: float = 20.0, scheme: str = "tr_bdf2", allowed: float = 0.1, coarse: int = 1) -> Answer:
    """By hand: TR-BDF2 or backward Euler for the enthalpy."""
    box = Box(coarse)

    def tr_bdf2(temperature: FloatArray, interval: Interval, number: int) -> FloatArray:
        tau, (stored, _) = 0.5 * GAMMA * interval.step, box.content(temperature)
        flow = box.load(interval.time(number)) - box.conduction @ temperature
        middle = stage(box, stored + tau * flow, temperature, tau, interval.time(number + GAMMA), allowed)
        known = (box.content(middle)[0] - (1.0 - GAMMA) ** 2 * stored) / (GAMMA * (2.0 - GAMMA))
        return stage(box, known, middle, tau, interval.time(number + 1), allowed)

    def backward_euler(temperature: FloatArray, interval: Interval, number: int) -> FloatArray:
        known, _ = box.content(temperature)
        return stage(box, known, temperature, interval.step, interval.time(number + 1), allowed)

    return Answer(*_loop(box, step, tr_bdf2 if scheme == "tr_bdf2" else backward_euler))


def reference(step: float = 0.75, allowed: float = 1e-7, coarse: int = 1) -> FloatArray:
    """The peer's scheme at short steps: the corners of the enthalpy leave all schemes of first order.

    Steps of 1.5 s give the same within 2e-5 of the rise, root mean square, of 3 s within 7e-5; a scheme of fourth order
    at 2 s is off by 9e-5, since its weights are larger and of both signs.
    """
    return peer(step, "tr_bdf2", allowed, coarse).fields


def error(fields: FloatArray, reference: FloatArray) -> float:
    """Root mean square over the cells as a share of the rise, or the melted share's, whichever is more at any time.

    The largest error of a cell says little here: a cell at the edge of its melting range waits and then jumps, and is
    off by a share of the jump while it does.
    """
    box = Box()
    spread = np.sqrt(((fields - reference) ** 2).mean(axis=1)).max() / rise(reference)
    return float(max(spread, np.abs(box.melted(fields) - box.melted(reference)).max()))


def rise(fields: FloatArray) -> float:
    """What errors are a share of [K]."""
    return float(fields.max()) - AMBIENT
