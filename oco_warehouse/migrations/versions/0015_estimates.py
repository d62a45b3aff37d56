"""Whether a load was of an estimate: days that are not final are read again."""

from oco_warehouse.migrations.sql import run_sql

revision = "0015_estimates"
down_revision = "0014_lean_costs"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
