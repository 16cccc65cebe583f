"""Stages of RKL2: their weights and their number (`grid.engine.methods.rkl2.stepper` has the scheme)."""

import math
from functools import lru_cache

Weights = tuple[float, float, float, float, float]  # mu, nu, kappa, forward, backward


@lru_cache(maxsize=256)
def make_weights(stages: int) -> tuple[Weights, ...]:
    """mu, nu, 1 - mu - nu, mu~ and gamma~ of the stages 1, 2, ..., for a step of 1."""
    b = [1.0 / 3.0] * 3 + [(j * j + j - 2) / (2.0 * j * (j + 1)) for j in range(3, stages + 1)]
    w = 4.0 / (stages * stages + stages - 2)
    found: list[Weights] = [(1.0, 0.0, 0.0, b[1] * w, 0.0)]
    for j in range(2, stages + 1):
        mu = (2 * j - 1) / j * b[j] / b[j - 1]
        nu = -(j - 1) / j * b[j] / b[j - 2]
        found.append((mu, nu, 1.0 - mu - nu, mu * w, -(1.0 - b[j - 1]) * mu * w))
    return tuple(found)


def count_stages(radius: float) -> int:
    """The least odd number of stages, 3 at least, that is stable for tau rho."""
    return max(3, math.ceil(0.5 * (math.sqrt(9.0 + 8.0 * radius) - 1.0)) | 1)
