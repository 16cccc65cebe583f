r"""Vector code for a stage of RKL2 in differences from the start of the step. Importing this module loads Numba.

With :math:`d_j = Y_j - Y_0` and :math:`f = L Y + g`, L the conduction over the capacity, the recurrence of a linear
problem reads

.. math:: d_j = \mu_j d_{j-1} + \nu_j d_{j-2} + (\tilde\mu_j + \tilde\gamma_j)\,\tau f(Y_0) + \tilde\mu_j \tau L d_{j-1}

since the weights of :math:`Y_0` add up to nothing: a stage reads three fields and writes one, and neither temperatures
nor loads are among them. A box of one material has one conductance along each axis, and no arrays of them.

The rate of change itself is such a stage too, of the temperatures, with the source in the place of f(Y_0).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.extending import intrinsic

from grid.engine.methods.padded.rows import ROW_BLOCK, VECTOR_BYTES, Code, emit_rows

POINTERS = ("field", "before", "first", "out", "depth", "across", "along", "rate")
NUMBERS = ("start", "stride", "plane", "vectors")
WEIGHTS = ("mu", "nu", "forward", "w_along", "w_across", "w_depth")


def _finish(code: Code, given: dict[str, Any], at: Any, x: Any, heat: Any) -> None:
    """Emit mu x + nu before + forward first + w (flow into the cell), stored at `out`."""
    y = code.builder.fmul(given["forward"], code.load(given["first"], at))
    y = code.multiply_add(given["nu"], code.load(given["before"], at), y)
    y = code.multiply_add(given["mu"], x, y)
    if given["along"] is None:
        for name, part in zip(("w_along", "w_across", "w_depth"), heat, strict=False):
            y = code.multiply_add(given[name], part, y)
    else:
        y = code.multiply_add(given["w_along"], code.builder.fmul(heat, code.load(given["rate"], at)), y)
    code.store(y, given["out"], at)


def _make(rows: int) -> Callable[..., None]:
    if getattr(config, "DISABLE_JIT", False):
        return _interpreted(rows)

    @intrinsic
    def advance_rows(  # type: ignore[no-untyped-def]
        _typing, field, before, first, out, depth, across, along, rate, _start, _stride, _plane, _vectors,
        _mu, _nu, _forward, _w_along, _w_across, _w_depth,
    ):  # fmt: skip
        pointers = (field, before, first, out, depth, across, along, rate)
        signature = types.void(*pointers, *(types.int64,) * len(NUMBERS), *(types.float64,) * len(WEIGHTS))

        def codegen(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            given = dict(zip((*POINTERS, *NUMBERS, *WEIGHTS), args, strict=True))
            code = Code(context, builder, ir.DoubleType(), VECTOR_BYTES // 8)
            for name, kind in zip(POINTERS, pointers, strict=True):
                is_absent = isinstance(kind, types.NoneType)
                given[name] = None if is_absent else builder.inttoptr(given[name], ir.DoubleType().as_pointer())
            given |= {name: code.splat(given[name]) for name in WEIGHTS}
            emit_rows(code, given, rows, partial(code.load, given["field"]), partial(_finish, code, given))
            return context.get_dummy_value()

        return signature, codegen

    compiled: Callable[..., None] = advance_rows
    return compiled


def _interpreted(rows: int) -> Callable[..., None]:
    """The same law in NumPy, for the interpreter; without fused products, so equal but for rounding."""

    def advance(
        field: Any, before: Any, first: Any, out: Any, depth: Any, across: Any, along: Any, rate: Any, start: int,
        stride: int, plane: int, vectors: int, mu: float, nu: float, forward: float, *weights: float,
    ) -> None:  # fmt: skip
        lines = np.arange(start, start + rows * stride, stride)
        at = (lines[:, None] + np.arange(vectors * VECTOR_BYTES // 8)).reshape(-1)
        x, parts = field[at], []
        axes = [(1, along), (stride, across)] + ([] if depth is None else [(plane, depth)])
        for step, faces in axes:
            enter, leave = field[at - step] - x, x - field[at + step]
            parts.append(enter - leave if along is None else faces[at] * enter - faces[at + step] * leave)
        y = forward * first[at] + nu * before[at] + mu * x
        if along is None:
            y += sum(weight * part for weight, part in zip(weights, parts, strict=False))
        else:
            y += weights[0] * (rate[at] * sum(parts))
        out[at] = y

    return advance


advance_row: Any = _make(1)
advance_block: Any = _make(ROW_BLOCK)
