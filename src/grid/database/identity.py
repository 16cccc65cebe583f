"""Identity of an installation: that of its database, the same for every server and worker however they reach it."""

import hashlib

from sqlalchemy import text

from grid.database.engine import sqlite_path
from grid.database.uow import UnitOfWork

DIGITS = 16  # hexadecimal
_MAY_READ = text("SELECT has_function_privilege('pg_control_system()', 'execute')")
_CLUSTER = text("SELECT system_identifier FROM pg_control_system()")
_DATABASE = text("SELECT oid, datname FROM pg_database WHERE datname = current_database()")


def read_identity(uow: UnitOfWork) -> str:
    """Return an identity that two databases share only where one is a physical copy of the other.

    Raises:
        UnavailableError: The database does not answer.
    """
    if uow.database.kind == "sqlite":
        path = sqlite_path(uow.database.engine.url).resolve()
        with uow.read() as tx:
            tx.now()  # the file is there
        words = f"{path} {path.stat().st_ino}"
    else:
        with uow.read() as tx:
            is_allowed = tx.connection.execute(_MAY_READ).scalar_one()  # not on every managed database
            cluster = tx.connection.execute(_CLUSTER).scalar_one() if is_allowed else ""
            words = f"{cluster} {tuple(tx.connection.execute(_DATABASE).one())}"
    return hashlib.sha256(words.encode()).hexdigest()[:DIGITS]
