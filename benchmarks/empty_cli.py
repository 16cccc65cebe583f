"""A Typer application with the commands of `grid` and empty bodies: what such a command line takes at least."""

from pathlib import Path
from typing import Any

import typer

HEAD = "from typing import Annotated\n\nimport typer\n"
OWN = frozenset({"help", "install_completion", "show_completion"})  # options that Typer adds by itself


def write_empty_cli(path: Path) -> Path:
    """Write the program into `path` and return it."""
    from grid.cli.main import app

    path.write_text(render(typer.main.get_command(app)), encoding="utf-8")
    return path


def render(root: Any) -> str:
    """Return the source of an application with the commands, options and help texts of `root`, a group of commands."""
    lines = [HEAD, *_group("app", root), "", 'if __name__ == "__main__":', "    app()", ""]
    return "\n".join(lines)


def _group(variable: str, group: Any) -> list[str]:
    helps = {"help_option_names": group.context_settings.get("help_option_names", ["--help"])}
    lines = ["", f"{variable} = typer.Typer(no_args_is_help=True, help={group.help!r}, context_settings={helps})"]
    if group.params:
        lines += ["", f"@{variable}.callback()", *_function(f"{variable}_root", group)]
    for name, command in group.commands.items():
        inner = f"{variable}_{name.replace('-', '_')}"
        if hasattr(command, "commands"):
            lines += [*_group(inner, command), f"{variable}.add_typer({inner}, name={name!r})"]
        else:
            lines += ["", f"@{variable}.command({name!r})", *_function(inner, command)]
    return lines


def _function(name: str, command: Any) -> list[str]:
    given = [_parameter(each) for each in command.params if each.name not in OWN]
    return [f"def {name}({', '.join(given)}) -> None:", f"    {command.help or ''!r}"]


def _parameter(each: Any) -> str:
    kind = each.type_descriptor.annotation
    word = next((plain.__name__ for plain in (bool, int, float) if kind in {plain, list[plain]}), "str")
    if each.nargs == -1 or each.multiple:
        word = f"list[{word}]"
    if each.param_type_name == "argument":
        return f"{each.name}: Annotated[{word} | None, typer.Argument()] = None"
    names = [f"{each.opts[0]}/{each.secondary_opts[0]}"] if each.secondary_opts else each.opts
    quoted = ", ".join(map(repr, names))
    given, default = (word, "False") if word == "bool" else (f"{word} | None", "None")
    return f"{each.name}: Annotated[{given}, typer.Option({quoted}, help={each.help!r})] = {default}"
