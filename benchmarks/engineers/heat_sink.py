r"""E1, E2 and E7: a heat sink with fins, a copper base under a chip, aluminium fins, convection all round.

30 x 30 x 19 cells of 2 mm, of which 6,400 are the body. The chip's power is a table of time. E2 is the same with
conductivities that fall (copper) and rise (aluminium) with temperature.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.engineers import finite_volumes as fv
from benchmarks.engineers import stepping
from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.solvers import MakeSolver, factor_symmetric
from benchmarks.engineers.stepping import GAMMA, Answer, Interval, System, make_intervals

MM = 1e-3
SIZE, CELL, BASE, HEIGHT, THICK = 60, 2, 6, 30, 2  # mm: side, cell, thickness of the base, of fins their height, width
CHIP = 20  # mm, side
FINS, FILM, AMBIENT = 8, 25.0, 25.0  # W/(m2 K), degC
END = 240.0  # s
LOAD = ((0, 0), (5, 40), (60, 40), (65, 10), (120, 10), (125, 60), (180, 60), (185, 0), (240, 0))  # s, W
TIMES = tuple(float(time) for time in range(10, 241, 10))
TOLERANCE = 1e-3  # of the rise
COPPER, ALUMINIUM = (8960.0, 385.0, 400.0), (2700.0, 896.0, 170.0)  # density, specific heat, conductivity
COPPER_LAW, ALUMINIUM_LAW = (401.0, -0.06), (167.0, 0.10)  # conductivity at 20 degC, and for each kelvin above


def fin_edges(fins: int) -> list[float]:
    """Low edge of each fin, on a face of the cells [mm]."""
    gap = (SIZE - fins * THICK) / (fins - 1)
    return [round(number * (THICK + gap) / CELL) * CELL for number in range(fins)]


def case(*, of_temperature: bool = False, fins: int = FINS, film: float = FILM, scale: float = 1.0) -> dict[str, Any]:
    """The problem in the case format; `scale` multiplies the load."""
    fin = " | ".join(f"((x > {edge * MM:.6f}) & (x < {(edge + THICK) * MM:.6f}))" for edge in fin_edges(fins))
    low, high = (SIZE / 2 - CHIP / 2) * MM, (SIZE / 2 + CHIP / 2) * MM
    plinth = f"(x > {low:.6f}) & (x < {high:.6f}) & (y > {low:.6f}) & (y < {high:.6f})"
    bottom, top = CELL * MM, (CELL + BASE) * MM
    area = (CHIP * MM) ** 2
    materials = []
    for (density, heat, constant), law, where in (
        (COPPER, COPPER_LAW, f"z < {top}"),
        (ALUMINIUM, ALUMINIUM_LAW, f"z > {top}"),
    ):
        k = {"expression": f"{law[0]} + {law[1]}*(T - 20)"} if of_temperature else constant
        materials.append({"conductivity": k, "density": density, "specific_heat": heat, "where": {"expression": where}})
    air = {"type": "convection", "coefficient": film, "ambient": AMBIENT}
    return {
        "dimension": 3,
        "steady": False,
        "temperature_unit": "degC",
        "domain": {
            "coordinates": "cartesian",
            "size": [SIZE * MM, SIZE * MM, (CELL + BASE + HEIGHT) * MM],
            "active": {
                "expression": f"((z < {bottom}) & {plinth}) | ((z > {bottom}) & (z < {top})) | ((z > {top}) & ({fin}))"
            },
        },
        "material": materials,
        "initial": AMBIENT,
        "boundaries": {
            "z_min": {"type": "flux", "value": {"table": [[time, scale * power / area] for time, power in LOAD]}},
            **{face: dict(air) for face in ("internal", "x_min", "x_max", "y_min", "y_max", "z_max")},
        },
        "resolution": {"cells": [SIZE // CELL, SIZE // CELL, (CELL + BASE + HEIGHT) // CELL], "end_time": END},
    }


@dataclass(frozen=True)
class Sink:
    """Geometry and coefficients.

    Args:
        body: Its cells.
        is_copper: Of each cell.
        capacity: Of each cell [J/K].
        outer: All faces but those under the chip.
        chip: Share of the chip's power that goes into each cell.
    """

    body: fv.Body
    is_copper: np.ndarray
    capacity: FloatArray
    outer: fv.Faces
    chip: FloatArray


def make_sink(fins: int = FINS, cell: float = CELL) -> Sink:
    """Number the cells of the heat sink; cells of `cell` mm."""
    size = (SIZE * MM, SIZE * MM, (CELL + BASE + HEIGHT) * MM)
    x, y, z = fv.centres(size, tuple(round(length / MM / cell) for length in size))
    fin = np.zeros(x.shape, bool)
    for edge in fin_edges(fins):
        fin |= (x > edge * MM) & (x < (edge + THICK) * MM)
    low, high = (SIZE / 2 - CHIP / 2) * MM, (SIZE / 2 + CHIP / 2) * MM
    plinth = (x > low) & (x < high) & (y > low) & (y < high)
    bottom, top = CELL * MM, (CELL + BASE) * MM
    active = ((z < bottom) & plinth) | ((z > bottom) & (z < top)) | ((z > top) & fin)
    body, is_copper = fv.make_body(active, size), (z < top)[active]
    density_heat = np.where(is_copper, COPPER[0] * COPPER[1], ALUMINIUM[0] * ALUMINIUM[1])
    others = [faces for name, faces in body.faces.items() if name != "z_min"]
    outer = fv.Faces(*(np.concatenate([getattr(one, name) for one in others]) for name in ("cells", "area", "half")))
    chip = fv.gather(body.faces["z_min"], body.faces["z_min"].area / (CHIP * MM) ** 2, body.count)
    return Sink(body, is_copper, density_heat * body.volume, outer, chip)


def power_at(time: float, scale: float = 1.0) -> float:
    """The chip's [W]."""
    return scale * float(np.interp(time, *zip(*LOAD, strict=True)))


