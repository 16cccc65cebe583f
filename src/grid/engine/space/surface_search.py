"""Search of surface temperatures at which a half cell and the law of its face agree."""

import numpy as np

from grid.engine.values.operations import FloatArray

SURFACE_TOLERANCE = 1e-13  # [-] relative to the temperature: step at convergence
SECANT_REACH = 100.0  # [-] largest step of a secant relative to that of a plain iteration


class SurfaceSearch:
    """Search of fixed points s = F(s), one for each face: secants between bounds, halving where these leave or stall.

    F is the surface temperature at which a law, linear about s, and the half cell at s agree, so its own value is the
    first step. F(s) - s changes sign between the bounds; where F jumps, they close on the jump. The secant is that of
    the missing heat, (F(s) - s) times its conductance, which is a straight line in s for each phase of a body that
    melts, where F itself is not.
    """

    def __init__(self, start: FloatArray) -> None:
        self.at = start
        self.step = self.tolerance = np.inf
        # F has no finer resolution
        self._rounding = max(4.0 * float(np.spacing(np.abs(start).max(initial=0.0))), 1e-300)
        self.worst = 0  # number of the face with the largest step
        self._low = np.full(start.shape, -np.inf)
        self._high = np.full(start.shape, np.inf)
        self._last: tuple[FloatArray, FloatArray] | None = None
        self._sizes = np.full((2, *start.shape), np.inf)  # missing heat one and two turns ago

    def is_settled(self, answer: FloatArray, stiffness: FloatArray) -> bool:
        """Take F(at) and go to the next point, unless every face is at its fixed point to rounding.

        Args:
            answer: F(at).
            stiffness: Missing heat for each kelvin of F(at) - at [W/(m2 K)].
        """
        at, gap = self.at, answer - self.at
        self._low = np.where(gap > 0.0, np.maximum(self._low, at), self._low)
        self._high = np.where(gap < 0.0, np.minimum(self._high, at), self._high)
        following, heat = answer, gap * stiffness
        if self._last is not None:
            before, heat_before = self._last
            way, rise = at - before, heat - heat_before
            falls = np.sign(way) * np.sign(rise) < 0.0  # else the secant leads away from the fixed point
            reach = SECANT_REACH * np.abs(gap)
            secant = -heat * np.divide(way, rise, out=np.zeros_like(way), where=falls)
            following = np.where(falls, at + np.clip(secant, -reach, reach), answer)
        self.tolerance = max(SURFACE_TOLERANCE * float(np.abs(at).max(initial=0.0)), self._rounding)
        is_outside = (following < self._low) | (following > self._high)
        creeps = (np.abs(heat) > 0.5 * self._sizes[1]) & (np.abs(following - at) > self.tolerance)
        is_held = (is_outside | creeps) & np.isfinite(self._low) & np.isfinite(self._high)
        middle = 0.5 * (np.where(is_held, self._low, 0.0) + np.where(is_held, self._high, 0.0))
        following = np.where(is_held, middle, following)
        steps = np.abs(np.where(gap == 0.0, 0.0, following - at))
        self.step = float(steps.max(initial=0.0))
        self.worst = int(steps.argmax()) if self.step > 0.0 else 0
        self._last, self._sizes = (at, heat), np.stack([np.abs(heat), self._sizes[0]])
        if self.step <= self.tolerance:
            return True
        self.at = following
        return False
