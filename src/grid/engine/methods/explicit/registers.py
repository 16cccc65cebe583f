"""Rows that kernels advance together, by the vector registers of the processor that Numba compiles for.

Four rows of a stencil use twelve vectors of 64 bytes, which the 32 registers of AVX-512 hold; of AVX2, whose
16 registers are half as long, two rows fill them, and more go to the stack and back. Results do not depend on it.
"""

from llvmlite import binding  # type: ignore[import-untyped]
from numba import config

ROWS, ROWS_NARROW = 4, 2  # [-] rows at a time with AVX-512, and without
WIDE = "avx512f"
# processors with AVX-512, which are selected in LLVM by name alone (NUMBA_CPU_NAME with empty NUMBA_CPU_FEATURES)
WIDE_NAMES = (
    "skylake-avx512", "cascadelake", "cooperlake", "icelake", "rocketlake", "tigerlake", "sapphirerapids",
    "emeraldrapids", "graniterapids", "znver4", "znver5", "x86-64-v4",
)  # fmt: skip


def has_wide_registers() -> bool:
    """Tell whether Numba compiles for AVX-512."""
    features = getattr(config, "CPU_FEATURES", None)
    if features:
        return f"+{WIDE}" in features.split(",")
    if features is None:  # those of the host, whatever processor is named
        return bool(binding.get_host_cpu_features().get(WIDE, False))
    name = str(getattr(config, "CPU_NAME", None) or binding.get_host_cpu_name())
    return name.startswith(WIDE_NAMES)


def count_rows() -> int:
    """Rows of a stencil that stay in registers."""
    return ROWS if has_wide_registers() else ROWS_NARROW
