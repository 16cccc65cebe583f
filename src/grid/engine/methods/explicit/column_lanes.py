"""Machine code for a block of columns that are stepped side by side, one to a lane of LLVM's vectors.

Compiled loops over so few lanes spend their time on asking whether arrays overlap. The operations and their order are
those of `grid.engine.methods.explicit.column_rows`, so the bytes are the same.
"""
# mypy: disable-error-code="no-untyped-call"
# the code generators of Numba are not typed

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # [-] columns of a block: two vectors of AVX-512
INDEX = ir.IntType(64)  # type of array indices, 64 bits
VECTOR = ir.VectorType(ir.DoubleType(), LANES)
SUMS = 8  # [-] partial sums of a level: cell i belongs to number i % SUMS
LOW_SLOPE, LOW_SHIFT, HIGH_SLOPE, HIGH_SHIFT = range(2, 6)  # [-] row numbers of `law`


def make_advance() -> Callable[..., None]:
    """Return `advance(work, law, numbers, heat, source, target, cells)`, callable from compiled code.

    One step of a block: from level `source` of `work`, shape (levels, cells + 2, LANES), to level `target`, which may
    be the same; ghosts first. `numbers`, shape (LANES,), are the mesh Fourier numbers; `heat`, shape (2, LANES), what
    is booked.
    """
    if getattr(config, "DISABLE_JIT", False):
        return _interpreted

    @intrinsic
    def advance(
        _typing: Any, work: Any, law: Any, numbers: Any, heat: Any, _source: Any, _target: Any, _cells: Any
    ) -> Any:
        index = types.intp

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointers = [context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in range(4)]
            _Block(builder, *pointers).step(*arguments[4:])
            return context.get_dummy_value()

        return types.void(work, law, numbers, heat, index, index, index), generate

    compiled: Callable[..., None] = advance
    return compiled


