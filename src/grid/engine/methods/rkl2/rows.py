r"""Vector code for a stage of RKL2 whose conductivities are linear in temperature. Importing this module loads Numba.

With :math:`s(T) = s_0 + s_1 T` the flow through a face is :math:`G\,s((u + w)/2)\,(u - w) = G\,(\Phi(u) - \Phi(w))`,
:math:`\Phi(T) = (s_0 + s_1 T/2)\,T` (Kirchhoff's transformation), so a stage is the stencil of the Chebyshev recurrence
on :math:`\Phi`, and shares its code (`stencil_rows`).
"""

from functools import partial
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from grid.engine.methods.padded.rows import ROW_BLOCK, VECTOR_BYTES, Code, emit_rows

POINTERS = ("field", "other", "begun", "first", "depth", "across", "along", "rate", "source")
NUMBERS = ("start", "stride", "plane", "vectors")
WEIGHTS = ("mu", "nu", "kappa", "forward", "backward", "s0", "half_s1")


def _load(code: Code, given: dict[str, Any], index: Any) -> Any:
    """Phi of the field."""
    x = code.load(given["field"], index)
    return code.builder.fmul(code.multiply_add(given["half_s1"], x, given["s0"]), x)


def _finish(code: Code, given: dict[str, Any], at: Any, _phi: Any, heat: Any) -> None:
    """Emit mu x + nu out + kappa start + forward rate (heat + source) + backward first, stored at `other`."""
    heat = code.builder.fadd(heat, code.load(given["source"], at))
    change = code.builder.fmul(heat, code.load(given["rate"], at))
    y = code.builder.fmul(given["forward"], change)
    for name, pointer in (("backward", "first"), ("kappa", "begun"), ("nu", "other"), ("mu", "field")):
        y = code.multiply_add(given[name], code.load(given[pointer], at), y)
    code.store(y, given["other"], at)


def _make(rows: int) -> Any:
    @intrinsic
    def advance_rows(  # type: ignore[no-untyped-def]
        _typing, field, other, begun, first, depth, across, along, rate, source, _start, _stride, _plane, _vectors,
        _mu, _nu, _kappa, _forward, _backward, _s0, _half_s1,
    ):  # fmt: skip
        pointers = (field, other, begun, first, depth, across, along, rate, source)
        signature = types.void(*pointers, *(types.int64,) * len(NUMBERS), *(types.float64,) * len(WEIGHTS))

        def codegen(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            given = dict(zip((*POINTERS, *NUMBERS, *WEIGHTS), args, strict=True))
            code = Code(context, builder, ir.DoubleType(), VECTOR_BYTES // 8)
            for name, kind in zip(POINTERS, pointers, strict=True):
                is_absent = isinstance(kind, types.NoneType)
                given[name] = None if is_absent else builder.inttoptr(given[name], ir.DoubleType().as_pointer())
            given |= {name: code.splat(given[name]) for name in WEIGHTS}
            emit_rows(code, given, rows, partial(_load, code, given), partial(_finish, code, given))
            return context.get_dummy_value()

        return signature, codegen

    return advance_rows


advance_row: Any = _make(1)
advance_block: Any = _make(ROW_BLOCK)
