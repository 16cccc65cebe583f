"""Reader of hostile JSON: types are checked, all errors are collected with their paths, values are never repeated."""

from collections.abc import Iterable, Mapping
from itertools import chain
from math import isfinite
from numbers import Integral
from typing import Any

from grid.core.errors import FieldError
from grid.engine.errors import ExpressionError
from grid.engine.limits import MAX_ERRORS, find_number, raise_errors
from grid.engine.values.expression import Expression
from grid.engine.values.value import ARGUMENTS, Argument, Constant, Table, Value

MAX_TABLE = 100_000  # [-] entries of a table in a case


class CaseReader:
    """Reader of parts of a case as typed values, which collects the errors.

    Every `read_` method returns None for a part that it cannot read, after it has noted the error.

    Args:
        root: Name of the whole, for errors that no path leads to.
    """

    def __init__(self, root: str = "case") -> None:
        self.errors: list[FieldError] = []
        self.root = root

    def refuse(self, path: str, limit: str) -> None:
        """Note an error, up to `MAX_ERRORS`."""
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(FieldError(path, limit))

    def finish(self) -> None:
        """Raise the errors, if any were noted."""
        raise_errors(self.errors)

    def read_mapping(
        self, path: str, raw: object, *, allowed: Iterable[str], required: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Read a JSON object with known fields; fields that are missing or unknown are refused."""
        if not isinstance(raw, Mapping):
            self.refuse(path or self.root, "an object")
            return {}
        allowed, prefix = set(allowed), f"{path}." if path else ""
        if any(not isinstance(key, str) or key not in allowed for key in raw):
            # the unknown name is the caller's text, so it is not repeated
            self.refuse(path or self.root, f"an unknown field; known are {', '.join(sorted(allowed))}")
        for name in required:
            if name not in raw:
                self.refuse(f"{prefix}{name}", "required")
        return {key: value for key, value in raw.items() if isinstance(key, str) and key in allowed}

    def read_list(self, path: str, raw: object, *, longest: int = 3) -> list[Any] | None:
        """Read a list that is neither empty nor longer than allowed."""
        if not isinstance(raw, (list, tuple)) or not 1 <= len(raw) <= longest:
            self.refuse(path, f"a list of 1 to {longest} entries")
            return None
        return list(raw)

    def read_number(self, path: str, raw: object) -> float | None:
        """Read a finite number."""
        number = find_number(raw)
        if number is None:
            self.refuse(path, "a finite number")
        return number

    def read_integer(self, path: str, raw: object) -> int | None:
        """Read an integer of up to 2**53 in size; a float without a fraction is one."""
        if isinstance(raw, float) and raw.is_integer() and abs(raw) < 2**53:
            raw = int(raw)  # JSON has one type of number
        if isinstance(raw, bool) or not isinstance(raw, Integral) or abs(int(raw)) > 2**53:
            self.refuse(path, "an integer")
            return None
        return int(raw)

    def read_choice(self, path: str, raw: object, choices: Iterable[str]) -> str | None:
        """Read one of some words."""
        choices = tuple(choices)
        if not isinstance(raw, str) or raw not in choices:
            self.refuse(path, f"one of {', '.join(choices)}")
            return None
        return raw

    def read_bool(self, path: str, raw: object) -> bool | None:
        """Read true or false."""
        if not isinstance(raw, bool):
            self.refuse(path, "true or false")
            return None
        return raw

    def read_numbers(self, path: str, raw: object, *, longest: int = 3) -> tuple[float, ...] | None:
        """Read a list of finite numbers."""
        entries = self.read_list(path, raw, longest=longest)
        if entries is None:
            return None
        numbers = [self.read_number(f"{path}[{index}]", entry) for index, entry in enumerate(entries)]
        return None if None in numbers else tuple(number for number in numbers if number is not None)

    def read_expression(self, path: str, raw: object) -> Expression | None:
        """Read `{"expression": "..."}`."""
        text = self.read_mapping(path, raw, allowed=("expression",), required=("expression",)).get("expression")
        if text is None:
            return None
        if not isinstance(text, str):
            self.refuse(f"{path}.expression", "a text")
            return None
        try:
            return Expression(text)
        except ExpressionError as error:
            self.refuse(f"{path}.expression", f"{error.message}, at column {error.column + 1}")
            return None

    def read_value(self, path: str, raw: object, *, of: Argument = "t") -> Value | None:
        """Read a number, `{"expression": ...}` or `{"table": ...}`; `of` is the argument of a table that names none."""
        if isinstance(raw, Mapping):
            return self._table(path, raw, of) if "table" in raw else self.read_expression(path, raw)
        number = find_number(raw)
        if number is None:
            self.refuse(path, "a finite number, an expression or a table")
            return None
        return Constant(number)

    def _table(self, path: str, raw: Mapping[Any, Any], of: Argument) -> Table | None:
        fields = self.read_mapping(path, raw, allowed=("table", "interpolation", "of"))
        entries = self.read_list(f"{path}.table", fields["table"], longest=MAX_TABLE)
        interpolation = self.read_choice(
            f"{path}.interpolation", fields.get("interpolation", "linear"), ("linear", "previous")
        )
        argument = self.read_choice(f"{path}.of", fields.get("of", of), ARGUMENTS)
        if entries is None or interpolation is None or argument is None:
            return None
        columns = _read_pairs(entries)
        if columns is None:
            self.refuse(f"{path}.table", "pairs of finite numbers, argument and value")
            return None
        points, values = columns
        known = next(name for name in ARGUMENTS if name == argument)
        return Table(points, values, "previous" if interpolation == "previous" else "linear", known)


def _read_pairs(entries: list[Any]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Columns of a list of pairs of finite numbers; None if it is no such list.

    A shortcut serves lists of Python floats alone, the usual case, which may have many thousands of entries.
    """
    if set(map(type, entries)) <= {list, tuple} and set(map(len, entries)) == {2}:
        parts = list(chain.from_iterable(entries))
        if set(map(type, parts)) == {float} and all(map(isfinite, parts)):
            return tuple(parts[::2]), tuple(parts[1::2])
    pairs: list[tuple[float, float]] = []
    for entry in entries:
        numbers = [find_number(part) for part in entry] if isinstance(entry, (list, tuple)) else []
        if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
            return None
        pairs.append((numbers[0], numbers[1]))
    points, values = zip(*pairs, strict=True)
    return points, values
