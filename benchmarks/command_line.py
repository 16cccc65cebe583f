"""`grid --help` beside a Typer application with the same commands and empty bodies.

`python -m benchmarks.command_line` prints the row, and ends with 1 where the goal is missed.

The peer is written from the commands that Grid has now: names, options, defaults of text, numbers and truth values, and
help texts, in one module that imports Typer alone. Both are started in turn; compared is the least processor time.
"""

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.table import Row, print_table

REPEATS = 9
MOST = 1.5  # times the peer
SCRIPT = Path(sys.executable).with_name("grid")
TYPES = {"int": "int", "float": "float", "bool": "bool"}


def write_peer() -> str:
    """Return the source of the peer."""
    from typer.main import get_command

    from grid.cli.main import app

    return "\n".join(
        (
            "from typing import Annotated",
            "import typer",
            f"app = typer.Typer(help={app.info.help!r}, no_args_is_help=True, pretty_exceptions_enable=False)",
            *_write_group("app", get_command(app)),
            "app()",
        )
    )


def _write_group(variable: str, group: Any) -> Iterator[str]:
    for name, command in group.commands.items():
        own = f"{variable}_{name.replace('-', '_')}"
        if hasattr(command, "commands"):
            yield f"{own} = typer.Typer(help={command.help!r}, no_args_is_help=True)"
            yield from _write_group(own, command)
            yield f"{variable}.add_typer({own}, name={name!r})"
        else:
            yield f"@{variable}.command({name!r})"
            yield f"def {own}_command({', '.join(_write_parameters(command))}):"
            yield f"    {(command.help or '...')!r}"


def _write_parameters(command: Any) -> Iterator[str]:
    parameters = [one for one in command.params if one.name != "help"]
    for one in sorted(parameters, key=lambda one: not one.required):
        kind = TYPES.get(getattr(one.bare_type, "__name__", ""), "str")
        kind = f"list[{kind}]" if getattr(one, "multiple", False) or one.nargs == -1 else kind
        if one.param_type_name == "argument":
            told = f"typer.Argument(help={getattr(one, 'help', None)!r})"
        else:
            names = [*one.opts, *one.secondary_opts]
            shown = [f"{one.opts[0]}/{one.secondary_opts[0]}"] if one.secondary_opts else names
            told = f"typer.Option({', '.join(map(repr, shown))}, help={one.help!r})"
        default = "" if one.required else " = " + (repr(one.default) if kind == "bool" else "None")
        kind = kind if one.required or kind == "bool" else f"{kind} | None"
        yield f"{one.name}: Annotated[{kind}, {told}]{default}"


def compare(repeats: int = REPEATS) -> tuple[list[float], list[float]]:
    """Return the processor times of `grid --help` and of the peer, started in turn [s]."""
    own, peer = [], []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "peer.py").write_text(write_peer(), encoding="utf-8")
        # imported, as the entry point imports Grid's, so that both have compiled byte code
        start = "import sys; sys.path.insert(0, sys.argv.pop(1)); import peer"
        for _ in range(repeats):
            own.append(_measure([str(SCRIPT), "--help"]))
            peer.append(_measure([sys.executable, "-c", start, folder, "--help"]))
    return own[1:], peer[1:]  # without the first, which may compile byte code


def _measure(command: Sequence[str]) -> float:
    """Return the processor time of a command and its children [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure() -> Row:
    """Return the row of the table."""
    own, peer = compare()
    ratio = min(own) / min(peer)
    beside = f"a Typer application with the same commands and empty bodies: {min(peer):.3f} s of processor time"
    return Row("`grid --help`", own, "s of processor time", f"<= {MOST} times that", ratio <= MOST, beside)


if __name__ == "__main__":
    row = measure()
    print_table([row])
    sys.exit(0 if row.is_met else 1)
