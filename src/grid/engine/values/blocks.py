"""Expressions on many cells: operands smaller than the whole by NumPy, the rest by the compiled stack machine.

The code is walked once with a stack on which an entry is either an array or code still to be run. An operation whose
result is smaller than the whole (`x**2` on an axis of a grid) is done at once. One at every cell becomes code, which
runs over all of them at the end, or when NumPy has to go on: functions like `exp` are NumPy's, whose vector
instructions are faster than any scalar library called from a kernel.

The result has the bytes of `Expression.evaluate` without it (grid.engine.values.kernel says why), so the choice between
the two may depend on the size alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from grid.engine.values import kernel as machine
from grid.engine.values.operations import BINARY, FloatArray, Operand, apply_call, apply_power
from grid.engine.values.parser import FUNCTION_ARITY, Instruction, Kind

_CODES = {
    "+": machine.ADD, "-": machine.SUBTRACT, "*": machine.MULTIPLY, "/": machine.DIVIDE,
    "<": machine.LESS, "<=": machine.LESS_EQUAL, ">": machine.GREATER, ">=": machine.GREATER_EQUAL,
    "==": machine.EQUAL, "!=": machine.NOT_EQUAL, "&": machine.AND, "|": machine.OR,
    "minimum": machine.MINIMUM, "maximum": machine.MAXIMUM, "sqrt": machine.SQRT, "abs": machine.ABS,
}  # fmt: skip
_ARITHMETIC = frozenset(
    (machine.NEGATE, machine.ADD, machine.SUBTRACT, machine.MULTIPLY, machine.DIVIDE, machine.MINIMUM, machine.MAXIMUM,
     machine.SQRT, machine.ABS, machine.SQUARE)
)  # fmt: skip
_NUMPY: dict[int, Callable[..., Operand]] = {
    **{_CODES[sign]: function for sign, function in BINARY.items()},
    machine.NEGATE: np.negative, machine.WHERE: np.where, machine.SQRT: np.sqrt, machine.ABS: np.abs,
    machine.SQUARE: np.square, machine.MINIMUM: np.minimum, machine.MAXIMUM: np.maximum,
}  # fmt: skip
_ALONE = (machine.NEGATE, machine.SQRT, machine.ABS, machine.SQUARE)
# [-] arithmetic operations at every cell; with fewer, NumPy's passes over memory cost less than the machine's
FEW_OPERATIONS = 6


@dataclass
class Pending:
    """Code whose value at all cells is an operand.

    Args:
        code: Operation and, for what is pushed, its operand.
        depth: Entries of the stack that it needs.
    """

    code: list[tuple[int, Operand]]
    depth: int


@dataclass
class _Walk:
    """One evaluation; `shape` is the shape of the result."""

    shape: tuple[int, ...]
    stack: list[Operand | Pending] = field(default_factory=list)

    def combine(self, operation: int | None, count: int, apply: Callable[..., Operand]) -> None:
        """Replace the last `count` entries by their combination, at once by `apply` or later by the machine."""
        operands = self.stack[-count:]
        del self.stack[-count:]
        arrays = [entry for entry in operands if not isinstance(entry, Pending)]
        is_whole = len(arrays) < count or np.broadcast_shapes(*(np.shape(entry) for entry in arrays)) == self.shape
        if operation is None or not is_whole:
            self.stack.append(apply(*(self.finish(entry) for entry in operands)))
        else:
            self.stack.append(_join(operation, [_as_pending(entry) for entry in operands]))

    def finish(self, entry: Operand | Pending, kind: Kind = "number") -> Operand:
        """Return the array of an entry."""
        if not isinstance(entry, Pending):
            return entry
        if sum(operation in _ARITHMETIC for operation, _ in entry.code) < FEW_OPERATIONS:
            return _run_by_numpy(entry)
        out = _run(entry, self.shape)
        return out != 0.0 if kind == "truth" else out


def evaluate_blocks(
    code: Sequence[Instruction], kind: Kind, coordinates: dict[str, Operand], shape: tuple[int, ...]
) -> Operand:
    """Evaluate the code of an expression.

    Args:
        code: As `parse` returns it.
        kind: Kind of its value.
        coordinates: Values of its variables.
        shape: Shape that the variables broadcast to; up to three axes.
    """
    walk = _Walk(shape)
    with np.errstate(all="ignore"):  # the caller refuses values that it would use and that are not finite
        for operation, argument in code:
            name = str(argument)
            if operation == "constant":
                walk.stack.append(np.float64(argument))
            elif operation == "variable":
                walk.stack.append(coordinates[name])
            elif operation == "negate":
                walk.combine(machine.NEGATE, 1, np.negative)
            elif name == "**":
                walk.combine(_find_power(walk), 2, apply_power)
            elif operation == "binary":
                walk.combine(_CODES[name], 2, BINARY[name])
            elif name == "where":
                walk.combine(machine.WHERE, 3, np.where)
            else:
                walk.combine(_CODES.get(name), FUNCTION_ARITY[name], partial(apply_call, name))
        return walk.finish(walk.stack.pop(), kind)


def _find_power(walk: _Walk) -> int | None:
    """Number of the machine's operation for a power: for a square one multiplication, whose exponent is removed."""
    exponent = walk.stack[-1]
    if not isinstance(exponent, Pending) and np.ndim(exponent) == 0 and exponent == 2.0:
        return machine.SQUARE
    return None


