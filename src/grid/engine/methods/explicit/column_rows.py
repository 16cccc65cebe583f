"""Machine code for one column alone: its cells in vectors, stepped in place.

A level is whole vectors of `VECTOR` numbers, the cells first and the ghost above them in the next number. Loads and
stores are of whole vectors at the same places from step to step, and neighbours come by a shift of two vectors in
registers: compiled loops load them from places that straddle two stores of the step before, which a processor cannot
hand on before they are in the cache.

The operations on a cell and their order are those of `grid.engine.methods.explicit.column_lanes`, so the bytes are the
same.
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

from grid.engine.methods.explicit.column_lanes import (
    HIGH_SHIFT,
    HIGH_SLOPE,
    INDEX,
    LOW_SHIFT,
    LOW_SLOPE,
    SUMS,
    fuse,
    pick,
    sum_by_parts,
)

VECTOR = SUMS  # numbers in a vector, so that partial sums are its lanes
LANE = ir.IntType(32)  # type of lane numbers within a vector, 32 bits
REAL = ir.DoubleType()
ROW = ir.VectorType(REAL, VECTOR)


def make_advance_row() -> Callable[..., None]:
    """Return `advance(work, law, number, heat, source, target, cells)`, callable from compiled code.

    One step of a column: from the level of `work` that begins at element `source` to the one at `target`, which may be
    the same. `law`, shape (6,), and `heat`, shape (2,), are as for a block; `number` is the mesh Fourier number.
    """
    if getattr(config, "DISABLE_JIT", False):
        return _interpreted

    @intrinsic
    def advance(
        _typing: Any, work: Any, law: Any, number: Any, heat: Any, _source: Any, _target: Any, _cells: Any
    ) -> Any:
        index = types.intp

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            work, law, heat = (
                context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in (0, 1, 3)
            )
            _Row(builder, work, law, arguments[2], heat).step(*arguments[4:])
            return context.get_dummy_value()

        return types.void(work, law, number, heat, index, index, index), generate

    compiled: Callable[..., None] = advance
    return compiled


def make_note_row() -> Callable[..., None]:
    """Return `note(work, source, cells, row)`: lowest, sum and highest of a level into `row`, shape (3,)."""
    if getattr(config, "DISABLE_JIT", False):
        return _note_interpreted

    @intrinsic
    def note(_typing: Any, work: Any, _source: Any, _cells: Any, row: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            work, row = (context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in (0, 3))
            _Row(builder, work, None, None, row).note(arguments[1], arguments[2])
            return context.get_dummy_value()

        return types.void(work, types.intp, types.intp, row), generate

    compiled: Callable[..., None] = note
    return compiled


def _interpreted(work: Any, law: Any, number: float, heat: Any, source: int, target: int, cells: int) -> None:
    """The same law in NumPy, for the interpreter; without fused products, so equal but for rounding."""
    here = work[source : source + cells].copy()
    low = law[LOW_SLOPE] * here[0] + law[LOW_SHIFT]
    high = law[HIGH_SLOPE] * here[-1] + law[HIGH_SHIFT]
    for change in (low - here[0], high - here[-1]):
        heat[0] += max(change, 0.0)
        heat[1] -= min(change, 0.0)
    whole = np.concatenate([[low], here, [high]])
    work[target : target + cells] = here + number * ((whole[:-2] + whole[2:]) - 2.0 * here)


def _note_interpreted(work: Any, source: int, cells: int, row: Any) -> None:
    level = work[source : source + cells]
    row[0], row[1], row[2] = level.min(), sum_by_parts(level), level.max()


@dataclass
class _Row:
    """Values that a step uses while its code is generated: pointers to the numbers of the arrays."""

    builder: Any
    work: Any
    law: Any
    number: Any
    heat: Any  # or where to note

    def step(self, source: Any, target: Any, cells: Any) -> None:
        b, width = self.builder, _index(VECTOR)
        first, last = self.read(self.work, source), self.read(self.work, b.add(source, b.sub(cells, _index(1))))
        low, high = self.ghost(first, LOW_SLOPE, LOW_SHIFT), self.ghost(last, HIGH_SLOPE, HIGH_SHIFT)
        self.book(b.fsub(low, first), b.fsub(high, last))
        edge = b.and_(cells, _index(-VECTOR))  # where the vector of the upper ghost begins
        ending = self.end(b.add(source, edge), b.sub(cells, edge), high)
        zeros = ir.Constant(ROW, [0.0] * VECTOR)
        before = cgutils.alloca_once_value(b, b.insert_element(zeros, low, LANE(VECTOR - 1)))
        is_short = b.icmp_signed("==", edge, _index(0))
        here = cgutils.alloca_once_value(b, b.select(is_short, ending, self.load(source)))
        number = self.spread(self.number)

        def advance(at: Any, after: Any) -> None:
            left, middle = b.load(before), b.load(here)
            sums = b.fadd(self.shift(left, middle, VECTOR - 1), self.shift(middle, after, 1))
            change = fuse(b, ir.Constant(ROW, [-2.0] * VECTOR), middle, sums)
            self.store(fuse(b, number, change, middle), b.add(target, at))
            b.store(middle, before)
            b.store(after, here)

        with cgutils.for_range_slice(b, _index(0), b.sub(edge, width), width, INDEX) as (at, _):
            advance(at, self.load(b.add(source, b.add(at, width))))
        with b.if_then(b.not_(is_short)):
            advance(b.sub(edge, width), ending)
        advance(edge, zeros)

    def end(self, at: Any, cells: Any, ghost: Any) -> Any:
        """The last vector: some cells, the ghost, and zeros."""
        b, zeros = self.builder, ir.Constant(ROW, [0.0] * VECTOR)
        lanes = ir.Constant(ir.VectorType(INDEX, VECTOR), list(range(VECTOR)))
        counted = self.spread(cells)
        behind = b.select(b.icmp_signed("==", lanes, counted), self.spread(ghost), zeros)
        return b.select(b.icmp_signed("<", lanes, counted), self.load(at), behind)

    def note(self, source: Any, cells: Any) -> None:
        """Extremes and sum of a level, vector after vector; lanes that hold no cell count as the first one."""
        b, width, zeros = self.builder, _index(VECTOR), ir.Constant(ROW, [0.0] * VECTOR)
        some = self.spread(self.read(self.work, source))
        low, total, high = (cgutils.alloca_once_value(b, value) for value in (some, zeros, some))

        def add(here: Any, share: Any) -> None:
            for place, sign in ((low, "<"), (high, ">")):
                b.store(pick(b, sign, here, b.load(place)), place)
            b.store(b.fadd(b.load(total), share), total)

        edge = b.and_(cells, _index(-VECTOR))
        with cgutils.for_range_slice(b, _index(0), edge, width, INDEX) as (at, _):
            here = self.load(b.add(source, at))
            add(here, here)
        with b.if_then(b.icmp_signed("<", edge, cells)):
            lanes = ir.Constant(ir.VectorType(INDEX, VECTOR), list(range(VECTOR)))
            is_cell = b.icmp_signed("<", lanes, self.spread(b.sub(cells, edge)))
            here = self.load(b.add(source, edge))
            add(b.select(is_cell, here, some), b.select(is_cell, here, zeros))
        for row, (place, sign) in enumerate(((low, "<"), (total, "+"), (high, ">"))):
            found, count = b.load(place), VECTOR
            while count > 1:  # the upper half to the lower half
                count //= 2
                other = self.shift(found, found, count)
                found = b.fadd(found, other) if sign == "+" else pick(b, sign, found, other)
            found = b.fadd(b.extract_element(found, LANE(0)), ir.Constant(REAL, 0.0))  # no zero with a sign
            b.store(found, b.gep(self.heat, [_index(row)]))

    def ghost(self, cell: Any, slope: int, shift: int) -> Any:
        b = self.builder
        return b.fadd(b.fmul(self.read(self.law, _index(slope)), cell), self.read(self.law, _index(shift)))

    def book(self, low: Any, high: Any) -> None:
        """heat[0] += max(change, 0), heat[1] -= min(change, 0), of the low end first."""
        b, zero = self.builder, ir.Constant(REAL, 0.0)
        for row, sign, add in ((0, ">", b.fadd), (1, "<", b.fsub)):
            total = self.read(self.heat, _index(row))
            for change in (low, high):
                total = add(total, pick(b, sign, change, zero))
            b.store(total, b.gep(self.heat, [_index(row)]))

    def shift(self, one: Any, other: Any, first: int) -> Any:
        """Elements `first`, `first` + 1, ... of two vectors behind each other."""
        order = ir.Constant(ir.VectorType(LANE, VECTOR), list(range(first, first + VECTOR)))
        return self.builder.shuffle_vector(one, other, order)

    def spread(self, value: Any) -> Any:
        b, kind = self.builder, ir.VectorType(value.type, VECTOR)
        empty = ir.Constant(kind, ir.Undefined)
        order = ir.Constant(ir.VectorType(LANE, VECTOR), [0] * VECTOR)
        return b.shuffle_vector(b.insert_element(empty, value, LANE(0)), empty, order)

    def read(self, array: Any, at: Any) -> Any:
        return self.builder.load(self.builder.gep(array, [at]))

    def load(self, at: Any) -> Any:
        return self.builder.load(self._place(at), align=8)

    def store(self, value: Any, at: Any) -> None:
        self.builder.store(value, self._place(at), align=8)

    def _place(self, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self.work, [at]), ROW.as_pointer())


def _index(value: int) -> Any:
    return ir.Constant(INDEX, value)
