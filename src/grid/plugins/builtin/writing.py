"""Writers of the text files that the built-in simulations offer."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from grid.schemas.jobs import JsonObject

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV Injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_json(path: Path, document: JsonObject) -> None:
    """Write a JSON document for people and programs: indented, UTF-8, no NaN."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[float | int | str]]) -> None:
    """Write a table: RFC 4180 with plain line ends, numbers in the shortest form that reads back to the same double."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(_line(header))
        stream.writelines(_line(row) for row in rows)


def _line(cells: Sequence[float | int | str]) -> str:
    return ",".join(_text(cell) if isinstance(cell, str) else repr(cell) for cell in cells) + "\n"


def _text(cell: str) -> str:
    """Quote where needed; text that a spreadsheet would run is disarmed by an apostrophe. Numbers never come here."""
    if cell.startswith(_FORMULA_STARTS):
        cell = "'" + cell
    if any(sign in cell for sign in ',"\n\r'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
