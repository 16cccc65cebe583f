"""Two columns of a text file: the points and values of a `Table`."""

import csv
from os import PathLike
from pathlib import Path

from grid.core.errors import FieldError
from grid.engine.arguments import require_path
from grid.engine.limits import MAX_POINTS, find_number

DELIMITERS = ",;\t"


def read_columns(
    path: str | PathLike[str], first: str | None = None, second: str | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Read the numbers of two columns, row by row.

    The file is UTF-8 text (RFC 4180), its delimiter the comma, semicolon or tabulator that its first row has most of.
    Empty lines and lines that begin with `#` are passed over. Without names the first two columns are read, and a first
    row that is not of numbers is passed over as their names.

    Raises:
        FieldError: No such file, column or number; names the line.
    """
    require_path("path", path)
    rows = _read_rows(path)
    if (first is None) != (second is None):
        raise FieldError("value", "the names of both columns, or of neither")
    if not rows:
        raise FieldError("path", "a file with at least one row of two numbers")
    start, head = rows[0]
    columns = (0, 1)
    if first is not None and second is not None:
        columns = (_find_column(head, "argument", first), _find_column(head, "value", second))
        rows = rows[1:]
    elif any(_read_number(text) is None for text in head[:2]):
        rows = rows[1:]
    if not 1 <= len(rows) <= MAX_POINTS:
        raise FieldError("path", f"a file with 1 to {MAX_POINTS} rows of numbers, after line {start}")
    pairs = [_read_pair(line, row, columns) for line, row in rows]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _read_rows(path: str | PathLike[str]) -> list[tuple[int, list[str]]]:
    """Rows of texts, each with the number of its line."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = [(number, line) for number, line in enumerate(file, 1) if line.strip() and line[0] != "#"]
        if len(lines) > MAX_POINTS + 1:
            raise FieldError("path", f"a file with at most {MAX_POINTS} rows")
        delimiter = max(DELIMITERS, key=lines[0][1].count) if lines else ","
        parsed = csv.reader((line for _, line in lines), delimiter=delimiter)
        return [(number, row) for (number, _), row in zip(lines, parsed, strict=True)]
    except (OSError, ValueError, csv.Error) as error:  # ValueError: not UTF-8, or rows across lines
        raise FieldError("path", "a text file of columns in UTF-8 that can be read") from error


def _find_column(head: list[str], name: str, wanted: str) -> int:
    names = [text.strip() for text in head]
    if wanted not in names:
        raise FieldError(name, "the name of a column in the first row")
    return names.index(wanted)


def _read_pair(line: int, row: list[str], columns: tuple[int, int]) -> tuple[float, float]:
    numbers = [_read_number(row[column]) if column < len(row) else None for column in columns]
    if numbers[0] is None or numbers[1] is None:
        raise FieldError("path", f"two finite numbers with a decimal point in line {line}")
    return numbers[0], numbers[1]


def _read_number(text: str) -> float | None:
    try:
        return find_number(float(text))
    except ValueError:
        return None