def make_system(sink: Sink, film: float = FILM, scale: float = 1.0) -> System:
    """E1's equations."""
    k = np.where(sink.is_copper, COPPER[2], ALUMINIUM[2])
    outward = fv.gather(sink.outer, fv.film(sink.outer, k, film), sink.body.count)
    conduction = fv.matrix(sink.body, fv.conductances(sink.body, k), outward)
    air, start = outward * AMBIENT, np.full(sink.body.count, AMBIENT)
    return System(
        sink.capacity, conduction, lambda time: air + power_at(time, scale) * sink.chip, start,
        [time for time, _ in LOAD],
    )  # fmt: skip


def peer_constant(
    step: float = 5.0, scheme: str = "tr_bdf2", make: MakeSolver = factor_symmetric, *, fins: int = FINS,
    film: float = FILM, scale: float = 1.0,
) -> Answer:  # fmt: skip
    """E1 by hand: one sparse LU for each length of step."""
    system = make_system(make_sink(fins), film, scale)
    return stepping.march(system, TIMES, step, make, getattr(stepping, scheme))


def reference_constant(step: float = 1.25) -> FloatArray:
    """E1 at fourth order."""
    return stepping.march(make_system(make_sink()), TIMES, step, factor_symmetric, stepping.sdirk4).fields


