"""Alembic's environment: runs on a connection that is handed over, else on the database of the settings."""

from logging.config import fileConfig
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, Enum, String, Uuid
from sqlalchemy.engine import make_url
from sqlalchemy.types import TypeEngine

from grid.core.settings import Settings
from grid.database.base import Json, Key, UTCDateTime
from grid.database.engine import create_database, sqlite_path
from grid.database.schema import metadata


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own types by their names into a new revision, and closed lists of words as plain text."""
    if kind != "type":
        return False
    own = {Key: "Key()", Uuid: "Key()", UTCDateTime: "UTCDateTime()"}
    if item is Json:
        own[type(item)] = "Json"
    name = own.get(type(item))
    if name is not None:
        autogen.imports.add(f"from grid.database.base import {name.removesuffix('()')}")
        return name
    return f"sa.String(length={item.length})" if isinstance(item, Enum) else False


def is_other_type(
    _context: Any, _column: Any, _metadata_column: Any, _found: TypeEngine[Any], wanted: Any
) -> bool | None:
    """Leave types that a database reads back under another name alone; Alembic compares the rest."""
    if isinstance(wanted, Key | UTCDateTime | Enum | String) or wanted is Json:
        return False
    return None


def migrate(connection: Connection) -> None:
    """Run the revisions in the transaction of the connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        render_item=render_item,
        compare_type=is_other_type,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Grid migrates a database that it can reach; `alembic --sql` is not supported.")

given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    if context.config.config_file_name is not None:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    url = Settings().resolved_database_url
    if url.startswith("sqlite"):
        sqlite_path(make_url(url)).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = create_database(url, application="migration")
    try:
        with database.engine.begin() as opened:
            migrate(opened)
    finally:
        database.close()
