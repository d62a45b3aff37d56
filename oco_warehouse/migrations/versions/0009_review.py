"""Which load put a partition of cloud costs out of its place."""

from oco_warehouse.migrations.sql import run_sql

revision = "0009_review"
down_revision = "0008_insights"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
