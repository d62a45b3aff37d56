"""A month of one account from Azure's Query API into the warehouse: read → normalise → load."""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from oco_pipelines.ingestion.azure_query_client import CostQuery
from oco_pipelines.ingestion.azure_query_month import read_month, to_charges
from oco_pipelines.ingestion.cost_batch import LoadResult, Origin
from oco_pipelines.ingestion.cost_load import load
from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable
from oco_pipelines.ingestion.source_overlap import refuse_other_sources
from oco_pipelines.ingestion.table_reader import BATCH_ROWS
from oco_warehouse.cloud_accounts.azure_scope import Scope
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError

SOURCE: Final = "azure_query"
PROVIDER: Final = "azure"
# Azure closes a month some days after its end; until then it may still say something else.
CLOSED_AFTER: Final = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Partition:
    """One account's month: what is replaced whole."""

    account: str
    month: date

    @property
    def key(self) -> str:
        """As in `production|2026-10`."""
        return f"{self.account}|{self.month:%Y-%m}"

    @property
    def last(self) -> date:
        """Its last day."""
        return next_month(self.month) - timedelta(days=1)


def next_month(day: date) -> date:
    """The first day of the month after that of `day`."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def read_partition(key: str) -> Partition:
    """The partition of that key.

    Raises:
        InvalidInputError: when it is none.
    """
    account, _, month = key.rpartition("|")
    try:
        return Partition(account, date.fromisoformat(f"{month}-01"))
    except ValueError:
        raise InvalidInputError(
            f"{key!r} is no partition: write ACCOUNT|YYYY-MM, as in production|2026-10"
        ) from None


def months(since: date, today: date) -> list[date]:
    """First days of the months from that of `since` to the open one."""
    found, month = [], since.replace(day=1)
    while month <= today:
        found.append(month)
        month = next_month(month)
    return found


def restated(today: date) -> list[date]:
    """First days of the months that Azure still changes: the previous and the open one."""
    return months(today.replace(day=1) - timedelta(days=1), today)


def is_estimated(last: date, today: date) -> bool:
    """Whether Azure may still restate a period with that last day."""
    return today <= last + CLOSED_AFTER


def load_month(
    warehouse: Warehouse,
    partition: Partition,
    query: CostQuery,
    scope: Scope,
    *,
    today: date,
    run_id: str | None = None,
) -> LoadResult | None:
    """Make the warehouse believe what Azure says of that month; None when there is nothing yet.

    Nothing is written before all of it is read, so that a reading that breaks off leaves what was
    loaded before.

    Raises:
        InvalidInputError: for a month to come; and when Azure says nothing of a month of which
            charges are loaded: who may not see charges gets an empty answer, so that it is no
            evidence.
        ConflictError: when costs of the scope are believed from another source.
        OpenCloudOpsError: as `read_month` and `cost_load.load` raise.
    """
    if partition.month > today:
        raise InvalidInputError(f"{partition.key}: lies in the future")
    refuse_other_sources(
        warehouse,
        partition.key,
        SOURCE,
        PROVIDER,
        [scope.subscription or scope.billing_account],
        partition.month,
        next_month(partition.month),
    )
    last = min(partition.last, today)
    charges = to_charges(read_month(query, partition.month, last), scope)
    if charges.is_empty():
        refuse_empty(warehouse, SOURCE, partition.key)
        return None
    # In an order of its own: the same money is the same content however it was delivered.
    charges = charges.sort(charges.columns, nulls_last=True)
    rows = charges.with_row_index(ROW_NUMBER, offset=1)
    parts = (normalise(SourceTable(part, ())) for part in rows.iter_slices(BATCH_ROWS))
    estimated = is_estimated(partition.last, today)
    origin = Origin(SOURCE, partition.key, _digest(charges), run_id, estimated)
    return load(warehouse, parts, origin)


def _digest(charges: pl.DataFrame) -> str:
    return hashlib.sha256(charges.write_csv(null_value="\0").encode()).hexdigest()


def refuse_empty(warehouse: Warehouse, source: str, key: str) -> None:
    """Refuse that a partition of which charges are loaded has none at all.

    Raises:
        InvalidInputError: because Azure says nothing to who may not see it.
    """
    rows = warehouse.query(
        "SELECT count(*) AS charges FROM oco.cloud_costs "
        "WHERE source = %s AND source_partition = %s AND valid_to IS NULL",
        [source, key],
    )
    if rows[0]["charges"]:
        raise InvalidInputError(
            f"{key}: Azure answers no costs at all, but {rows[0]['charges']} charges are "
            "loaded; nothing was changed: see whether the identity may still view charges"
        )
