"""`grid db`: the database of this installation."""

from pathlib import Path
from typing import Annotated

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, fail, reporting, show

app = typer.Typer(name="db", no_args_is_help=True, help="Upgrade, check and back up the database.")


@app.command()
def upgrade(as_json: JsonFlag = False) -> None:
    """Bring the database to this version's schema; SQLite is backed up first."""
    with reporting():
        from grid.core.settings import Settings
        from grid.database import migrate
        from grid.runtime.home import open_home

        settings = Settings()
        open_home(settings.grid_home)
        migrate.upgrade(settings.resolved_database_url)
        show({"upgraded": True}, as_json=as_json, view=lambda: "The database has this version's schema.")


@app.command()
def check(as_json: JsonFlag = False) -> None:
    """Check integrity, foreign keys and schema version; exit 1 where something is wrong."""
    with reporting():
        from grid.core.settings import Settings
        from grid.database import migrate

        problems = migrate.check(Settings().resolved_database_url)
        document = {"is_sound": not problems, "problems": problems}
        show(document, as_json=as_json, view=lambda: "\n".join(problems) or "The database is sound.")
        if problems:
            raise typer.Exit(code=int(ExitCode.FAILED))


@app.command()
def backup(
    destination: Annotated[Path, typer.Argument(help="File to write; must not exist.")], as_json: JsonFlag = False
) -> None:
    """Write a verified copy of the database while it is in use (SQLite; PostgreSQL has pg_dump)."""
    with reporting():
        from grid.core.settings import Settings
        from grid.database import migrate

        if destination.exists():
            fail(f"{destination} exists; name a new file", ExitCode.CONFLICT)
        migrate.backup(Settings().resolved_database_url, destination)
        document = {"file": str(destination), "bytes": destination.stat().st_size}
        show(document, as_json=as_json, view=lambda: f"{destination}: {document['bytes']} bytes, checked.")
