"""Model tiers and routing policies."""

from oco_warehouse.migrations.sql import run_sql

revision = "0007_routing"
down_revision = "0006_limits"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
