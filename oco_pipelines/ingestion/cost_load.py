"""Loads normalised charges into `oco.cloud_costs`: one partition of a source, in one transaction.

A load replaces its partition whole by comparing it with what is believed: rows that are unchanged,
their exchange rate included, stay, rows that vanished get `valid_to`, new rows get `valid_from`. So
it can be repeated, in any order, and two loads of one partition wait for each other.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from oco_pipelines.ingestion.cost_overlap import close_replaced, refuse_doubles
from oco_pipelines.ingestion.focus_columns import COLUMNS, warehouse_columns
from oco_pipelines.ingestion.focus_normalise import Normalised, Totals, add_totals
from oco_warehouse.database import Connection, Warehouse, copy_rows, ensure_partitions, lock
from oco_warehouse.errors import ConflictError, InvalidInputError, WarehouseError
from oco_warehouse.money import exact_product

Status = Literal["loaded", "unchanged"]

_SHOWN_REASONS: Final = 3
_DERIVED: Final = ("provider", "account_id", "date", "row_hash", "occurrence")
_LINEAGE: Final = ("usd_rate", "cost_usd", "source", "source_partition", "batch_id")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did.

    Attributes:
        status: `unchanged` when the same content was loaded before.
        totals_loaded: sums over the partition as it is believed now.
    """

    batch_id: UUID
    status: Status
    rows: int
    accepted: int
    rejected: int
    inserted: int
    closed: int
    totals_source: Totals
    totals_accepted: Totals
    totals_rejected: Totals
    totals_loaded: Totals
    window: tuple[date, date] | None


def load(
    warehouse: Warehouse,
    normalised: Normalised,
    *,
    source: str,
    partition: str,
    content_hash: str,
    run_id: str | None = None,
    replaces: Collection[str] = (),
) -> LoadResult:
    """Make the warehouse believe exactly `normalised` for (source, partition).

    Args:
        warehouse: the warehouse, migrated.
        normalised: what the file holds.
        source: kind of source, as in focus_files.
        partition: which of the source's partitions this is.
        content_hash: SHA-256 of what was read, in hex.
        run_id: Dagster's run, if any.
        replaces: other partitions of the source that this one takes the place of.

    Raises:
        InvalidInputError: when no row can be loaded, or an exchange rate is missing.
        ConflictError: when charges are loaded already under other partitions, or contain one.
        WarehouseError: when the totals after the load are not those of the file, or PostgreSQL
            refuses a value of it.
    """
    try:
        check_whole(normalised, partition)
        with _refusals_named(partition), warehouse.transaction() as connection:
            return _Load(connection, normalised, source, partition).run(
                content_hash, run_id, replaces
            )
    except (InvalidInputError, ConflictError, WarehouseError) as error:
        record_failure(warehouse, source, partition, content_hash, run_id, str(error))
        raise


def check_whole(normalised: Normalised, partition: str) -> None:
    """Refuse a file that lost money on the way, or of which nothing can be loaded.

    Raises:
        WarehouseError: when accepted + rejected are not the file's totals.
        InvalidInputError: when every row was rejected.
    """
    parts = add_totals(normalised.totals_accepted, normalised.totals_rejected)
    if parts != normalised.totals_source:
        raise WarehouseError(f"{partition}: accepted + rejected differs from the file's totals")
    if normalised.accepted.is_empty():
        raise InvalidInputError(f"{partition}: {_why_nothing(normalised)}")


