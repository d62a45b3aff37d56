"""Schema and time partitioning."""

from oco_warehouse.migrations.sql import run_sql

revision = "0001_partitions"
down_revision = None


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
