"""What rules read of a resource whatever its provider, and what of an inventory is not known."""

from oco_warehouse.migrations.sql import run_sql

revision = "0021_inventory"
down_revision = "0020_tag_sets"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
