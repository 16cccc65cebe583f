"""E3: a year of a five-layer wall under an hourly weather table; 100 cells of 4 mm, from the room to the street."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.linalg import expm
from scipy.linalg.lapack import dpttrf, dpttrs

from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.stepping import GAMMA, Answer

CELL = 4e-3  # m
HOUR = 3600.0
HOURS = 8760
LAYERS = (  # name, cells, conductivity, density, specific heat
    ("plaster", 3, 0.57, 1300.0, 1000.0),
    ("concrete", 35, 1.65, 2300.0, 1000.0),
    ("insulation", 30, 0.035, 30.0, 1030.0),
    ("air gap", 5, 0.11, 1.2, 1005.0),
    ("brick", 27, 0.77, 1700.0, 900.0),
)
CELLS = sum(layer[1] for layer in LAYERS)
ROOM, ROOM_FILM, STREET_FILM, START = 20.0, 7.7, 25.0, 15.0  # degC, W/(m2 K)
TIMES = tuple(24.0 * HOUR * day for day in range(1, 366))
TOLERANCE = 1e-3  # of the span over the year


def weather() -> FloatArray:
    """Outside temperature at each full hour of the year: seasons, days, and weather fronts, shape (8761,) [degC]."""
    hour = np.arange(HOURS + 1)
    noise = np.random.default_rng(2024).normal(0.0, 1.0, HOURS + 1)
    front = np.empty(HOURS + 1)  # a first-order process that forgets within two days
    state, kept = 0.0, math.exp(-1.0 / 48.0)
    for number, kick in enumerate(noise):
        state = kept * state + math.sqrt(1.0 - kept**2) * 4.0 * kick
        front[number] = state
    season = -10.0 * np.cos(2.0 * np.pi * (hour - 480.0) / HOURS)
    day = -5.0 * np.cos(2.0 * np.pi * (hour - 3.0) / 24.0)
    out: FloatArray = np.round(9.0 + season + day + front, 1)
    return out


def case() -> dict[str, Any]:
    """The problem in the case format."""
    materials, low = [], 0
    for _, cells, conductivity, density, heat in LAYERS:
        where = f"(x > {low * CELL:.6f}) & (x < {(low + cells) * CELL:.6f})"
        low += cells
        materials.append(
            {"conductivity": conductivity, "density": density, "specific_heat": heat, "where": {"expression": where}}
        )
    table = [[hour * HOUR, float(value)] for hour, value in enumerate(weather())]
    return {
        "dimension": 1,
        "steady": False,
        "temperature_unit": "degC",
        "domain": {"coordinates": "cartesian", "size": [CELLS * CELL]},
        "material": materials,
        "initial": START,
        "boundaries": {
            "x_min": {"type": "convection", "coefficient": ROOM_FILM, "ambient": ROOM},
            "x_max": {"type": "convection", "coefficient": STREET_FILM, "ambient": {"table": table}},
        },
        "resolution": {"cells": [CELLS], "end_time": HOURS * HOUR},
    }


def coefficients() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Capacity of each cell [J/K], conductance of each inner face, and of both films with their half cells [W/K]."""
    k, density, heat = (np.concatenate([np.full(layer[1], layer[part]) for layer in LAYERS]) for part in (2, 3, 4))
    between = 1.0 / (0.5 * CELL / k[:-1] + 0.5 * CELL / k[1:])
    films = 1.0 / (1.0 / np.array([ROOM_FILM, STREET_FILM]) + 0.5 * CELL / k[[0, -1]])
    return density * heat * CELL, between, films


