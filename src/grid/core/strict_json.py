"""Reading JSON from strangers: what the standard library lets through and a database or a solver would choke on.

The standard reader accepts `NaN`, keeps the last of two equal keys, builds integers of any length, turns `1e999` into
an infinity and lone surrogates into text that no UTF-8 encoder takes. Each of these is refused here, and nothing of
the input is repeated in the message.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from grid.core.errors import InputError

MAX_DEPTH = 20
MAX_INTEGER_DIGITS = 30

# An escape that may spell NUL or a surrogate; a cheap look before every string is looked at.
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class InvalidJsonError(InputError):
    """The body is not JSON that Grid accepts; the reason names the rule, never the text."""

    code, title = "invalid-json", "The body is not valid JSON"

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule

    def __str__(self) -> str:
        return f"The body is refused: {self.rule}."


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises:
        InvalidJsonError: Malformed; NaN, an infinity or a number beyond the range of a double; an integer of more
            than 30 digits; a key twice in one object; nesting deeper than 20; NUL or a lone surrogate in a string.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_parse_integer,
            parse_float=_parse_finite,
        )
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"malformed at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise InvalidJsonError(f"nested deeper than {MAX_DEPTH}") from None
    _require_shallow(value)
    if _SUSPECT.search(text):
        _require_storable(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidJsonError("a key appears twice in one object")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise InvalidJsonError("NaN and Infinity are not JSON")


def _parse_integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise InvalidJsonError(f"an integer has more than {MAX_INTEGER_DIGITS} digits")
    return int(digits)


def _parse_finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidJsonError("a number is beyond the range of a double")
    return number


def _require_shallow(value: Any) -> None:
    """Refuse nesting deeper than `MAX_DEPTH`, level by level instead of by recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]
        if not level:
            return
    raise InvalidJsonError(f"nested deeper than {MAX_DEPTH}")


def _children(parent: Any) -> Iterable[Any]:
    if isinstance(parent, dict):
        return parent.values()
    return parent if isinstance(parent, list) else ()


def _require_storable(value: Any) -> None:
    """Refuse strings, keys included, that hold NUL or cannot be written as UTF-8."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str):
            _require_text(item)


def _require_text(text: str) -> None:
    if "\0" in text:
        raise InvalidJsonError("a string contains NUL")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidJsonError("a string contains a lone surrogate") from None
