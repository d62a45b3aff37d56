"""A price for every request that nobody stated is told from one that is nothing."""

from oco_warehouse.migrations.sql import run_sql

revision = "0019_stated_fee"
down_revision = "0018_rates_and_tags"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
