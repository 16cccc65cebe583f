"""`grid compile`: compile the kernels of most problems, as a worker does beside its work; no server needed."""

import os
from typing import Any

import typer

from grid.cli.output import JsonFlag, errors, reporting, show


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("compile")(compile_kernels)


def compile_kernels(as_json: JsonFlag = False) -> None:
    """Compile the kernels of most problems into the cache, for an image or an offline machine; a worker does it too."""
    with reporting():
        document = fill_cache(quiet=as_json)
        show(
            document,
            as_json=as_json,
            view=lambda: f"{document['kernels']} kernels, {document['bytes'] / 1e6:.0f} MB in {document['folder']}",
        )


def fill_cache(*, quiet: bool) -> dict[str, Any]:
    """Compile, and return what the cache holds then."""
    threads = max(2, os.cpu_count() or 1)  # with one, those that share work are left out
    os.environ.setdefault("NUMBA_NUM_THREADS", str(threads))
    from grid.engine import kernel_folder, warmup

    def say(name: str) -> None:
        if not quiet:
            errors().print(f"[dim]compiling: {name}[/]")

    done = warmup.compile_ahead(on_group=say)
    folder = kernel_folder.find_folder()
    held = kernel_folder.Contents(0, 0) if folder is None else kernel_folder.count(folder)
    return {
        "folder": None if folder is None else str(folder),
        "compiled": done,
        "failed": warmup.find_failed(),
        "kernels": held.kernels,
        "bytes": held.bytes,
    }
