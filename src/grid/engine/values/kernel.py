"""One compiled stack machine for expressions, over blocks of cells. Importing this module loads Numba.

It is compiled once, for all expressions, and stored in Numba's cache: nothing is compiled for a new one. Each
instruction runs over a block that stays in the first cache. It has only operations that IEEE 754 rounds correctly, in
the order of the expression and never contracted, so a result has exactly the bytes that NumPy's own operations give.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions

BLOCK = 512  # [-] cells of a block; the five or so entries of a usual stack are then 20 KB, within the first cache

# [-] numbers of the operations in the code of the machine, in three groups of one sequence
LOAD, CONSTANT, NEGATE, ADD, SUBTRACT, MULTIPLY, DIVIDE = range(7)
LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL, NOT_EQUAL, AND, OR = range(7, 15)
MINIMUM, MAXIMUM, WHERE, SQRT, ABS, SQUARE = range(15, 21)


@njit(cache=True, nogil=True, error_model="numpy")
def _arithmetic(operation: int, left: Array, right: Array) -> None:
    """Apply an operation of numbers in place: left = left (operation) right."""
    if operation == ADD:
        for i in range(left.shape[0]):
            left[i] = left[i] + right[i]
    elif operation == SUBTRACT:
        for i in range(left.shape[0]):
            left[i] = left[i] - right[i]
    elif operation == MULTIPLY:
        for i in range(left.shape[0]):
            left[i] = left[i] * right[i]
    else:
        for i in range(left.shape[0]):
            left[i] = left[i] / right[i]


@njit(cache=True, nogil=True)
def _compare(operation: int, left: Array, right: Array) -> None:
    """Compare in place: left = 1 where the comparison holds, else 0."""
    if operation == LESS:
        for i in range(left.shape[0]):
            left[i] = 1.0 if left[i] < right[i] else 0.0
    elif operation == LESS_EQUAL:
        for i in range(left.shape[0]):
            left[i] = 1.0 if left[i] <= right[i] else 0.0
    elif operation == GREATER:
        for i in range(left.shape[0]):
            left[i] = 1.0 if left[i] > right[i] else 0.0
    elif operation == GREATER_EQUAL:
        for i in range(left.shape[0]):
            left[i] = 1.0 if left[i] >= right[i] else 0.0
    elif operation == EQUAL:
        for i in range(left.shape[0]):
            left[i] = 1.0 if left[i] == right[i] else 0.0
    else:
        for i in range(left.shape[0]):
            left[i] = 1.0 if left[i] != right[i] else 0.0


@njit(cache=True, nogil=True)
def _connect(operation: int, left: Array, right: Array) -> None:
    """Combine two truth values in place by `and` or `or`."""
    if operation == AND:
        for i in range(left.shape[0]):
            left[i] = left[i] * right[i]
    else:
        for i in range(left.shape[0]):
            left[i] = 1.0 if left[i] + right[i] > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _extreme(operation: int, left: Array, right: Array) -> None:
    """Take the smaller or the larger in place; a NaN on either side stays NaN."""
    if operation == MINIMUM:
        for i in range(left.shape[0]):
            left[i] = left[i] if (left[i] < right[i]) | (left[i] != left[i]) else right[i]
    else:
        for i in range(left.shape[0]):
            left[i] = left[i] if (left[i] > right[i]) | (left[i] != left[i]) else right[i]


@njit(cache=True, nogil=True)
def _combine(operation: int, left: Array, right: Array) -> None:
    """Apply an operation with two operands in place: left = left (operation) right."""
    if operation <= DIVIDE:
        _arithmetic(operation, left, right)
    elif operation >= MINIMUM:
        _extreme(operation, left, right)
    elif operation >= AND:
        _connect(operation, left, right)
    else:
        _compare(operation, left, right)


@njit(cache=True, nogil=True)
def _alone(operation: int, entry: Array) -> None:
    """Apply an operation to one number in place."""
    if operation == NEGATE:
        for i in range(entry.shape[0]):
            entry[i] = -entry[i]
    elif operation == SQRT:
        for i in range(entry.shape[0]):
            entry[i] = np.sqrt(entry[i])
    elif operation == ABS:
        for i in range(entry.shape[0]):
            entry[i] = abs(entry[i])
    else:
        for i in range(entry.shape[0]):
            entry[i] = entry[i] * entry[i]


@njit(cache=True, nogil=True)
def _choose(condition: Array, chosen: Array, otherwise: Array) -> None:
    for i in range(condition.shape[0]):
        condition[i] = chosen[i] if condition[i] != 0.0 else otherwise[i]


@njit(cache=True, nogil=True)
def _load(out: Array, data: Array, start: int, stride: int) -> None:
    if stride == 0:
        out[:] = data[start]
    else:
        for i in range(out.shape[0]):  # vectorised, unlike an assignment to a slice
            out[i] = data[start + i]


_DATA = "float64[::1], float64[::1], float64[::1]"


@njit(f"void(int64[:,::1], float64[::1], {_DATA}, int64[:,::1], int64, float64[:,:,::1])", cache=True, nogil=True)
def run_blocks(
    code: Array, constants: Array, small: Array, whole: Array, other: Array, inputs: Array, depth: int, out: Array
) -> None:
    """Run postfix code at every cell.

    Args:
        code: Instructions, shape (count, 2): the operation, and the index of the input or constant that it pushes.
        constants: Values that `CONSTANT` pushes.
        small: Inputs, one after the other, each in C order.
        whole, other: Two inputs that differ from cell to cell, read in place without a copy.
        inputs: For each input which of the three arrays holds it, where it starts there, and its strides along three
            axes, shape (inputs, 5); 0 where it does not change along an axis, and otherwise 1 along the last.
        depth: Entries of the stack.
        out: Value at each cell, 3D; truth values as 1 and 0.
    """
    stack = np.empty((depth, BLOCK))
    for plane in range(out.shape[0]):
        for row in range(out.shape[1]):
            for first in range(0, out.shape[2], BLOCK):
                width = min(BLOCK, out.shape[2] - first)
                top = -1
                for step in range(code.shape[0]):
                    operation, index = code[step, 0], code[step, 1]
                    if operation == LOAD:
                        top += 1
                        stride = inputs[index, 4]
                        start = inputs[index, 1] + plane * inputs[index, 2] + row * inputs[index, 3] + first * stride
                        if inputs[index, 0] == 0:
                            _load(stack[top, :width], small, start, stride)
                        elif inputs[index, 0] == 1:
                            _load(stack[top, :width], whole, start, stride)
                        else:
                            _load(stack[top, :width], other, start, stride)
                    elif operation == CONSTANT:
                        top += 1
                        stack[top, :width] = constants[index]
                    elif operation == WHERE:
                        top -= 2
                        _choose(stack[top, :width], stack[top + 1, :width], stack[top + 2, :width])
                    elif operation == NEGATE or operation >= SQRT:
                        _alone(operation, stack[top, :width])
                    else:
                        top -= 1
                        _combine(operation, stack[top, :width], stack[top + 1, :width])
                _load(out[plane, row, first : first + width], stack[0], 0, 1)
