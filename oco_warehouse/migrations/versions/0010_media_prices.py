"""Prices of images, video and cached sounds, and the service tier that a call asked for."""

from oco_warehouse.migrations.sql import run_sql

revision = "0010_media_prices"
down_revision = "0009_review"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql(__file__)