def _as_pending(entry: Operand | Pending) -> Pending:
    if isinstance(entry, Pending):
        return entry
    return Pending([(machine.CONSTANT if np.ndim(entry) == 0 else machine.LOAD, entry)], 1)


def _join(operation: int, operands: list[Pending]) -> Pending:
    if operation == machine.SQUARE:
        del operands[1]
    code = [step for operand in operands for step in operand.code]
    depth = max(place + operand.depth for place, operand in enumerate(operands))
    return Pending([*code, (operation, None)], depth)


def _run_by_numpy(entry: Pending) -> Operand:
    stack: list[Operand] = []
    for operation, operand in entry.code:
        if operation in (machine.LOAD, machine.CONSTANT):
            stack.append(operand)
            continue
        count = 3 if operation == machine.WHERE else 1 if operation in _ALONE else 2
        stack[-count:] = [_NUMPY[operation](*stack[-count:])]
    return stack.pop()


@dataclass
class _Inputs:
    """Inputs of the machine: two that differ at every cell stay in place, the others are copied one after the other."""

    size: int
    small: list[FloatArray] = field(default_factory=lambda: [np.zeros(1)])
    whole: list[FloatArray] = field(default_factory=list)
    coordinates: list[tuple[int, ...]] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)

    def find(self, operand: Operand) -> int:
        """Return the number of an input; the same array has the same number."""
        if id(operand) not in self.seen:  # the code keeps it alive, so its identity is its own
            self.seen[id(operand)] = len(self.coordinates)
            array = np.asarray(operand, np.float64)
            array = array.reshape((1,) * (3 - array.ndim) + array.shape)
            if array.size == self.size and len(self.whole) < 2:
                self.whole.append(np.ascontiguousarray(array).reshape(-1))
                self.coordinates.append((len(self.whole), 0, *_strides(array.shape)))
            else:
                start = sum(part.size for part in self.small)
                self.small.append(array.reshape(-1))
                self.coordinates.append((0, start, *_strides(array.shape)))
        return self.seen[id(operand)]


def _run(entry: Pending, shape: tuple[int, ...]) -> FloatArray:
    """Number the inputs and constants of the code, and run it."""
    out = np.empty((1,) * (3 - len(shape)) + shape)
    code = np.zeros((len(entry.code), 2), np.int64)
    constants, inputs = [0.0], _Inputs(out.size)
    for index, (operation, operand) in enumerate(entry.code):
        code[index, 0] = operation
        if operation == machine.CONSTANT:
            code[index, 1] = len(constants)
            constants.append(float(operand))
        elif operation == machine.LOAD:
            code[index, 1] = inputs.find(operand)
    small = np.concatenate(inputs.small)
    whole, other = [*inputs.whole, small, small][:2]
    coordinates = np.array(inputs.coordinates or [(0,) * 5], np.int64)
    machine.run_blocks(code, np.array(constants), small, whole, other, coordinates, entry.depth, out)
    return out.reshape(shape)


def _strides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Elements from one entry to the next along each of three axes, in C order; 0 along an axis of one entry."""
    planes, rows, cells = shape
    return (rows * cells if planes > 1 else 0, cells if rows > 1 else 0, 1 if cells > 1 else 0)
