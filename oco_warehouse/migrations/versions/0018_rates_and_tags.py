"""Exchange rates say whether a person stated them; rules say which tags mean the same."""

from oco_warehouse.migrations.sql import run_sql

revision = "0018_rates_and_tags"
down_revision = "0017_cost_trends"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
