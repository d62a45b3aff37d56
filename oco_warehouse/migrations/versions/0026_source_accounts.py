"""Cloud accounts that are configured through the API, beside those of the file OCO_SOURCES."""

from oco_warehouse.migrations.sql import run_sql

revision = "0026_source_accounts"
down_revision = "0025_recovery"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
