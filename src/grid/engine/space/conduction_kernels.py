r"""Compiled heat flow of a body whose conductivities depend on temperature.

With the potential :math:`\Theta = \int k\,dT` of each material, the heat between two cells of it is
:math:`(A/d)(\Theta_j - \Theta_i)`. Where materials or a contact meet, and at the boundary, the temperature of the face
follows from the heat on both sides, by Newton's method within bounds; the imbalance is monotone.

Curves are laid out by `grid.engine.space.property_curves`: `firsts`, `edges`, `origins` and `coefficients` of all
pieces. The curve -1 stands for a constant conductivity, whose potential is k T.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.kernel_cache import njit
from grid.engine.values.operations import FloatArray

Indices = NDArray[Any]
# [-] relative to the temperatures: size of a last step, and of one after which a tangent is exact
EXACT, NEAR = 1e-13, 1e-8
TURNS = 60  # [-] most iterations of Newton's method at a face


@njit(cache=True, nogil=True, inline="always")
def find_potential(
    temperature: float, curve: int, constant: float, firsts: Indices, edges: FloatArray, origins: FloatArray,
    coefficients: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Compute the integral of a property up to a temperature, and the property there."""
    if curve < 0:
        return constant * temperature, constant
    low, high = firsts[curve], firsts[curve + 1] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if edges[middle] <= temperature:
            low = middle
        else:
            high = middle - 1
    way, power = temperature - origins[low], coefficients.shape[1] - 1
    value, slope = coefficients[low, power], 0.0
    for at in range(power - 1, -1, -1):
        slope = slope * way + value
        value = value * way + coefficients[low, at]
    return value, slope


