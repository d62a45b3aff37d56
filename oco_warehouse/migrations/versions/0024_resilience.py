"""Selectors and versions of DR policies, due times, history of Velero's objects, namespaces."""

from oco_warehouse.migrations.sql import run_sql

revision = "0024_resilience"
down_revision = "0023_policies"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