@contextmanager
def _refusals_named(partition: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        reason = error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
        raise WarehouseError(f"{partition}: PostgreSQL refused the load: {reason}") from error


def record_failure(
    warehouse: Warehouse,
    source: str,
    partition: str,
    content_hash: str | None,
    run_id: str | None,
    error: str,
) -> None:
    """Keep that a load failed, and why; nothing else of it is kept."""
    warehouse.execute(
        "INSERT INTO oco.ingestion_batches "
        "(source, source_partition, content_hash, status, run_id, error, finished_at) "
        "VALUES (%s, %s, %s, 'failed', %s, %s, clock_timestamp())",
        # A message may quote a file, and a file may hold what PostgreSQL cannot keep.
        [source, partition, content_hash, run_id, error.replace("\0", "")],
    )


class _Load:
    def __init__(
        self, connection: Connection, normalised: Normalised, source: str, partition: str
    ) -> None:
        self._connection = connection
        self._data = normalised
        self._batch = uuid4()
        self._names = {"source": source, "partition": partition}

    def run(self, content_hash: str, run_id: str | None, replaces: Collection[str]) -> LoadResult:
        # One lock for all partitions of a source: the guard against doubles looks at its siblings.
        lock(self._connection, f"cloud_costs {self._names['source']}")
        unchanged = not replaces and self._is_unchanged(content_hash)
        inserted = closed = 0
        self._record(content_hash, run_id, "unchanged" if unchanged else "loaded")
        if not unchanged:
            self._stage()
            closed += close_replaced(self._connection, self._names["source"], replaces, self._batch)
            refuse_doubles(self._connection, **self._names)
            closed += self._close_vanished()
            inserted = self._insert_new()
            self._keep_rejected()
        loaded = self._loaded_totals()
        if loaded != self._data.totals_accepted:
            raise WarehouseError(
                f"{self._names['partition']}: loaded totals {loaded} differ from the accepted "
                f"{self._data.totals_accepted}; nothing was changed"
            )
        self._connection.execute(
            "UPDATE oco.ingestion_batches SET rows_inserted = %s, rows_closed = %s, "
            "finished_at = clock_timestamp() WHERE id = %s",
            [inserted, closed, self._batch],
        )
        data = self._data
        return LoadResult(
            batch_id=self._batch,
            status="unchanged" if unchanged else "loaded",
            rows=data.rows,
            accepted=data.accepted.height,
            rejected=len(data.rejected),
            inserted=inserted,
            closed=closed,
            totals_source=data.totals_source,
            totals_accepted=data.totals_accepted,
            totals_rejected=data.totals_rejected,
            totals_loaded=loaded,
            window=data.window,
        )

    def _is_unchanged(self, content_hash: str) -> bool:
        row = self._connection.execute(
            "SELECT content_hash FROM oco.ingestion_batches WHERE source = %(source)s "
            "AND source_partition = %(partition)s AND status = 'loaded' "
            "ORDER BY finished_at DESC LIMIT 1",
            self._names,
        ).fetchone()
        return (
            row is not None
            and row["content_hash"] == content_hash
            and self._loaded_totals() == self._data.totals_accepted
            and not self._has_old_rates()
        )

    def _has_old_rates(self) -> bool:
        """Whether a rate was corrected since the partition was loaded."""
        return (
            self._connection.execute(
                "SELECT 1 FROM oco.cloud_costs AS c JOIN oco.exchange_rates AS r "
                "ON r.from_currency = c.billing_currency AND r.to_currency = 'USD' "
                "AND r.month = date_trunc('month', c.date)::date "
                "WHERE c.source = %(source)s AND c.source_partition = %(partition)s "
                "AND c.valid_to IS NULL AND c.billing_currency <> 'USD' "
                "AND c.usd_rate <> r.rate LIMIT 1",
                self._names,
            ).fetchone()
            is not None
        )

    def _record(self, content_hash: str, run_id: str | None, status: Status) -> None:
        data = self._data
        first, last = data.window or (None, None)
        self._connection.execute(
            "INSERT INTO oco.ingestion_batches (id, source, source_partition, content_hash, "
            "status, rows_source, rows_accepted, rows_rejected, totals_source, totals_accepted, "
            "totals_rejected, first_date, last_date, run_id, started_at) VALUES (%(id)s, "
            "%(source)s, %(partition)s, %(hash)s, %(status)s, %(rows)s, %(accepted)s, "
            "%(rejected)s, %(totals_source)s, %(totals_accepted)s, %(totals_rejected)s, %(first)s, "
            "%(last)s, %(run_id)s, clock_timestamp())",
            {
                **self._names,
                "id": self._batch,
                "hash": content_hash,
                "status": status,
                "rows": data.rows,
                "accepted": data.accepted.height,
                "rejected": len(data.rejected),
                "totals_source": Jsonb(totals_json(data.totals_source)),
                "totals_accepted": Jsonb(totals_json(data.totals_accepted)),
                "totals_rejected": Jsonb(totals_json(data.totals_rejected)),
                "first": first,
                "last": last,
                "run_id": run_id,
            },
        )

    def _stage(self) -> None:
        self._connection.execute(
            "CREATE TEMP TABLE incoming (LIKE oco.cloud_costs INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        rates = self._usd_rates()
        columns = [*warehouse_columns(), *_DERIVED, *_LINEAGE]
        copy_rows(self._connection, "incoming", columns, self._rows(rates))
        self._connection.execute("CREATE INDEX ON incoming (row_hash)")
        self._connection.execute("ANALYZE incoming")

    def _rows(self, rates: dict[tuple[str, date], Decimal]) -> Iterator[list[object]]:
        amounts = {column.column for column in COLUMNS.values() if column.kind == "amount"}
        names = [*warehouse_columns(), *_DERIVED]
        lineage = [self._names["source"], self._names["partition"], self._batch]
        for row in self._data.accepted.select(names).iter_rows(named=True):
            rate = rates[row["billing_currency"], row["date"].replace(day=1)]
            billed = Decimal(row["billed_cost"])
            values = [
                Decimal(row[name]) if name in amounts and row[name] is not None else row[name]
                for name in names
            ]
            cost_usd = exact_product(billed, rate)
            yield [*values, rate, cost_usd, *lineage]

    def _usd_rates(self) -> dict[tuple[str, date], Decimal]:
        """Monthly rate to USD of every (currency, month) that occurs; a missing one is an error."""
        wanted = {
            (currency, day.replace(day=1))
            for currency, day in self._data.accepted.select("billing_currency", "date")
            .unique()
            .iter_rows()
        }
        rates = {key: Decimal(1) for key in wanted if key[0] == "USD"}
        for row in self._connection.execute(
            "SELECT from_currency, month, rate FROM oco.exchange_rates WHERE to_currency = 'USD'"
        ):
            rates.setdefault((row["from_currency"], row["month"]), row["rate"])
        missing = sorted(
            f"{currency} in {month:%Y-%m}" for currency, month in wanted - rates.keys()
        )
        if missing:
            raise InvalidInputError(
                f"{self._names['partition']}: no exchange rate to USD for "
                f"{', '.join(missing)}: add it to oco.exchange_rates"
            )
        return rates

    def _close_vanished(self) -> int:
        return self._connection.execute(
            "UPDATE oco.cloud_costs AS c SET valid_to = now() "
            "WHERE source = %(source)s AND source_partition = %(partition)s AND valid_to IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM incoming AS i "
            "WHERE (i.row_hash, i.occurrence, i.usd_rate) "
            "= (c.row_hash, c.occurrence, c.usd_rate))",
            self._names,
        ).rowcount

    def _insert_new(self) -> int:
        first, last = self._data.window or (date.max, date.min)
        ensure_partitions(self._connection, "cloud_costs", first, last)
        columns = sql.SQL(", ").join(
            sql.Identifier(name) for name in (*warehouse_columns(), *_DERIVED, *_LINEAGE)
        )
        statement = sql.SQL(
            "INSERT INTO oco.cloud_costs ({columns}) SELECT {columns} FROM incoming AS i "
            "WHERE NOT EXISTS (SELECT 1 FROM oco.cloud_costs AS c WHERE "
            "source = %(source)s AND source_partition = %(partition)s AND valid_to IS NULL "
            "AND (c.row_hash, c.occurrence, c.usd_rate) = (i.row_hash, i.occurrence, i.usd_rate))"
        ).format(columns=columns)
        return self._connection.execute(statement, self._names).rowcount

    def _keep_rejected(self) -> None:
        copy_rows(
            self._connection,
            "oco.rejected_rows",
            ["batch_id", "source", "source_partition", "row_number", "reason", "raw"],
            (
                (self._batch, *self._names.values(), row.row_number, row.reason, Jsonb(row.raw))
                for row in self._data.rejected
            ),
        )

    def _loaded_totals(self) -> Totals:
        rows = self._connection.execute(
            "SELECT billing_currency, sum(billed_cost) AS billed_cost, "
            "sum(effective_cost) AS effective_cost, sum(list_cost) AS list_cost, "
            "coalesce(sum(contracted_cost), 0) AS contracted_cost "
            "FROM oco.cloud_costs WHERE source = %(source)s "
            "AND source_partition = %(partition)s AND valid_to IS NULL GROUP BY 1 ORDER BY 1",
            self._names,
        ).fetchall()
        return {row.pop("billing_currency"): row for row in rows}


def totals_json(totals: Totals) -> dict[str, dict[str, str]]:
    """Totals with amounts as texts, as they are kept in JSON."""
    return {
        currency: {name: f"{amount:f}" for name, amount in sums.items()}
        for currency, sums in totals.items()
    }


def _why_nothing(normalised: Normalised) -> str:
    first = [f"row {row.row_number}: {row.reason}" for row in normalised.rejected[:_SHOWN_REASONS]]
    more = len(normalised.rejected) - len(first)
    rest = f"; and {more} more" if more else ""
    return f"every row was rejected, nothing was loaded: {'; '.join(first)}{rest}"
