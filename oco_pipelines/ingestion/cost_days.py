"""Which days a load changed: `oco.cloud_cost_days` lets marts be built again for those alone.

It is written in the load's own transaction. Whoever changes charges in another way has to say so
there, too; the check that marts hold every dollar finds who does not.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final, LiteralString
from uuid import UUID

from oco_pipelines.ingestion.cost_batch import Origin
from oco_warehouse.database import Connection

_SAY: Final = (
    "INSERT INTO oco.cloud_cost_days (date, changed_by) "
    "SELECT DISTINCT date, %(batch)s::uuid FROM "
    "(SELECT date FROM changed_days UNION ALL SELECT unnest(%(days)s::date[])) AS days "
    # In order, so that two loads never wait for each other.
    "ORDER BY date "
    "ON CONFLICT (date) DO UPDATE SET changed_by = excluded.changed_by, changed_at = now()"
)


def begin_days(connection: Connection) -> None:
    """Make room for the days of this transaction."""
    connection.execute("CREATE TEMP TABLE changed_days (date date, rows bigint) ON COMMIT DROP")


def change_rows(
    connection: Connection, update: LiteralString, names: Mapping[str, object] | None = None
) -> int:
    """Run an UPDATE of `oco.cloud_costs AS c` without RETURNING; returns how many it changed."""
    rows = connection.execute(
        f"WITH changed AS ({update} RETURNING c.date) "  # noqa: S608
        "INSERT INTO changed_days SELECT date, count(*) FROM changed GROUP BY 1 RETURNING rows",
        names,
    ).fetchall()
    return sum(row["rows"] for row in rows)


def mark_estimated(connection: Connection, origin: Origin) -> None:
    """Whether charges are final is no part of what they say: the same ones only become so."""
    change_rows(
        connection,
        "UPDATE oco.cloud_costs AS c SET estimated = %(estimated)s WHERE source = %(source)s "
        "AND source_partition = %(partition)s AND valid_to IS NULL AND estimated <> %(estimated)s",
        {
            "estimated": origin.estimated,
            "source": origin.source,
            "partition": origin.partition,
        },
    )


def say_days(connection: Connection, batch: UUID, inserted: Collection[date] = ()) -> None:
    """Write down the days of rows that were changed, and of those that were inserted."""
    connection.execute(_SAY, {"batch": batch, "days": sorted(inserted)})
