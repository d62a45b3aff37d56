"""A stated price stands beside the catalogue's and no longer takes its place."""

from oco_warehouse.migrations.sql import run_sql

revision = "0011_stated_prices"
down_revision = "0010_media_prices"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
