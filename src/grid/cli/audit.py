"""`grid audit`: verify the log of who changed what, and export it. Reads the database; no server is needed."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, reporting, show
from grid.core.errors import InputError

if TYPE_CHECKING:
    from grid.database.uow import UnitOfWork

app = typer.Typer(
    name="audit", no_args_is_help=True, help="Who changed what: verify the log, export it (this machine's database)."
)


@app.command()
def verify(
    heads: Annotated[
        Path | None,
        typer.Option(
            "--heads", exists=True, dir_okay=False, help="Output of an earlier `verify --json`, kept elsewhere."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find entries that were changed, removed or inserted; exit 8 where there are any."""
    with reporting(), _ledger() as uow:
        from grid.services import audit

        report = audit.verify(uow, known_heads=_read_heads(heads) if heads else None)
        document = {
            "entries": report.entries,
            "is_intact": report.is_intact,
            "heads": {str(chain): list(head) for chain, head in report.heads.items()},
            "faults": [vars(fault) for fault in report.faults],
        }
        words = [f"{report.entries} entries, {'intact' if report.is_intact else 'NOT intact'}."]
        words += [f"chain {fault.chain}, entry {fault.seq}: {fault.what}" for fault in report.faults]
        show(document, as_json=as_json, view=lambda: "\n".join(words))
        if not report.is_intact:
            raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))


@app.command()
def export() -> None:
    """Write every entry as a line of JSON, with all that its hash covers."""
    with reporting(), _ledger() as uow:
        from grid.services import audit

        for entry in audit.export(uow):
            sys.stdout.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _read_heads(path: Path) -> dict[int, tuple[int, str]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["heads"]
        return {int(chain): (int(length), str(digest)) for chain, (length, digest) in known.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not the output of `grid audit verify --json`") from error


@contextmanager
def _ledger() -> Iterator["UnitOfWork"]:
    from grid.cli.own import own_settings
    from grid.database.engine import create_database
    from grid.database.uow import UnitOfWork

    database = create_database(own_settings().resolved_database_url, application="audit")
    try:
        yield UnitOfWork(database)
    finally:
        database.close()
