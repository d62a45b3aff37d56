"""Which sets of tags charges have, so that rules for tags are tried on `oco.cloud_tag_sets` alone.

It is written in the load's own transaction, at its end: until it commits, another load that brings
the same set waits.
"""

from typing import Final

import polars as pl

from oco_pipelines.ingestion.cost_copy import copy_frame
from oco_warehouse.database import Connection

_SAY: Final = (
    "INSERT INTO oco.cloud_tag_sets AS known (tags, last_month) "
    "SELECT tags, max(month) FROM tagged GROUP BY tags "
    # In order, so that two loads never wait for each other.
    "ORDER BY md5(tags::text) "
    "ON CONFLICT (md5(tags::text)) DO UPDATE SET last_month = excluded.last_month "
    "WHERE known.last_month < excluded.last_month"
)


def begin_tags(connection: Connection) -> None:
    """Make room for the sets of this transaction."""
    connection.execute("CREATE TEMP TABLE tagged (tags jsonb, month date) ON COMMIT DROP")


def add_tags(connection: Connection, charges: pl.DataFrame) -> None:
    """Remember the sets of some charges with the columns `tags`, as JSON, and `date`."""
    tagged = charges.filter(pl.col("tags") != "{}")
    sets = tagged.group_by("tags").agg(pl.col("date").max().dt.month_start().alias("month"))
    if not sets.is_empty():
        copy_frame(connection, "tagged", sets)


def say_tags(connection: Connection) -> None:
    """Write down the sets that were remembered."""
    connection.execute(_SAY)
