"""Indexes of charges that nothing reads by are gone; the days that loads change are known."""

from oco_warehouse.migrations.sql import run_sql

revision = "0014_lean_costs"
down_revision = "0013_fast_loads"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
