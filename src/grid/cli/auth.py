"""`grid auth`: log in, make a login link, print a token, say who you are and where you are logged in."""

from typing import Annotated

import typer

from grid.cli.connection import connected
from grid.cli.output import JsonFlag, ask, print_json, reporting, show, table

app = typer.Typer(name="auth", no_args_is_help=True, help="Who you are to the server.")


@app.command()
def login(
    username: Annotated[str | None, typer.Option("--username", "-u", help="Asked for when not given.")] = None,
    password: Annotated[str | None, typer.Option(envvar="GRID_PASSWORD", help="Asked for when not given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Log in; later commands act as this user, until `grid auth logout`."""
    with reporting():
        from grid.client.client import find_address
        from grid.client.credentials import LocalCredential
        from grid.core.settings import Settings

        username = username or ask("Username")
        password = password or ask("Password", is_secret=True)
        settings = Settings()
        LocalCredential(settings.grid_home, find_address(settings)).log_in(username, password)
        show({"username": username}, as_json=as_json, view=lambda: f"Logged in as {username}.")


@app.command()
def logout(as_json: JsonFlag = False) -> None:
    """End the session and forget its credential; commands act as the local administrator again."""
    with reporting():
        from grid.client.client import find_address
        from grid.client.credentials import LocalCredential
        from grid.core.settings import Settings

        settings = Settings()
        LocalCredential(settings.grid_home, find_address(settings)).log_out()
        show({"logged_out": True}, as_json=as_json, view=lambda: "Logged out.")


@app.command()
def token(as_json: JsonFlag = False) -> None:
    """Print a valid access token and nothing else: curl -H "Authorization: Bearer $(grid auth token)" ..."""
    with reporting():
        from grid.client.client import find_address
        from grid.client.credentials import LocalCredential
        from grid.core.settings import Settings

        settings = Settings()
        value = LocalCredential(settings.grid_home, find_address(settings)).access_token()
        if as_json:
            print_json({"access_token": value})
        else:
            typer.echo(value)


@app.command()
def whoami(as_json: JsonFlag = False) -> None:
    """Say as whom the commands act."""
    with connected() as client:
        from grid.client import calls

        document = client.send(calls.who_am_i()).model_dump(mode="json")
        show(document, as_json=as_json, view=lambda: table("what", "value", rows=document.items()))


@app.command()
def link(as_json: JsonFlag = False) -> None:
    """Print an address that logs one browser in as you: once, within ten minutes. Whoever opens it first is you."""
    with connected() as client:
        from grid.client import session_calls

        made = client.send(session_calls.make_login_link())
        document = {"url": f"{client.address}{made.path}", "expires_at": made.expires_at.isoformat()}
        if as_json:
            print_json(document)
        else:
            typer.echo(document["url"])  # as it is: a terminal's width breaks no address


@app.command()
def sessions(
    end: Annotated[str | None, typer.Option("--end", metavar="ID", help="End this session instead.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List where you are logged in, newest first; `--end ID` logs one of them out."""
    with connected() as client:
        from grid.client import session_calls

        if end is not None:
            client.send(session_calls.end_session(end))
            show({"ended": end}, as_json=as_json, view=lambda: f"Session {end} has ended.")
            return
        found = client.send(session_calls.list_sessions())
        columns = ("id", "kind", "address", "agent", "refreshed_at", "is_current")
        document = found.model_dump(mode="json")
        rows = [tuple(one[name] for name in columns) for one in document["items"]]
        show(document, as_json=as_json, view=lambda: table(*columns, rows=rows))
