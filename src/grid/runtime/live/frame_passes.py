"""The passes of `frame_kernels` in NumPy, for processes that load no Numba; codes are the same bytes."""

import numpy as np
from numpy.typing import NDArray

ROWS_AT_ONCE = 1 << 16  # cells, so that what is in between stays in the cache
FloatArray = NDArray[np.float64]
Codes = NDArray[np.uint16]


def quantise(
    values: FloatArray, offset: float, inverse: float, missing: int, codes: Codes, extremes: FloatArray
) -> None:
    """Write the code of every cell, and find the extremes; see `frame_kernels.quantise`."""
    rows = max(1, ROWS_AT_ONCE // values.shape[1])
    low, high = np.inf, -np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, len(values), rows):
            part = values[first : first + rows]
            low, high = np.fmin(low, np.fmin.reduce(part, axis=None)), np.fmax(high, np.fmax.reduce(part, axis=None))
            place = (part - offset) * inverse + 0.5
            inside = (place >= 0.0) & (place < missing)  # NaN is not
            codes[first : first + rows] = np.where(inside, place, missing).astype(np.int32)
    extremes[0], extremes[1] = low, high


def predict(codes: Codes, out: NDArray[np.uint8]) -> None:
    """Write the differences of codes from their prediction; see `frame_kernels.predict`."""
    for plane, low, high in zip(codes, out[0], out[1], strict=True):
        across = plane.copy()
        across[:, 1:] -= plane[:, :-1]  # modulo 2^16, as all that follows
        differences = across.copy()
        differences[1:] -= across[:-1]
        signed = differences.view(np.int16)
        folded = ((signed << 1) ^ (signed >> 15)).view(np.uint16)
        low[...] = folded & 0xFF
        high[...] = folded >> 8


def reduce(values: FloatArray, factor: int, kind: int, out: FloatArray) -> None:
    """Write one value for each block of cells; see `frame_kernels.reduce`.

    Means may differ in their last bits; of two values of largest magnitude the positive one is taken.
    """
    if kind == 0:
        known = ~np.isnan(values)
        counts = _fold(np.add, known.astype(np.float64), factor)
        counts[counts == 0.0] = np.nan
        np.divide(_fold(np.add, np.where(known, values, 0.0), factor), counts, out=out)
        return
    out[...] = _fold(np.fmax, values, factor)
    if kind == 2:
        low = _fold(np.fmin, values, factor)
        np.copyto(out, low, where=-low > out)


def _fold(combine: np.ufunc, values: FloatArray, factor: int) -> FloatArray:
    """Combine the values of each block of `factor` cells along each axis."""
    for axis, cells in enumerate(values.shape):
        values = combine.reduceat(values, np.arange(0, cells, factor), axis=axis)
    return values
