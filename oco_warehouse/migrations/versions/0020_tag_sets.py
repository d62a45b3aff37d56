"""The sets of tags that charges have are known without reading the charges."""

from oco_warehouse.migrations.sql import run_sql

revision = "0020_tag_sets"
down_revision = "0019_stated_fee"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
