"""Tick, steps and method of a live run, and the price of a tick: what is known before the run begins.

Steps and stages hold for the stiffest state that a command may bring: every face held at a temperature, and nothing
damaged (conductivities only fall). So no command makes a step unstable.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.arguments import require_choice, require_kind, require_number
from grid.engine.costs.runs import SAFETY
from grid.engine.costs.table import price, scale
from grid.engine.live.implicit_work import count_implicit_work, count_parts
from grid.engine.live.needs import IMPLICIT_CELLS, find_features, require_live
from grid.engine.live.scene import Scene
from grid.engine.methods.explicit.box import is_homogeneous
from grid.engine.methods.rkl2.stages import count_stages
from grid.engine.space.discretise import discretise
from grid.engine.space.space import Space
from grid.engine.space.sums import sum_conductances
from grid.engine.values.value import Constant

LiveMethod = Literal["explicit", "rkl2", "implicit"]
METHODS: tuple[LiveMethod, ...] = ("explicit", "rkl2", "implicit")
TICK = limits.Limit(1e-9, 1e9, "s")
MAX_STEPS = 1 << 20  # [-] explicit steps of a tick
LARGEST_STAGES = 2001  # [-] stages of a super-step
MARGIN = 1.02  # [-] factor on the bound of the spectral radius, for rounding
FIELDS = {"explicit": 5.0, "rkl2": 10.0, "implicit": 60.0}  # [-] fields of a method: levels, coefficients, sources
STRUCTURE_BYTES, FIELD_BYTES = 60.0, 8.0  # [B] of a cell


@dataclass(frozen=True)
class Clock:
    """How a live run advances; made by `plan_clock`.

    Args:
        tick: Length of a tick [s].
        steps: Explicit steps of a tick, a power of two; nominal where the method takes others.
        method: `explicit`, `rkl2` or `implicit`.
        stages: Stages of a super-step; 0 where the method has none.
        stiffness: Bound of the spectral radius that they hold for [1/s].
        tolerance: Error of a tick over the span of temperatures from which on a method takes shorter steps.
        price: Processor time of a tick, with look and structure [s].
        memory_bytes: At the peak, beyond the libraries.
        reason: Why this method, in words.
    """

    tick: float
    steps: int
    method: LiveMethod
    stages: int
    stiffness: float
    tolerance: float
    price: float
    memory_bytes: int
    reason: str

    @property
    def course(self) -> tuple[float, int, str, int, float, float]:
        """What decides the bytes of a run: all but price, memory and reason, which another calibration changes."""
        return self.tick, self.steps, self.method, self.stages, self.stiffness, self.tolerance

    def time(self, tick: int) -> float:
        """Simulated time at the beginning of a tick [s]: one multiplication, never a sum."""
        return tick * self.tick


def plan_clock(scene: Scene, tick: float, *, method: str = "auto", tolerance: float = 1e-3) -> Clock:
    """Choose the method of a scene and the steps of its ticks.

    Args:
        scene: What is simulated.
        tick: Simulated time of a tick [s].
        method: `auto`, `explicit`, `rkl2` or `implicit`.
        tolerance: Error of a tick over the span of temperatures, from which on `rkl2` and `implicit` shorten steps.

    Raises:
        FieldError: The tick needs more steps or stages than allowed, and names the longest tick; or the scene has more
            cells than the one method that computes it takes, and names the feature.
    """
    require_kind("scene", scene, Scene, "a Scene")
    require_number("tick_s", tick, TICK)
    require_number("tolerance", tolerance, limits.TOLERANCE)
    require_choice("method", method, ("auto", *METHODS))
    require_live(scene)
    space, needs = discretise(scene.problem), find_features(scene.problem)
    stable, stiffness = find_limits(space) if not needs else (math.inf, 0.0)
    stiffness *= MARGIN
    ratio = tick / (SAFETY * stable) if math.isfinite(stable) else 0.0
    steps = 1 << max(0, math.ceil(math.log2(ratio) - 1e-12)) if ratio > 1.0 else 1
    stages = count_stages(tick * stiffness)
    problem = scene.problem
    is_small = problem.domain.cell_count <= IMPLICIT_CELLS
    prices = {
        "explicit": price(count_work(scene, "explicit", steps)) if not needs and is_plain_box(scene) else math.inf,
        "rkl2": price(count_work(scene, "rkl2", stages)) if not needs else math.inf,
        "implicit": price(count_work(scene, "implicit", count_parts(problem, tick))) if is_small else math.inf,
    }
    chosen, reason = _choose(method, prices, (steps, stages), needs)
    if chosen == "explicit" and steps > MAX_STEPS:
        raise FieldError("tick_s", f"at most {tick * MAX_STEPS / ratio:.4g} s with explicit steps")
    if chosen == "rkl2" and stages > LARGEST_STAGES:
        longest = (LARGEST_STAGES**2 + LARGEST_STAGES - 2) / (2.0 * stiffness)
        remedy = "; method implicit takes longer ones" if is_small else ""
        raise FieldError("tick_s", f"at most {longest:.4g} s on this grid{remedy}")
    if chosen == "implicit":
        steps, stiffness = 1, 0.0  # no step is unstable
    return Clock(
        tick, steps, chosen, stages if chosen == "rkl2" else 0, stiffness, tolerance,
        prices[chosen], count_bytes(scene, chosen), reason,
    )  # fmt: skip


def is_plain_box(scene: Scene) -> bool:
    """Tell whether the fused explicit steps solve a scene: a box of one constant material, whatever acts on it."""
    problem = scene.problem
    joined = {face: law for face, law in problem.boundaries.items() if law.type == "periodic"}
    return is_homogeneous(replace(problem, boundaries=joined, source_term=Constant(0.0), adaptive=None))


def find_limits(space: Space) -> tuple[float, float]:
    """Longest step of forward Euler without new extremes [s], and bound of the spectral radius [1/s].

    With every face held: a face then conducts what the half cell behind it does.
    """
    inner = sum_conductances(space)
    outer = np.zeros_like(inner)
    for patch, half in zip(space.patches, space.half_conductance, strict=True):
        np.add.at(outer, patch.cells, half * patch.area)
    fastest = float(np.max((inner + outer) * space.rate))
    return (1.0 / fastest if fastest > 0.0 else math.inf), float(np.max((2.0 * inner + outer) * space.rate))


def count_work(scene: Scene, method: LiveMethod, count: int) -> dict[str, float]:
    """Operations of a tick (`grid.engine.costs.table`): so many steps or stages, a look, and the structure."""
    cells = float(scene.problem.domain.cell_count)
    dimension = scene.problem.dimension
    work = {"live_tick": 1.0, "live_look_cell": cells}
    if method == "explicit":
        work |= {f"live_step_cell_{dimension}d": cells * count}
    elif method == "implicit":
        work |= scale(count_implicit_work(scene.problem), count)
    else:
        work |= {"live_stage": float(count), "live_stage_cell": cells * (count + 1)}
    if scene.structure is not None:
        work |= {"live_structure": 1.0, "live_structure_cell": cells}
    return work


def count_bytes(scene: Scene, method: LiveMethod) -> int:
    """Memory of a run [B]."""
    each = FIELDS[method] * FIELD_BYTES + (STRUCTURE_BYTES if scene.structure is not None else 0.0)
    return int(each * scene.problem.domain.cell_count)


def _choose(
    method: str, prices: dict[str, float], counts: tuple[int, int], needs: tuple[str, ...]
) -> tuple[LiveMethod, str]:
    """The method and the reason in words.

    Args:
        method: As asked for.
        prices: Of a tick, infinite where a method does not compute the scene.
        counts: Explicit steps and stages of a tick.
        needs: What the method `implicit` alone computes.
    """
    if method in ("explicit", "rkl2") and needs:
        raise FieldError("method", f"implicit or auto: {method} does not compute {needs[0]}")
    if method == "explicit" and math.isinf(prices["explicit"]):
        raise FieldError("method", "rkl2 or auto: explicit steps need a box of one material with constant properties")
    if method == "implicit" and math.isinf(prices["implicit"]):
        raise FieldError("method", f"explicit, rkl2 or auto: implicit takes at most {IMPLICIT_CELLS} cells")
    for known in METHODS:
        if method == known:
            return known, "requested"
    if needs:
        return "implicit", f"{needs[0]} needs implicit steps"
    steps, stages = counts
    if prices["explicit"] <= prices["rkl2"]:
        return "explicit", f"{steps} explicit steps a tick cost less than a super-step of {stages} stages"
    if math.isinf(prices["explicit"]):
        return "rkl2", "the body is no box of one material, so explicit steps are not fused"
    return "rkl2", f"a super-step of {stages} stages costs less than {steps} explicit steps a tick"
