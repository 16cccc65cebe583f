"""The Typer application that `grid --help` is measured beside: Grid's commands and options, and nothing behind them."""

import runpy

import typer
from benchmarks.empty_cli import write_empty_cli
from typer.testing import CliRunner

from grid.cli.main import app


def describe(group):
    """Return the names of commands with those of their options, group by group."""
    return {
        name: describe(command) if hasattr(command, "commands") else sorted(each.name for each in command.params)
        for name, command in group.commands.items()
    }


def test_it_has_the_same_commands_options_and_helps(tmp_path):
    empty = runpy.run_path(str(write_empty_cli(tmp_path / "empty.py")))["app"]

    assert describe(typer.main.get_command(empty)) == describe(typer.main.get_command(app))
    own, other = (CliRunner().invoke(each, ["--help"], prog_name="grid").stdout for each in (app, empty))
    assert own == other


def test_its_commands_do_nothing(tmp_path):
    empty = runpy.run_path(str(write_empty_cli(tmp_path / "empty.py")))["app"]

    result = CliRunner().invoke(empty, ["jobs", "list"])

    assert (result.exit_code, result.stdout) == (0, "")