def bands() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Capacity, the matrix K in upper banded form, and both films."""
    capacity, between, films = coefficients()
    diagonal = np.zeros(CELLS)
    diagonal[:-1] += between
    diagonal[1:] += between
    diagonal[[0, -1]] += films
    return capacity, np.stack([np.r_[0.0, -between], diagonal]), films


def outside(hours: FloatArray) -> FloatArray:
    """Outside temperature at any hours, linear between the full ones."""
    return np.interp(hours, np.arange(HOURS + 1), weather())


def mean_outside(per_hour: float) -> FloatArray:
    """Mean of the outside temperature over each of equal steps, exact for straight pieces, shape (steps,)."""
    table = weather()
    integral = np.r_[0.0, np.cumsum(0.5 * (table[:-1] + table[1:]))]
    at = np.arange(round(HOURS * per_hour) + 1) / per_hour
    low = np.minimum(at.astype(int), HOURS - 1)
    part = at - low
    whole = integral[low] + part * table[low] + 0.5 * part**2 * (table[low + 1] - table[low])
    return np.diff(whole) * per_hour


def peer_banded(per_hour: float = 2.0, scheme: str = "crank_nicolson") -> Answer:
    """By hand: one tridiagonal factor for the year, LAPACK called directly, loads averaged over each step.

    Args:
        per_hour: Steps an hour, a multiple of which is a day.
        scheme: `crank_nicolson`, whose first two steps are four of backward Euler of half the length, with the same
            factor (R. Rannacher, Numer. Math. 43, 1984); or `tr_bdf2`.
    """
    capacity, conduction, _ = bands()
    tau = (GAMMA if scheme == "tr_bdf2" else 1.0) * 0.5 * HOUR / per_hour
    diagonal, beside, _ = dpttrf(capacity + tau * conduction[1], tau * conduction[0, 1:])
    start, day = np.full(CELLS, START), round(24 * per_hour)
    fields = np.empty((len(TIMES), CELLS))
    take = _banded_tr_bdf2 if scheme == "tr_bdf2" else _banded_crank_nicolson
    for number, temperature in enumerate(take(start, per_hour, tau, (diagonal, beside)), 1):
        if number % day == 0:
            fields[number // day - 1] = temperature
    return Answer(fields, round(HOURS * per_hour))


def _banded_crank_nicolson(
    temperature: FloatArray, per_hour: float, tau: float, factor: tuple[FloatArray, FloatArray]
) -> Iterator[FloatArray]:
    capacity, _, films = bands()
    room, street = tau * films[0] * ROOM, tau * films[1] * mean_outside(per_hour)
    for number, heat in enumerate(street.tolist()):
        for _ in range(2 if number < 2 else 1):
            right = capacity * temperature
            right[0] += room
            right[-1] += heat
            middle, _ = dpttrs(*factor, right, overwrite_b=1)
            temperature = middle if number < 2 else 2.0 * middle - temperature
        yield temperature


def _banded_tr_bdf2(
    temperature: FloatArray, per_hour: float, tau: float, factor: tuple[FloatArray, FloatArray]
) -> Iterator[FloatArray]:
    capacity, conduction, films = bands()
    hours = np.arange(round(HOURS * per_hour)) / per_hour
    loads = [tau * films[1] * outside(hours + share / per_hour) for share in (0.0, GAMMA, 1.0)]
    room = tau * films[0] * ROOM
    new, old = 1.0 / (GAMMA * (2.0 - GAMMA)), (1.0 - GAMMA) ** 2 / (GAMMA * (2.0 - GAMMA))
    between, diagonal = tau * conduction[0, 1:], capacity - tau * conduction[1]
    for start, middle_load, end in zip(*(load.tolist() for load in loads), strict=True):
        right = diagonal * temperature
        right[:-1] -= between * temperature[1:]
        right[1:] -= between * temperature[:-1]
        right[0] += 2.0 * room
        right[-1] += start + middle_load
        middle, _ = dpttrs(*factor, right, overwrite_b=1)
        right = capacity * (new * middle - old * temperature)
        right[0] += room
        right[-1] += end
        temperature, _ = dpttrs(*factor, right, overwrite_b=1)
        yield temperature


def hourly_matrices() -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Exact hourly step: T' = E T + a s + b s', with s, s' the outside temperatures at its ends (and the room's in a).

    From the exponential of the matrix augmented by a constant and a straight line (C. F. Van Loan, IEEE Trans.
    Automatic Control 23, 1978).

    Returns:
        E of shape (cells, cells); the effects of room, s and s' of shape (cells,) each, stacked.
    """
    capacity, conduction, films = bands()
    own = np.arange(CELLS)
    rate = np.zeros((CELLS + 3, CELLS + 3))  # of the cells; the room; the street; its change for each hour
    rate[own, own] = -conduction[1] / capacity
    rate[own[:-1], own[1:]] = -conduction[0, 1:] / capacity[:-1]
    rate[own[1:], own[:-1]] = -conduction[0, 1:] / capacity[1:]
    rate[0, CELLS] = films[0] / capacity[0]
    rate[CELLS - 1, CELLS + 1] = films[1] / capacity[-1]
    rate[CELLS + 1, CELLS + 2] = 1.0 / HOUR
    whole = expm(rate * HOUR)
    return whole[:CELLS, :CELLS], whole[:CELLS, CELLS], whole[:CELLS, CELLS + 1 :]


def peer_exponential() -> Answer:
    """By hand, and cleverer: the exact step of an hour as a dense matrix, exact for a table that is linear."""
    step, room, street = hourly_matrices()
    table = weather()
    added = np.outer(table[:-1], street[:, 0]) + np.outer(np.diff(table), street[:, 1]) + ROOM * room
    temperature, fields = np.full(CELLS, START), np.empty((len(TIMES), CELLS))
    for number in range(HOURS):
        temperature = step @ temperature + added[number]
        if (number + 1) % 24 == 0:
            fields[(number + 1) // 24 - 1] = temperature
    return Answer(fields, HOURS)


def reference() -> FloatArray:
    """The modes of the wall, each exact for a table that is linear; shape (days, cells)."""
    capacity, conduction, films = bands()
    own = np.arange(CELLS)
    scale = 1.0 / np.sqrt(capacity)
    symmetric = np.zeros((CELLS, CELLS))
    symmetric[own, own] = conduction[1]
    symmetric[own[:-1], own[1:]] = symmetric[own[1:], own[:-1]] = conduction[0, 1:]
    rates, modes = np.linalg.eigh(scale[:, None] * symmetric * scale)
    room, street = scale[0] * films[0] * modes[0], scale[-1] * films[1] * modes[-1]
    decay = np.exp(-rates * HOUR)
    first = -np.expm1(-rates * HOUR) / rates  # of a constant load
    second = (HOUR - first) / (rates * HOUR)  # of one that rises by 1 within the hour
    amplitude = modes.T @ (np.full(CELLS, START) / scale)
    table, fields = weather(), np.empty((len(TIMES), CELLS))
    for number in range(HOURS):
        before, change = table[number], table[number + 1] - table[number]
        amplitude = decay * amplitude + first * (room * ROOM + street * before) + second * street * change
        if (number + 1) % 24 == 0:
            fields[(number + 1) // 24 - 1] = scale * (modes @ amplitude)
    return fields


def rise(fields: FloatArray) -> float:
    """What errors are a share of: the span of temperatures in the wall [K]."""
    return float(fields.max() - fields.min())
