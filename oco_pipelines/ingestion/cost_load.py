"""Loads normalised charges into `oco.cloud_costs`: one partition of a source, in one transaction.

A load replaces its partition whole by comparing it with what is believed: rows that are unchanged,
their exchange rate included, stay, rows that vanished get `valid_to`, new rows get `valid_from`. So
it can be repeated, in any order, and two loads of one partition wait for each other. Rows come some
at a time, so that a file of any size fits.
"""

import json
from collections.abc import Collection, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date
from itertools import chain
from typing import Final
from uuid import uuid4

import polars as pl
import psycopg

from oco_pipelines.ingestion.cost_batch import (
    LoadResult,
    Origin,
    Read,
    begin_batch,
    finish_batch,
    record_failure,
    same_content,
)
from oco_pipelines.ingestion.cost_copy import Rates, copy_frame
from oco_pipelines.ingestion.cost_days import begin_days, mark_estimated, say_days
from oco_pipelines.ingestion.cost_overlap import (
    close_replaced,
    refuse_doubles,
    refuse_replaced,
    refuse_same_bill,
)
from oco_pipelines.ingestion.cost_partitions import is_converted, sum_partition
from oco_pipelines.ingestion.cost_replace import Replacement
from oco_pipelines.ingestion.cost_totals import Totals, add_totals, totals_from_rows
from oco_pipelines.ingestion.focus_normalise import Normalised, Rejected
from oco_warehouse.database import Connection, Warehouse, ensure_partitions, lock
from oco_warehouse.errors import ConflictError, InvalidInputError, WarehouseError

_SHOWN_REASONS: Final = 3


def load(
    warehouse: Warehouse,
    rows: Iterable[Normalised],
    origin: Origin,
    replaces: Collection[str] = (),
    *,
    may_be_empty: bool = False,
) -> LoadResult:
    """Make the warehouse believe exactly `rows` for the partition of `origin`.

    Args:
        warehouse: the warehouse, migrated.
        rows: what the file holds, in parts and in order; not asked for when the same content is
            loaded already. Its errors fail the load.
        origin: whose partition, and of which content.
        replaces: other partitions of the source that this one takes the place of.
        may_be_empty: whether no rows at all are an answer, as of a day on which nothing was used;
            what was believed is then closed. Of a file they are a mistake.

    Raises:
        InvalidInputError: when no row can be loaded, or an exchange rate is missing.
        ConflictError: when charges are loaded already under other partitions, or contain one.
        WarehouseError: when the totals after the load are not those of the file, or PostgreSQL
            refuses a value of it.
    """
    try:
        with _refusals_named(origin.partition):
            with warehouse.transaction() as connection:
                done = None if replaces else _unchanged(connection, origin)
            return done or _load_changed(warehouse, rows, origin, replaces, may_be_empty)
    except (InvalidInputError, ConflictError, WarehouseError) as error:
        record_failure(warehouse, origin, str(error))
        raise


def _lock_source(connection: Connection, source: str) -> None:
    """One lock for all partitions of a source: the guard against doubles looks at its siblings."""
    lock(connection, f"cloud_costs {source}")


def read_ahead(rows: Iterable[Normalised]) -> Generator[Normalised]:
    """The same parts; while one is being used, the next is made by another thread."""
    parts = iter(rows)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part


def _load_changed(
    warehouse: Warehouse,
    rows: Iterable[Normalised],
    origin: Origin,
    replaces: Collection[str],
    may_be_empty: bool,
) -> LoadResult:
    with closing(read_ahead(rows)) as parts:
        first = next(parts, None)
        if first is None and not may_be_empty:
            raise InvalidInputError(f"{origin.partition}: there are no rows")
        window = first.window if first else None
        # In a transaction of its own, before ours: making a partition shuts everybody out of the
        # table until it is committed. Rows of other months wait in the default partition meanwhile.
        _make_partitions(warehouse, window)
        with warehouse.transaction() as connection:
            done = None if replaces else _unchanged(connection, origin)
            if done:
                return done
            _lock_source(connection, origin.source)
            result = _replace(connection, chain([first] if first else (), parts), origin, replaces)
    if result.window != window:
        _make_partitions(warehouse, result.window)
    return result


def _make_partitions(warehouse: Warehouse, window: tuple[date, date] | None) -> None:
    if window:
        with warehouse.transaction() as connection:
            ensure_partitions(connection, "cloud_costs", *window)


def _unchanged(connection: Connection, origin: Origin) -> LoadResult | None:
    """The answer when the same content is believed already; takes the lock of the source."""
    _lock_source(connection, origin.source)
    read = same_content(connection, origin)
    if read is None or _has_old_rates(connection, origin):
        return None
    loaded = _loaded_totals(connection, origin)
    if loaded != read.totals_accepted:
        return None
    batch = uuid4()
    begin_batch(connection, batch, origin)
    begin_days(connection)
    mark_estimated(connection, origin)
    say_days(connection, batch)
    return finish_batch(
        connection, batch, "unchanged", read, inserted=0, closed=0, totals_loaded=loaded
    )


