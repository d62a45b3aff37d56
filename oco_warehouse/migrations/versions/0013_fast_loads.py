"""Indexes and keys of `cloud_costs` that fit how charges are loaded."""

from oco_warehouse.migrations.sql import run_sql

revision = "0013_fast_loads"
down_revision = "0012_refusing"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
