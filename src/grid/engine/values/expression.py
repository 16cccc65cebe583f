"""Expressions of place, time and temperature: parsed once, evaluated element by element."""

import math
from dataclasses import dataclass, field

import numpy as np

from grid.core.errors import FieldError
from grid.engine.values.operations import BINARY, Operand, apply_call, apply_power
from grid.engine.values.parser import COMPARISONS, FUNCTION_ARITY, Instruction, Kind, parse

# [-] cells; with fewer, NumPy's temporaries stay in the caches and its passes are faster than the compiled machine
MANY_CELLS = 100_000


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Raises:
        ExpressionError: The text is outside the grammar.
        FieldError: The argument is no text.
    """

    text: str
    code: tuple[Instruction, ...] = field(init=False, repr=False, compare=False)
    kind: Kind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise FieldError("expression", "a text")
        code, kind = parse(self.text)
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "kind", kind)

    @property
    def variables(self) -> frozenset[str]:
        """Names of the variables in the text."""
        return frozenset(str(argument) for operation, argument in self.code if operation == "variable")

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Empty: the points at which an expression bends or jumps are not listed, see `grid.engine.values.switches`."""
        return ()

    def evaluate(self, coordinates: dict[str, Operand], /) -> Operand:
        """Run the code on a stack of arrays; values that are not finite in a branch that is not chosen do no harm.

        On many cells a compiled stack machine runs the operations at every cell, to the same bytes.
        """
        shape = np.broadcast_shapes(*(np.shape(coordinates[name]) for name in self.variables))
        if len(shape) <= 3 and math.prod(shape) >= MANY_CELLS:
            from grid.engine.values.blocks import evaluate_blocks

            return evaluate_blocks(self.code, self.kind, coordinates, shape)
        return run_code(self.code, coordinates)


def run_code(
    code: tuple[Instruction, ...], coordinates: dict[str, Operand], *, compare_at: int | None = None
) -> Operand:
    """Evaluate postfix code on a stack of arrays.

    Args:
        code: Code of an expression.
        coordinates: Value of each variable.
        compare_at: Index along the first axis at which comparisons are made for all; None where each is made.
    """
    stack: list[Operand] = []
    with np.errstate(all="ignore"):  # the caller refuses values that it would use and that are not finite
        for operation, argument in code:
            if operation == "constant":
                stack.append(np.float64(argument))
            elif operation == "variable":
                stack.append(coordinates[str(argument)])
            elif operation == "negate":
                stack.append(np.negative(stack.pop()))
            elif operation == "binary":
                right = stack.pop()
                apply = apply_power if argument == "**" else BINARY[str(argument)]
                found = apply(stack.pop(), right)
                if compare_at is not None and argument in COMPARISONS and np.ndim(found):
                    found = np.broadcast_to(found[compare_at], np.shape(found))
                stack.append(found)
            else:
                count = FUNCTION_ARITY[str(argument)]
                operands = stack[-count:]
                del stack[-count:]
                stack.append(apply_call(str(argument), *operands))
    return stack.pop()
