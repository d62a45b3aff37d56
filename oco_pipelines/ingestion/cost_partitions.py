"""What each partition adds up to by day and account: `oco.cloud_cost_partition_days`.

It is written in the load's own transaction, from the charges that are believed then. By it a load
knows which other partitions can hold the same charges, and reads no others.
"""

from collections.abc import Collection
from typing import Final

from oco_pipelines.ingestion.cost_totals import Totals, totals_from_rows
from oco_warehouse.database import Connection

# A table, because PostgreSQL counts with several processes for one, and not for an INSERT.
_COUNT: Final = """
    CREATE TEMP TABLE partition_days ON COMMIT DROP AS
    SELECT date, provider, billing_account_id, account_id, billing_period_start, billing_currency,
           count(*) AS charges, sum(billed_cost) AS billed_cost,
           sum(effective_cost) AS effective_cost, sum(list_cost) AS list_cost,
           sum(contracted_cost) AS contracted_cost
    FROM oco.cloud_costs
    WHERE source = %(source)s AND source_partition = %(partition)s AND valid_to IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6
"""
_KEEP: Final = """
    INSERT INTO oco.cloud_cost_partition_days
        (source, source_partition, date, provider, billing_account_id, account_id,
         billing_period_start, billing_currency, charges, billed_cost)
    SELECT %(source)s, %(partition)s, date, provider, billing_account_id, account_id,
           billing_period_start, billing_currency, charges, billed_cost
    FROM partition_days
"""


def sum_partition(connection: Connection, source: str, partition: str) -> Totals:
    """Write down what a partition adds up to now; returns its totals by currency.

    Args:
        connection: in the transaction of the load, after its last change of charges.
        source: kind of source.
        partition: which of the source's partitions.
    """
    names = {"source": source, "partition": partition}
    connection.execute(_COUNT, names)
    forget_partitions(connection, source, [partition])
    connection.execute(_KEEP, names)
    rows = connection.execute(
        "SELECT billing_currency, sum(billed_cost) AS billed_cost, "
        "sum(effective_cost) AS effective_cost, sum(list_cost) AS list_cost, "
        "coalesce(sum(contracted_cost), 0) AS contracted_cost "
        "FROM partition_days GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return totals_from_rows(rows)


def forget_partitions(connection: Connection, source: str, partitions: Collection[str]) -> None:
    """Partitions of which nothing is believed any more add up to nothing."""
    connection.execute(
        "DELETE FROM oco.cloud_cost_partition_days "
        "WHERE source = %s AND source_partition = ANY (%s)",
        [source, list(partitions)],
    )


def is_converted(connection: Connection, source: str, partition: str) -> bool:
    """Whether any charge of a partition is in another currency than USD, which has no rate."""
    return bool(
        connection.execute(
            "SELECT 1 FROM oco.cloud_cost_partition_days "
            "WHERE source = %s AND source_partition = %s AND billing_currency <> 'USD' LIMIT 1",
            [source, partition],
        ).fetchall()
    )
