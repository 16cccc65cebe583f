"""Output of commands: results to stdout, trouble to stderr, and with `--json` one JSON document on stdout."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from grid.cli.exit_codes import ExitCode, exit_code_for_status
from grid.core.errors import (
    AuthenticationError,
    ConflictError,
    FieldError,
    ForbiddenError,
    GridError,
    NotFoundError,
    TooManyRequestsError,
    UnavailableError,
)

if TYPE_CHECKING:
    from rich.table import Table

    from grid.schemas.wire.jobs import Place

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

EXIT_BY_ERROR: dict[type[GridError], ExitCode] = {
    AuthenticationError: ExitCode.UNAUTHENTICATED,
    ForbiddenError: ExitCode.UNAUTHENTICATED,
    NotFoundError: ExitCode.NOT_FOUND,
    ConflictError: ExitCode.CONFLICT,
    TooManyRequestsError: ExitCode.UNAVAILABLE,
    UnavailableError: ExitCode.UNAVAILABLE,
    GridError: ExitCode.REFUSED,
}

WIDTH = 140  # columns, where stdout is a file or a pipe

STATUS_STYLES = {
    "success": "green",
    "failed": "red",
    "timed_out": "red",
    "expired": "red",
    "cancelled": "yellow",
    "cancelling": "yellow",
    "running": "cyan",
    "starting": "cyan",
}


def console() -> Console:
    """Return a console for results. Made anew each time, so that a redirected stdout is the one used."""
    width = None if sys.stdout.isatty() else WIDTH  # rich would fold at 80 columns where nobody looks
    return Console(highlight=False, width=width)


def errors() -> Console:
    """Return a console for trouble and progress."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """Write one JSON document, and nothing else, to stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def show(document: Any, *, as_json: bool, view: Callable[[], "Table | str"]) -> None:
    """Print a result: as JSON where that was asked for, else as people like to read it."""
    if as_json:
        print_json(document)
    else:
        console().print(view())


def table(*columns: str, rows: Iterable[Iterable[object]], title: str | None = None) -> "Table":
    """Return a plain table; values are shown as text, never read as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(*columns, box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for row in rows:
        result.add_row(*(Text(format_cell(value), style=STATUS_STYLES.get(str(value), "")) for value in row))
    return result


def label_text(value: object) -> str:
    """Return the value of a label as a filter finds it: text as it is, all else as JSON, with every digit."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def place_query(page: int | None, size: int | None, after: Any, *, default_size: int) -> dict[str, Any]:
    """Return the part of a list that a command asks for: behind `after`, or a page.

    Raises:
        FieldError: Both are named.
    """
    if after is None:
        return {"page": page or 1, "size": size or default_size}
    if page is not None:
        raise FieldError("--page", "goes without --after")
    return {"after": after, "limit": size or default_size}


def list_title(noun: str, found: "Place") -> str:
    """Say how many rows a list has, which part this is, and how to read on."""
    number = f"{found.total}" if found.total_is_exact else f"more than {found.total}"
    part = f", page {found.page} of {max(1, found.pages)}" if found.page is not None and found.pages is not None else ""
    following = getattr(found, "next", None)
    return f"{number} {noun}{part}" + (f"; read on with --after {following}" if following is not None else "")


def format_cell(value: object) -> str:
    """Return a value as a table shows it: six significant digits, and a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def fail(message: str, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Say one sentence on stderr and end with `code`."""
    from rich.text import Text

    errors().print(Text.assemble(("grid: ", "bold red"), message))
    raise typer.Exit(code=int(code))


def ask(what: str, *, is_secret: bool = False, twice: bool = False) -> str:
    """Ask for a line on the terminal; the question goes to stderr, so that stdout holds results alone."""
    if is_secret:
        return str(typer.prompt(what, hide_input=True, confirmation_prompt=twice, err=True))
    sys.stderr.write(f"{what}: ")  # typer's own prompt lets `input` write a blank to stdout
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line.strip():
        raise typer.Abort
    return line.strip()


def exit_code_for(error: GridError) -> ExitCode:
    """Return the exit code of an error, by the nearest kind that has one."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return exit_code_for_status(status)
    return next(EXIT_BY_ERROR[kind] for kind in type(error).__mro__ if kind in EXIT_BY_ERROR)


@contextmanager
def reporting() -> Iterator[None]:
    """Turn Grid's own errors into one sentence and an exit code, and Ctrl-C into 130."""
    try:
        yield
    except GridError as error:
        title = getattr(error, "problem_title", None) or error.title
        sentence = str(error)
        fail(sentence if sentence.startswith(title) else f"{title}: {sentence}", exit_code_for(error))
    except KeyboardInterrupt:
        fail("interrupted", ExitCode.INTERRUPTED)


def explain(error: Exception) -> str:
    """Say in one sentence what no command foresaw; a value of a setting, which may be a secret, is not repeated."""
    if isinstance(error, TimeoutError):
        return f"it took too long: {error}." if str(error) else "an answer took too long; try again."
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename is not None else ""
        return f"{place}{error.strerror}."
    if find_errors := getattr(error, "errors", None):  # pydantic's, of a setting
        found = find_errors(include_input=False, include_url=False)
        return "; ".join(f"{'.'.join(str(part).upper() for part in one['loc'])}: {one['msg']}" for one in found) + "."
    return f"something unforeseen ({type(error).__name__}); with GRID_TRACE=1 the same command shows where."
