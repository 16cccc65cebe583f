"""Events on the scene of a live run: data that say what acts, where, how strongly, and for how long.

An event is checked against the scene when it is applied: it is refused, or taken as a whole. Its times are rounded to
ticks, its energy is not (docs/theory/live.md). In JSON every field has its unit in its name.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.arguments import as_tuple, require_choice, require_number
from grid.engine.limits import Limit
from grid.engine.live.event import DamagedCells, Event, duration_json, require_duration, require_free_face
from grid.engine.live.law_json import law_json
from grid.engine.live.regions import Everything, Named, Region, require_inside
from grid.engine.live.scene import Scene
from grid.engine.live.shapes import disc_shares, gauss_shares, nearest_cell, normalise, region_shares
from grid.engine.problem.boundaries import Boundary, Periodic
from grid.engine.problem.domain import AXES, INTERNAL
from grid.engine.space.mesh import Patch
from grid.engine.values.operations import FloatArray

POWER = Limit(-1e15, 1e15, "W")
ENERGY = Limit(-1e18, 1e18, "J")
RADIUS = Limit(1e-9, 1e9, "m")
SHARE = Limit(0.0, 1.0, "1")
CONDUCTIVITY_FACTOR = Limit(0.05, 1.0, "1")
EVERYTHING = Everything()


@dataclass(frozen=True)
class Burst(Event):
    """Heat put in around a point.

    Args:
        position: Centre at its begin [m].
        radius: Standard deviation of a Gaussian, or radius of a disc [m].
        duration: [s].
        power: [W]; or give `energy`.
        energy: Of the whole burst [J].
        shape: `gauss` or `disc`.
        velocity: Of the centre [m/s]; empty where it rests.
    """

    kind: ClassVar[str] = "burst"
    position: tuple[float, ...]
    radius: float
    duration: float
    power: float | None = None
    energy: float | None = None
    shape: Literal["gauss", "disc"] = "gauss"
    velocity: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "position", as_tuple(self.position))
        object.__setattr__(self, "velocity", as_tuple(self.velocity))

    @property
    def length(self) -> float:
        """Length [s]."""
        return self.duration

    @property
    def moves(self) -> bool:
        """True where the centre moves."""
        return any(self.velocity)

    def check(self, scene: Scene) -> None:
        """Refuse a place outside the body, or a size, power or time outside the limits."""
        require_inside("position_m", self.position, scene.problem)
        require_number("radius_m", self.radius, RADIUS)
        require_number("duration_s", self.duration, limits.DURATION)
        require_choice("shape", self.shape, ("gauss", "disc"))
        if (self.power is None) == (self.energy is None):
            raise FieldError("power_w", "one of power_w and energy_j")
        if self.energy is None:
            require_number("power_w", self.power, POWER)
        else:
            require_number("energy_j", self.energy, ENERGY)
        if self.velocity:
            self._check_path(scene)
        for time in (0.0, self.duration) if self.moves else (0.0,):
            if self.shares(scene, time) is None:
                raise FieldError("position_m", "a place where a cell of the body is heated")

    def _check_path(self, scene: Scene) -> None:
        if not isinstance(self.velocity, tuple) or len(self.velocity) != scene.problem.dimension:
            raise FieldError("velocity_m_s", f"{scene.problem.dimension} numbers, one for each axis")
        for axis, speed in enumerate(self.velocity):
            require_number(f"velocity_m_s[{axis}]", speed, limits.SPEED)
        require_inside("position_m + velocity_m_s * duration_s", self._centre(self.duration), scene.problem)

    def check_speed(self, scene: Scene, tick: float) -> None:
        """Refuse a path that passes over more than half a cell in a tick."""
        for axis, (speed, spacing) in enumerate(zip(self.velocity, scene.problem.domain.spacing, strict=False)):
            if abs(speed) * tick > 0.5 * spacing * (1.0 + 1e-12):
                largest = 0.5 * spacing / tick
                raise FieldError(f"velocity_m_s[{axis}]", f"at most {largest:.6g} m/s, half a cell a tick")

    def _centre(self, time: float) -> tuple[float, ...]:
        if not self.velocity:
            return self.position
        return tuple(at + speed * time for at, speed in zip(self.position, self.velocity, strict=True))

    def find_power(self, ticks: int | None, tick: float) -> float:
        """Power with which so many ticks put in the energy that was asked for [W]."""
        energy = (self.power or 0.0) * self.duration if self.energy is None else self.energy
        return energy / ((ticks or 1) * tick)

    def shares(self, scene: Scene, time: float) -> FloatArray | None:
        """Share of the power in each cell at a time since its begin [s], flat."""
        problem, centre = scene.problem, self._centre(time)
        find = gauss_shares if self.shape == "gauss" else disc_shares
        found = normalise(find(problem, centre, self.radius), scene.active)
        return normalise(nearest_cell(problem, centre), scene.active) if found is None else found

    def to_json(self) -> dict[str, Any]:
        """The event as JSON, without its kind."""
        strength = {"power_w": self.power} if self.energy is None else {"energy_j": self.energy}
        place = {"position_m": list(self.position), "radius_m": self.radius, "shape": self.shape}
        path = {"velocity_m_s": list(self.velocity)} if self.velocity else {}
        return {**place, **path, **strength, "duration_s": self.duration}


@dataclass(frozen=True)
class Flow(Event):
    """Heat flux into a part of a face.

    Args:
        face: `x_min` ... `z_max`, or `internal` faces of a masked body.
        heat_flux: Positive into the body [W/m2].
        duration: [s].
        low, high: Corners of the part, one number for each axis along the face [m]; empty for the whole face.
    """

    kind: ClassVar[str] = "flow"
    face: str
    heat_flux: float
    duration: float
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", as_tuple(self.low))
        object.__setattr__(self, "high", as_tuple(self.high))

    @property
    def length(self) -> float:
        """Length [s]."""
        return self.duration

    def check(self, scene: Scene) -> None:
        """Refuse a face that has no free surface, or a part, flux or time outside the limits."""
        require_free_face("face", self.face, scene)
        require_number("heat_flux_w_m2", self.heat_flux, limits.HEAT_FLUX)
        require_number("duration_s", self.duration, limits.DURATION)
        if scene.problem.boundary(self.face).holds_temperature:
            raise FieldError("face", "a face whose temperature is not held, since a flux would change nothing there")
        along_face = 0 if self.face == INTERNAL else scene.problem.dimension - 1
        for name, corner in (("from_m", self.low), ("to_m", self.high)):
            if corner and len(corner) != along_face:
                raise FieldError(name, f"{along_face} numbers, one for each axis along the face")
            for index, at in enumerate(corner):
                require_number(f"{name}[{index}]", at, limits.POSITION)
        if bool(self.low) != bool(self.high) or any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise FieldError("to_m", "above from_m, and given together with it")

    def impose(self, patch: Patch) -> FloatArray | None:
        """Heat flux added to the faces of a patch [W/m2], to those whose centres lie in the part."""
        if patch.name != self.face:
            return None
        flux = np.full(patch.cells.size, float(self.heat_flux))
        others = [axis for axis in AXES if axis in patch.coordinates and axis != AXES[patch.axis]]
        for axis, low, high in zip(others, self.low, self.high, strict=False):
            at = np.broadcast_to(np.asarray(patch.coordinates[axis], np.float64), flux.shape)
            flux = np.where((low <= at) & (at <= high), flux, 0.0)
        return flux

    def to_json(self) -> dict[str, Any]:
        """The event as JSON, without its kind."""
        part = {"from_m": list(self.low), "to_m": list(self.high)} if self.low else {}
        return {"face": self.face, "heat_flux_w_m2": self.heat_flux, "duration_s": self.duration, **part}


@dataclass(frozen=True)
class Overload(Event):
    """Power spread evenly over a region.

    Args:
        power: [W].
        region: Where.
        duration: [s]; None until it is ended.
    """

    kind: ClassVar[str] = "overload"
    power: float
    region: Region = EVERYTHING
    duration: float | None = None

    @property
    def length(self) -> float | None:
        """Length [s]; None where it acts until it is ended."""
        return self.duration

    def check(self, scene: Scene) -> None:
        """Refuse a region without a cell of the body, or a power or time outside the limits."""
        require_number("power_w", self.power, POWER)
        require_duration(self.duration)
        if self.shares(scene, 0.0) is None:
            raise FieldError("region", "a region with a cell of the body at least")

    def find_power(self, ticks: int | None, tick: float) -> float:
        """Power with which so many ticks put in the energy that was asked for [W]."""
        if self.duration is None or ticks is None:
            return self.power
        return self.power * self.duration / (ticks * tick)

    def shares(self, scene: Scene, _time: float) -> FloatArray | None:
        """Share of the power in each cell, flat."""
        return normalise(region_shares(self.region.mask(scene.problem, scene.regions)), scene.active)

    @property
    def loaded_region(self) -> str | None:
        """Name of the region of the structure that it loads; None where it names none."""
        return self.region.name if isinstance(self.region, Named) else None

    def to_json(self) -> dict[str, Any]:
        """The event as JSON, without its kind."""
        return {"power_w": self.power, "region": self.region.to_json(), **duration_json(self.duration)}


@dataclass(frozen=True)
class BoundaryChange(Event):
    """Another law for a face.

    Args:
        face: `x_min` ... `z_max`, or `internal`.
        law: Any law of the case format without `t`.
        duration: [s]; None until it is ended.
    """

    kind: ClassVar[str] = "boundary"
    face: str
    law: Boundary
    duration: float | None = None

    @property
    def length(self) -> float | None:
        """Length [s]; None where it acts until it is ended."""
        return self.duration

    def check(self, scene: Scene) -> None:
        """Refuse a joined face, and a law that a case would not take there."""
        require_free_face("face", self.face, scene)
        require_duration(self.duration)
        if isinstance(self.law, Periodic):
            raise FieldError("law.type", "a law of a surface; faces cannot be joined during a run")
        changed = replace(scene.problem, boundaries={**scene.problem.boundaries, self.face: self.law})
        if changed.has_timed_values:
            raise FieldError("law", "values without t")

    def require_no_temperature(self) -> None:
        """Refuse a law whose values depend on temperature, which the method `implicit` alone follows."""
        if any("T" in value.variables for value in self.law.values.values()):
            raise FieldError("law", "values without T, but in a run with the method implicit")

    def replace_law(self, face: str, law: Boundary) -> Boundary:
        """The law of a face while it acts."""
        return self.law if face == self.face else law

    def to_json(self) -> dict[str, Any]:
        """The event as JSON, without its kind."""
        return {"face": self.face, "law": law_json(self.law), **duration_json(self.duration)}


@dataclass(frozen=True)
class CoolingLoss(Event):
    """Films and radiation of faces that fall to a share of what they were.

    Args:
        faces: Their names.
        remaining: Share that remains, 0 to 1 [-].
        duration: [s]; None until it is ended.
    """

    kind: ClassVar[str] = "cooling-loss"
    faces: tuple[str, ...]
    remaining: float = 0.0
    duration: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", as_tuple(self.faces))

    @property
    def length(self) -> float | None:
        """Length [s]; None where it acts until it is ended."""
        return self.duration

    def check(self, scene: Scene) -> None:
        """Refuse faces that have no film, or a share or time outside the limits."""
        require_number("remaining", self.remaining, SHARE)
        require_duration(self.duration)
        for index, face in enumerate(self.faces):
            require_free_face(f"faces[{index}]", face, scene)  # a name before all else: what is none may have no hash
        if not self.faces or len(set(self.faces)) != len(self.faces):
            raise FieldError("faces", "the name of one face at least, each once")
        for index, face in enumerate(self.faces):
            law = scene.problem.boundary(face)
            if not law.films and not law.radiates:
                raise FieldError(f"faces[{index}]", "a face with a film or radiation")

    def keep_film(self, face: str) -> float:
        """Share of film and radiation of a face that remains."""
        return self.remaining if face in self.faces else 1.0

    def to_json(self) -> dict[str, Any]:
        """The event as JSON, without its kind."""
        return {"faces": list(self.faces), "remaining": self.remaining, **duration_json(self.duration)}


@dataclass(frozen=True)
class Damage(Event):
    """Cells that lose conductivity and stiffness, for good.

    Args:
        region: Where.
        conductivity_factor: Share of the conductivity that remains, 0.05 to 1 [-].
        stiffness_factor: Share of Young's modulus that remains, 0 to 1 [-].
        damage: Miner's sum that the cells get at least, 0 to 1 [-]; 1 makes them fail.
    """

    kind: ClassVar[str] = "damage"
    region: Region
    conductivity_factor: float = 1.0
    stiffness_factor: float = 1.0
    damage_sum: float = 0.0

    @property
    def is_lasting(self) -> bool:
        """True: nothing ends it."""
        return True

    def check(self, scene: Scene) -> None:
        """Refuse factors outside their limits, a region without a cell, and stiffness without a structure."""
        require_number("conductivity_factor", self.conductivity_factor, CONDUCTIVITY_FACTOR)
        require_number("stiffness_factor", self.stiffness_factor, SHARE)
        require_number("damage", self.damage_sum, SHARE)
        if scene.structure is None and (self.stiffness_factor < 1.0 or self.damage_sum > 0.0):
            raise FieldError("stiffness_factor", "1, and damage 0, in a scene without a structure")
        if not self.damage(scene).cells.any():
            raise FieldError("region", "a region with a cell of the body at least")

    def damage(self, scene: Scene) -> DamagedCells:
        """Cells that it damages."""
        cells = self.region.mask(scene.problem, scene.regions)
        inside = cells if scene.active is None else cells & scene.active
        return DamagedCells(inside, self.conductivity_factor, self.stiffness_factor, self.damage_sum)

    def to_json(self) -> dict[str, Any]:
        """The event as JSON, without its kind."""
        factors = {"conductivity_factor": self.conductivity_factor, "stiffness_factor": self.stiffness_factor}
        return {"region": self.region.to_json(), **factors, "damage": self.damage_sum}
