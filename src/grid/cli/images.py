"""`grid images`: the container images that jobs may name. Reads the database, and asks the engine of this machine."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.output import JsonFlag, errors, reporting, show, table
from grid.utils.user_names import find_user_name

if TYPE_CHECKING:
    from grid.core.settings import Settings
    from grid.database.images import ImageRecord
    from grid.database.uow import UnitOfWork
    from grid.schemas.images import FoundImage, ImagePin

app = typer.Typer(
    name="images",
    no_args_is_help=True,
    help="Which container images jobs may name (this machine's database and engine).",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `grid images list` shows it.")]


@app.command("list")
def list_images(as_json: JsonFlag = False) -> None:
    """List the images that jobs may name, where each runs, and by which digest."""
    with reporting(), _ledger() as (uow, settings):
        from grid.services import images

        documents = [_present(record, settings) for record in images.list_images(uow)]
        columns = ("name", "runs in", "digest", "added by", "pulled")
        rows = [
            tuple(document[name] for name in ("name", "runner", "content", "added_by", "pulled_at"))
            for document in documents
        ]
        show({"items": documents}, as_json=as_json, view=lambda: table(*columns, rows=rows))


@app.command()
def add(
    reference: Annotated[
        str, typer.Argument(metavar="NAME[@sha256:...]", help="With its digest, or the name of an image built here.")
    ],
    program: Annotated[
        bool, typer.Option("--program", help="Run it as the local program of this installation, without a container.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Allow an image: by the digest of its registry, or as it is now on this machine's engine.

    It never pulls; `grid images pull` does. Another content for a name is refused while jobs that name it wait or run.
    """
    with reporting(), _ledger() as (uow, settings):
        from grid.schemas.images import ImagePin, parse_reference
        from grid.services import images

        name, digest = parse_reference(reference)
        found = None if program else _find(settings, ImagePin(name, digest, None))
        _require_runnable(name, is_program=program, is_known=found is not None or digest is not None)
        record = images.add_image(uow, reference, found, by=_caller())
        show(_present(record, settings), as_json=as_json, view=lambda: _sentence(record, found))


@app.command()
def pull(
    name: Name,
    credentials: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Of a private registry, as `docker login` writes it."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Bring a listed image from its registry to this machine's engine, by its digest."""
    with reporting(), _ledger() as (uow, settings):
        from grid.core.errors import NotFoundError
        from grid.runtime import engine_images
        from grid.services import images

        pin = images.get_image(uow, name).pin
        engine_images.pull(settings.docker_host, pin, credentials)
        found = _find(settings, pin)
        if found is None:
            raise NotFoundError("image on the engine after the pull")
        record = images.note_pulled(uow, name, found, by=_caller())
        show(_present(record, settings), as_json=as_json, view=lambda: f"{name} is here, as {record.image_id}.")


@app.command()
def remove(name: Name, as_json: JsonFlag = False) -> None:
    """Take an image off the list; refused while jobs that have not ended name it. The engine keeps what it has."""
    with reporting(), _ledger() as (uow, _):
        from grid.services import images

        images.remove_image(uow, name, by=_caller())
        show({"removed": name}, as_json=as_json, view=lambda: f"Jobs may not name {name} any more.")


def _find(settings: "Settings", pin: "ImagePin") -> "FoundImage | None":
    """Return an image of this machine's engine; None, with a word, where the engine does not answer."""
    from grid.runtime.docker_api import Engine, EngineAwayError
    from grid.runtime.engine_images import find_image

    try:
        return find_image(Engine(settings.docker_host), pin)
    except EngineAwayError as error:
        errors().print(f"{error} The image is not looked up.")
        return None


def _require_runnable(name: str, *, is_program: bool, is_known: bool) -> None:
    """Refuse an image that could run nowhere.

    Raises:
        FieldError: It is so; the message says what to name instead.
    """
    from grid.core.errors import FieldError
    from grid.runtime.programs import is_local_program

    if is_program and not is_local_program(name):
        raise FieldError("--program", "goes with sim:local alone: no other program is part of this installation")
    if not is_known and not is_local_program(name):
        raise FieldError("image", "must have its @sha256: digest, or be the name of an image on this machine's engine")


def _sentence(record: "ImageRecord", found: "FoundImage | None") -> str:
    if record.pin.content is None:
        return f"Jobs may name {record.name}; it runs as the local program."
    where = "" if found is not None else f" This engine does not have it yet: grid images pull {record.name}"
    return f"Jobs may name {record.name}; it runs in a container, as {record.pin.content}.{where}"


def _present(record: "ImageRecord", settings: "Settings") -> dict[str, Any]:
    from grid.services.images import choose_runner

    runner = choose_runner(record, settings.grid_runner)
    return {**vars(record), "content": record.pin.content, "runner": runner}


def _caller() -> str:
    """Return who runs this command, for the list and the audit log: there is no login."""
    return f"{find_user_name()}@{socket.gethostname()}"


@contextmanager
def _ledger() -> Iterator[tuple["UnitOfWork", "Settings"]]:
    from grid.cli.own import own_settings
    from grid.database.engine import create_database
    from grid.database.uow import UnitOfWork

    settings = own_settings()
    database = create_database(settings.resolved_database_url, application="images")
    try:
        yield UnitOfWork(database), settings
    finally:
        database.close()
