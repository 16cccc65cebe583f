"""All tables in one place: importing this module fills `metadata`, for migrations and for tests."""

from sqlalchemy import MetaData

import grid.database.uow  # noqa: F401 - its repositories bring every table along
from grid.database.base import Base

metadata: MetaData = Base.metadata
