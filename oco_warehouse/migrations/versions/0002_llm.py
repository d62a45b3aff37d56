"""Organization, tokens, prices, budgets, model calls, audit log."""

from oco_warehouse.migrations.sql import run_sql

revision = "0002_llm"
down_revision = "0001_partitions"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
