"""Replaces a partition of `oco.cloud_costs` in a transaction, some rows at a time.

Of every row its hash goes first. PostgreSQL answers which of them it believes already, and only the
others follow whole, straight into the table. What a restated file leaves alone is never sent.

Identical rows of a file are one row and a number: they are multiplied at the end, so that it does
not matter which of them stood where. Does not belong here: when a load is right (`cost_load`).
"""

from datetime import date, datetime
from typing import Final
from uuid import UUID

import polars as pl
from psycopg import sql

from oco_pipelines.ingestion.cost_copy import Rates, copy_frame, price_in_usd, row_ids
from oco_pipelines.ingestion.cost_days import change_rows
from oco_pipelines.ingestion.cost_partitions import is_converted
from oco_pipelines.ingestion.cost_tags import add_tags, begin_tags, say_tags
from oco_pipelines.ingestion.focus_columns import warehouse_columns
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER
from oco_warehouse.database import Connection

_NUMBER: Final = "number"
_COPIED: Final = (
    *warehouse_columns(),
    *("provider", "account_id", "date", "row_hash", "usd_rate", "cost_usd"),
    *("source", "source_partition"),
)


class Replacement:
    """One partition on its way to its new content.

    Args:
        connection: in the transaction of the load, which holds the lock of the source.
        source: kind of source.
        partition: which of the source's partitions.
        batch: the load.
        moment: when it begins to hold; later than that of every load before it.
        estimated: whether the provider still calls the rows that come in an estimate.

    Attributes:
        days: of the rows that were inserted; whole after `settle`.
        restates: whether rows of the partition were believed before; known after `begin`.
    """

    def __init__(
        self,
        connection: Connection,
        source: str,
        partition: str,
        batch: UUID,
        moment: datetime,
        *,
        estimated: bool,
    ) -> None:
        self._connection = connection
        self._batch = batch
        self._names: dict[str, object] = {
            "source": source,
            "partition": partition,
            "batch": batch,
            "moment": moment,
            "estimated": estimated,
        }
        self._was_converted = is_converted(connection, source, partition)
        self._taken = 0
        self._sent = 0
        self.restates = False
        self.days: set[date] = set()
        begin_tags(connection)
        connection.execute("SET LOCAL work_mem = '128MB'")
        connection.execute(
            "CREATE TEMP TABLE incoming (number bigint, row_hash bytea, date date, n integer) "
            "ON COMMIT DROP"
        )
        connection.execute(
            "CREATE TEMP TABLE counted (row_hash bytea, date date, n integer, sent boolean) "
            "ON COMMIT DROP"
        )
        connection.execute(
            "CREATE TEMP TABLE doubled (row_hash bytea, source text, source_partition text) "
            "ON COMMIT DROP"
        )

    def begin(self) -> int:
        """Stop believing rows whose exchange rate was corrected; returns how many."""
        closed = self._close_old_rates() if self._was_converted else 0
        left = self._connection.execute(
            "SELECT 1 FROM oco.cloud_costs WHERE source = %(source)s "
            "AND source_partition = %(partition)s AND valid_to IS NULL LIMIT 1",
            self._names,
        ).fetchall()
        self.restates = bool(left)
        return closed

    def _close_old_rates(self) -> int:
        return change_rows(
            self._connection,
            "UPDATE oco.cloud_costs AS c SET valid_to = %(moment)s FROM oco.exchange_rates AS r "
            "WHERE r.from_currency = c.billing_currency AND r.to_currency = 'USD' "
            "AND r.month = date_trunc('month', c.date)::date "
            "AND c.source = %(source)s AND c.source_partition = %(partition)s "
            "AND c.valid_to IS NULL AND c.billing_currency <> 'USD' AND c.usd_rate <> r.rate",
            self._names,
        )

    def add(self, accepted: pl.DataFrame, rates: Rates) -> None:
        """Take in some accepted rows of the file."""
        # A row of the source may have become several charges: each has a number of its own here.
        charges = accepted.drop(ROW_NUMBER).with_row_index(_NUMBER, offset=self._taken + 1)
        self._taken += accepted.height
        # In the order of the index on days and hashes: neighbours lie on pages that were just read.
        rows = charges.sort("date", "row_hash").with_columns(pl.len().over("row_hash").alias("n"))
        if rows["n"].max() != 1:
            rows = rows.unique("row_hash", keep="first", maintain_order=True)
        known = self._known(rows)
        if known.len():
            rows = rows.filter(~pl.col(_NUMBER).cast(pl.Int64).is_in(known.implode()))
        if rows.is_empty():
            return
        whole = price_in_usd(rows, rates).with_columns(
            row_ids(self._batch, rows[_NUMBER]).alias("id"),
            pl.lit(1).alias("occurrence"),
            pl.lit(self._names["source"]).alias("source"),
            pl.lit(self._names["partition"]).alias("source_partition"),
            pl.lit(str(self._batch)).alias("batch_id"),
            pl.lit(str(self._names["estimated"]).lower()).alias("estimated"),
            pl.lit(str(self._names["moment"])).alias("valid_from"),
        )
        whole = whole.drop(_NUMBER, "n")
        self.days.update(whole["date"].unique())
        add_tags(self._connection, whole)
        self._sent += copy_frame(self._connection, "oco.cloud_costs", whole)

    def _known(self, rows: pl.DataFrame) -> pl.Series:
        """Numbers of the charges that are believed already or were sent before; counts all.

        The inner query may only go by the hash: misled about how much of a partition there is, the
        planner would otherwise read all of it for every row. OFFSET 0 keeps it so.
        """
        self._connection.execute("TRUNCATE incoming")
        hashes = rows.select(_NUMBER, "row_hash", "date", "n")
        copy_frame(self._connection, "incoming", hashes)
        found = self._connection.execute(
            """
            WITH hit AS MATERIALIZED (
                SELECT i.number, i.row_hash, c.source, c.source_partition, c.batch_id
                FROM incoming AS i CROSS JOIN LATERAL (
                    SELECT source, source_partition, batch_id FROM oco.cloud_costs
                    WHERE row_hash = i.row_hash AND date = i.date AND valid_to IS NULL
                    OFFSET 0) AS c
            ),
            ours AS (
                SELECT number, bool_or(batch_id = %(batch)s) AS sent FROM hit
                WHERE source = %(source)s AND source_partition = %(partition)s
                GROUP BY 1
            ),
            others AS (
                INSERT INTO doubled
                SELECT DISTINCT row_hash, source, source_partition FROM hit
                WHERE (source, source_partition) <> (%(source)s, %(partition)s)
            ),
            repeated AS (
                INSERT INTO counted
                SELECT i.row_hash, i.date, i.n - (o.number IS NULL)::int, coalesce(o.sent, true)
                FROM incoming AS i LEFT JOIN ours AS o USING (number)
                WHERE o.number IS NOT NULL OR i.n > 1
            )
            SELECT number FROM ours
            """,
            self._names,
            prepare=False,
        ).fetchall()
        return pl.Series("number", [row["number"] for row in found], dtype=pl.Int64)

    def settle(self) -> tuple[int, int]:
        """After the last row: (rows inserted, rows closed), identical rows and vanished ones done.

        `different` is known from then on.
        """
        self._connection.execute(
            "CREATE TEMP TABLE wanted ON COMMIT DROP AS "
            "SELECT row_hash, min(date) AS date, sum(n) + bool_or(sent)::int AS n, "
            "bool_or(sent) AS sent FROM counted GROUP BY row_hash"
        )
        self._connection.execute("ANALYZE wanted")
        closed = self._close_vanished() if self.restates else 0
        inserted = self._sent + self._multiply()
        say_tags(self._connection)
        return inserted, closed

    def different_charges(self) -> int:
        """How many different charges the file has; after `settle`."""
        row = self._connection.execute(
            "SELECT count(*) AS known FROM wanted WHERE NOT sent"
        ).fetchall()[0]
        return self._sent + int(row["known"])

    def _close_vanished(self) -> int:
        # A nested loop over two tables of which statistics know nothing could take for ever.
        self._connection.execute("SET LOCAL enable_nestloop = off")
        closed = change_rows(
            self._connection,
            "UPDATE oco.cloud_costs AS c SET valid_to = %(moment)s "
            "WHERE source = %(source)s AND source_partition = %(partition)s AND valid_to IS NULL "
            "AND batch_id <> %(batch)s AND NOT EXISTS ("
            "SELECT 1 FROM wanted AS w WHERE w.row_hash = c.row_hash AND w.n >= c.occurrence)",
            self._names,
        )
        self._connection.execute("SET LOCAL enable_nestloop = on")
        return closed

    def _multiply(self) -> int:
        """Give identical rows their occurrences from 2 on, as far as they are not believed yet."""
        statement = sql.SQL(
            """
            INSERT INTO oco.cloud_costs ({columns}, occurrence, batch_id, valid_from, estimated)
            SELECT {last}, g.occurrence, %(batch)s, %(moment)s, %(estimated)s
            FROM (SELECT * FROM wanted WHERE n > 1) AS w
            CROSS JOIN LATERAL (
                SELECT * FROM (
                    SELECT * FROM oco.cloud_costs
                    WHERE row_hash = w.row_hash AND date = w.date AND valid_to IS NULL
                    OFFSET 0) AS c
                WHERE c.source = %(source)s AND c.source_partition = %(partition)s
                ORDER BY c.occurrence DESC LIMIT 1) AS last
            CROSS JOIN LATERAL generate_series(last.occurrence + 1, w.n::int) AS g (occurrence)
            """
        ).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, _COPIED)),
            last=sql.SQL(", ").join(sql.Identifier("last", name) for name in _COPIED),
        )
        many = self._connection.execute("SELECT DISTINCT date FROM wanted WHERE n > 1").fetchall()
        self.days.update(row["date"] for row in many)
        return self._connection.execute(statement, self._names).rowcount
