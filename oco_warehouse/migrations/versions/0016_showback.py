"""Allocation rules that hold together, and the invoices that people state."""

from oco_warehouse.migrations.sql import run_sql

revision = "0016_showback"
down_revision = "0015_estimates"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
