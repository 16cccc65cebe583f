"""`grid auth`: log in, make a login link, print a token, say who you are and where you are logged in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.connection import connected
from grid.cli.output import JsonFlag, ask, print_json, reporting, show, table

if TYPE_CHECKING:
    from grid.client.credentials import LocalCredential
    from grid.client.remote import Server
    from grid.core.settings import Settings

app = typer.Typer(name="auth", no_args_is_help=True, help="Who you are to the server.")


@app.command()
def login(
    username: Annotated[str | None, typer.Option("--username", "-u", help="Asked for when not given.")] = None,
    password: Annotated[str | None, typer.Option(envvar="GRID_PASSWORD", help="Asked for when not given.")] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A server elsewhere, as https://grid.example.org; until logout."),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate (PEM) of a private authority that signed its own.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Log in; later commands act as this user, until `grid auth logout`."""
    with reporting():
        from grid.client.client import find_credential
        from grid.client.remote import keep_server
        from grid.core.settings import Settings

        settings = Settings()
        named = _named_server(settings, server, ca_file)  # refused before anybody types a password
        credential = find_credential(settings) if named is None else _credential_of(settings, named)
        credential.require_authorities()
        username = username or ask("Username")
        password = password or ask("Password", is_secret=True)
        credential.log_in(username, password)
        if named is not None:
            keep_server(settings.grid_home, named)
        document = {"username": username, "server": credential.address}
        show(document, as_json=as_json, view=lambda: f"Logged in as {username} at {credential.address}.")


def _named_server(settings: "Settings", url: str | None, ca_file: Path | None) -> "Server | None":
    """Return the server that the options name; None where they name none.

    Raises:
        FieldError: `--ca-file` goes without `--server`, or GRID_URL names another server.
        ConfigurationError: The address is none, or plain http to another machine.
    """
    from grid.client.remote import Server, read_address
    from grid.core.errors import FieldError

    if url is None:
        if ca_file is not None:
            raise FieldError("--ca-file", "goes with --server; for GRID_URL set GRID_CA_FILE")
        return None
    address = read_address(url, name="--server")
    if settings.grid_url is not None and read_address(settings.grid_url, name="GRID_URL") != address:
        raise FieldError("--server", "GRID_URL names another server, which every command would use; unset it")
    return Server(address, ca_file.expanduser().resolve() if ca_file is not None else settings.grid_ca_file)


def _credential_of(settings: "Settings", server: "Server") -> "LocalCredential":
    from grid.client.credentials import LocalCredential

    return LocalCredential(settings.grid_home, server.address, server=server)


@app.command()
def logout(as_json: JsonFlag = False) -> None:
    """End the session and forget its credential and server; commands act as the local administrator again."""
    with reporting():
        from grid.client.client import find_credential
        from grid.client.remote import find_kept_address, forget_server
        from grid.core.settings import Settings

        settings = Settings()
        credential = find_credential(settings)
        try:
            credential.log_out()
        finally:  # also where the server cannot be asked any more
            if credential.address == find_kept_address(settings.grid_home):
                forget_server(settings.grid_home)
        show({"logged_out": True}, as_json=as_json, view=lambda: "Logged out.")


@app.command()
def token(as_json: JsonFlag = False) -> None:
    """Print a valid access token and nothing else: curl -H "Authorization: Bearer $(grid auth token)" ..."""
    with reporting():
        from grid.client.client import find_credential
        from grid.core.settings import Settings

        value = find_credential(Settings()).access_token()
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