@njit(cache=True, nogil=True)
def find_potentials(
    temperature: FloatArray, curves: Indices, firsts: Indices, edges: FloatArray, origins: FloatArray,
    coefficients: FloatArray, potential: FloatArray, slope: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Compute potential and property of each cell; return least and largest value where it depends on temperature.

    In a cell whose property does not depend on temperature, the potential is the temperature itself.
    """
    least, largest = np.inf, -np.inf
    for cell in range(temperature.size):
        found, value = find_potential(
            temperature[cell], curves[cell], 1.0, firsts, edges, origins, coefficients
        )  # fmt: skip
        potential[cell], slope[cell] = found, value
        if curves[cell] >= 0:
            if not value > -np.inf:  # not a number
                return np.nan, np.nan
            least, largest = min(least, value), max(largest, value)
    return least, largest


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def conduct(potential: FloatArray, starts: Indices, cells: Indices, weights: FloatArray, net: FloatArray) -> None:
    """Add the net heat into each cell from neighbours of its own kind [W]."""
    for cell in range(potential.size):
        own, heat = potential[cell], 0.0
        for entry in range(starts[cell], starts[cell + 1]):
            heat += weights[entry] * (potential[cells[entry]] - own)
        net[cell] = heat


@njit(cache=True, nogil=True)
def cross_joints(
    temperature: FloatArray, low: Indices, high: Indices, factors: FloatArray, areas: FloatArray,
    resistances: FloatArray, curves: Indices, constants: FloatArray, firsts: Indices, edges: FloatArray,
    origins: FloatArray, coefficients: FloatArray, net: FloatArray,
) -> bool:  # fmt: skip
    """Add the heat where materials or contacts meet, see `grid.engine.space.joints`; False if that is not found.

    Args:
        low, high: Cells on both sides.
        factors: 2 / d [1/m].
        areas, resistances: Areas [m2] and contact resistances [m2 K/W] of the faces.
        curves, constants: Curves and constants of both materials, shape (2, faces).
    """
    for face in range(low.size):
        a, b = temperature[low[face]], temperature[high[face]]
        if a == b:
            continue
        factor, barrier = factors[face], resistances[face]
        one, other = curves[0, face], curves[1, face]
        k, beyond_k = constants[0, face], constants[1, face]
        theta_a, k_a = find_potential(a, one, k, firsts, edges, origins, coefficients)
        theta_b, k_b = find_potential(b, other, beyond_k, firsts, edges, origins, coefficients)
        least, most = min(a, b), max(a, b)
        bottom, top = least, most
        flux = (a - b) / (1.0 / (factor * k_a) + 1.0 / (factor * k_b) + barrier)
        surface = min(max(a - flux / (factor * k_a), least), most)
        exact, last_gap, is_settled = EXACT * max(abs(a), abs(b)), np.inf, False
        for _ in range(TURNS):
            theta, slope = find_potential(surface, one, k, firsts, edges, origins, coefficients)
            flux = factor * (theta_a - theta)
            beyond = min(max(surface - barrier * flux, bottom), top)
            theta_beyond, slope_beyond = find_potential(
                beyond, other, beyond_k, firsts, edges, origins, coefficients
            )  # fmt: skip
            gap = flux - factor * (theta_beyond - theta_b)
            if gap >= 0.0:
                least = surface
            if gap <= 0.0:
                most = surface
            following = surface + gap / (
                factor * slope + factor * slope_beyond * (1.0 + barrier * factor * slope)
            )  # fmt: skip
            if abs(following - surface) <= exact or gap == 0.0:
                is_settled = True
                break
            if not (least <= following <= most) or abs(gap) > 0.5 * last_gap:
                following = 0.5 * (least + most)
            last_gap, surface = abs(gap), following
        if not is_settled:
            return False
        net[low[face]] -= areas[face] * flux
        net[high[face]] += areas[face] * flux
    return True


@njit(cache=True, nogil=True, inline="always")
def find_straight_surface(
    own: float, k_own: float, factor: float, film: float, drive: float, curve: int, firsts: Indices, edges: FloatArray,
    coefficients: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Compute the rise of a surface above the cell and the conductivity there, in closed form; NaN where there is none.

    A closed form exists under a linear law where the conductivity is a straight line between both temperatures:
    factor (k d + c d^2) = drive - film d, of whose roots that of a constant conductivity is taken.

    Args:
        drive: Flux into the cell from a surface at its temperature [W/m2].
    """
    low, last, bend = 0, 0, 0.0
    if curve >= 0:
        low, last = firsts[curve], firsts[curve + 1] - 1
        while low < last:
            middle = (low + last + 1) // 2
            if edges[middle] <= own:
                low = middle
            else:
                last = middle - 1
        for power in range(3, coefficients.shape[1]):
            if coefficients[low, power] != 0.0:
                return np.nan, np.nan
        if coefficients.shape[1] > 2:
            bend = coefficients[low, 2]
    steep = factor * k_own + film
    square = steep * steep + 4.0 * factor * bend * drive
    if not (steep > 0.0 and square > 0.0):
        return np.nan, np.nan
    way = 2.0 * drive / (steep + np.sqrt(square))
    surface = own + way
    if curve >= 0 and not (edges[low] <= surface and (low + 1 == firsts[curve + 1] or surface <= edges[low + 1])):
        return np.nan, np.nan
    return way, k_own + 2.0 * bend * way


@njit(cache=True, nogil=True)
def find_surface(
    own: float, theta: float, k_own: float, factor: float, law: tuple[float, float, float, float], offset: float,
    curve: int, constant: float, firsts: Indices, edges: FloatArray, origins: FloatArray, coefficients: FloatArray,
) -> tuple[float, float, bool]:  # fmt: skip
    """Find the flux into a cell through a face [W/m2], its decrease per kelvin of the cell, and whether it is found.

    At the surface temperature the half cell and the law agree; their difference falls with it.

    Args:
        own, theta, k_own: Temperature of the cell, its potential and conductivity.
        factor: 2 / d [1/m].
        law: Film, reference, imposed flux and strength of radiation, see `cross_faces`.
    """
    film, reference, imposed, strength = law
    if strength == 0.0:
        drive = film * (reference - own) + imposed
        way, k_surface = find_straight_surface(
            own, k_own, factor, film, drive, curve, firsts, edges, coefficients
        )  # fmt: skip
        if way == way:  # a number
            flux = 0.5 * factor * way * (k_own + k_surface)
            return flux, film * factor * k_own / (film + factor * k_surface), True
    surface, value, k_surface = own, theta, k_own
    least, most, last_gap = -np.inf, np.inf, np.inf
    for turn in range(TURNS):
        if turn > 0:
            value, k_surface = find_potential(surface, curve, constant, firsts, edges, origins, coefficients)
        flux, stiffness = film * (reference - surface) + imposed, film
        if strength > 0.0:
            cold = max(surface + offset, 0.0)
            flux -= strength * cold**4
            stiffness += 4.0 * strength * cold**3
        gap = flux - factor * (value - theta)
        if gap >= 0.0:
            least = surface
        if gap <= 0.0:
            most = surface
        way = gap / (stiffness + factor * k_surface)
        following = surface + way
        if gap == 0.0 or abs(way) <= NEAR * max(abs(own), abs(following), abs(offset)):  # beside the absolute zero
            found = factor * (value - theta + k_surface * way)  # the remaining error is of second order in the step
            return found, stiffness * factor * k_own / (stiffness + factor * k_surface), True
        is_held = not (least <= following <= most) or abs(gap) > 0.5 * last_gap
        if is_held and least > -np.inf and most < np.inf:
            following = 0.5 * (least + most)
        last_gap, surface = abs(gap), following
    return 0.0, 0.0, False


@njit(cache=True, nogil=True)
def cross_faces(
    temperature: FloatArray, potential: FloatArray, slope: FloatArray, cells: Indices, factors: FloatArray,
    areas: FloatArray, curves: Indices, constants: FloatArray, laws: FloatArray, offset: float, firsts: Indices,
    edges: FloatArray, origins: FloatArray, coefficients: FloatArray, net: FloatArray, heats: FloatArray,
    slopes: FloatArray,
) -> bool:  # fmt: skip
    """Add the heat through the boundary; False where a surface temperature is not found.

    Args:
        potential, slope: Potentials and conductivities of the cells, see `find_potentials`.
        cells: Cells behind the faces.
        factors, areas: 2 / d [1/m], and areas of the faces [m2].
        curves, constants: Curves and constants of the materials behind.
        laws: Film, reference, imposed flux and strength of radiation of each face, shape (4, faces):
            q = film (reference - T_s) + imposed - strength (T_s + offset)^4.
        offset: Offset to absolute temperature.
        heats, slopes: Heat through each face [W], and its decrease for each kelvin of the cell [W/K]; written.
    """
    for face in range(cells.size):
        cell, factor, area = cells[face], factors[face], areas[face]
        own, film, strength = temperature[cell], laws[0, face], laws[3, face]
        curve, constant = curves[face], constants[face]
        theta, k_own = potential[cell], slope[cell]
        if curve < 0:
            theta, k_own = constant * own, constant
        if film == 0.0 and strength == 0.0:
            imposed = laws[2, face]
            if curve >= 0 and imposed != 0.0:  # the flux is known, but there may be no surface that passes it on
                law = (film, laws[1, face], imposed, strength)
                _, _, is_found = find_surface(
                    own, theta, k_own, factor, law, offset, curve, constant, firsts, edges, origins, coefficients
                )  # fmt: skip
                if not is_found:
                    return False
            heats[face], slopes[face] = area * imposed, 0.0
            net[cell] += heats[face]
            continue
        if film == np.inf:
            beyond, _ = find_potential(laws[1, face], curve, constant, firsts, edges, origins, coefficients)
            heats[face], slopes[face] = area * factor * (beyond - theta), area * factor * k_own
        else:
            law = (film, laws[1, face], laws[2, face], strength)
            flux, fall, is_found = find_surface(
                own, theta, k_own, factor, law, offset, curve, constant, firsts, edges, origins, coefficients
            )  # fmt: skip
            if not is_found:
                return False
            heats[face], slopes[face] = area * flux, area * fall
        net[cell] += heats[face]
    return True


@njit(cache=True, nogil=True)
def find_residual(
    temperature: FloatArray, base: FloatArray, contents: FloatArray, known: FloatArray, tau: float, shift: float,
    capacity: FloatArray, curves: Indices, volume: float, firsts: Indices, edges: FloatArray, origins: FloatArray,
    coefficients: FloatArray, net: FloatArray, slope: FloatArray, out: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Compute known + tau net - stored heat between two fields, for each cell [J]; return extreme heat capacities.

    Args:
        base, contents: Initial temperatures, and the integral of the heat capacities up to them [J/m3].
        capacity: Heat capacity of cells in which it does not depend on temperature [J/K].
        curves: Curves of the heat capacity of the other cells [J/(m3 K)]; -1 where there is none.
        slope: Heat capacity of each cell at its temperature [J/K]; written.
    """
    least, largest = np.inf, -np.inf
    for cell in range(temperature.size):
        if curves[cell] < 0:
            stored, slope[cell] = capacity[cell] * (temperature[cell] - base[cell]), capacity[cell]
        else:
            content, value = find_potential(
                temperature[cell], curves[cell], 1.0, firsts, edges, origins, coefficients
            )  # fmt: skip
            stored, slope[cell] = volume * (content - contents[cell]), volume * value
            if not value > -np.inf:
                return np.nan, np.nan
            least, largest = min(least, value), max(largest, value)
        out[cell] = known[cell] + tau * net[cell] - shift * stored
    return least, largest
