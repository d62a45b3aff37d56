"""Anomalies and forecast of cloud cost, and budgets for it."""

from oco_warehouse.migrations.sql import run_sql

revision = "0017_cost_trends"
down_revision = "0016_showback"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
