"""`grid up|down|status|serve|worker|logs|doctor`: the service on this machine."""

import sys
from typing import Annotated

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, console, errors, fail, print_json, reporting, show, table


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    for command in (up, down, status, serve, worker, logs, doctor):
        app.command()(command)


def up(
    sample: Annotated[bool, typer.Option("--sample/--no-sample", help="Run the sample job and a small sweep.")] = True,
    stack: Annotated[
        str, typer.Option(help="embedded: SQLite; services: PostgreSQL, Redis and a Celery worker of this machine.")
    ] = "embedded",
    as_json: JsonFlag = False,
) -> None:
    """Start server and worker in the background, wait until they are ready, and run the sample job and a sweep."""
    with reporting():
        from grid.cli.starting import start_service
        from grid.core.errors import FieldError

        if stack not in ("embedded", "services"):
            raise FieldError("--stack", "must be embedded or services")
        report = start_service(
            say=_say if not as_json else _hush, stack="services" if stack == "services" else "embedded"
        )
        if not sample:
            show(report, as_json=as_json, view=lambda: f"Grid answers at {report['address']}")
            _show_login_link(as_json=as_json)
            return
        from grid.cli.sample import run_sample, sample_view

        document = {**report, **run_sample(say=_say if not as_json else _hush)}
        if as_json:
            print_json(document)
        else:
            for part in sample_view(document):
                console().print(part)
        _show_login_link(as_json=as_json)


def down(as_json: JsonFlag = False) -> None:
    """Stop server and worker; work that they held goes back to the queue."""
    with reporting():
        from grid.cli.starting import stop_service

        stopped = stop_service(say=_say if not as_json else _hush)
        words = "Stopped: " + ", ".join(stopped) if stopped else "Nothing was running."
        show({"stopped": stopped}, as_json=as_json, view=lambda: words)


def status(as_json: JsonFlag = False) -> None:
    """Say what runs and how its parts do; exit 7 unless everything is ready."""
    with reporting():
        from grid.cli.starting import describe_service

        document = describe_service()
        if as_json:
            print_json(document)
        else:
            rows = [(part["name"], part["kind"], part["state"], part.get("detail", "")) for part in document["parts"]]
            console().print(table("part", "kind", "state", "", rows=rows, title=str(document["address"])))
        if not document["is_ready"]:
            raise typer.Exit(code=int(ExitCode.UNAVAILABLE))


def serve() -> None:
    """Run the server in the foreground."""
    import os

    from grid.cli.own import join_stack
    from grid.client.client import address_of
    from grid.client.folder import read_address, write_address
    from grid.core.settings import Settings

    with reporting():
        join_stack()
        settings = Settings()
        if read_address(settings.grid_home) is None:  # else another runs on the folder, and this one will be refused
            write_address(settings.grid_home, address_of(settings))
    os.execv(sys.executable, [sys.executable, "-m", "grid.api"])  # noqa: S606 - our own interpreter, no shell


def worker() -> None:
    """Run a worker in the foreground. SIGTERM lets it finish what it holds."""
    with reporting():
        from grid.cli.own import join_stack
        from grid.core.settings import Settings
        from grid.tasks.assembly import run_worker

        join_stack()
        raise typer.Exit(code=run_worker(Settings()))


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000)] = 50,
) -> None:
    """Print the logs of server and worker."""
    with reporting():
        from grid.cli.starting import print_logs

        print_logs(lines=lines, follow=follow)


def doctor(as_json: JsonFlag = False) -> None:
    """Check address, secrets, folders, sandbox, disk, clock and database; exit 1 on anything unsafe."""
    with reporting():
        from grid.cli.doctor import examine

        findings = examine()
        document = {"findings": [finding.as_dict() for finding in findings]}
        rows = [(finding.subject, finding.verdict, finding.sentence) for finding in findings]
        show(document, as_json=as_json, view=lambda: table("what", "verdict", "finding", rows=rows))
        if any(finding.verdict == "unsafe" for finding in findings):
            fail("something is unsafe, see above", ExitCode.FAILED)


def _show_login_link(*, as_json: bool) -> None:
    """Print where a browser gets in; a document of JSON may be kept, so none has a link in it."""
    from grid.cli.login_link import make_login_address

    if not as_json and (address := make_login_address()) is not None:
        typer.echo(f"Page     {address}  (logs one browser in, once, within 10 minutes)")


def _say(sentence: str) -> None:
    errors().print(f"[dim]{sentence}[/]")


def _hush(_sentence: str) -> None:
    return None
