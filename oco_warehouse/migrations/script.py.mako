"""${message}."""

from oco_warehouse.migrations.sql import run_sql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
