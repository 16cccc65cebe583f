r"""Vector code for the rows of a Chebyshev recurrence. Importing this module loads Numba.

One level of the recurrence on a grid of padded rows is, with x the field one level before, o two levels before, and
g the conductances (already scaled) of the faces of a cell,

.. math:: y = 2 x - o + r \sum_{faces} g\,(x_{neighbour} - x).

A row is worked through in vectors of 64 bytes. Neighbours along the row come from vectors already in registers, by a
shift; the flow through each face is found once and given to both of its cells, with opposite signs; up to four rows at
a time share what lies between them. LLVM makes none of this from a loop over elements, so the instructions are built
here. Every element is treated alike whatever the number of rows at a time, so results do not depend on it.

In single precision the recurrence carries the difference d of two levels instead of o,

.. math:: d' = d + r \sum g\,(x_{neighbour} - x), \qquad y = x + d',

(C. Reinsch's modification; J. Stoer, R. Bulirsch, Introduction to Numerical Analysis, 2002, 2.3.2), whose roundings
do not add up to a drift of what is smooth.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

ROW_BLOCK = 4  # [-] rows at a time
VECTOR_BYTES = 64  # [B] vector of AVX-512
INDEX = ir.IntType(64)  # type of array indices, 64 bits
LANE = ir.IntType(32)  # type of lane numbers within a vector, 32 bits


class Code:
    """Instructions on vectors of one element type, at a place in LLVM's code."""

    def __init__(self, context: Any, builder: Any, real: Any, lanes: int) -> None:
        self.context, self.builder, self.lanes = context, builder, lanes
        self.vector = ir.VectorType(real, lanes)
        self.bytes = VECTOR_BYTES // lanes
        self.step = ir.Constant(INDEX, lanes)

    def load(self, pointer: Any, index: Any) -> Any:
        """Emit a load of a vector, aligned to one number."""
        return self.builder.load(self._at(pointer, index, self.vector), align=self.bytes)

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        """Emit a store of a vector, aligned to one number."""
        self.builder.store(value, self._at(pointer, index, self.vector), align=self.bytes)

    def _at(self, pointer: Any, index: Any, vector: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [index]), vector.as_pointer())

    def accumulate(self, value: Any, pointer: Any, index: Any) -> None:
        """Add to an array of doubles."""
        if self.bytes == 4:
            doubles = ir.VectorType(ir.DoubleType(), self.lanes)
            value = self.builder.fpext(value, doubles)
            place = self._at(pointer, index, doubles)
        else:
            place = self._at(pointer, index, self.vector)
        self.builder.store(self.builder.fadd(self.builder.load(place, align=8), value), place, align=8)

    def shift(self, one: Any, other: Any, first: int) -> Any:
        """Elements `first`, `first` + 1, ... of two vectors behind each other."""
        order = ir.Constant(ir.VectorType(LANE, self.lanes), list(range(first, first + self.lanes)))
        return self.builder.shuffle_vector(one, other, order)

    def splat(self, number: Any) -> Any:
        """Emit a vector of one number."""
        empty = ir.Constant(self.vector, ir.Undefined)
        single = self.builder.insert_element(empty, number, ir.Constant(LANE, 0))
        return self.builder.shuffle_vector(
            single, empty, ir.Constant(ir.VectorType(LANE, self.lanes), [0] * self.lanes)
        )

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Emit a b + c, rounded once where the processor can."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.bytes}"
        function: Any = cgutils.get_or_insert_function(self.builder.module, kind, name)  # type: ignore[no-untyped-call]
        return self.builder.call(function, [a, b, c])

    def flow(self, conductances: Any, index: Any, one: Any, other: Any) -> Any:
        """Emit g (one - other), the heat flow into `other`, with g from an array; the difference alone without one."""
        difference = self.builder.fsub(one, other)
        return difference if conductances is None else self.builder.fmul(self.load(conductances, index), difference)


