"""Cloud costs, their loads, inventory and allocation."""

from oco_warehouse.migrations.sql import run_sql

revision = "0003_costs"
down_revision = "0002_llm"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
