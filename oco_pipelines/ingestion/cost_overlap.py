"""Partitions of cloud costs that say the same: refused, or put in one another's place."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from oco_warehouse.database import Connection
from oco_warehouse.errors import ConflictError, InvalidInputError

_SHOWN_PARTITIONS: Final = 5


def refuse_doubles(connection: Connection, source: str, partition: str) -> None:
    """Refuse charges that are believed already under other partitions; reads `incoming`.

    Few shared charges are normal. Two cases are not: most of the incoming charges are loaded
    already, be it over many partitions, or one partition is mostly contained in what comes in.

    Args:
        connection: in the transaction of the load, with the temporary table `incoming`.
        source: kind of source.
        partition: the one that is being loaded; its own rows are no doubles.

    Raises:
        ConflictError: when money would count twice.
    """
    siblings = connection.execute(
        """
        SELECT shared.source_partition, shared.charges,
               shared.charges * 2 > (
                   SELECT count(DISTINCT own.row_hash) FROM oco.cloud_costs AS own
                   WHERE own.valid_to IS NULL AND own.source = shared.source
                     AND own.source_partition = shared.source_partition) AS contained
        FROM (
            SELECT c.source, c.source_partition, count(DISTINCT c.row_hash) AS charges
            FROM oco.cloud_costs AS c JOIN incoming AS i USING (row_hash)
            WHERE c.valid_to IS NULL AND (c.source, c.source_partition) <> (%s, %s)
            GROUP BY 1, 2) AS shared
        ORDER BY shared.charges DESC, shared.source_partition
        """,
        [source, partition],
    ).fetchall()
    if not siblings:
        return
    sums = connection.execute(
        """
        SELECT count(DISTINCT i.row_hash) AS charges,
               count(DISTINCT i.row_hash) FILTER (WHERE EXISTS (
                   SELECT 1 FROM oco.cloud_costs AS c
                   WHERE c.row_hash = i.row_hash AND c.valid_to IS NULL
                     AND (c.source, c.source_partition) <> (%s, %s))) AS shared
        FROM incoming AS i
        """,
        [source, partition],
    ).fetchall()[0]
    if sums["shared"] * 2 <= sums["charges"]:
        siblings = [row for row in siblings if row["contained"]]
    if not siblings:
        return
    names = [repr(row["source_partition"]) for row in siblings]
    more = len(names) - _SHOWN_PARTITIONS
    shown = ", ".join(names[:_SHOWN_PARTITIONS]) + (f" and {more} more" if more > 0 else "")
    raise ConflictError(
        f"{partition}: {sums['shared']} of its {sums['charges']} different charges are loaded "
        f"already from {shown}, so money would count twice: replace what this file takes the "
        f"place of with --replaces NAME, as in --replaces {names[0]}"
    )


def close_replaced(
    connection: Connection, source: str, replaces: Collection[str], batch: UUID
) -> int:
    """Stop believing the partitions that the incoming one takes the place of; returns their rows.

    Their loads keep which one it was, so that an empty partition can be told from a lost one.

    Args:
        connection: in the transaction of the load.
        source: kind of source; a partition of the same name in another source is left alone.
        replaces: names of partitions.
        batch: the load that takes their place, recorded already.

    Raises:
        InvalidInputError: when nothing is believed from one of them.
    """
    closed = 0
    for name in dict.fromkeys(replaces):
        rows = connection.execute(
            "UPDATE oco.cloud_costs SET valid_to = now() "
            "WHERE source = %s AND source_partition = %s AND valid_to IS NULL",
            [source, name],
        ).rowcount
        if rows == 0:
            raise InvalidInputError(f"nothing is loaded from {name!r}: check --replaces")
        connection.execute(
            "UPDATE oco.ingestion_batches SET replaced_by = %s WHERE source = %s "
            "AND source_partition = %s AND status IN ('loaded', 'unchanged') AND id <> %s",
            [batch, source, name, batch],
        )
        closed += rows
    return closed
