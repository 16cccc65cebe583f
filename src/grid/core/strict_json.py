"""Reading JSON from strangers: what the standard library lets through and a database or a solver would choke on.

The standard reader accepts `NaN`, keeps the last of two equal keys, builds integers of any length, turns `1e999` into
an infinity and lone surrogates into text that no UTF-8 encoder takes. Each of these is refused here, and nothing of
the input is repeated in the message.

Nor does it bound what a text becomes: sixteen MiB of `[],[],` are 400 MiB of lists. What the values of a long text can
take is counted before any is built, from its commas, brackets and quotes, and a text beyond `MOST_VALUE_BYTES` is
refused unread. Long texts are read without a Python call for each number or object.
"""

import json
import math
import re
from typing import Any, NoReturn

from grid.core.errors import InputError

MAX_DEPTH = 20  # levels: a submission around the deepest problem (16) has fewer
MAX_INTEGER_DIGITS = 30  # digits: reading more grows with their square, and no double holds them
MOST_VALUE_BYTES = 32 * 2**20  # of the values of one text: 10,000 points of 40 numbers each
MOST_NON_ASCII_BYTES = 64 * 2**10  # of a long text: labels, not data
LONGEST_TEXT = 64 * 2**10  # characters of one string, where it may need four bytes for each
_LONG = 256 * 2**10  # bytes; a shorter text costs a few MiB at most, whatever it holds

# CPython 3.11 on 64 bits: an object and its place in what holds it; the least list and dict that are not empty.
_SCALAR_BYTES, _MEMBER_BYTES, _ELEMENT_BYTES = 24, 40, 9
_LIST_BYTES, _DICT_BYTES, _STRING_BYTES, _KEY_BYTES = 88, 64, 50, 130
_MOST_KEYS = 50_000  # different names in a long text; those of points repeat

# An escape that may spell NUL or a surrogate; a cheap look before every string is looked at.
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_WIDE = re.compile(rb"\\u(?!00)")
_NAME = re.compile(rb'"([^"\\]*)"\s*:')
_NON_ASCII = re.compile(rb"[\x80-\xff]+")
# As they look once every digit is 0: perhaps beyond a double, or an integer that is too long.
_HUGE_NUMBERS = ("0" * (MAX_INTEGER_DIGITS + 1), "e000", "E000", "e+000", "E+000")
_DIGITS_AS_0 = str.maketrans("123456789", "000000000")
# [B] looked through at once, and again where two blocks meet: longer than any sign looked for
_BLOCK, _OVERLAP = 2**20, 64


class InvalidJsonError(InputError):
    """The body is not JSON that Grid accepts; the reason names the rule, never the text."""

    code, title = "invalid-json", "The body is not valid JSON"

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule

    def __str__(self) -> str:
        return f"The body is refused: {self.rule}."


def read_json(body: bytes | bytearray) -> Any:
    """Return the value of a JSON text in UTF-8.

    A long text costs at most `MOST_VALUE_BYTES` beside itself and its copy as text.

    Raises:
        InvalidJsonError: Malformed; NaN, an infinity or a number beyond the range of a double; an integer of more
            than 30 digits; a key twice in one object; nesting deeper than 20; NUL or a lone surrogate in a string;
            more values than a text may have.
    """
    text = _decode(body)
    value = _parse(text)
    if "\\u" in text and _SUSPECT.search(text):
        _require_storable(value)
    return value


def _decode(body: bytes | bytearray) -> str:
    """Return the text: a long one in one byte a character, as a single emoji would make that four."""
    try:
        if len(body) <= _LONG:
            return body.decode("utf-8")
        _require_modest(body)
        if not body.isascii():
            body = _NON_ASCII.sub(_escape, body)
        return body.decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"not UTF-8 at byte {error.start}") from None


def _escape(run: re.Match[bytes]) -> bytes:
    try:
        return json.dumps(run[0].decode("utf-8"))[1:-1].encode()
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"not UTF-8 at byte {run.start() + error.start}") from None


