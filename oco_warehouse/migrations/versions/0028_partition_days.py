"""What each partition of cloud costs adds up to, and indexes of its charges by day."""

from oco_warehouse.migrations.sql import run_sql

revision = "0028_partition_days"
down_revision = "0027_recovery_points"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
