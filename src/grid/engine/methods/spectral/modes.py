r"""Eigenmodes of heat along one axis of a homogeneous box, as the finite volumes have them.

Along an axis of n cells of conductance g between neighbours and capacity C the operator is tridiagonal (cyclic where
the axis is periodic). With a half cell (2 g) or nothing at its ends its eigenvectors are samples of sines, cosines at
the cell centres, with rates :math:`2 (g/C)(1 - \cos\theta_j)` (G. Strang, The discrete cosine transform, SIAM Review
41, 1999, for the cosines; the sines are their odd counterparts):

===============================  =====================  ==========================================
ends                             :math:`\theta_j`       mode at cell i
===============================  =====================  ==========================================
insulated, insulated             pi j / n, j = 0..      cos(theta (i + 1/2)), DCT-II
temperature, temperature         pi j / n, j = 1..      sin(theta (i + 1/2)), DST-II
insulated, temperature           pi (j + 1/2) / n       cos(theta (i + 1/2)), DCT-IV
temperature, insulated           pi (j + 1/2) / n       sin(theta (i + 1/2)), DST-IV
periodic                         2 pi j / n             cos(theta i) and sin(theta i), FFT
anything else                    see below              cos(theta (i + 1/2) - phi)
===============================  =====================  ==========================================

An end of conductance e g, e between 0 and 2 as a half cell in series with a film has, is met by a phase
:math:`\tan\varphi = e \cos(\theta/2) / ((2 - e) \sin(\theta/2))`, which follows from the row of the last cell; both
ends together require :math:`n\theta_j - \varphi_0(\theta_j) - \varphi_1(\theta_j) = \pi j`, whose left side grows with
theta, so that each root is bracketed by those of the insulated and the held axis.

All bases are orthonormal and sorted by rate. NumPy alone is loaded, but for transforms of long axes (SciPy's FFT).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from grid.engine.values.operations import FloatArray

Kind = Literal["cosine", "sine", "cosine_half", "sine_half", "fourier", "film"]
FULL_PRODUCT = 128  # [-] modes up to which a product with the basis is as fast as a transform
KEPT_FILM = 1024  # [-] cells of an axis with films up to which its modes are stored; no transform finds them
BISECTIONS = 70  # [-] halvings of the bracket of a root
SMALL_PRODUCT = 1 << 18  # [-] multiply-adds up to which OpenBLAS does not share a product among threads
_KINDS: dict[tuple[bool, bool], Kind] = {
    (False, False): "cosine",
    (True, True): "sine",
    (False, True): "cosine_half",
    (True, False): "sine_half",
}


@dataclass(frozen=True)
class AxisModes:
    """The eigenmodes along one axis; see `make_modes`.

    Args:
        kind: Which basis.
        count: Cells along the axis, and modes.
        scale: g / C [1/s].
        ends: Conductance of both ends over g.
    """

    kind: Kind
    count: int
    scale: float
    ends: tuple[float, float] = (0.0, 0.0)

    @property
    def is_closed(self) -> bool:
        """True where heat leaves through neither end, so that the first mode is constant and does not decay."""
        return self.kind in ("cosine", "fourier")

    @property
    def has_parity(self) -> bool:
        """True where each mode is even or odd about the middle of the axis, by its number."""
        return self.kind in ("cosine", "sine")

    @cached_property
    def rates(self) -> FloatArray:
        """Rates of decay [1/s], increasing, shape (count,)."""
        return 4.0 * self.scale * np.sin(0.5 * self._angles) ** 2

    def surviving(self, exponent: float, time: float) -> int:
        """Count the modes with rate * time at most `exponent`; at least one."""
        return max(1, int(np.searchsorted(self.rates * time, exponent, side="right")))

    def is_product(self, many: int) -> bool:
        """Tell whether so many modes are found by a product with their vectors rather than by a transform."""
        return self.kind == "film" or many <= FULL_PRODUCT

    def halves(self, many: int) -> FloatArray:
        """The first modes up to the middle cell, which is included; shape (many, (count + 1) // 2)."""
        if many not in self._kept:
            self._kept[many] = self._sample(many, (self.count + 1) // 2)
        return self._kept[many]

    @cached_property
    def _kept(self) -> dict[int, FloatArray]:
        return {}

    def vectors(self, many: int) -> FloatArray:
        """The first modes, one a row, shape (many, count)."""
        if self.kind == "film" and self.count <= KEPT_FILM:
            return self._all[:many]
        if not self.has_parity or many > FULL_PRODUCT:
            return self._sample(many, self.count)
        near = self.halves(many)
        out = np.empty((many, self.count))
        out[:, : near.shape[1]] = near
        far = near[:, : self.count // 2][:, ::-1]
        out[0::2, near.shape[1] :] = far[0::2]
        np.negative(far[1::2], out=out[1::2, near.shape[1] :])
        return out

    @cached_property
    def _all(self) -> FloatArray:
        """All modes, one a row; nothing may write to them."""
        found = self._sample(self.count, self.count)
        found.setflags(write=False)
        return found

    def _sample(self, many: int, cells: int) -> FloatArray:
        """The first modes at the first cells."""
        place = np.arange(cells) + (0.0 if self.kind == "fourier" else 0.5)
        arguments = self._angles[:many, None] * place
        if self.kind == "fourier":
            is_sine = np.arange(many)[:, None] % 2 == 0
            is_sine[0] = False
            basis = np.where(is_sine, np.sin(arguments), np.cos(arguments))
        elif self.kind == "film":
            basis = np.cos(arguments - self._phases(self._angles[:many], self.ends[0])[:, None])
        else:
            basis = np.sin(arguments) if self.kind.startswith("sine") else np.cos(arguments)
        scaled: FloatArray = basis * self._norms[:many, None]
        return scaled

    @cached_property
    def end_values(self) -> tuple[FloatArray, FloatArray]:
        """All modes at the first and at the last cell; of an axis that is not periodic."""
        parts = []
        for place in (0.5, self.count - 0.5):
            arguments = self._angles * place
            if self.kind == "film":
                arguments = arguments - self._phases(self._angles, self.ends[0])
            parts.append(self._norms * (np.sin(arguments) if self.kind.startswith("sine") else np.cos(arguments)))
        return parts[0], parts[1]

    @cached_property
    def sums(self) -> FloatArray:
        """The sum over the axis of each mode, shape (count,)."""
        if self.is_closed:
            return np.concatenate([[np.sqrt(self.count)], np.zeros(self.count - 1)])
        return self.forward(np.ones(self.count), 0)

    def forward(self, values: FloatArray, axis: int, many: int | None = None) -> FloatArray:
        """Coefficients of the first modes (default: all) along an axis of an array."""
        many = self.count if many is None else many
        if self.is_product(many):
            return contract(self.vectors(many), values, axis)
        from scipy import fft

        if self.kind == "fourier":
            out = _pack(fft.rfft(values, axis=axis, norm="ortho"), self.count, axis)
        else:
            transform = fft.dst if self.kind.startswith("sine") else fft.dct
            out = transform(values, type=4 if self.kind.endswith("half") else 2, axis=axis, norm="ortho")
        return out[(slice(None),) * axis + (slice(many),)]

    def backward(self, coefficients: FloatArray, axis: int) -> FloatArray:
        """The field along an axis from the coefficients of its first modes, as many as there are."""
        many = coefficients.shape[axis]
        if self.is_product(many):
            return contract(self.vectors(many).T, coefficients, axis)
        from scipy import fft

        if many < self.count:
            widths = [(0, self.count - many if other == axis else 0) for other in range(coefficients.ndim)]
            coefficients = np.pad(coefficients, widths)
        out: FloatArray
        if self.kind == "fourier":
            out = fft.irfft(_unpack(coefficients, self.count, axis), n=self.count, axis=axis, norm="ortho")
            return out
        transform = fft.idst if self.kind.startswith("sine") else fft.idct
        out = transform(coefficients, type=4 if self.kind.endswith("half") else 2, axis=axis, norm="ortho")
        return out

    @cached_property
    def _angles(self) -> FloatArray:
        j = np.arange(self.count)
        if self.kind == "fourier":
            return 2.0 * np.pi * ((j + 1) // 2) / self.count
        if self.kind == "film":
            return self._find_angles()
        return np.pi * (j + {"cosine": 0.0, "sine": 1.0}.get(self.kind, 0.5)) / self.count

    def _find_angles(self) -> FloatArray:
        """The roots of the condition that both phases fit, by bisection between neighbouring multiples of pi / n."""
        aim = np.pi * np.arange(self.count)
        low, high = aim / self.count, (aim + np.pi) / self.count
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            phases = self._phases(middle, self.ends[0]) + self._phases(middle, self.ends[1])
            is_above = self.count * middle - phases > aim
            low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
        return 0.5 * (low + high)

    @staticmethod
    def _phases(angles: FloatArray, end: float) -> FloatArray:
        phases: FloatArray = np.arctan2(end * np.cos(0.5 * angles), (2.0 - end) * np.sin(0.5 * angles))
        return phases

    @property
    def largest(self) -> FloatArray:
        """No value of each mode is larger, shape (count,)."""
        return self._norms

    @cached_property
    def _norms(self) -> FloatArray:
        """1 over the Euclidean norm of each mode."""
        n, norms = self.count, np.full(self.count, np.sqrt(2.0 / self.count))
        if self.kind == "cosine" or self.kind == "fourier":
            norms[0] = np.sqrt(1.0 / n)
        if self.kind == "sine" or (self.kind == "fourier" and n % 2 == 0):
            norms[-1] = np.sqrt(1.0 / n)
        if self.kind == "film":  # sum of cos^2 by the kernel of Dirichlet
            phases = self._phases(self._angles, self.ends[0])
            kernel = np.sin(n * self._angles) / np.sin(self._angles) * np.cos(n * self._angles - 2.0 * phases)
            norms = np.sqrt(2.0 / (n + kernel))
        return norms


def contract(matrix: FloatArray, values: FloatArray, axis: int) -> FloatArray:
    """The product of a matrix with one axis of an array.

    In pieces so small that the library keeps each on one thread: the bytes do not depend on how many there are, and a
    busy machine does not make it wait.
    """
    shape, (many, count) = values.shape, matrix.shape
    before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    x, out = values.reshape(before, count, after), np.empty((before, many, after))
    if after == 1:
        rows = max(1, SMALL_PRODUCT // (many * count))
        transposed = np.ascontiguousarray(matrix.T)
        for low in range(0, before, rows):
            part = slice(low, low + rows)
            np.matmul(x[part, :, 0], transposed, out=out[part, :, 0])
    elif many * count * after <= SMALL_PRODUCT:
        np.matmul(np.ascontiguousarray(matrix), x, out=out)
    else:
        wide = min(after, 1024 if many > count else max(64, SMALL_PRODUCT // (many * count)))
        rows = max(1, SMALL_PRODUCT // (count * wide))
        whole = np.ascontiguousarray(matrix)
        for low in range(0, many, rows):
            for left in range(0, after, wide):
                rect = (slice(None), slice(low, low + rows), slice(left, left + wide))
                np.matmul(whole[rect[1]], x[:, :, rect[2]], out=out[rect])
    return out.reshape(*shape[:axis], many, *shape[axis + 1 :])


def make_modes(count: int, scale: float, ends: tuple[float, float], *, is_periodic: bool) -> AxisModes:
    """The modes along an axis.

    Args:
        count: Cells along it.
        scale: Conductance between neighbours over the capacity of a cell [1/s].
        ends: Conductance of each end over that between neighbours: 0 insulated, 2 a given temperature.
        is_periodic: Whether the ends are joined.
    """
    if is_periodic:
        return AxisModes("fourier", count, scale)
    held = tuple(abs(end - 2.0) <= 1e-13 for end in ends)
    if all(is_held or end == 0.0 for is_held, end in zip(held, ends, strict=True)):
        return AxisModes(_KINDS[held[0], held[1]], count, scale)
    return AxisModes("film", count, scale, ends)


def _pack(spectrum: FloatArray, count: int, axis: int) -> FloatArray:
    """Coefficients of 1, cos, sin, cos, sin, ... from half a complex spectrum."""
    s = np.moveaxis(spectrum, axis, 0)
    out = np.empty((count, *s.shape[1:]))
    pairs = (count - 1) // 2
    out[0] = s[0].real
    out[1 : 2 * pairs : 2] = np.sqrt(2.0) * s[1 : pairs + 1].real
    out[2 : 2 * pairs + 1 : 2] = -np.sqrt(2.0) * s[1 : pairs + 1].imag
    if count % 2 == 0:
        out[-1] = s[-1].real
    return np.moveaxis(out, 0, axis)


def _unpack(coefficients: FloatArray, count: int, axis: int) -> FloatArray:
    c = np.moveaxis(coefficients, axis, 0)
    pairs = (count - 1) // 2
    out = np.zeros((count // 2 + 1, *c.shape[1:]), np.complex128)
    out[0] = c[0]
    out[1 : pairs + 1] = (c[1 : 2 * pairs : 2] - 1j * c[2 : 2 * pairs + 1 : 2]) / np.sqrt(2.0)
    if count % 2 == 0:
        out[-1] = c[-1]
    moved: FloatArray = np.moveaxis(out, 0, axis)
    return moved
