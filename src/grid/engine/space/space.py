"""The finite-volume form of a problem: capacities, conductances, boundary closures and sources.

For a cell i with capacity C_i = rho c V [J/K], neighbours j over faces of conductance G_ij [W/K] and boundary faces
of area A, the balance that every method advances is

    C_i dT_i/dt = sum_j G_ij (T_j - T_i) + sum_faces A (U (R - T_i) + F) + V q_i

G_ij is the series of two half cells, A / (d/(2 k_i) + d/(2 k_j)): the harmonic mean, exact for layers in 1D (S. V.
Patankar, Numerical Heat Transfer and Fluid Flow, 1980, section 4.2-3). The heat that leaves one cell enters the next to
the last bit, so heat is conserved to rounding. U, R and F are the boundary law with the surface temperature eliminated
(grid.engine.problem.boundaries).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grid.engine import limits
from grid.engine.problem.boundaries import Robin
from grid.engine.space.fields import SpaceFields
from grid.engine.space.laws import FaceLaw, HeatFlow, Loads, eliminate_surface, evaluate_checked, split_signs
from grid.engine.space.mesh import cell_volume, open_coordinates
from grid.engine.space.prescribed import PrescribedLoad, find_prescribed
from grid.engine.space.sums import conduct, sum_conductances
from grid.engine.space.tensor import along_surface, cross_flux
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.value import Constant

CELSIUS_ZERO = 273.15  # [K] 0 degC


@dataclass
class Space(SpaceFields):
    """A problem on its grid with its balance of heat. Made by `discretise`; nothing changes afterwards but caches."""

    def loads(self, time: float) -> Loads:
        """Compute the boundary closures and the source at a time [s].

        Raises:
            FieldError: A value that is used there is not finite or outside its limits.
        """
        if self._constant_loads is not None:
            return self._constant_loads
        last = self._last_loads  # another thread may store others meanwhile
        if last and last[-1][0] == time:
            return last[-1][1]
        face_laws = tuple(self.face_law(index, time) for index in range(len(self.patches)))
        key = b"".join(np.asarray(face_law.transmittance, np.float64).tobytes() for face_law in face_laws)
        loads = Loads(face_laws, self.source_heat(time), key, self.prescribed(time))
        if self.problem.has_constant_loads:
            self._constant_loads = loads
        last[:] = [(time, loads)]
        return loads

    @cached_property
    def _last_loads(self) -> list[tuple[float, Loads]]:
        """The last loads with their time, as several parts of a run ask for those of the start; no copy takes them."""
        return []

    def prescribed(self, time: float) -> tuple[float, ...]:
        """Evaluate each load that is given as a function of time, at a time; its mean over the faces of a patch."""
        if not self.problem.has_timed_values:
            return ()
        return tuple(load.at(time) for load in self.prescribed_loads)

    @cached_property
    def prescribed_loads(self) -> tuple[PrescribedLoad, ...]:
        """Loads of `prescribed`."""
        return find_prescribed(self)

    def face_law(self, index: int, time: float) -> FaceLaw:
        """Compute the closure of a patch at a time [s], of a law that does not depend on the surface temperature."""
        law = self.robin(index, time, 0.0)
        return eliminate_surface(law, self.half_conductance[index])

    def robin(self, index: int, time: float, surface: Operand) -> Robin:
        """Evaluate the law of a patch at a time [s]; one that is not linear is linearised at `surface`."""
        return self.law(index, time)(surface)

    def law(self, index: int, time: float) -> Callable[[Operand], Robin]:
        """Make the law of a patch at a time [s] as a function of its surface temperatures.

        Of its values only those that depend on temperature are evaluated again.
        """
        patch, boundary = self.patches[index], self.boundaries[index]
        coordinates = {**patch.coordinates, "t": np.float64(time)}
        offset = CELSIUS_ZERO if self.problem.temperature_unit == "degC" else 0.0
        values, known = boundary.values, dict[str, Operand]()

        def evaluate(name: str, surface: Operand) -> Operand:
            if name in known:
                return known[name]
            limit = boundary.limits[name]
            if limit == limits.TEMPERATURE:
                limit = limits.temperature_limit(self.problem.temperature_unit)
            path = f"boundaries.{patch.name}.{name}"
            found = evaluate_checked(path, values[name], {**coordinates, "T": surface}, limit)
            if name in boundary.fluxes and (means := self.face_means_of(index)) is not None:
                faces = patch.cells.shape
                found = means.correct(np.broadcast_to(found, faces), time, np.broadcast_to(surface, faces))
            if "T" not in values[name].variables:
                known[name] = found
            return found

        def robin(surface: Operand) -> Robin:
            def at(name: str, rise: Operand = 0.0, /) -> Operand:
                return evaluate(name, surface + rise)

            found = boundary.robin(at, surface, offset)
            return found if self.overlay is None else self.overlay.change_law(index, found)

        return robin

    def source_heat(self, time: float, temperature: Operand = 0.0) -> FloatArray | None:
        """Compute V q [W] at a time, flat; None where there is no source."""
        own = self._source_of_problem(time, temperature)
        return own if self.overlay is None else self.overlay.change_source(own)

    def _source_of_problem(self, time: float, temperature: Operand) -> FloatArray | None:
        if self.problem.source_term == Constant(0.0):
            return None
        coordinates = {**open_coordinates(self.problem.domain), "t": np.float64(time), "T": temperature}
        density = evaluate_checked(
            "source_term", self.problem.source_term, coordinates, limits.HEAT_SOURCE, self.inside
        )
        if (means := self.source_means()) is not None:
            centre = np.broadcast_to(density, self.shape).reshape(-1)
            at = np.broadcast_to(np.asarray(temperature, np.float64), self.shape).reshape(-1)
            density = means.correct(centre, time, at).reshape(self.shape)
        full = np.broadcast_to(density * cell_volume(self.problem.domain), self.shape)
        if self.inside is not None:
            full = np.where(self.inside, full, 0.0)
        return np.ascontiguousarray(full).reshape(-1)

    def heat_flow(self, temperature: FloatArray, loads: Loads) -> HeatFlow:
        """Compute the right-hand side of the balance for a flat field of temperatures."""
        net = self.conduct(temperature)
        total_in = total_out = 0.0
        surfaces: list[FloatArray] = []
        faces: list[FloatArray] = []
        for index, (patch, face_law) in enumerate(zip(self.patches, loads.face_laws, strict=True)):
            conducted, rise = self.boundary_flux(index, temperature, face_law)
            surface = temperature[patch.cells] + rise
            surfaces.append(surface)
            heat = (conducted + self.inflow(patch) * surface) * patch.area
            net[patch.cells] += heat
            faces.append(heat)
            into, out = split_signs(heat)
            total_in, total_out = total_in + into, total_out + out
        if self.couplings:
            net += self._cross_heat(temperature, surfaces)
        if self.correction is not None:
            from grid.engine.space.limited_flow import add_correction  # loads Numba

            net += add_correction(self, self.correction, temperature, surfaces)
        generated = 0.0
        if loads.source is not None:
            net += loads.source
            generated = float(loads.source.sum())
        return HeatFlow(net, total_in, total_out, generated, tuple(faces), loads.prescribed)

    def boundary_flux(self, index: int, temperature: FloatArray, face_law: FaceLaw) -> tuple[FloatArray, FloatArray]:
        """Compute q_n [W/m2] into the body through each face of a patch, and T_s - T_P of its half cell [K]."""
        half = self.half_conductance[index]
        conducted = face_law.heat_flux(temperature[self.patches[index].cells])
        if not self.couplings:
            return conducted, conducted / half
        along = along_surface(self, index, temperature, face_law)
        conducted = conducted + face_law.transmittance / half * along
        return conducted, (conducted - along) / half

    def _cross_heat(self, temperature: FloatArray, surfaces: list[FloatArray]) -> FloatArray:
        """Compute the net heat into each cell that gradients along the faces drive [W], flat."""
        net = np.zeros(self.shape)
        for axis, flux in enumerate(cross_flux(self, temperature, surfaces)):
            net -= np.diff(flux, axis=axis) * cell_volume(self.problem.domain) / self.problem.domain.spacing[axis]
        return net.reshape(-1)

    def conduct(self, temperature: FloatArray) -> FloatArray:
        """Compute the net conducted heat into each cell from its neighbours [W], flat."""
        return conduct(self, temperature)

    def diagonal(self, loads: Loads) -> FloatArray:
        """Sum all conductances of each cell [W/K], flat; they limit an explicit step."""
        flat = sum_conductances(self)
        for index, (patch, face_law) in enumerate(zip(self.patches, loads.face_laws, strict=True)):
            inflow = self.inflow(patch)
            share = 1.0 + inflow / self.half_conductance[index]
            flat[patch.cells] += (face_law.transmittance * share - inflow) * patch.area
        return flat


def box_bounds(space: Space, loads: Loads) -> tuple[float, float] | None:
    """Bound a homogeneous box without making a field: the stable step [s] and Gershgorin's bound of C^-1 L [1/s].

    The largest diagonal entry is at most the sum of the largest of each axis, and just that where films are uniform.
    """
    common, axes = space.common_capacity, range(len(space.shape))
    is_open = all(not stride for axis in axes for stride in np.delete(space.conductances[axis].strides, axis))
    if common is None or not is_open or space.couplings or space.problem.has_flow:
        return None
    whole = conducted = 0.0
    for axis in axes:
        line = space.conductances[axis][tuple(slice(None) if other == axis else 0 for other in axes)]
        inner_sum = line[:-1] + line[1:]
        total = inner_sum.copy()
        for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
            if patch.axis == axis:
                total[0 if patch.side == 0 else -1] += float(np.max(face_law.transmittance)) * patch.area
        whole, conducted = whole + float(total.max()), conducted + float(inner_sum.max())
    return common / whole if whole > 0.0 else math.inf, (whole + conducted) / common
