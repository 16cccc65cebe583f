"""The lumped model of a live run from tick to tick: a mean, and what is left of the past."""

import math
from dataclasses import dataclass, replace

import numpy as np

from grid.engine.live.lumped_shapes import Key, Shape, weigh_surface
from grid.engine.lumped.step import Fading, integrate_mean
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray


@dataclass(frozen=True)
class Lumped:
    """What a lumped model carries from tick to tick.

    Args:
        mean: Heat-weighted mean temperature.
        amplitude: What is left of d [-].
        fading: d itself, the rate at which it decays and its drive on the mean at amplitude 1.
        key: Of the loads in force.
        shape: Of them.
        measured: Extremes and exchange-weighted mean of d [K].
        bounds: Bounds of the distance of a temperature from the mean when the field was last looked at [K].
        seen: Amplitude then; 2 where the field has not been looked at since d was found.
    """

    mean: float
    amplitude: float
    fading: Fading
    key: Key
    shape: Shape
    measured: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bounds: tuple[float, float] = (0.0, 0.0)
    seen: float = 2.0

    def find_bounds(self) -> tuple[float, float]:
        """Bounds of the distance of a temperature from the mean now, below and above [K]."""
        low, high, _ = scale_past(self)
        return self.shape.bound(self.mean - self.shape.response.reference, (low, high))


def scale_past(lumped: Lumped) -> tuple[float, float, float]:
    """Extremes and exchange-weighted mean of what is left of the past [K]."""
    low, high, surface = lumped.measured
    return lumped.amplitude * low, lumped.amplitude * high, lumped.amplitude * surface


def measure_past(space: Space, shape: Shape, past: FloatArray) -> tuple[float, float, float]:
    """Extremes and exchange-weighted mean of d [K]."""
    inside = past if space.active is None else past[space.active]
    return float(inside.min()), float(inside.max()), weigh_surface(shape.exchange, past)


def lumped_field(space: Space, lumped: Lumped) -> FloatArray:
    """The field of a lumped model, flat."""
    response = lumped.shape.response
    u = lumped.mean - response.reference
    out = lumped.mean + (response.shape_0 + u * response.shape_1) + lumped.amplitude * lumped.fading.past
    return space.fill(out)


def begin_lumped(space: Space, shape: Shape, temperature: FloatArray, key: Key) -> Lumped:
    """The lumped model of a field: what differs from the shape is the past. No temperature changes.

    Args:
        space: The body.
        shape: Of the loads.
        temperature: Flat.
        key: Of the shape.
    """
    mean = float(np.einsum("i,i->", space.capacity, temperature) / space.total_capacity)
    past = temperature - mean - shape.response.shape(mean)
    past = np.where(space.capacity > 0.0, past, 0.0)
    fading = Fading.of(space, shape.loads, past)
    return Lumped(mean, 1.0, fading, key, shape, measure_past(space, shape, past))


def advance_lumped(lumped: Lumped, tick: float) -> Lumped:
    """The lumped model after a tick [s] of constant loads: exact for the mean, given shapes and decay."""
    response = lumped.shape.response
    fading = replace(lumped.fading, drive=lumped.fading.drive * lumped.amplitude)
    mean = integrate_mean(response, response, lumped.mean, fading, tick)
    return replace(lumped, mean=mean, amplitude=lumped.amplitude * math.exp(-lumped.fading.rate * tick))
