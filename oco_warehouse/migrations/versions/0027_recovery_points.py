"""Copies of a backup in other clusters are nobody's recovery points; a plain view of protection."""

from oco_warehouse.migrations.sql import run_sql

revision = "0027_recovery_points"
down_revision = "0026_source_accounts"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