def make_note() -> Callable[..., None]:
    """Return `note(work, source, cells, row)`: lowest, sum and highest of a level into `row`, shape (3, LANES)."""
    if getattr(config, "DISABLE_JIT", False):
        return _note_interpreted

    @intrinsic
    def note(_typing: Any, work: Any, _source: Any, _cells: Any, row: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            work, row = (context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in (0, 3))
            _Block(builder, work, None, None, row).note(arguments[1], arguments[2])
            return context.get_dummy_value()

        return types.void(work, types.intp, types.intp, row), generate

    compiled: Callable[..., None] = note
    return compiled


def _note_interpreted(work: Any, source: int, cells: int, row: Any) -> None:
    level = work[source, 1 : cells + 1]
    row[0], row[1], row[2] = level.min(axis=0), sum_by_parts(level), level.max(axis=0)


def sum_by_parts(level: Any) -> Any:
    """The sum over cells in the order of the compiled kernels, which is the same for a block and for one column."""
    parts = np.zeros((SUMS, *level.shape[1:]))
    for cell, values in enumerate(level):
        parts[cell % SUMS] += values
    while len(parts) > 1:
        half = len(parts) // 2
        parts = parts[:half] + parts[half:]
    return parts[0] + 0.0


def _interpreted(work: Any, law: Any, numbers: Any, heat: Any, source: int, target: int, cells: int) -> None:
    """The same law in NumPy, for the interpreter; without fused products, so equal but for rounding."""
    a, b = work[source], work[target]
    a[0] = law[LOW_SLOPE] * a[1] + law[LOW_SHIFT]
    a[cells + 1] = law[HIGH_SLOPE] * a[cells] + law[HIGH_SHIFT]
    for change in (a[0] - a[1], a[cells + 1] - a[cells]):
        heat[0] += np.maximum(change, 0.0)
        heat[1] -= np.minimum(change, 0.0)
    here = a[1 : cells + 1]
    b[1 : cells + 1] = here + numbers * ((a[:cells] + a[2 : cells + 2]) - 2.0 * here)


@dataclass
class _Block:
    """Values that a step uses while its code is generated: pointers to the numbers of the arrays."""

    builder: Any
    work: Any
    law: Any
    numbers: Any
    heat: Any  # or where to note

    def step(self, source: Any, target: Any, cells: Any) -> None:
        b, one = self.builder, ir.Constant(INDEX, 1)
        level = b.add(cells, ir.Constant(INDEX, 2))
        base, out = b.mul(source, level), b.mul(target, level)
        last = b.add(base, cells)
        low = self.ghost(self.load(self.work, b.add(base, one)), LOW_SLOPE, LOW_SHIFT)
        high = self.ghost(self.load(self.work, last), HIGH_SLOPE, HIGH_SHIFT)
        self.store(self.work, base, low)
        self.store(self.work, b.add(last, one), high)
        self.book(b.fsub(low, self.load(self.work, b.add(base, one))), b.fsub(high, self.load(self.work, last)))
        number = self.load(self.numbers, ir.Constant(INDEX, 0))
        before, here = cgutils.alloca_once_value(b, low), cgutils.alloca_once(b, VECTOR)
        b.store(self.load(self.work, b.add(base, one)), here)
        with cgutils.for_range_slice(b, one, b.add(cells, one), one, INDEX) as (i, _):
            left, middle = b.load(before), b.load(here)
            right = self.load(self.work, b.add(b.add(base, i), one))
            change = fuse(b, ir.Constant(VECTOR, [-2.0] * LANES), middle, b.fadd(left, right))
            self.store(self.work, b.add(out, i), fuse(b, number, change, middle))
            b.store(middle, before)
            b.store(right, here)

    def note(self, source: Any, cells: Any) -> None:
        """Extremes of a level, and its sum: of each `SUMS`-th cell first, then of these sums by halves."""
        b, one, zero = self.builder, ir.Constant(INDEX, 1), ir.Constant(VECTOR, [0.0] * LANES)
        base = b.add(b.mul(source, b.add(cells, ir.Constant(INDEX, 2))), one)
        first = self.load(self.work, base)
        low, high = (cgutils.alloca_once_value(b, first) for _ in range(2))
        sums = cgutils.alloca_once(b, VECTOR, SUMS)
        for number in range(SUMS):
            b.store(zero, b.gep(sums, [ir.Constant(INDEX, number)]))
        with cgutils.for_range_slice(b, ir.Constant(INDEX, 0), cells, one, INDEX) as (i, _):
            here = self.load(self.work, b.add(base, i))
            for place, sign in ((low, "<"), (high, ">")):
                b.store(pick(b, sign, here, b.load(place)), place)
            place = b.gep(sums, [b.and_(i, ir.Constant(INDEX, SUMS - 1))])
            b.store(b.fadd(b.load(place), here), place)
        parts = [b.load(b.gep(sums, [ir.Constant(INDEX, number)])) for number in range(SUMS)]
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [b.fadd(x, y) for x, y in zip(parts[:half], parts[half:], strict=True)]
        for row, found in enumerate((b.load(low), parts[0], b.load(high))):
            self.store(self.heat, ir.Constant(INDEX, row), b.fadd(found, zero))  # no zero with a sign

    def ghost(self, cell: Any, slope: int, shift: int) -> Any:
        b = self.builder
        rows = [self.load(self.law, ir.Constant(INDEX, row)) for row in (slope, shift)]
        return b.fadd(b.fmul(rows[0], cell), rows[1])

    def book(self, low: Any, high: Any) -> None:
        """heat[0] += max(change, 0), heat[1] -= min(change, 0), of the low end first."""
        b, zero = self.builder, ir.Constant(VECTOR, [0.0] * LANES)
        for row, sign, add in ((0, ">", b.fadd), (1, "<", b.fsub)):
            place = ir.Constant(INDEX, row)
            total = self.load(self.heat, place)
            for change in (low, high):
                total = add(total, pick(b, sign, change, zero))
            self.store(self.heat, place, total)

    def load(self, array: Any, row: Any) -> Any:
        return self.builder.load(self._place(array, row), align=8)

    def store(self, array: Any, row: Any, value: Any) -> None:
        self.builder.store(value, self._place(array, row), align=8)

    def _place(self, array: Any, row: Any) -> Any:
        first = self.builder.gep(array, [self.builder.mul(row, ir.Constant(INDEX, LANES))])
        return self.builder.bitcast(first, VECTOR.as_pointer())


def fuse(builder: Any, a: Any, x: Any, c: Any) -> Any:
    """Emit a x + c of vectors, rounded once."""
    kind = a.type
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.v{kind.count}f64"
    )
    return builder.call(function, [a, x, c])


def pick(builder: Any, sign: str, one: Any, other: Any) -> Any:
    """The one of two that is smaller or larger; the other one where they are equal or not numbers."""
    return builder.select(builder.fcmp_ordered(sign, one, other), one, other)
