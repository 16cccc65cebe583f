"""The passes of `frame_kernels` that make codes, in NumPy and to the same bytes, for processes that load no Numba."""

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