def _replace(
    connection: Connection,
    parts: Iterable[Normalised],
    origin: Origin,
    replaces: Collection[str],
) -> LoadResult:
    batch, read = uuid4(), Read()
    rates, missing = _rates(connection), set[tuple[str, date]]()
    moment = begin_batch(connection, batch, origin)
    begin_days(connection)
    refuse_replaced(connection, origin.source, origin.partition, replaces)
    new = Replacement(
        connection, origin.source, origin.partition, batch, moment, estimated=origin.estimated
    )
    closed = close_replaced(connection, origin.source, replaces, batch, moment)
    closed += new.begin()
    for part in parts:
        read.add(part)
        _keep_rejected(connection, part.rejected, origin, str(batch))
        missing |= _months(part.accepted) - rates.keys()
        if not missing and part.accepted.height:
            new.add(part.accepted, rates)
    check_whole(read, origin.partition)
    if missing:
        months = ", ".join(sorted(f"{currency} in {month:%Y-%m}" for currency, month in missing))
        raise InvalidInputError(
            f"{origin.partition}: no exchange rate to USD for {months}: "
            "add it with `oco rates import`"
        )
    inserted, vanished = new.settle()
    if new.restates:
        mark_estimated(connection, origin)
    say_days(connection, batch, new.days)
    loaded = sum_partition(connection, origin.source, origin.partition)
    disjoint = (origin.source, origin.siblings) if origin.siblings else None
    refuse_doubles(connection, origin.partition, new.different_charges(), disjoint)
    if not new.restates and not disjoint and read.window:
        refuse_same_bill(connection, origin.source, origin.partition, read.window)
    if loaded != read.totals_accepted:
        raise WarehouseError(
            f"{origin.partition}: loaded totals {loaded} differ from the accepted "
            f"{read.totals_accepted}; nothing was changed"
        )
    return finish_batch(
        connection,
        batch,
        "loaded",
        read,
        inserted=inserted,
        closed=closed + vanished,
        totals_loaded=loaded,
    )


def check_whole(read: Read, partition: str) -> None:
    """Refuse a file that lost money on the way, or of which nothing can be loaded.

    Raises:
        WarehouseError: when accepted + rejected are not the file's totals.
        InvalidInputError: when every row was rejected.
    """
    if add_totals(read.totals_accepted, read.totals_rejected) != read.totals_source:
        raise WarehouseError(f"{partition}: accepted + rejected differs from the file's totals")
    if read.rejected and not read.accepted:
        first = [
            f"row {row.row_number}: {row.reason}" for row in read.first_rejected[:_SHOWN_REASONS]
        ]
        more = read.rejected - len(first)
        rest = f"; and {more} more" if more else ""
        raise InvalidInputError(
            f"{partition}: every row was rejected, nothing was loaded: {'; '.join(first)}{rest}"
        )


@contextmanager
def _refusals_named(partition: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        reason = error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
        raise WarehouseError(f"{partition}: PostgreSQL refused the load: {reason}") from error


def _has_old_rates(connection: Connection, origin: Origin) -> bool:
    """Whether a rate was corrected since the partition was loaded."""
    return is_converted(connection, origin.source, origin.partition) and bool(
        connection.execute(
            "SELECT 1 FROM oco.cloud_costs AS c JOIN oco.exchange_rates AS r "
            "ON r.from_currency = c.billing_currency AND r.to_currency = 'USD' "
            "AND r.month = date_trunc('month', c.date)::date "
            "WHERE c.source = %s AND c.source_partition = %s "
            "AND c.valid_to IS NULL AND c.billing_currency <> 'USD' "
            "AND c.usd_rate <> r.rate LIMIT 1",
            [origin.source, origin.partition],
        ).fetchall()
    )


def _rates(connection: Connection) -> Rates:
    """Rate to USD of every (currency, first day of the month) that has one."""
    rows = connection.execute(
        "SELECT from_currency, month, rate FROM oco.exchange_rates WHERE to_currency = 'USD'"
    ).fetchall()
    return {(row["from_currency"], row["month"]): row["rate"] for row in rows}


def _months(accepted: pl.DataFrame) -> set[tuple[str, date]]:
    """Every (currency, first day of the month) that needs a rate."""
    foreign = accepted.filter(pl.col("billing_currency") != "USD")
    pairs = foreign.select("billing_currency", pl.col("date").dt.month_start()).unique()
    return set(pairs.iter_rows())


def _keep_rejected(
    connection: Connection, rejected: tuple[Rejected, ...], origin: Origin, batch: str
) -> None:
    if not rejected:
        return
    frame = pl.DataFrame(
        {
            "batch_id": batch,
            "source": origin.source,
            "source_partition": origin.partition,
            "row_number": [row.row_number for row in rejected],
            "reason": [row.reason for row in rejected],
            "raw": [json.dumps(row.raw, ensure_ascii=False) for row in rejected],
        }
    )
    copy_frame(connection, "oco.rejected_rows", frame)


def _loaded_totals(connection: Connection, origin: Origin) -> Totals:
    rows = connection.execute(
        "SELECT billing_currency, sum(billed_cost) AS billed_cost, "
        "sum(effective_cost) AS effective_cost, sum(list_cost) AS list_cost, "
        "coalesce(sum(contracted_cost), 0) AS contracted_cost "
        "FROM oco.cloud_costs WHERE source = %s "
        "AND source_partition = %s AND valid_to IS NULL GROUP BY 1 ORDER BY 1",
        [origin.source, origin.partition],
    ).fetchall()
    return totals_from_rows(rows)
