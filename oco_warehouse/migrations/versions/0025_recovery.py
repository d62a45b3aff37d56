"""Recovery plans are immutable, previewed and executed once; drills keep their own record."""

from oco_warehouse.migrations.sql import run_sql

revision = "0025_recovery"
down_revision = "0024_resilience"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
