"""`grid users`: add and list users (administrator)."""

from typing import Annotated

import typer

from grid.cli.connection import connected
from grid.cli.output import JsonFlag, ask, show, table

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
