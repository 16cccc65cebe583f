"""Expressions of place as sums of products of functions of one coordinate each, which may depend on time as well.

    5e9*exp(-((x - 0.01 - 0.02*t)**2 + (y - 0.02)**2)/2e-6)
        =  exp(-(x - 0.01 - 0.02*t)**2/2e-6) * exp(-(y - 0.02)**2/2e-6) * 5e9

A load of this form follows from a few values along each axis, however many cells there are. The form is found from the
parsed code, so it holds at every place and time; `grid.engine.values.separation` separates place from time in the same
way.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from grid.engine.values.parser import COMPARISONS, FUNCTION_ARITY, Instruction

Code = tuple[Instruction, ...]
Factors = dict[str, Code]  # one function for each axis; "" for what depends on no coordinate
AXES = frozenset("xyz")
MOST_PRODUCTS = 16  # [-] products of a sum; a longer sum counts as no sum of products
ZERO: Code = (("constant", 0.0),)
ONE: Code = (("constant", 1.0),)
MINUS: Code = (("constant", -1.0),)
TRUTHS = frozenset((*COMPARISONS, "&", "|"))


@dataclass(frozen=True)
class _Part:
    """A part of an expression.

    Args:
        axes: Coordinates that the part depends on.
        products: Products that add up to the part, truth values as 1 and 0; None where it is no such sum.
        summands: Functions of one coordinate that add up to the part; None where it is no such sum.
        is_truth: True where the part is a truth value.
    """

    axes: frozenset[str]
    products: tuple[Factors, ...] | None
    summands: Factors | None
    is_truth: bool = False


def find_axis_factors(code: Code) -> tuple[Factors, ...] | None:
    """Find the products whose sum an expression is, each a function of one coordinate (and time) for each axis.

    Args:
        code: Code of an expression that is a number.

    Returns:
        None where the expression depends on `T`, is no such sum, or has more than `MOST_PRODUCTS` products.
    """
    if ("variable", "T") in code:
        return None
    stack: list[_Part] = []
    for instruction in code:
        part = _combine(instruction, stack)
        if part.products is None and part.summands is None:
            return None
        stack.append(part)
    return stack[-1].products


def _combine(instruction: Instruction, stack: list[_Part]) -> _Part:
    """Make the part that an instruction yields from the last ones on the stack, which it removes."""
    operation, argument = instruction
    if operation == "constant":
        return _make("", (instruction,))
    if operation == "variable":
        return _make(str(argument) if argument in AXES else "", (instruction,))
    count = 1 if operation == "negate" else 2 if operation == "binary" else FUNCTION_ARITY[str(argument)]
    parts = stack[-count:]
    del stack[-count:]
    axes = frozenset[str]().union(*(part.axes for part in parts))
    is_truth = operation == "binary" and argument in TRUTHS
    if len(axes) <= 1:
        return _join(instruction, parts, "".join(axes), is_truth=is_truth)
    products = _find_products(operation, str(argument), parts)
    if products is not None and len(products) > MOST_PRODUCTS:
        products = None
    return _Part(axes, products, _find_summands(operation, str(argument), parts), is_truth)


def _make(axis: str, code: Code, *, is_truth: bool = False) -> _Part:
    """A part that depends on one coordinate or none."""
    value = (*code, *ONE, *ZERO, ("call", "where")) if is_truth else code
    return _Part(frozenset(axis), ({axis: value},), {axis: code}, is_truth)


def _join(instruction: Instruction, parts: list[_Part], axis: str, *, is_truth: bool) -> _Part:
    """One function of a coordinate from others of the same, or of none."""
    codes = [_whole(part) for part in parts]
    return _make(axis, (*(step for code in codes for step in code), instruction), is_truth=is_truth)


def _whole(part: _Part) -> Code:
    """The code of a part that depends on one coordinate at most."""
    [code] = (part.summands or {}).values()
    return code


def _find_products(operation: str, name: str, parts: list[_Part]) -> tuple[Factors, ...] | None:
    if operation == "call" and name == "exp":
        summands = parts[0].summands
        return None if summands is None else ({axis: (*code, ("call", "exp")) for axis, code in summands.items()},)
    found = [part.products for part in parts if part.products is not None]
    if len(found) < len(parts):
        return None
    if operation == "negate":
        return _scale(found[0], MINUS)
    if operation == "call":
        return _choose(*found) if name == "where" else None
    first, second = found
    if name in ("+", "-"):
        return (*first, *(second if name == "+" else _scale(second, MINUS)))
    if name in ("*", "&"):
        return tuple(_times(one, other) for one in first for other in second)
    if name == "/" and len(second) == 1:
        inverse = {axis: (*ONE, *code, ("binary", "/")) for axis, code in second[0].items()}
        return tuple(_times(one, inverse) for one in first)
    return None


def _choose(condition: Iterable[Factors], one: tuple[Factors, ...], other: tuple[Factors, ...]) -> tuple[Factors, ...]:
    """`where(c, a, b)` as c a + b - c b."""
    chosen = tuple(_times(truth, factors) for truth in condition for factors in one)
    if all(factors == {"": ZERO} for factors in other):
        return chosen
    return (*chosen, *other, *_scale(tuple(_times(c, factors) for c in condition for factors in other), MINUS))


def _scale(products: tuple[Factors, ...], code: Code) -> tuple[Factors, ...]:
    return tuple(_times(factors, {"": code}) for factors in products)


def _times(first: Factors, second: Factors) -> Factors:
    out = dict(first)
    for axis, code in second.items():
        out[axis] = (*out[axis], *code, ("binary", "*")) if axis in out else code
    return out


def _find_summands(operation: str, name: str, parts: list[_Part]) -> Factors | None:
    found = [part.summands for part in parts if part.summands is not None]
    if len(found) < len(parts) or any(part.is_truth for part in parts):
        return None
    if operation == "negate":
        return {axis: (*code, ("negate", 0.0)) for axis, code in found[0].items()}
    if operation != "binary" or name not in ("+", "-", "*", "/"):
        return None
    first, second = found
    if name in ("+", "-"):
        return _add(first, second, name)
    if not parts[1].axes:
        return {axis: (*code, *_whole(parts[1]), ("binary", name)) for axis, code in first.items()}
    if name == "*" and not parts[0].axes:
        return {axis: (*_whole(parts[0]), *code, ("binary", "*")) for axis, code in second.items()}
    return None


def _add(first: Factors, second: Factors, name: str) -> Factors:
    out = dict(first)
    for axis, code in second.items():
        if axis in out:
            out[axis] = (*out[axis], *code, ("binary", name))
        else:
            out[axis] = code if name == "+" else (*code, ("negate", 0.0))
    return out