class Varying:
    """E2's equations: conductances at the mean temperature of each face, of half cells at that of the cell.

    A film of 25 W/(m2 K) leaves half cells of 1 mm of metal within 0.02 K of their surfaces, so that the temperature
    at which their conductivity is taken is worth less than 1e-7 of the rise. So is that where copper meets aluminium:
    both are taken at the mean of their cells and not at the temperature of the joint, which changes what flows there
    by the square of the difference between the cells.
    """

    def __init__(self, sink: Sink, film: float = FILM, scale: float = 1.0) -> None:
        self.sink, self.capacity, self.start = sink, sink.capacity, np.full(sink.body.count, AMBIENT)
        self._film, self._scale = film, scale
        self._base = np.where(sink.is_copper, COPPER_LAW[0], ALUMINIUM_LAW[0])
        self._slope = np.where(sink.is_copper, COPPER_LAW[1], ALUMINIUM_LAW[1])
        self._sides = [(self._base[side], self._slope[side]) for side in sink.body.pairs]

    def conductances(self, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Of all pairs and, by face, of films with their half cells [W/K]."""
        body, outer = self.sink.body, self.sink.outer
        rise = 0.5 * (temperature[body.pairs[0]] + temperature[body.pairs[1]]) - 20.0
        one, other = (base + slope * rise for base, slope in self._sides)
        between = body.shape_factor * 2.0 * one * other / (one + other)
        k = self._base + self._slope * (temperature - 20.0)
        return between, fv.film(outer, k, self._film)

    def matrix(self, temperature: FloatArray) -> tuple[sparse.csc_matrix, FloatArray]:
        """K at these temperatures, and what the air at ambient gives [W]."""
        between, films = self.conductances(temperature)
        outward = fv.gather(self.sink.outer, films, self.sink.body.count)
        return fv.matrix(self.sink.body, between, outward), outward * AMBIENT

    def rate(self, temperature: FloatArray, time: float) -> FloatArray:
        """Heat into each cell [W]."""
        between, films = self.conductances(temperature)
        (first, second), count, outer = self.sink.body.pairs, self.sink.body.count, self.sink.outer
        flow = between * (temperature[second] - temperature[first])
        net = np.bincount(first, flow, count) - np.bincount(second, flow, count)
        net += np.bincount(outer.cells, films * (AMBIENT - temperature[outer.cells]), count)
        return net + power_at(time, self._scale) * self.sink.chip


Correct = Callable[[FloatArray, FloatArray, float], FloatArray]  # of residual [J], temperature, tau


def stage(
    system: Varying, known: FloatArray, guess: FloatArray, tau: float, time: float, correct: Correct, allowed: float
) -> FloatArray:
    """The temperatures with C T = known + tau F(T, t), corrected until a correction is below `allowed` [K]."""
    temperature = guess
    for _ in range(50):
        residual = known + tau * system.rate(temperature, time) - system.capacity * temperature
        correction = correct(residual, temperature, tau)
        temperature = temperature + correction
        if float(np.abs(correction).max()) < allowed:
            return temperature
    raise RuntimeError("the temperatures of a stage did not settle")


def _march_varying(
    system: Varying, step: float, advance: "Callable[[FloatArray, Interval, int], FloatArray]"
) -> tuple[FloatArray, int]:
    asked, temperature, steps = {time: index for index, time in enumerate(TIMES)}, system.start, 0
    fields = np.empty((len(TIMES), len(temperature)))
    for interval in make_intervals([time for time, _ in LOAD], TIMES, step):
        for number in range(interval.count):
            temperature = advance(temperature, interval, number)
        steps += interval.count
        if interval.end in asked:
            fields[asked[interval.end]] = temperature
    return fields, steps


def make_kept(system: Varying) -> Correct:
    """Corrections by the factors of the start, one set for each length of step: conductivities change by 4 %."""
    conduction, _ = system.matrix(system.start)
    kept: dict[float, Callable[[FloatArray, FloatArray], FloatArray]] = {}

    def correct(residual: FloatArray, temperature: FloatArray, tau: float) -> FloatArray:
        if (key := float(f"{tau:.9g}")) not in kept:
            kept[key] = factor_symmetric(sparse.diags(system.capacity, format="csc") + tau * conduction)
        return kept[key](residual, temperature)

    return correct


def peer_kept(step: float = 5.0, allowed: float = 5e-3) -> Answer:
    """E2 by hand: TR-BDF2, each stage corrected by factors that are kept."""
    system = Varying(make_sink())
    correct = make_kept(system)

    def advance(temperature: FloatArray, interval: Interval, number: int) -> FloatArray:
        tau = 0.5 * GAMMA * interval.step
        stored = system.capacity * temperature
        flow = system.rate(temperature, interval.time(number))
        at = interval.time(number + GAMMA)
        middle = stage(system, stored + tau * flow, temperature, tau, at, correct, allowed)
        known = (system.capacity * middle - (1.0 - GAMMA) ** 2 * stored) / (GAMMA * (2.0 - GAMMA))
        guess = temperature + (middle - temperature) / GAMMA
        return stage(system, known, guess, tau, interval.time(number + 1), correct, allowed)

    return Answer(*_march_varying(system, step, advance))


def peer_refreshed(step: float = 5.0) -> Answer:
    """E2 by hand: TR-BDF2 with conductivities extrapolated to the middle of the step, and a fresh LU for each step."""
    system = Varying(make_sink())
    before: list[tuple[float, FloatArray]] = []

    def advance(temperature: FloatArray, interval: Interval, number: int) -> FloatArray:
        step, expected = interval.step, temperature
        if before:
            length, earlier = before[0]
            expected = temperature + 0.5 * step / length * (temperature - earlier)
        conduction, air = system.matrix(expected)
        linear = System(
            system.capacity, conduction, lambda time: air + power_at(time) * system.sink.chip, system.start, ()
        )
        before[:] = [(step, temperature)]
        return stepping.tr_bdf2(linear, stepping.Solvers(linear, factor_symmetric), temperature, interval, number)

    return Answer(*_march_varying(system, step, advance))


def reference_varying(step: float = 1.25, allowed: float = 1e-9) -> FloatArray:
    """E2 at fourth order, every stage to rounding."""
    system = Varying(make_sink())
    correct = make_kept(system)

    def advance(temperature: FloatArray, interval: Interval, number: int) -> FloatArray:
        step, stored = interval.step, system.capacity * temperature
        flows: list[FloatArray] = []
        at = temperature
        for node, weights in zip(stepping.SDIRK_NODES, stepping.SDIRK_WEIGHTS, strict=True):
            known = stored + step * sum((w * flow for w, flow in zip(weights, flows, strict=True)), np.zeros(1))
            time, tau = interval.time(number + node), stepping.SDIRK_GAMMA * step
            at = stage(system, known, at, tau, time, correct, allowed)
            flows.append(system.rate(at, time))
        return at

    return _march_varying(system, step, advance)[0]


def rise(fields: FloatArray) -> float:
    """What errors are a share of [K]."""
    return float(fields.max()) - AMBIENT
