"""Enthalpies that the cells of a body that melts store, and the temperatures that belong to them."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grid.engine.space.mesh import cell_volume
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray
from grid.engine.values.phase_change import Enthalpy
from grid.engine.values.value import Constant

HOP = 1e-12  # [-] enthalpy below a corner at which a cell that cools ends, over the latent heat


@dataclass(frozen=True)
class EnthalpyModel:
    """The enthalpies of the cells and the temperatures that belong to them."""

    space: Space

    @cached_property
    def parts(self) -> list[tuple[Enthalpy, NDArray[np.bool_]]]:
        """Law of each material, and the cells that have it as flat truth values."""
        region = self.space.region
        flat = np.zeros(self.space.capacity.size, np.int16) if region is None else region.reshape(-1)
        return [(_law(self.space, index), flat == index) for index in range(len(self.space.problem.materials))]

    def content(self, temperature: FloatArray) -> FloatArray:
        """H V [J] of cells that have never melted or frozen, flat."""
        is_liquid = self.space.problem.initial_phase == "liquid"
        out = np.zeros_like(temperature)
        for law, inside in self.parts:
            out[inside] = law.content_at(temperature[inside], is_liquid=is_liquid)
        return out * cell_volume(self.space.problem.domain)

    def temperature(self, content: FloatArray) -> tuple[FloatArray, FloatArray]:
        """T, and dT/d(H V) [K/J], flat; outside a masked body the mean temperature of its cells, and no slope."""
        volume = cell_volume(self.space.problem.domain)
        out, slope = np.zeros_like(content), np.zeros_like(content)
        for law, inside in self.parts:
            out[inside], slope[inside] = law.temperature_at(content[inside] / volume)
        return self.space.fill(out), slope / volume

    def stop_at_corners(self, content: FloatArray, target: FloatArray) -> FloatArray:
        """Change from one content to another [J], ended for each cell where the slope of its temperature changes."""
        volume, out = cell_volume(self.space.problem.domain), target.copy()
        for law, inside in self.parts:
            corners = np.array(law.contents[1:-1]) * volume
            if corners.size == 0:
                continue
            beyond = np.searchsorted(corners, content[inside], side="right")
            ends = np.concatenate([[-np.inf], corners, [np.inf]])
            low = ends[beyond] - HOP * (corners[-1] - corners[0])
            out[inside] = np.clip(target[inside], low, ends[beyond + 1])
        return out

    def find_corners(self, before: FloatArray, after: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
        """The cells that come past a corner between two contents, and its content [J]; for each cell the first one."""
        volume = cell_volume(self.space.problem.domain)
        cells, found = [np.empty(0, np.intp)], [np.empty(0)]
        for law, inside in self.parts:
            corners = np.array(law.contents[1:-1]) * volume
            old, new = (np.searchsorted(corners, content[inside], side="right") for content in (before, after))
            passed = old != new
            cells.append(np.flatnonzero(inside)[passed])
            found.append(corners[np.where(new > old, old, old - 1)[passed]] if corners.size else found[0])
        return np.concatenate(cells), np.concatenate(found)

    def find_sides(self, temperature: FloatArray) -> FloatArray:
        """-1 for each cell that is solid or melts, 1 for one that is liquid or does not melt; flat."""
        out = np.ones_like(temperature)
        for law, inside in self.parts:
            if law.melting_temperature is not None:
                out[inside & (temperature < law.melting_temperature)] = -1.0
        return out


def _law(space: Space, index: int) -> Enthalpy:
    """The enthalpy of a material; of one that does not melt, its constant heat capacity times the temperature."""
    material = space.problem.materials[index]
    if material.enthalpy is not None:
        return material.enthalpy
    values = [v.value for v in material.capacity_values if isinstance(v, Constant)]
    return Enthalpy((0.0, 1.0), (0.0, math.prod(values)))
