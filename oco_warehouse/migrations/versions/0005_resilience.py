"""DR policies, recovery points, compliance and recovery plans."""

from oco_warehouse.migrations.sql import run_sql

revision = "0005_resilience"
down_revision = "0004_governance"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
