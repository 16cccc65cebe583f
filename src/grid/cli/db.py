"""`grid db`: the database of this installation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, errors, fail, reporting, show

if TYPE_CHECKING:
    from grid.core.settings import Settings
    from grid.database.copying import TableCopy
    from grid.services.backups import BackupReport

MOST_LISTED = 20  # missing artifacts that are printed; JSON has them all

app = typer.Typer(name="db", no_args_is_help=True, help="Upgrade, check, back up, restore and copy the database.")


@app.command()
def upgrade(as_json: JsonFlag = False) -> None:
    """Bring the database to this version's schema; SQLite is backed up first."""
    with reporting():
        from grid.cli.own import own_settings
        from grid.database import migrate
        from grid.runtime.home import open_home

        settings = own_settings()
        open_home(settings.grid_home)
        migrate.upgrade(settings.resolved_database_url)
        show({"upgraded": True}, as_json=as_json, view=lambda: "The database has this version's schema.")


@app.command()
def check(as_json: JsonFlag = False) -> None:
    """Check integrity, foreign keys and schema version; exit 1 where something is wrong."""
    with reporting():
        from grid.cli.own import own_settings
        from grid.database import migrate

        problems = migrate.check(own_settings().resolved_database_url)
        document = {"is_sound": not problems, "problems": problems}
        show(document, as_json=as_json, view=lambda: "\n".join(problems) or "The database is sound.")
        if problems:
            raise typer.Exit(code=int(ExitCode.FAILED))


VerifyFlag = Annotated[
    bool, typer.Option("--verify", help="Check the audit log too, and that all artifacts are there; exit 1 if not.")
]


@app.command()
def backup(
    destination: Annotated[Path, typer.Argument(help="File to write; must not exist.")],
    verify: VerifyFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a checked copy of the database while it is in use (SQLite; PostgreSQL has pg_dump)."""
    with reporting():
        from grid.cli.own import own_settings
        from grid.database import migrate

        if destination.exists():
            fail(f"{destination} exists; name a new file", ExitCode.CONFLICT)
        settings = own_settings()
        migrate.backup(settings.resolved_database_url, destination)
        size = destination.stat().st_size
        document: dict[str, object] = {"file": str(destination), "bytes": size}
        words = f"{destination}: {size} bytes, checked."
        _show_verified(document, words, _verify(settings, destination) if verify else None, as_json=as_json)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="File that `grid db backup` has written.")],
    verify: VerifyFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a backup in the place of the database, which is copied first (SQLite; PostgreSQL has pg_restore)."""
    with reporting():
        from grid.cli.own import own_settings
        from grid.database.restoring import restore as put_back

        settings = own_settings()
        _require_stopped(settings)
        saved = put_back(settings.resolved_database_url, source)
        document: dict[str, object] = {"restored": str(source), "saved": str(saved) if saved is not None else None}
        words = f"{source} is restored." + (f" What was there is in {saved}." if saved is not None else "")
        _show_verified(document, words, _verify(settings, None) if verify else None, as_json=as_json)


@app.command()
def copy(
    to: Annotated[
        str,
        typer.Option(
            "--to", envvar="GRID_COPY_TO", help="postgresql://user:password@host/name, empty; or set GRID_COPY_TO."
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Copy every row into an empty PostgreSQL, each table checked by number and hash; repeat it to go on."""
    with reporting():
        from grid.cli.own import own_settings
        from grid.core.settings import with_driver
        from grid.database.copying import copy_database
        from grid.services.backups import list_living

        settings = own_settings()
        _require_stopped(settings)
        living = list_living(settings.resolved_database_url, 3 * settings.grid_heartbeat_s + 5)
        if living:
            fail(
                f"a worker was heard of just now ({living[0]}); stop it, or wait until it is silent", ExitCode.CONFLICT
            )
        copies = copy_database(
            settings.resolved_database_url, with_driver(to), on_table=lambda one: _say(one, as_json=as_json)
        )
        rows = sum(one.rows for one in copies)
        tables = {one.name: {"rows": one.rows, "digest": one.digest} for one in copies}
        words = (
            f"{rows} rows of {len(copies)} tables are copied, and the same in both. Set DATABASE_URL to the new one."
        )
        show({"rows": rows, "tables": tables}, as_json=as_json, view=lambda: words)


def _require_stopped(settings: "Settings") -> None:
    """Refuse while something may write: what is written meanwhile would be lost."""
    from grid.runtime.home import find_running, open_home

    home = open_home(settings.grid_home)
    for role in ("server", "worker"):
        pid = find_running(home, role)
        if pid is not None:
            fail(f"a {role} runs (process {pid}); stop it with `grid down` first", ExitCode.CONFLICT)


def _verify(settings: "Settings", file: Path | None) -> "BackupReport":
    """Verify a backup, or the database itself, against the artifacts of this installation."""
    from tempfile import TemporaryDirectory

    from grid.runtime.spool import Spool
    from grid.services.adapters import make_store
    from grid.services.backups import verify_database, verify_file

    with TemporaryDirectory(prefix="grid-verify-") as folder:
        store = make_store(settings, Spool(Path(folder) / "spool"))
        return verify_file(file, store) if file is not None else verify_database(settings.resolved_database_url, store)


def _show_verified(document: dict[str, object], words: str, report: "BackupReport | None", *, as_json: bool) -> None:
    """Show what was done, and what the check that was asked for has found; fail where that is not sound."""
    if report is not None:
        document |= _describe(report)
        words += f"\n{_tell(report)}"
    show(document, as_json=as_json, view=lambda: words)
    if report is not None and not report.is_sound:
        raise typer.Exit(code=int(ExitCode.FAILED))


def _describe(report: "BackupReport") -> dict[str, object]:
    return {
        "is_sound": report.is_sound,
        "problems": list(report.problems),
        "artifacts": report.references,
        "missing": list(report.missing),
    }


def _tell(report: "BackupReport") -> str:
    lines = list(report.problems)
    if report.missing:
        lines.append(f"{len(report.missing)} of {report.references} artifacts are missing:")
        lines += [f"  {key}" for key in report.missing[:MOST_LISTED]]
        if len(report.missing) > MOST_LISTED:
            lines.append(f"  and {len(report.missing) - MOST_LISTED} more (--json lists them)")
    return "\n".join(lines) or f"It is sound, and all {report.references} artifacts that it refers to are there."


def _say(one: "TableCopy", *, as_json: bool) -> None:
    if not as_json:
        errors().print(f"{one.name}: {one.rows} rows" + (" (there already)" if one.was_there else ""))
