"""Rate limits."""

from oco_warehouse.migrations.sql import run_sql

revision = "0006_limits"
down_revision = "0005_resilience"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
