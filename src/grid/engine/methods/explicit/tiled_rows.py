r"""Machine code for a few neighbouring rows of a homogeneous box, advanced together.

.. math:: T' = T + \sum_a Fo_a\,(T_{-a} - 2 T + T_{+a})

with one mesh Fourier number for each axis, or one for all. What a source gives is added, over Fo, to the difference
along the last axis, which rounds it to the size of the change and not of T. Written in LLVM's vectors, through Numba's
`intrinsic`, because compiled loops load every neighbour from memory again: here a vector of 64 bytes is loaded once, is
the centre of its own row and the neighbour of the rows beside it, and its own neighbours along the row are shuffled out
of the vectors before and after. That makes 1.5 loads for each vector of four rows in 2D instead of 5.

Each product and sum is one fused multiply-add or one addition, the same in vectors and in single cells, and nothing is
reordered: the bytes do not depend on how a row is cut. Cells at the ends of a cut may be computed twice, from the same
numbers. The form in differences keeps a uniform field exactly.
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

from grid.engine.methods.explicit.registers import count_rows

VECTOR_BYTES = 64  # [B] vector of AVX-512
JAM = count_rows()  # rows that advance together: their vectors fill the registers
INDEX = ir.IntType(64)  # type of array indices, 64 bits
SHORT = ir.IntType(32)  # type of lane numbers within a vector, 32 bits


def make_sweep(rows: int) -> Callable[..., None]:
    """Return `sweep(out, inp, source, first, row, plane, start, stop, limit, weights)`, callable from compiled code.

    It advances columns `start <= j < stop` of `rows` rows that lie `row` elements apart, the first of which begins at
    element `first` of the contiguous array `inp`, and writes to the same places of `out`. `limit` is the number of
    elements that may be read from the beginning of a row on; `plane` the distance of neighbours along the third axis,
    not used in 2D. `weights` holds Fo for all axes, or one for each, slowest axis first. `source` holds what each cell
    gains in a step over the last of them, at the same places; None where there is no source.
    """
    if getattr(config, "DISABLE_JIT", False):
        return _interpreted(rows)

    @intrinsic
    def sweep(  # what it takes must be named; the code is written from their types
        _typing: Any, out: Any, inp: Any, source: Any, _first: Any, _row: Any, _plane: Any, _start: Any, _stop: Any,
        _limit: Any, weights: Any,
    ) -> Any:  # fmt: skip
        index = types.intp
        signature = types.void(out, inp, source, index, index, index, index, index, index, weights)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array, kind = signature.args[0], context.get_data_type(signature.args[0].dtype)
            target, field, gains = (
                None if isinstance(kind_, types.NoneType) else context.make_array(kind_)(context, builder, value).data
                for kind_, value in zip(signature.args[:3], arguments[:3], strict=True)
            )
            _, _, _, first, row, plane, start, stop, limit, packed = arguments
            code = _Rows(
                builder, kind, context.get_abi_sizeof(kind), rows, array.ndim, target, field, gains, row, plane,
                cgutils.unpack_tuple(builder, packed),
            )  # fmt: skip
            code.sweep(first, start, stop, limit)
            return context.get_dummy_value()

        return signature, generate

    compiled: Callable[..., None] = sweep
    return compiled


def _interpreted(rows: int) -> Callable[..., None]:
    """The same law in NumPy, for the interpreter; without fused products, so equal but for rounding."""

    def sweep(
        out: Any, inp: Any, source: Any, first: int, row: int, plane: int, start: int, stop: int, _limit: int,
        weights: Any,
    ) -> None:  # fmt: skip
        flat, target = inp.reshape(-1), out.reshape(-1)
        strides = ([plane] if inp.ndim == 3 else []) + [row, 1]
        for base in range(first, first + rows * row, row):
            cells = np.arange(base + start, base + stop)
            here = flat[cells]
            change = np.zeros_like(here)
            for axis, stride in enumerate(strides):
                weight = weights[axis % len(weights)]
                change += weight * (flat[cells - stride] - 2 * here + flat[cells + stride])
            if source is not None:
                change += weights[-1] * source.reshape(-1)[cells]
            target[cells] = here + change

    return sweep


@dataclass
class _Rows:
    """Values that a sweep uses while its code is generated."""

    builder: Any
    kind: Any  # LLVM's float or double
    size: int  # bytes of it
    rows: int
    dimension: int
    target: Any
    field: Any
    gains: Any  # of the source; None without one
    row: Any
    plane: Any
    weights: list[Any]

    def __post_init__(self) -> None:
        self.lanes = VECTOR_BYTES // self.size
        self.vector = ir.VectorType(self.kind, self.lanes)

    def sweep(self, first: Any, start: Any, stop: Any, limit: Any) -> None:
        """Single cells where fewer than a vector are requested; else vectors, the last of which may overlap."""
        b = self.builder
        self.bases = [first]
        for _ in range(self.rows):
            self.bases.append(b.add(self.bases[-1], self.row))
        self.bases.insert(0, b.sub(first, self.row))  # bases[k + 1] is row k; row -1 and row `rows` are neighbours
        with b.if_else(b.icmp_signed("<", b.sub(stop, start), _index(self.lanes))) as (few, many):
            with few, cgutils.for_range_slice(b, start, stop, _index(1), INDEX) as (j, _):
                self.advance(j, self.kind)
            with many:
                self.sweep_vectors(start, stop, limit)

    def sweep_vectors(self, start: Any, stop: Any, limit: Any) -> None:
        b, lanes = self.builder, self.lanes
        address = b.ptrtoint(b.gep(self.field, [b.add(self.bases[1], start)]), INDEX)
        skew = b.sub(_index(0), b.lshr(address, _index(self.size.bit_length() - 1)))
        head = b.and_(skew, _index(lanes - 1))  # cells before the first aligned vector
        begin = b.add(start, head)
        full, safe = b.sub(stop, _index(lanes)), b.sub(limit, _index(2 * lanes))  # the next vector is loaded as well
        end = b.add(_smaller(b, full, safe), _index(1))
        place = cgutils.alloca_once_value(b, begin)
        with b.if_then(b.icmp_signed("<", begin, end)):
            self.roll(begin, end, place)
        rest = b.load(place)  # what is left: the head, and vectors up to the end, the last one moved back to fit
        count = b.sdiv(b.add(b.sub(stop, rest), _index(lanes - 1)), _index(lanes))
        none = b.zext(b.icmp_signed("==", head, _index(0)), INDEX)
        with cgutils.for_range_slice(b, none, b.add(count, _index(1)), _index(1), INDEX) as (n, _):
            j = _smaller(b, b.add(rest, b.mul(b.sub(n, _index(1)), _index(lanes))), full)
            self.advance(b.select(b.icmp_signed("==", n, _index(0)), start, j), self.vector)

    def roll(self, begin: Any, end: Any, place: Any) -> None:
        """The long loop: vectors move from `after` to `here` to `before`, and are loaded once."""
        b, lanes = self.builder, self.lanes
        before = [cgutils.alloca_once(b, self.vector) for _ in range(self.rows)]
        here = [cgutils.alloca_once(b, self.vector) for _ in range(self.rows)]
        left = ir.Constant(ir.VectorType(SHORT, lanes), list(range(lanes - 1, 2 * lanes - 1)))
        right = ir.Constant(ir.VectorType(SHORT, lanes), list(range(1, lanes + 1)))
        for k in range(self.rows):
            last = self.load(k, b.sub(begin, _index(1)), self.kind)
            zeros = ir.Constant(self.vector, [0.0] * lanes)
            b.store(b.insert_element(zeros, last, SHORT(lanes - 1)), before[k])
            b.store(self.load(k, begin, self.vector), here[k])
        with cgutils.for_range_slice(b, begin, end, _index(lanes), INDEX) as (j, _):
            following = b.add(j, _index(lanes))
            after = [self.load(k, following, self.vector) for k in range(self.rows)]
            middle = [b.load(vector) for vector in here]
            column = [self.load(-1, j, self.vector), *middle, self.load(self.rows, j, self.vector)]
            for k in range(self.rows):
                sides = (
                    b.shuffle_vector(b.load(before[k]), middle[k], left),
                    b.shuffle_vector(middle[k], after[k], right),
                )
                self.store(k, j, self.compute(k, j, column, sides, self.vector), self.vector)
            for k in range(self.rows):
                b.store(middle[k], before[k])
                b.store(after[k], here[k])
            b.store(following, place)

    def advance(self, j: Any, kind: Any) -> None:
        """One vector, or one cell, of every row, neighbours loaded from memory."""
        b = self.builder
        column = [self.load(k, j, kind) for k in range(-1, self.rows + 1)]
        for k in range(self.rows):
            sides = (self.load(k, b.sub(j, _index(1)), kind), self.load(k, b.add(j, _index(1)), kind))
            self.store(k, j, self.compute(k, j, column, sides, kind), kind)

    def compute(self, k: int, j: Any, column: list[Any], sides: tuple[Any, Any], kind: Any) -> Any:
        """T' of row k; `column` holds the rows -1 to `rows`."""
        b, here = self.builder, column[k + 1]
        sums = [b.fadd(column[k], column[k + 2]), b.fadd(*sides)]
        if self.dimension == 3:
            beside = [self.load(k, op(j, self.plane), kind) for op in (b.sub, b.add)]
            sums.insert(0, b.fadd(*beside))
        if len(self.weights) == 1:
            total = sums[0]
            for part in sums[1:]:
                total = b.fadd(total, part)
            change = self.fused(self.number(-2.0 * len(sums), kind), here, total, kind)
            change = self.add_gain(k, j, change, kind)
            return self.fused(self.spread(self.weights[0], kind), change, here, kind)
        result = here
        for weight, total in zip(reversed(self.weights), reversed(sums), strict=True):
            change = self.fused(self.number(-2.0, kind), here, total, kind)
            if result is here:
                change = self.add_gain(k, j, change, kind)
            result = self.fused(self.spread(weight, kind), change, result, kind)
        return result

    def add_gain(self, k: int, j: Any, change: Any, kind: Any) -> Any:
        """Add what a source gives to the difference along the last axis."""
        return change if self.gains is None else self.builder.fadd(change, self.load_from(self.gains, k, j, kind))

    def fused(self, a: Any, x: Any, c: Any, kind: Any) -> Any:
        """Emit a x + c, rounded once."""
        name = f"llvm.fma.{f'v{self.lanes}' if kind is self.vector else ''}f{8 * self.size}"
        function = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return self.builder.call(function, [a, x, c])

    def number(self, value: float, kind: Any) -> Any:
        return ir.Constant(kind, [value] * self.lanes if kind is self.vector else value)

    def spread(self, value: Any, kind: Any) -> Any:
        if kind is not self.vector:
            return value
        empty = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(empty, value, SHORT(0))
        return self.builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(SHORT, self.lanes), [0] * self.lanes))

    def load(self, k: int, j: Any, kind: Any) -> Any:
        return self.load_from(self.field, k, j, kind)

    def load_from(self, array: Any, k: int, j: Any, kind: Any) -> Any:
        place = self.builder.gep(array, [self.builder.add(self.bases[k + 1], j)])
        return self.builder.load(self.builder.bitcast(place, kind.as_pointer()), align=self.size)

    def store(self, k: int, j: Any, value: Any, kind: Any) -> None:
        place = self.builder.gep(self.target, [self.builder.add(self.bases[k + 1], j)])
        self.builder.store(value, self.builder.bitcast(place, kind.as_pointer()), align=self.size)


def _smaller(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.icmp_signed("<", one, other), one, other)


def _index(value: int) -> Any:
    return ir.Constant(INDEX, value)
