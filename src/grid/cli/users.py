"""`grid users`: add and list users (administrator); reset a password on the server's machine."""

from typing import Annotated

import typer

from grid.cli.connection import connected
from grid.cli.output import JsonFlag, ask, reporting, show, table

app = typer.Typer(name="users", no_args_is_help=True, help="Who may use the server (administrator).")


@app.command()
def add(
    username: str,
    password: Annotated[
        str | None,
        typer.Option(envvar="GRID_NEW_PASSWORD", help="12 to 128 characters; asked for when not given."),
    ] = None,
    role: Annotated[str, typer.Option(help="user or admin.")] = "user",
    as_json: JsonFlag = False,
) -> None:
    """Add a user."""
    with connected() as client:
        from grid.client import calls

        secret = password or ask("Password", is_secret=True, twice=True)
        user = client.send(calls.add_user(username, secret, role))
        show(user.model_dump(mode="json"), as_json=as_json, view=lambda: f"{user.username} can log in now.")


@app.command("list")
def list_users(as_json: JsonFlag = False) -> None:
    """List the users."""
    with connected() as client:
        from grid.client import calls

        found = client.send(calls.list_users())
        document = found.model_dump(mode="json")
        rows = [tuple(user.values()) for user in document["items"]]
        columns = tuple(document["items"][0]) if document["items"] else ("username",)
        show(document, as_json=as_json, view=lambda: table(*columns, rows=rows))


@app.command("reset-password")
def reset_password(
    username: str,
    password: Annotated[
        str | None,
        typer.Option(envvar="GRID_NEW_PASSWORD", help="12 to 128 characters. Unset: random, for an administrator."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a user another password, in the database of this machine: no login is needed. Their sessions end.

    Without one, an administrator gets a random password in `secrets/admin.json` of the data folder, by which commands
    act.
    """
    with reporting():
        from grid.cli.own import own_settings
        from grid.core.passwords import PasswordHasher
        from grid.database.engine import create_database
        from grid.database.uow import UnitOfWork
        from grid.services import users

        settings = own_settings()
        database = create_database(settings.resolved_database_url, application="reset-password")
        try:
            is_kept = users.reset_password(
                UnitOfWork(database), PasswordHasher(), home=settings.grid_home, username=username, new=password
            )
        finally:
            database.close()
        file = settings.grid_home / "secrets" / users.CREDENTIAL_FILE if is_kept else None
        words = f"{username} has a new password" + (f", which is in {file}." if file is not None else ".")
        document = {"username": username.casefold(), "file": str(file) if file is not None else None}
        show(document, as_json=as_json, view=lambda: f"{words} All sessions of this user have ended.")
