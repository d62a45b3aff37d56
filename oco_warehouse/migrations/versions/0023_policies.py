"""Policies say how their last evaluation ended; violations can be exempt and are changed safely."""

from oco_warehouse.migrations.sql import run_sql

revision = "0023_policies"
down_revision = "0022_recommendations"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
