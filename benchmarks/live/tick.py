"""V1 and V3, the engine's part: the price of a tick with a burst on, beside plain explicit steps and py-pde.

A tick is 64 explicit steps at 0.4 of their limit of a steel plate of 1 m, with a Gaussian source on, look, stress and
cycles, and the balance of heat. Sides take turns; processor time of one thread.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine.environments import EnvironmentMissingError, prepare
from grid.engine.live.advance import LUMPED_LOOK
from grid.engine.live.clock import plan_clock
from grid.engine.live.events import Burst, Overload
from grid.engine.live.fidelity_limits import Fidelity
from grid.engine.live.scene import Scene
from grid.engine.live.session import Session
from grid.engine.methods.explicit.stepper import ExplicitStepper
from grid.engine.methods.state import Bounds, HeatBalance, State
from grid.engine.space.discretise import discretise

PEERS = Path(__file__).parent / "peers"
STEEL = {
    "conductivity": 50.0, "density": 7800.0, "specific_heat": 470.0, "young_modulus": 2.1e11, "poisson_ratio": 0.3,
    "thermal_expansion": 1.2e-5, "yield_stress": 3.5e8,
}  # fmt: skip
STEPS, SAFETY = 64, 0.4
AGREEMENT = 1e-3  # of the rise: the error of 64 steps of forward Euler a tick
INITIAL, THICKNESS, RADIUS, POWER = 293.15, 0.01, 0.03, 2e4


def make_scene(cells: int, *, with_structure: bool) -> Scene:
    """A steel plate of 1 m x 1 m x 10 mm, insulated."""
    case = {
        "domain": {"size": [1.0, 1.0], "section": THICKNESS},
        "material": STEEL,
        "initial": INITIAL,
        "resolution": {"cells": [cells, cells]},
        "temperature_unit": "K",
    }
    structure = {"reference_temperature": INITIAL, "life": {"coefficient_pa": 9e8, "exponent": -0.09}}
    return Scene.from_json({"case": case} | ({"structure": structure} if with_structure else {}))


def find_tick(cells: int) -> float:
    """Simulated time of 64 explicit steps [s], of which each is 0.4 of the limit within the plate, d^2/(4 alpha)."""
    diffusivity = STEEL["conductivity"] / (STEEL["density"] * STEEL["specific_heat"])
    return STEPS * SAFETY / (4.0 * diffusivity * cells**2)


def make_burst(tick: float) -> Burst:
    """A burst that lasts as long as any measurement."""
    return Burst((0.4, 0.5), RADIUS, 1e6 * tick, power=POWER)


def measure(cells: int, repeats: int, *, with_pypde: bool) -> dict[str, Any]:
    """Processor seconds of a tick by each side, in turns."""
    tick = find_tick(cells)
    sides: dict[str, Callable[[], Any]] = {}
    methods: dict[str, str] = {}
    for name, has_structure, method in (
        ("tick", True, "auto"), ("heat alone", False, "auto"), ("explicit", False, "explicit"), ("rkl2", False, "rkl2"),
    ):  # fmt: skip
        scene = make_scene(cells, with_structure=has_structure)
        clock = plan_clock(scene, tick, method=method)
        session = Session(scene, clock)
        session.apply(make_burst(tick))
        session.advance(3)  # compiles
        sides[name], methods[name] = session.advance, f"{clock.method}, {clock.steps} steps, {clock.stages} stages"
    sides["lumped model, even overload"] = advance_lumped(cells, tick)
    sides["plain explicit steps"] = plain_steps(cells, tick)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, advance in sides.items():
            started = time.process_time()
            advance()
            seconds[name].append((time.process_time() - started) / (LUMPED_LOOK if "lumped" in name else 1))
    if with_pypde:
        seconds["py-pde"] = run_pypde(cells, tick, max(3, repeats // 3))
    return {"cells": cells, "seconds": seconds, "methods": methods}


def advance_lumped(cells: int, tick: float) -> Callable[[], Any]:
    """As many ticks of the lumped model as lie between two looks at its field."""
    scene = replace(make_scene(cells, with_structure=False), fidelity=Fidelity(deviation=5.0))
    session = Session(scene, plan_clock(scene, tick))
    session.apply(Overload(500.0))
    session.advance(2 * LUMPED_LOOK)
    assert session.summary.model == "lumped"
    return lambda: session.advance(LUMPED_LOOK)


def plain_steps(cells: int, tick: float) -> Callable[[], Any]:
    """The same tick by the general explicit kernel, one step a pass through memory."""
    scene = make_scene(cells, with_structure=False)
    space = discretise(scene.problem)
    stepper = ExplicitStepper(space, tick / STEPS)
    shares = make_burst(tick).shares(scene, 0.0)
    loads = replace(space.loads(0.0), source=POWER / THICKNESS * shares)
    start = space.initial_temperature()
    state = State(0.0, 0, start, HeatBalance(), Bounds(INITIAL, INITIAL))
    padded = np.pad(state.temperature.reshape(space.shape), 1)

    def advance() -> None:
        field, spare = padded.copy(), padded.copy()
        stepper._run(field, spare, loads, tick / STEPS, STEPS, np.zeros(2))  # noqa: SLF001 - the kernel itself

    advance()
    return advance


def run_pypde(cells: int, tick: float, ticks: int) -> list[float]:
    """Processor seconds of ticks in py-pde; its field is compared with Grid's.

    Raises:
        EnvironmentMissingError: It cannot be installed.
        AssertionError: Its field differs from that of a live run by more than the error of its steps.
    """
    environment = prepare("pypde", PEERS)
    scene = make_scene(cells, with_structure=False)
    shares = make_burst(tick).shares(scene, 0.0)
    assert shares is not None
    capacity = STEEL["density"] * STEEL["specific_heat"] * THICKNESS / cells**2
    with tempfile.TemporaryDirectory() as folder:
        source, field = Path(folder) / "source.npy", Path(folder) / "field.npy"
        np.save(source, (POWER * shares / capacity).reshape(cells, cells))
        burst = {
            "cells": cells, "steps": STEPS, "tick": tick, "ticks": ticks, "initial": INITIAL, "source": str(source),
            "field": str(field), "diffusivity": STEEL["conductivity"] / (STEEL["density"] * STEEL["specific_heat"]),
        }  # fmt: skip
        command = [str(environment.python), str(PEERS / "pypde_burst.py"), json.dumps(burst)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        theirs = np.load(field)
    session = Session(scene, plan_clock(scene, tick, method="explicit"))
    session.apply(make_burst(tick))
    session.advance(ticks + 1)
    ours = session.field()
    rise = float(ours.max()) - INITIAL
    worst = float(np.abs(ours - theirs).max()) / rise
    assert worst < AGREEMENT, f"fields differ by {worst:.2e} of the rise"
    found: list[float] = json.loads(done.stdout.splitlines()[-1])["processor"]
    return found


__all__ = ["EnvironmentMissingError", "measure"]
