"""`grid`: the service, jobs, sweeps and simulations from the command line."""

from typing import Annotated

import typer

from grid.cli import (
    alerts,
    artifacts,
    audit,
    auth,
    calibrating,
    compiling,
    convergence,
    db,
    engine,
    images,
    incidents,
    injecting,
    jobs,
    live_metrics,
    model,
    replaying,
    scenarios,
    server,
    silences,
    simulations,
    solving,
    sweeps,
    users,
    verifying,
)
from grid.cli.exit_codes import ExitCode
from grid.cli.monitor import command as monitor
from grid.cli.output import explain

app = typer.Typer(
    name="grid",
    help="Heat and structural integrity as a service. Begin with `grid up`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for commands in (
    server,
    solving,
    verifying,
    convergence,
    calibrating,
    compiling,
    live_metrics,
    injecting,
    monitor,
    replaying,
):
    commands.register(app)
for group in (
    jobs, sweeps, simulations, scenarios, engine, model, alerts, silences, incidents, images, auth, users, audit, db,
    artifacts,
):  # fmt: skip
    app.add_typer(group.app)  # by the name that the module gives it


def _print_version(value: bool) -> None:
    if value:
        from grid import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Heat and structural integrity as a service. Begin with `grid up`."""


def main() -> None:
    """Run the command line; what no command foresaw ends as one sentence, with the trace under GRID_TRACE=1."""
    import os
    import sys

    try:
        app()
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("GRID_TRACE") == "1":
            raise
        print(f"grid: {explain(error)}", file=sys.stderr)  # noqa: T201 - whatever went wrong, this works
        sys.exit(int(ExitCode.FAILED))


if __name__ == "__main__":
    main()
