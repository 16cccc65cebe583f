"""Expressions of place and time as sums of products: a function of place times a function of time.

    where(x < 0.1, where(t < 20, 5e6, 1e6), 0)  =  where(x < 0.1, 1, 0) * where(t < 20, 5e6, 1e6)

In a load of this form no pattern moves, only strengths change. The form is found from the parsed code, so it holds
at every place and time. A condition counts as 1 where it is true and 0 elsewhere, so `&` multiplies two of them and
`where(c, a, b)` is c a + (1 - c) b.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grid.engine.errors import ExpressionError
from grid.engine.values.expression import Expression
from grid.engine.values.parser import COMPARISONS, FUNCTION_ARITY, Instruction

MAX_PRODUCTS = 64  # [-] products of a sum; a longer sum counts as not separable
# [-] precedence of the operators of the grammar
PRECEDENCE = {"|": 2, "&": 3, "+": 4, "-": 4, "*": 5, "/": 5, "**": 7} | dict.fromkeys(COMPARISONS, 1)
SIGN, ATOM = 6, 9  # [-] precedence of a sign, and of a part that needs no brackets
Text = tuple[str, int]  # an expression as text, and its precedence
ONE: Text = ("1", ATOM)
ZERO: Text = ("0", ATOM)


@dataclass(frozen=True)
class Product:
    """A function of place alone times a function of time alone."""

    place: Expression
    time: Expression


@dataclass(frozen=True)
class _Part:
    """Part of an expression: its text, whether it depends on place and on time, and its products where on both."""

    text: Text
    of_place: bool
    of_time: bool
    products: tuple[tuple[Text, Text], ...] | None  # factors of place and of time; None where it does not separate

    @property
    def is_mixed(self) -> bool:
        return self.of_place and self.of_time


def separate(expression: Expression) -> tuple[Product, ...] | None:
    """Find the products whose sum an expression is, one for each function of time; None where it is no such sum.

    Args:
        expression: A number, not a truth value, that does not depend on `T`.
    """
    if "T" in expression.variables or expression.kind != "number":
        return None
    stack: list[_Part] = []
    for instruction in expression.code:
        stack.append(_combine(instruction, stack))
    return None if stack[-1].products is None else _merge(stack[-1].products)


def _merge(products: Sequence[tuple[Text, Text]]) -> tuple[Product, ...] | None:
    """Merge products of the same function of time by adding up their functions of place."""
    coordinates: dict[str, Text] = {}
    for place, time in products:
        coordinates[time[0]] = _binary("+", coordinates[time[0]], place) if time[0] in coordinates else place
    try:
        return tuple(Product(Expression(place[0]), Expression(time)) for time, place in coordinates.items())
    except ExpressionError:  # longer than an expression may be
        return None


def _combine(instruction: Instruction, stack: list[_Part]) -> _Part:
    """Make the part that an instruction yields from the last ones on the stack, which it removes."""
    operation, argument = instruction
    if operation == "constant":
        return _make((_number(float(argument)), ATOM), of_place=False, of_time=False)
    if operation == "variable":
        return _make((str(argument), ATOM), of_place=argument != "t", of_time=argument == "t")
    count = 1 if operation == "negate" else 2 if operation == "binary" else FUNCTION_ARITY[str(argument)]
    parts = stack[-count:]
    del stack[-count:]
    text = _write(operation, str(argument), [part.text for part in parts])
    of_place, of_time = any(part.of_place for part in parts), any(part.of_time for part in parts)
    if not (of_place and of_time):
        return _make(text, of_place=of_place, of_time=of_time)
    products = _separate(operation, str(argument), parts)
    if products is not None and len(products) > MAX_PRODUCTS:
        products = None
    return _Part(text, of_place, of_time, products)


def _make(text: Text, *, of_place: bool, of_time: bool) -> _Part:
    """Make a part that depends on place or on time alone, or on neither."""
    return _Part(text, of_place, of_time, ((ONE, text),) if of_time else ((text, ONE),))


def _separate(operation: str, name: str, parts: list[_Part]) -> tuple[tuple[Text, Text], ...] | None:
    """Find the products of a part that depends on both; truth values as 1 and 0."""
    if any(part.products is None for part in parts):
        return None
    if operation == "negate":
        return _scale(parts[0], "-1")
    if operation == "call":
        return _choose(*parts) if name == "where" else None
    first, second = parts
    if name == "+":
        return (*_products(first), *_products(second))
    if name == "-":
        return (*_products(first), *_scale(second, "-1"))
    if name in ("*", "&"):
        return tuple(_multiply(first, second, is_truth=name == "&"))
    if name == "/" and not second.is_mixed:
        inverse = _make(_binary("/", ONE, second.text), of_place=second.of_place, of_time=second.of_time)
        return tuple(_multiply(first, inverse, is_truth=False))
    if name == "|":
        both = _Part(ONE, True, True, tuple(_multiply(first, second, is_truth=True)))
        return (*_truth(first), *_truth(second), *_scale(both, "-1"))
    return None


def _choose(condition: _Part, one: _Part, other: _Part) -> tuple[tuple[Text, Text], ...]:
    """Products of `where(condition, one, other)`; a condition of one kind keeps values of the other branch out."""
    if not condition.is_mixed:
        text, is_time = condition.text[0], condition.of_time
        return (
            *(_mask(product, f"where({text}, {{}}, 0)", is_time=is_time) for product in _products(one)),
            *(_mask(product, f"where({text}, 0, {{}})", is_time=is_time) for product in _products(other)),
        )
    whole = _Part(ONE, True, True, _truth(condition))
    rest = _Part(ONE, True, True, ((ONE, ONE), *_scale(whole, "-1")))
    return (*_multiply(whole, one, is_truth=False), *_multiply(rest, other, is_truth=False))


def _mask(product: tuple[Text, Text], form: str, *, is_time: bool) -> tuple[Text, Text]:
    """Set a product to zero where a condition of time, or of place, is false."""
    place, time = product
    return (place, (form.format(time[0]), ATOM)) if is_time else ((form.format(place[0]), ATOM), time)


def _truth(part: _Part) -> tuple[tuple[Text, Text], ...]:
    """Products of a condition, as 1 and 0."""
    if part.is_mixed:
        return part.products or ()
    return _make((f"where({part.text[0]}, 1, 0)", ATOM), of_place=part.of_place, of_time=part.of_time).products or ()


def _products(part: _Part) -> tuple[tuple[Text, Text], ...]:
    return part.products or ()


def _scale(part: _Part, factor: str) -> tuple[tuple[Text, Text], ...]:
    number = (factor, SIGN)
    return tuple((_binary("*", number, place), time) for place, time in _products(part))


def _multiply(first: _Part, second: _Part, *, is_truth: bool) -> Iterator[tuple[Text, Text]]:
    """Multiply two sums of products."""
    for place, time in _truth(first) if is_truth else _products(first):
        for other_place, other_time in _truth(second) if is_truth else _products(second):
            yield _times(place, other_place), _times(time, other_time)


def _times(first: Text, second: Text) -> Text:
    if first == ONE or second == ONE:
        return second if first == ONE else first
    return _binary("*", first, second)


def _write(operation: str, name: str, parts: list[Text]) -> Text:
    if operation == "negate":
        return "-" + _bracket(parts[0], SIGN), SIGN
    if operation == "call":
        return f"{name}({', '.join(text for text, _ in parts)})", ATOM
    return _binary(name, *parts)


def _binary(name: str, first: Text, second: Text) -> Text:
    """Join two parts, in brackets where the grammar needs them."""
    own = PRECEDENCE[name]
    left = own + 1 if name == "**" or name in COMPARISONS else own
    right = SIGN if name == "**" else own + 1
    return f"{_bracket(first, left)} {name} {_bracket(second, right)}", own


def _bracket(part: Text, least: int) -> str:
    text, precedence = part
    return text if precedence >= least else f"({text})"


def _number(value: float) -> str:
    return repr(value)
