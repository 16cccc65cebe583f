"""Recursive-descent parser of the documented expression grammar (docs/case-format.md, section 2).

The text becomes postfix code for a stack machine; nothing is ever handed to `eval` or `exec`. Numbers and truth values
are distinguished while parsing, so that arithmetic on a truth value is found before any array exists.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from grid.engine.errors import ExpressionError

MAX_LENGTH = 4_000  # [-] characters of an expression
MAX_TOKENS = 1_200  # [-] tokens of an expression
MAX_DEPTH = 40  # [-] nested brackets, signs and powers; each costs about ten Python frames
MAX_CONSTANTS = 400  # [-] constants of an expression
KEPT = 128  # [-] expressions whose code is cached: the points of a sweep, and the steps of a job, read the same ones

VARIABLES = frozenset("xyztT")
FUNCTION_ARITY = {
    **dict.fromkeys(("sin", "cos", "tan", "exp", "log", "sqrt", "sinh", "cosh", "tanh", "abs", "erf", "erfc"), 1),
    "minimum": 2,
    "maximum": 2,
    "where": 3,
}
COMPARISONS = frozenset(("<", "<=", ">", ">=", "==", "!="))

Kind = Literal["number", "truth"]
Instruction = tuple[str, float | str]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|[-+*/()<>|&,]))",
    re.ASCII,
)


@dataclass(frozen=True)
class Token:
    """One word of an expression: its kind (`number`, `name`, `sign`, `end`), text and column."""

    kind: str
    text: str
    column: int


def tokenize(text: str) -> list[Token]:
    """Split an expression into tokens, the last of kind `end`.

    Raises:
        ExpressionError: Too long, too many tokens, or a character outside the grammar.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"at most {MAX_LENGTH} characters", "", 0)
    tokens: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            column = position + len(text[position:]) - len(text[position:].lstrip())
            raise ExpressionError("a character that the grammar does not know", text, column)
        tokens.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        if len(tokens) > MAX_TOKENS:
            raise ExpressionError(f"at most {MAX_TOKENS} words and signs", text, tokens[-1].column)
        position = match.end()
    return [*tokens, Token("end", "", end)]


@lru_cache(maxsize=KEPT)
def parse(text: str) -> tuple[tuple[Instruction, ...], Kind]:
    """Return the postfix code of an expression and the kind of its value, a number or a truth value.

    Raises:
        ExpressionError: The text is outside the grammar or its limits; gives the column.
    """
    parser = _Parser(text)
    kind = parser.comparison()
    parser.expect_end()
    return tuple(parser.code), kind


class _Parser:
    """One method for each rule of the grammar; each appends code and returns the kind of its value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.position = 0
        self.depth = 0
        self.constants = 0
        self.code: list[Instruction] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def fail(self, message: str, token: Token | None = None) -> ExpressionError:
        return ExpressionError(message, self.text, (token or self.token).column)

    def accept(self, *signs: str) -> Token | None:
        token = self.token
        if token.kind == "sign" and token.text in signs:
            self.position += 1
            return token
        return None

    def expect(self, sign: str) -> None:
        if self.accept(sign) is None:
            raise self.fail(f"expected '{sign}'")

    def expect_end(self) -> None:
        if self.token.kind != "end":
            raise self.fail("expected an operator or the end")

    def require(self, kind: Kind, wanted: Kind, token: Token) -> None:
        if kind != wanted:
            needed = "numbers, not truth values" if wanted == "number" else "truth values (compare in parentheses)"
            raise self.fail(f"needs {needed}", token)

    def comparison(self) -> Kind:
        kind = self.disjunction()
        operator = self.accept(*COMPARISONS)
        if operator is None:
            return kind
        self.require(kind, "number", operator)
        self.require(self.disjunction(), "number", operator)
        if self.token.text in COMPARISONS:
            raise self.fail("comparisons cannot be chained")
        self.code.append(("binary", operator.text))
        return "truth"

    def disjunction(self) -> Kind:
        return self._chain(self.conjunction, ("|",), "truth")

    def conjunction(self) -> Kind:
        return self._chain(self.sum, ("&",), "truth")

    def sum(self) -> Kind:
        return self._chain(self.product, ("+", "-"), "number")

    def product(self) -> Kind:
        return self._chain(self.unary, ("*", "/"), "number")

    def _chain(self, operand: Callable[[], Kind], signs: tuple[str, ...], wanted: Kind) -> Kind:
        kind = operand()
        while (operator := self.accept(*signs)) is not None:
            self.require(kind, wanted, operator)
            kind = operand()
            self.require(kind, wanted, operator)
            self.code.append(("binary", operator.text))
        return kind

    def unary(self) -> Kind:
        operator = self.accept("+", "-")
        if operator is None:
            return self.power()
        with _Deeper(self):
            self.require(self.unary(), "number", operator)
        if operator.text == "-":
            self.code.append(("negate", 0.0))
        return "number"

    def power(self) -> Kind:
        kind = self.atom()
        operator = self.accept("**")
        if operator is None:
            return kind
        self.require(kind, "number", operator)
        with _Deeper(self):
            self.require(self.unary(), "number", operator)
        self.code.append(("binary", "**"))
        return "number"

    def atom(self) -> Kind:
        token = self.token
        if token.kind == "number":
            self.position += 1
            self._constant(float(token.text), token)
            return "number"
        if token.kind == "name":
            self.position += 1
            return self._name(token)
        if self.accept("("):
            with _Deeper(self):
                kind = self.comparison()
            self.expect(")")
            return kind
        raise self.fail("expected a number, a variable, a function or '('")

    def _constant(self, value: float, token: Token) -> None:
        self.constants += 1
        if self.constants > MAX_CONSTANTS:
            raise self.fail(f"at most {MAX_CONSTANTS} constants", token)
        if not math.isfinite(value):
            raise self.fail("a number that fits in a double", token)
        self.code.append(("constant", value))

    def _name(self, token: Token) -> Kind:
        name = token.text
        if name in FUNCTION_ARITY:
            return self._call(name, token)
        if name == "pi":
            self._constant(math.pi, token)
        elif name in VARIABLES:
            self.code.append(("variable", name))
        else:
            raise self.fail("an unknown name", token)
        return "number"

    def _call(self, name: str, token: Token) -> Kind:
        self.expect("(")
        kinds: list[Kind] = []
        with _Deeper(self):
            kinds.append(self.comparison())
            while self.accept(","):
                kinds.append(self.comparison())
        self.expect(")")
        arity = FUNCTION_ARITY[name]
        if len(kinds) != arity:
            raise self.fail(f"{name} takes {arity} argument{'s' if arity > 1 else ''}", token)
        if name == "where":
            self.require(kinds[0], "truth", token)
            if kinds[1] != kinds[2]:
                raise self.fail("both branches of where must be of one kind", token)
            result = kinds[1]
        else:
            for kind in kinds:
                self.require(kind, "number", token)
            result = "number"
        self.code.append(("call", name))
        return result


class _Deeper:
    """Counts one level of nesting while it is open."""

    def __init__(self, parser: _Parser) -> None:
        self.parser = parser

    def __enter__(self) -> None:
        self.parser.depth += 1
        if self.parser.depth > MAX_DEPTH:
            raise self.parser.fail(f"nested at most {MAX_DEPTH} deep")

    def __exit__(self, *_: object) -> None:
        self.parser.depth -= 1
