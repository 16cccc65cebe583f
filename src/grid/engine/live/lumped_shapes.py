"""Shapes of the lumped model of a live run: what a set of loads makes of a body that changes slowly.

A shape takes a solve (`grid.engine.lumped.quasi_steady`), but for loads that differ by an even source.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

from grid.engine.live.plan import LivePlan
from grid.engine.lumped.quasi_steady import QuasiSteady, Response
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

MOST_SHAPES = 8  # [-] shapes that are kept, each of two fields
PROPORTIONAL = 1e-12  # [-] deviation from a source proportional to the heat capacity, over its largest value
Key = tuple[int, ...]  # generation of the plan, then the numbers of the changes in force


class Shape:
    """Shapes of one set of loads, and what bounds a field that is made of them.

    Args:
        space: The body.
        loads: The set.
        response: From `QuasiSteady`.
    """

    def __init__(self, space: Space, loads: Loads, response: Response) -> None:
        self.loads, self.response = loads, response
        inside = slice(None) if space.active is None else space.active
        zero, one = response.shape_0[inside], response.shape_1[inside]
        self.extremes = (float(zero.min()), float(zero.max()), float(one.min()), float(one.max()))
        self.exchange = exchange_weights(space, loads)
        self.surface = tuple(weigh_surface(self.exchange, part) for part in (response.shape_0, response.shape_1))
        self.generated = 0.0 if loads.source is None else float(loads.source.sum())

    def bound(self, u: float, past: tuple[float, float]) -> tuple[float, float]:
        """Bounds of the distance of a temperature from the mean, below and above [K].

        Args:
            u: Mean less reference [K].
            past: Extremes of what is left of the past [K].
        """
        low_0, high_0, low_1, high_1 = self.extremes
        low, high = (u * low_1, u * high_1) if u >= 0.0 else (u * high_1, u * low_1)
        return low_0 + low + past[0], high_0 + high + past[1]

    def delta(self, u: float, past: float) -> float:
        """Exchange-weighted mean of the surface less the mean of the body [K] (certificate C3)."""
        return self.surface[0] + u * self.surface[1] + past


def exchange_weights(space: Space, loads: Loads) -> tuple[tuple[Any, FloatArray], ...]:
    """Cells behind the faces that exchange heat, and their shares of the exchange."""
    found, total = [], 0.0
    for patch, law in zip(space.patches, loads.face_laws, strict=True):
        exchange = np.broadcast_to(np.asarray(law.transmittance, np.float64), patch.cells.shape) * patch.area
        total += float(exchange.sum())
        found.append((patch.cells, exchange))
    return tuple((cells, exchange / total) for cells, exchange in found) if total > 0.0 else ()


def weigh_surface(exchange: tuple[tuple[Any, FloatArray], ...], values: FloatArray) -> float:
    """Exchange-weighted mean of flat values at the surface; 0 without exchange."""
    return sum(float((weights * values[cells]).sum()) for cells, weights in exchange)


@dataclass
class Shapes:
    """Shapes that are known, by the loads that they belong to. A cache: what it holds follows from plan and requests.

    Several threads may ask it: who needs a solve waits for that of another, what is known is answered at once.

    Args:
        reference: Temperature from which means are counted.
    """

    reference: float
    known: OrderedDict[Key, Shape] = field(default_factory=OrderedDict)
    _solvers: dict[int, QuasiSteady] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False)  # of what is known
    _solving: Lock = field(default_factory=Lock, repr=False)

    def fork(self) -> "Shapes":
        """What is known now, for a run that goes on alone: keys are numbers of commands and of changes of the body."""
        with self._lock:
            return Shapes(self.reference, OrderedDict(self.known), dict(self._solvers))

    def find(self, key: Key, plan: LivePlan, loads: Loads) -> Shape:
        """The shape of the loads of a plan, solved for the first time."""
        found = self._look_up(key)
        if found is not None:
            return found
        with self._solving:
            found = self._look_up(key)
            if found is None:
                generation = key[0]
                if generation not in self._solvers:
                    self._solvers = {generation: QuasiSteady(plan.space, self.reference)}  # those of damaged bodies go
                found = Shape(plan.space, loads, self._solvers[generation].respond(plan.space, loads))
                with self._lock:
                    self.known[key] = found
                    while len(self.known) > MOST_SHAPES:
                        self.known.popitem(last=False)
        return found

    def _look_up(self, key: Key) -> Shape | None:
        with self._lock:
            found = self.known.get(key)
            if found is not None:
                self.known.move_to_end(key)
            return found

    def derive(self, plan: LivePlan, loads: Loads, near: Shape) -> Shape | None:
        """The shape of loads that differ from known ones by a source proportional to the heat capacity; None if not.

        Such a source warms the body evenly: the rate grows, the shape stays.
        """
        if not _same_faces(near.loads, loads):
            return None
        before = np.zeros(()) if near.loads.source is None else near.loads.source
        after = np.zeros(()) if loads.source is None else loads.source
        change = np.broadcast_to(np.asarray(after - before, np.float64), plan.space.capacity.shape)
        rate = float(change.sum()) / plan.space.total_capacity
        if np.abs(change - rate * plan.space.capacity).max() > PROPORTIONAL * np.abs(change).max():
            return None
        return Shape(plan.space, loads, replace(near.response, rate_0=near.response.rate_0 + rate))


def _same_faces(one: Loads, other: Loads) -> bool:
    pairs = zip(one.face_laws, other.face_laws, strict=True)
    return one.operator_key == other.operator_key and all(
        np.array_equal(a.reference, b.reference) and np.array_equal(a.imposed, b.imposed) for a, b in pairs
    )
