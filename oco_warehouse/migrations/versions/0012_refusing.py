"""Since which period a hard budget has refused calls, so that people can be told."""

from oco_warehouse.migrations.sql import run_sql

revision = "0012_refusing"
down_revision = "0011_stated_prices"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
