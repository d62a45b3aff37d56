"""Recommendations, policies and violations."""

from oco_warehouse.migrations.sql import run_sql

revision = "0004_governance"
down_revision = "0003_costs"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
