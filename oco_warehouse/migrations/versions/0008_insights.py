"""Alerts and their deliveries, insights, reports."""

from oco_warehouse.migrations.sql import run_sql

revision = "0008_insights"
down_revision = "0007_routing"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
