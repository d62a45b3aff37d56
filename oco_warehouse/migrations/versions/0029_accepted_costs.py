"""What accepted recommendations measure savings against: what was billed, and no more."""

from oco_warehouse.migrations.sql import run_sql

revision = "0029_accepted_costs"
down_revision = "0028_partition_days"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
