"""How a live run advances from here: coefficients in force, loads in force, and the changes that act.

A plan is not written to: `at` returns the plan for a tick, and rebuilds only what begins or ends there. Loads are
constant within a tick; a moving source stands at the middle of its path over the tick, and a face that radiates is
taken by its tangent at the surface temperature at the beginning of the tick.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grid.engine.live.cascade import RegionLoads
from grid.engine.live.changes import Change
from grid.engine.live.clock import Clock
from grid.engine.live.events import Overload
from grid.engine.live.needs import find_features
from grid.engine.live.scene import Scene
from grid.engine.live.stepping import ActingLoads, TickStepper
from grid.engine.live.weakening import weaken
from grid.engine.problem.boundaries import Boundary, Robin
from grid.engine.space.discretise import discretise
from grid.engine.space.laws import FaceLaw, Loads, Overlay, eliminate_surface
from grid.engine.space.mesh import Patch
from grid.engine.space.space import CELSIUS_ZERO, Space
from grid.engine.values.operations import FloatArray

MOST_SETS = 64  # [-] sets of changes whose laws of faces are kept
SURFACE_TURNS = 3  # [-] turns of the iteration for the surface temperature of a face that radiates


@dataclass(frozen=True)
class LivePlan:
    """Everything that the next ticks need, but for the state.

    Args:
        scene, clock: Of the run.
        space: The body on its grid, with the conductances that damage has left.
        stepper: The method, with coefficients of `space`.
        changes: Changes that act or will act, in order of `seq`.
        failed: True in cells that have failed, flat; None where none has. They emit no source.
        factors: Share of its conductivity that each cell has left, flat; None where nothing is damaged.
        threads: Threads that the method shares its rows among.
        regions: Loads of the regions of the structure; None without regions.
        generation: Number of times that damage has changed the body; shapes of one generation do not serve another.
    """

    scene: Scene
    clock: Clock
    space: Space
    stepper: TickStepper
    changes: tuple[Change, ...] = ()
    failed: NDArray[np.bool_] | None = None
    factors: FloatArray | None = None
    threads: int = 1
    regions: RegionLoads | None = None
    generation: int = 0
    _shares: dict[int, FloatArray] = field(default_factory=dict, repr=False)
    _loads: dict[tuple[int, ...], Loads] = field(default_factory=dict, repr=False)
    _spaces: dict[tuple[int, ...], Space] = field(default_factory=dict, repr=False)

    @classmethod
    def make(cls, scene: Scene, clock: Clock, *, threads: int = 1) -> "LivePlan":
        """The plan of a run without changes."""
        space = discretise(scene.problem)
        structure = scene.structure
        loads = None if structure is None or structure.regions is None else RegionLoads.of(structure.regions.loads)
        stepper = _make_stepper(clock, space, threads, is_whole=True)
        return cls(scene, clock, space, stepper, threads=threads, regions=loads)

    def fork(self) -> "LivePlan":
        """The same plan, with a knowledge of loads of its own, which is kept by numbers of commands."""
        return replace(self, _shares=dict(self._shares), _loads=dict(self._loads), _spaces=dict(self._spaces))

    def with_changes(self, changes: Iterable[Change]) -> "LivePlan":
        """The plan with changes added or, where one of their number is there, replaced; in order of `seq`."""
        found = {change.seq: change for change in self.changes}
        found |= {change.seq: change for change in changes}
        return replace(self, changes=tuple(found[seq] for seq in sorted(found)), _loads={}, _spaces={})

    def at(self, tick: int) -> "LivePlan":
        """The plan without the changes that have ended before a tick, and with damage that begins there."""
        kept = tuple(change for change in self.changes if not change.is_over(tick))
        begun = [change for change in kept if change.start == tick and change.event.is_lasting]
        if len(kept) == len(self.changes) and not begun:
            return self
        shares = {change.seq: self._shares[change.seq] for change in kept if change.seq in self._shares}
        plan = replace(self, changes=kept, _shares=shares, _loads={}, _spaces={})
        for change in begun:
            hit = change.event.damage(self.scene)
            if hit is not None and hit.conductivity_factor < 1.0:
                plan = plan.damaged(hit.cells.reshape(-1), hit.conductivity_factor)
        return plan

    def damaged(self, cells: NDArray[np.bool_], factor: float) -> "LivePlan":
        """The plan with the conductivity of some cells lowered to a share of the intact one, if it is not lower yet."""
        before = np.ones(cells.size) if self.factors is None else self.factors
        factors = np.where(cells, np.minimum(before, factor), before)
        return self if np.array_equal(factors, before) else self.weakened(factors)

    def weakened(self, factors: FloatArray) -> "LivePlan":
        """The plan with a share of the conductivity of each cell left, flat."""
        space = weaken(self._intact, factors)
        stepper = _make_stepper(self.clock, space, self.threads, is_whole=False)
        number = self.generation + 1
        return replace(self, space=space, stepper=stepper, factors=factors, generation=number, _loads={}, _spaces={})

    def with_failed(self, cells: NDArray[np.intp]) -> "LivePlan":
        """The plan with cells that have failed: they emit no source, and conduct what the structure says."""
        failed = np.zeros(self.space.capacity.size, bool) if self.failed is None else self.failed.copy()
        failed[cells] = True
        plan = replace(self, failed=failed, generation=self.generation + 1, _loads={}, _spaces={})
        left = 1.0 if self.scene.structure is None else self.scene.structure.conductivity_factor
        if left < 1.0:
            lost = np.zeros(failed.size, bool)
            lost[cells] = True
            plan = plan.damaged(lost, left)
        return plan

    def with_regions(self, regions: RegionLoads) -> "LivePlan":
        """The plan with the loads of regions moved."""
        return replace(self, regions=regions, generation=self.generation + 1, _loads={}, _spaces={})

    @property
    def _intact(self) -> Space:
        return self.space if self.factors is None else discretise(self.scene.problem)

    def acting(self, tick: int) -> tuple[Change, ...]:
        """The changes in force during a tick, in order of `seq`."""
        return tuple(change for change in self.changes if change.acts(tick))

    def loads(self, tick: int, temperature: FloatArray | None = None) -> Loads:
        """The loads during a tick.

        Args:
            tick: Number of the tick.
            temperature: Flat field at its beginning; needed where a face radiates.
        """
        acting = self.acting(tick)
        key = tuple(change.seq for change in acting)
        if key in self._loads and not self._changes_within(acting):
            return self._loads[key]
        space = self._space_in_force(acting)
        if self.clock.method == "implicit":
            return self._keep_loads(key, self._act(space, acting, tick))
        face_laws = tuple(self._face_law(space, index, acting, temperature) for index in range(len(space.patches)))
        source = self._source(acting, tick)
        operator = b"".join(np.asarray(law.transmittance, np.float64).tobytes() for law in face_laws)
        return self._keep_loads(key, Loads(face_laws, source, operator))

    def _keep_loads(self, key: tuple[int, ...], loads: Loads) -> Loads:
        self._loads.clear()  # those of the last set of changes serve again, no others
        self._loads[key] = loads
        return loads

    def _act(self, space: Space, acting: Sequence[Change], tick: int) -> ActingLoads:
        """The loads of a method that evaluates laws of faces and sources at its own temperatures."""
        patches = zip(space.patches, space.boundaries, strict=True)
        faces = [self._find_overlay(patch, law, acting) for patch, law in patches]
        overlay = Overlay(
            tuple(remaining for remaining, _ in faces),
            tuple(imposed for _, imposed in faces),
            self._add_sources(self._region_source, acting, tick),
            self.failed,
            self.factors,
        )
        own = replace(space, overlay=overlay, _constant_loads=None, found={})
        if find_features(self.scene.problem) or _follows_temperature(space):
            return ActingLoads((), overlay.source, b"", space=own)
        laws = tuple(self._face_law(space, index, acting, None) for index in range(len(space.patches)))
        operator = b"".join(np.asarray(law.transmittance, np.float64).tobytes() for law in laws)
        return ActingLoads(laws, self._source(acting, tick), operator, space=own)  # the lumped model reads these

    def boundaries(self, tick: int, until: int) -> tuple[int, ...]:
        """A tick, and the later ones up to another at which changes begin or end, in order."""
        found = {tick}
        for change in self.changes:
            found |= {at for at in (change.start, change.end) if at is not None and tick < at <= until}
        return tuple(sorted(found))

    def key(self, tick: int) -> tuple[int, ...] | None:
        """What the loads of a tick are known by; None where they follow the time or the temperatures."""
        acting = self.acting(tick)
        if self._changes_within(acting) or _follows_temperature(self._space_in_force(acting)):
            return None
        return (self.generation, *(change.seq for change in acting if not change.event.is_lasting))

    def needs_field(self, tick: int) -> bool:
        """True where the loads of a tick depend on the temperatures: a face radiates, and is taken by its tangent."""
        if self.clock.method == "implicit":
            return False
        return any(not law.is_linear for law in self._space_in_force(self.acting(tick)).boundaries)

    def _changes_within(self, acting: Sequence[Change]) -> bool:
        radiates = any(not law.is_linear for law in self._space_in_force(acting).boundaries)
        return (radiates and self.clock.method != "implicit") or any(change.event.moves for change in acting)

    def boundary(self, tick: int, face: str) -> Boundary:
        """The law of a face in force during a tick."""
        return self._space_in_force(self.acting(tick)).problem.boundary(face)

    def _space_in_force(self, acting: Sequence[Change]) -> Space:
        """The space with the laws of the faces that the changes leave; made once for a set of changes."""
        key = tuple(change.seq for change in acting)
        if key not in self._spaces:
            if len(self._spaces) >= MOST_SETS:
                self._spaces.clear()
            self._spaces[key] = self._make_space(acting)
        return self._spaces[key]

    def _make_space(self, acting: Sequence[Change]) -> Space:
        laws: dict[str, Boundary] = dict(self.scene.problem.boundaries)
        for change in acting:
            for name in {patch.name for patch in self.space.patches}:
                before = laws.get(name, self.scene.problem.boundary(name))
                after = change.event.replace_law(name, before)
                if after is not before:
                    laws[name] = after
        if laws == self.scene.problem.boundaries:
            return self.space
        problem = replace(self.scene.problem, boundaries=laws)
        return replace(self.space, problem=problem, _constant_loads=None, found={}, matrices={})

    def _face_law(self, space: Space, index: int, acting: Sequence[Change], temperature: FloatArray | None) -> FaceLaw:
        patch, law, half = space.patches[index], space.boundaries[index], space.half_conductance[index]
        remaining, imposed = self._find_overlay(patch, law, acting)

        def close(robin: Robin) -> FaceLaw:
            part = Robin(robin.film, robin.reference, robin.imposed * remaining + imposed)
            if remaining != 1.0:
                part = replace(part, film=np.asarray(robin.film) * remaining)
            return eliminate_surface(part, half)

        at = space.law(index, 0.0)
        if law.is_linear:
            return close(at(0.0))
        near = self._initial(temperature)[patch.cells]
        surface = near
        for _ in range(SURFACE_TURNS):
            surface = near + close(at(surface)).heat_flux(near) / half
            surface = np.maximum(surface, -self._absolute_zero)
        return close(at(surface))

    def _find_overlay(self, patch: Patch, law: Boundary, acting: Sequence[Change]) -> tuple[float, FloatArray]:
        """Share of the film of a face that is left, and heat flux into it beside its law [W/m2]."""
        remaining, imposed = 1.0, np.zeros(())
        for change in acting:
            if law.films or law.radiates:
                remaining *= change.event.keep_film(patch.name)
            added = change.event.impose(patch)
            imposed = imposed if added is None else imposed + added
        return remaining, imposed

    def _initial(self, temperature: FloatArray | None) -> FloatArray:
        return self.space.initial_temperature() if temperature is None else temperature

    @property
    def _absolute_zero(self) -> float:
        return CELSIUS_ZERO if self.scene.problem.temperature_unit == "degC" else 0.0

    def _source(self, acting: Sequence[Change], tick: int) -> FloatArray | None:
        """V q of each cell [W per unit of section], flat: that of the scene, and the changes' in order of `seq`."""
        return self._add_sources(self._own_source, acting, tick)

    def _add_sources(self, total: FloatArray | None, acting: Sequence[Change], tick: int) -> FloatArray | None:
        sources = [change for change in acting if change.event.find_power(change.ticks, self.clock.tick) != 0.0]
        if not sources:
            return total
        total = np.zeros(self.space.capacity.size) if total is None else total.copy()
        for change in sources:
            shares = self._shares_of(change, tick)
            if shares is not None and not self._is_shut_off(change):
                power = change.event.find_power(change.ticks, self.clock.tick) / self.scene.section
                total += power * shares
        return total

    def _is_shut_off(self, change: Change) -> bool:
        """Tell whether an overload is on a region that has failed: what it drove there has stopped."""
        event, structure = change.event, self.scene.structure
        if not isinstance(event, Overload) or event.loaded_region is None or self.regions is None:
            return False
        if structure is None or structure.regions is None:
            return False
        return bool(self.regions.failed[structure.regions.names.index(event.loaded_region)])

    def _shares_of(self, change: Change, tick: int) -> FloatArray | None:
        if change.event.moves:
            return change.event.shares(self.scene, (tick - change.start + 0.5) * self.clock.tick)
        if change.seq not in self._shares:
            found = change.event.shares(self.scene, 0.0)
            if found is None:
                return None
            self._shares[change.seq] = found
        return self._shares[change.seq]

    @cached_property
    def _own_source(self) -> FloatArray | None:
        """The source of the scene, which failed cells do not emit, and the loads of its regions."""
        source = self.space.source_heat(0.0)
        if source is not None and self.failed is not None:
            source = np.where(self.failed, 0.0, source)
        loads = self._region_source
        return loads if source is None else source if loads is None else source + loads

    @property
    def _region_source(self) -> FloatArray | None:
        """Loads of the regions, spread evenly over the cells of each, flat [W per unit of section]."""
        structure = self.scene.structure
        if self.regions is None or structure is None or structure.regions is None or not np.any(self.regions.loads):
            return None
        owner = structure.regions.find_owner(self.scene.problem).reshape(-1)
        if self.space.active is not None:
            owner = np.where(self.space.active, owner, -1)
        counts = np.bincount(owner[owner >= 0], minlength=len(self.regions.loads))
        each = self.regions.loads / np.maximum(counts, 1) / self.scene.section
        return np.where(owner >= 0, each[owner], 0.0)


def _follows_temperature(space: Space) -> bool:
    """Tell whether a face radiates, or has a law whose values depend on its temperature."""
    laws = space.boundaries
    return any(not law.is_linear or any("T" in value.variables for value in law.values.values()) for law in laws)


def _make_stepper(clock: Clock, space: Space, threads: int, *, is_whole: bool) -> TickStepper:
    """The method of a clock; where damage has made a box uneven, super-steps take over from fused explicit steps."""
    if clock.method == "explicit" and is_whole:
        from grid.engine.live.explicit_tick import ExplicitTick  # loads Numba

        return ExplicitTick(space, clock.steps, threads)
    if clock.method == "implicit":
        from grid.engine.live.implicit_tick import ImplicitTick  # loads Numba

        return ImplicitTick(space, clock.tick)
    from grid.engine.live.rkl2_tick import Rkl2Tick  # loads Numba

    return Rkl2Tick(space, clock.tick, clock.stiffness, threads)
