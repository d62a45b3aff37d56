"""The dimensions of which a budget of cloud costs can be."""

from oco_warehouse.migrations.sql import run_sql

revision = "0030_budget_dimensions"
down_revision = "0029_accepted_costs"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