def _require_modest(body: bytes | bytearray) -> None:
    """Refuse a long text whose values would take more than `MOST_VALUE_BYTES`.

    What stands in strings is counted as well, so that this is a bound from above; that of sound texts is within a
    third of what they take.
    """
    if len(body) - len(body.translate(None, _HIGH_BYTES)) > MOST_NON_ASCII_BYTES:
        raise InvalidJsonError(f"more than {MOST_NON_ASCII_BYTES} bytes of characters beyond ASCII; escape them")
    commas, members = body.count(b","), body.count(b":")
    lists, objects, strings = body.count(b"["), body.count(b"{"), body.count(b'"') // 2
    size = (commas + 1) * _SCALAR_BYTES + members * _MEMBER_BYTES + max(0, commas - members) * _ELEMENT_BYTES
    size += lists * _LIST_BYTES + objects * _DICT_BYTES + max(0, strings - members) * _STRING_BYTES
    if size <= MOST_VALUE_BYTES:
        size += _KEY_BYTES * (members if members <= _MOST_KEYS else _count_names(body))
    if size > MOST_VALUE_BYTES:
        raise InvalidJsonError("it has more values than are taken at once; send it in parts")
    if not body.isascii() or (b"\\u" in body and _WIDE.search(body)):
        _require_short_strings(body)


_HIGH_BYTES = bytes(range(0x80, 0x100))


def _count_names(body: bytes | bytearray) -> int:
    """Count the different names of members, up to one more than may be."""
    names: set[bytes] = set()
    for match in _NAME.finditer(body):
        names.add(match[1][:64])
        if len(names) > _MOST_KEYS:
            raise InvalidJsonError(f"it has more than {_MOST_KEYS} different names")
    return len(names)


def _require_short_strings(body: bytes | bytearray) -> None:
    """Refuse a string beyond `LONGEST_TEXT` in a text with escapes that could make it four times as large."""
    start = body.find(b'"')
    while start >= 0:
        end = body.find(b'"', start + 1)
        while end > 0 and _is_escaped(body, end):
            end = body.find(b'"', end + 1)
            if end - start > LONGEST_TEXT:
                break
        if end - start > LONGEST_TEXT:
            raise InvalidJsonError(f"a string has more than {LONGEST_TEXT} characters")
        start = body.find(b'"', end + 1) if end > 0 else -1


def _is_escaped(body: bytes | bytearray, place: int) -> bool:
    before = place
    while body[before - 1] == 0x5C:  # a backslash
        before -= 1
    return (place - before) % 2 == 1


def _parse(text: str) -> Any:
    is_long = len(text) > _LONG
    if is_long and ("\\u003a" in text or "\\u003A" in text):
        raise InvalidJsonError("a colon is escaped; write it as it is")
    hooks: dict[str, Any] = {} if is_long else {"object_pairs_hook": _unique}
    if not is_long or _has_huge_numbers(text):
        hooks |= {"parse_int": _parse_integer, "parse_float": _parse_finite}
    try:
        value = json.loads(text, parse_constant=_refuse_constant, **hooks)
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"malformed at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise InvalidJsonError(f"nested deeper than {MAX_DEPTH}") from None
    members, colons = _measure(value)
    if is_long and members + colons != text.count(":"):  # of two equal keys the reader kept one
        raise InvalidJsonError("a key appears twice in one object")
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


def _has_huge_numbers(text: str) -> bool:
    """Tell whether there may be a number that `int` or `float` should not be trusted with."""
    for start in range(0, len(text), _BLOCK):
        block = text[start : start + _BLOCK + _OVERLAP].translate(_DIGITS_AS_0)
        if any(sign in block for sign in _HUGE_NUMBERS):
            return True
    return False


def _measure(value: Any) -> tuple[int, int]:
    """Count the members of all objects, and the colons in all strings; refuse nesting deeper than `MAX_DEPTH`.

    Level by level instead of by recursion.
    """
    members = colons = 0
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                members += len(item)
                colons += "".join(item).count(":")
                below += [child for child in item.values() if isinstance(child, dict | list | str)]
            elif isinstance(item, list):
                below += [child for child in item if isinstance(child, dict | list | str)]
            else:
                colons += item.count(":") if isinstance(item, str) else 0
        level = below
        if not level:
            return members, colons
    if all(isinstance(item, str) for item in level):
        return members, colons + sum(item.count(":") for item in level)
    raise InvalidJsonError(f"nested deeper than {MAX_DEPTH}")


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
