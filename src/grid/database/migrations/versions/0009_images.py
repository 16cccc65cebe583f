"""The administrator's list of images in a table, and jobs that run in containers.

Revision 0009, after 0008. The names of GRID_IMAGES, a setting of before, are put into the list once; those without a
digest run nowhere until they have one, but for the local program.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from grid.database.base import UTCDateTime
from grid.utils.user_names import find_user_name

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None

BEFORE, AFTER = "slot IN ('small', 'large', 'program')", "slot IN ('small', 'large', 'program', 'docker')"


class FormerSettings(BaseSettings):
    """The setting that named images before there was a table."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore")

    grid_images: str = Field("sim:local")


def upgrade() -> None:
    """Make the table, fill it, and allow the new kind of slot."""
    table = op.create_table(
        "images",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=True),
        sa.Column("image_id", sa.String(length=71), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("added_at", UTCDateTime(), nullable=False),
        sa.Column("added_by", sa.String(length=255), nullable=False),
        sa.Column("pulled_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("digest IS NULL OR digest LIKE 'sha256:%'", name=op.f("ck_images_digest_shape")),
        sa.CheckConstraint("image_id IS NULL OR image_id LIKE 'sha256:%'", name=op.f("ck_images_image_id_shape")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_images")),
    )
    names = [name.strip() for name in FormerSettings().grid_images.split(",")]
    common = {"added_at": datetime.now(UTC), "added_by": f"GRID_IMAGES of {find_user_name()}"[:255]}
    rows = [{"name": name, **common} for name in dict.fromkeys(names) if 0 < len(name) <= 255]
    op.bulk_insert(table, rows)
    _change_slots(BEFORE, AFTER)
    if op.get_bind().dialect.name == "postgresql":  # reads every row, and locks none of them
        op.execute("ALTER TABLE jobs VALIDATE CONSTRAINT ck_jobs_slot_known")


def downgrade() -> None:
    """Remove the table; jobs that ran in containers stay as they are."""
    _change_slots(AFTER, BEFORE)
    op.drop_table("images")


def _change_slots(old: str, new: str) -> None:
    """Replace the condition on kinds of slot, without looking at the rows that are there.

    SQLite cannot change a condition but by its text in the schema (section 7 of
    https://www.sqlite.org/lang_altertable.html); to copy the table would cost minutes and every trigger.
    """
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_jobs_slot_known"), "jobs", type_="check")
        op.execute(f"ALTER TABLE jobs ADD CONSTRAINT ck_jobs_slot_known CHECK ({new}) NOT VALID")
        return
    version = int(connection.exec_driver_sql("PRAGMA schema_version").scalar_one())
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = connection.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'jobs' AND instr(sql, ?)",
        (old, new, old),
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
    if changed.rowcount != 1:
        raise RuntimeError("the condition on kinds of slot is not as it was made")
