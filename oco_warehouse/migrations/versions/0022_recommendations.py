"""Recommendations have a life that is measured, and a confidence that is held to its outcomes."""

from oco_warehouse.migrations.sql import run_sql

revision = "0022_recommendations"
down_revision = "0021_inventory"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
