"""Which days of an export have to be read: pure, and what the warehouse knows of them.

A day's partition is known by its figures. They stand, as a hash, with the load that read it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256

from oco_pipelines.ingestion.bigquery_client import Figures
from oco_pipelines.ingestion.cost_batch import Origin
from oco_pipelines.ingestion.focus_normalise import READER_VERSION
from oco_pipelines.ingestion.source_assets import part_of, partition_key, source_name
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.bigquery_address import ExportTable
from oco_warehouse.cloud_accounts.bigquery_options import BigQueryOptions
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Loaded:
    """The newest load of a day.

    Attributes:
        mark: of what it read, as `mark_of` makes it.
        is_current: False when older rules read it, so that it has to be read again.
        rows: how many charges it loaded or rejected.
    """

    mark: str
    is_current: bool
    rows: int


def origin_of(
    account: Account, table: ExportTable, day: date, figures: Figures | None, run_id: str | None
) -> Origin:
    """What is loaded: a day's partition, known by its figures; None is a day without rows."""
    return Origin(
        source_name(account),
        partition_key(account, day.isoformat()),
        mark_of(table, day, figures),
        run_id,
        siblings=partition_key(account, ""),
    )


def day_of(partition: str) -> date:
    """The day in a partition's name.

    Raises:
        InvalidInputError: when there is none.
    """
    try:
        return date.fromisoformat(part_of(partition))
    except ValueError:
        raise InvalidInputError(f"partition {partition!r} is not ACCOUNT|YYYY-MM-DD") from None


def mark_of(table: ExportTable, day: date, figures: Figures | None) -> str:
    """SHA-256 in hex of which state of a day it is; None is a day without rows."""
    state = "gone" if figures is None else f"{figures.newest}|{figures.rows}"
    return sha256(f"{table}|{day.isoformat()}|{state}".encode()).hexdigest()


def window_of(
    today: date, options: BigQueryOptions, expires_after: int | None
) -> tuple[date, date]:
    """First day that is looked at, and the day after the last one.

    Of days that BigQuery drops by itself, because the table says so, nothing follows: what was
    loaded of them stays. One day more is left alone, for the hours of the drop are not told.

    Args:
        today: the last day, UTC.
        options: how far back changes are looked for.
        expires_after: days after which BigQuery drops a partition, or None.
    """
    days = options.lookback_days
    if expires_after is not None:
        days = min(days, expires_after - 1)
    first = today - timedelta(days=max(days, 1) - 1)
    return max(first, options.since or first), today + timedelta(days=1)


def changed_days(
    table: ExportTable,
    there: Collection[Figures],
    loaded: Mapping[date, Loaded],
    first: date,
    again: Collection[date] = (),
) -> dict[date, str]:
    """{day: its mark now} of each day whose rows are not those that are loaded; newest first.

    Args:
        table: the export.
        there: what it has from `first` on.
        loaded: what the warehouse has, of whatever days.
        first: first day that was looked at.
        again: days that are to be loaded though they are the same.
    """
    marks = {figures.day: mark_of(table, figures.day, figures) for figures in there}
    for day, load in loaded.items():
        if day >= first and day not in marks and load.rows:
            marks[day] = mark_of(table, day, None)
    return {
        day: marks[day]
        for day in sorted(marks, reverse=True)
        if day not in loaded
        or day in again
        or loaded[day].mark != marks[day]
        or not loaded[day].is_current
    }


def loaded_days(warehouse: Warehouse, account: Account) -> dict[date, Loaded]:
    """The newest load of each day of an account."""
    rows = warehouse.query(
        """
        SELECT DISTINCT ON (source_partition)
               source_partition, content_hash, rows_source, reader_version = %(version)s AS current
        FROM oco.ingestion_batches
        WHERE source = %(source)s AND starts_with(source_partition, %(prefix)s)
          AND status = 'loaded'
        ORDER BY source_partition, finished_at DESC
        """,
        {
            "version": READER_VERSION,
            "source": source_name(account),
            "prefix": partition_key(account, ""),
        },
    )
    return {
        day_of(row["source_partition"]): Loaded(
            row["content_hash"], row["current"], row["rows_source"]
        )
        for row in rows
    }


def days_at_old_rates(warehouse: Warehouse, account: Account) -> set[date]:
    """Days of which an exchange rate was corrected since they were loaded."""
    rows = warehouse.query(
        """
        SELECT DISTINCT c.source_partition
        FROM oco.cloud_costs AS c
        JOIN oco.exchange_rates AS r
          ON r.from_currency = c.billing_currency AND r.to_currency = 'USD'
         AND r.month = date_trunc('month', c.date)::date
        WHERE c.source = %(source)s AND starts_with(c.source_partition, %(prefix)s)
          AND c.valid_to IS NULL AND c.billing_currency <> 'USD' AND c.usd_rate <> r.rate
        """,
        {"source": source_name(account), "prefix": partition_key(account, "")},
    )
    return {day_of(row["source_partition"]) for row in rows}