def emit_rows(
    code: Code, given: dict[str, Any], rows: int, load: Callable[[Any], Any], finish: Callable[[Any, Any, Any], None]
) -> None:
    """The loop over the vectors of `rows` rows.

    Args:
        code: Where the instructions go.
        given: Pointers to the conductances (`depth` None in 2D), and numbers: `start`, `stride`, `plane`, `vectors`.
            Without `along` the flows are differences, and `depth` only tells whether there are planes.
        rows: At a time.
        load: Gives the vector of the field at an index.
        finish: Takes the index of a vector of cells, its field, and the net flow into it; without conductances those
            along rows, across them and across planes.
    """
    builder, step, start, stride = code.builder, code.step, given["start"], given["stride"]
    bases = [start]
    for _ in range(rows):
        bases.append(builder.add(bases[-1], stride))
    here, entering = [], []
    for row in range(rows):
        before = load(builder.sub(bases[row], step))
        here.append(load(bases[row]))
        entering.append(code.flow(given["along"], bases[row], code.shift(before, here[row], code.lanes - 1), here[row]))
    entry = builder.block
    loop, done = builder.append_basic_block("vectors"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    j = builder.phi(INDEX)
    j.add_incoming(ir.Constant(INDEX, 0), entry)
    x, inflow = [builder.phi(code.vector) for _ in range(rows)], [builder.phi(code.vector) for _ in range(rows)]
    following = builder.add(j, step)
    above = load(builder.add(builder.sub(start, stride), j))
    below = load(builder.add(bases[rows], j))
    column = [above, *x, below]
    across = [
        code.flow(given["across"], builder.add(bases[face], j), column[face], column[face + 1])
        for face in range(rows + 1)
    ]
    for row in range(rows):
        at, to = builder.add(bases[row], j), builder.add(bases[row], following)
        after = load(to)
        leaving = code.flow(given["along"], to, code.shift(x[row], after, code.lanes - 1), after)
        parts = [builder.fsub(inflow[row], code.shift(inflow[row], leaving, 1))]
        parts.append(builder.fsub(across[row], across[row + 1]))
        if given["depth"] is not None:
            parts.append(_depth_flow(code, given, load, x[row], at))
        finish(at, x[row], parts if given["along"] is None else reduce(builder.fadd, parts))
        for phi, first, next_ in ((x[row], here[row], after), (inflow[row], entering[row], leaving)):
            phi.add_incoming(first, entry)
            phi.add_incoming(next_, builder.block)
    j.add_incoming(following, builder.block)
    more = builder.icmp_signed("<", following, builder.mul(given["vectors"], step))
    builder.cbranch(more, loop, done)
    builder.position_at_end(done)


def _depth_flow(code: Code, given: dict[str, Any], load: Callable[[Any], Any], x: Any, at: Any) -> Any:
    """Net flow from the planes before and behind, in 3D."""
    builder, plane = code.builder, given["plane"]
    before, behind = builder.sub(at, plane), builder.add(at, plane)
    conductances = given["depth"] if given["along"] is not None else None
    enter = code.flow(conductances, at, load(before), x)
    leave = code.flow(conductances, behind, x, load(behind))
    return builder.fsub(enter, leave)


def _finish(code: Code, given: dict[str, Any], weights: list[Any], at: Any, x: Any, heat: Any) -> None:
    """The new level of one vector of cells, and every third level its share of the sum of the series."""
    builder = code.builder
    rate = code.load(given["rate"], at) if given["rate"] is not None else None
    if given["change"] is None:
        old = code.load(given["other"], at)
        y = code.multiply_add(ir.Constant(code.vector, [2.0] * code.lanes), x, builder.fneg(old))
        y = builder.fadd(y, heat) if rate is None else code.multiply_add(rate, heat, y)
    else:
        change = code.load(given["change"], at)
        old = builder.fsub(x, change) if weights else None
        change = builder.fadd(change, heat) if rate is None else code.multiply_add(rate, heat, change)
        code.store(change, given["change"], at)
        y = builder.fadd(x, change)
    code.store(y, given["other"], at)
    if weights:
        share = code.multiply_add(weights[1], x, builder.fmul(weights[2], y))
        code.accumulate(code.multiply_add(weights[0], old, share), given["total"], at)


POINTERS = ("field", "other", "change", "depth", "across", "along", "rate", "total")
NUMBERS = ("start", "stride", "plane", "vectors")


def _make(rows: int, *, has_sum: bool) -> Any:
    @intrinsic
    def advance_rows(  # type: ignore[no-untyped-def]
        _typing, field, other, change, depth, across, along, rate, total, _start, _row, _plane, _vectors, real, _c1, _c2
    ):  # fmt: skip
        pointers = (field, other, change, depth, across, along, rate, total)
        signature = types.void(*pointers, *(types.int64,) * len(NUMBERS), *(real,) * 3)

        def codegen(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            given = dict(zip((*POINTERS, *NUMBERS, "c0", "c1", "c2"), args, strict=True))
            for name, kind in zip(POINTERS, pointers, strict=True):
                is_absent = isinstance(kind, types.NoneType)
                element = ir.DoubleType() if name == "total" else context.get_data_type(real)
                given[name] = None if is_absent else builder.inttoptr(given[name], element.as_pointer())
            lanes = VECTOR_BYTES // np.dtype(str(real)).itemsize
            code = Code(context, builder, context.get_data_type(real), lanes)
            weights = [code.splat(given[name]) for name in ("c0", "c1", "c2")] if has_sum else []
            emit_rows(code, given, rows, partial(code.load, given["field"]), partial(_finish, code, given, weights))
            return context.get_dummy_value()

        return signature, codegen

    return advance_rows


advance_row = _make(1, has_sum=False)
advance_row_and_sum = _make(1, has_sum=True)
advance_block = _make(ROW_BLOCK, has_sum=False)
advance_block_and_sum = _make(ROW_BLOCK, has_sum=True)


@intrinsic
def _address_of(_typing, array):  # type: ignore[no-untyped-def]
    if isinstance(array, types.NoneType):
        return types.none(array), lambda context, _builder, _signature, _args: context.get_dummy_value()

    def codegen(context, builder, _signature, args):  # type: ignore[no-untyped-def]
        return builder.ptrtoint(context.make_array(array)(context, builder, args[0]).data, INDEX)

    return types.int64(array), codegen


@intrinsic
def _read_number(_typing, _address, _index, like):  # type: ignore[no-untyped-def]
    def codegen(context, builder, _signature, args):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(args[0], context.get_data_type(like).as_pointer())
        return builder.load(builder.gep(pointer, [args[1]]))

    return like(types.int64, types.int64, like), codegen


@intrinsic
def _write_number(_typing, _address, _index, value):  # type: ignore[no-untyped-def]
    def codegen(context, builder, _signature, args):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(args[0], context.get_data_type(value).as_pointer())
        builder.store(args[2], builder.gep(pointer, [args[1]]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, value), codegen


def _array_itself(array: Any) -> Any:
    """In the interpreter an array stands for its address."""
    return array


def _get(array: Any, index: int, _like: Any) -> Any:
    return array[index]


def _set(array: Any, index: int, value: Any) -> None:
    array[index] = value


IS_INTERPRETED = bool(getattr(config, "DISABLE_JIT", False))
# takes an array, gives where its elements begin; None of None
address_of: Any = _array_itself if IS_INTERPRETED else _address_of
# takes an address, an index and a number, and gives the number there, of the type of that one
read_number: Any = _get if IS_INTERPRETED else _read_number
# takes an address, an index and the number to write
write_number: Any = _set if IS_INTERPRETED else _write_number
