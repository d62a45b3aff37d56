"""Accounts, clients and sums that tests of the billing export in BigQuery share."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from oco_pipelines.ingestion.bigquery_client import ExportClient
from oco_pipelines.ingestion.bigquery_credentials import connect
from oco_pipelines.ingestion.bigquery_load import find_changes, load_day
from oco_pipelines.ingestion.bigquery_retry import Patience
from oco_warehouse.cloud_accounts.account import Account, Credentials
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion.bigquery_standin import DATASET, DETAILED, PROJECT, Standin
from tests.oco_pipelines.ingestion.gcp_bill import Line

# Soon, so that a test of what is tried again does not wait.
QUICK: Final = Patience(first=0.001, longest=0.005, deadline=2.0)
TODAY: Final = date(2026, 10, 5)
ENVIRONMENT: Final = Credentials("environment", MappingProxyType({}))


def account(standin: Standin, table: str = DETAILED, **options: Any) -> Account:
    """An account that reads a table of the stand-in."""
    where = {"project": PROJECT, "dataset": DATASET, "table": table, "api_endpoint": standin.url}
    return Account("gcp-main", "gcp", "bigquery", MappingProxyType(where | options), ENVIRONMENT)


def client_of(account: Account) -> ExportClient:
    """Its client, which does not try for long."""
    return connect(account, {}, QUICK)


def sync(warehouse: Warehouse, account: Account, *, and_rates: bool = False) -> list[date]:
    """Load every day that has changed, and answer which."""
    client = client_of(account)
    changes = find_changes(warehouse, client, account, TODAY, and_rates=and_rates)
    for day in changes:
        load_day(warehouse, client, account, day)
    return list(changes)


def believed(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Every charge that is believed now, whatever load it came with."""
    rows = warehouse.query(
        "SELECT source, source_partition, encode(row_hash, 'hex') AS hash, occurrence, date, "
        "billed_cost, effective_cost, list_cost, billing_currency, cost_usd, account_id, "
        "tags::text "
        "FROM oco.cloud_costs WHERE valid_to IS NULL ORDER BY 1, 2, 3, 4"
    )
    return [tuple(row.values()) for row in rows]


def billed(warehouse: Warehouse) -> dict[tuple[str, str], Decimal]:
    """{(invoice month, currency): billed cost}; the effective cost is the same."""
    rows = warehouse.query(
        "SELECT to_char(billing_period_start AT TIME ZONE 'UTC', 'YYYYMM') AS month, "
        "billing_currency, sum(billed_cost) AS billed, sum(effective_cost) AS effective "
        "FROM oco.cloud_costs WHERE valid_to IS NULL GROUP BY 1, 2"
    )
    assert all(row["billed"] == row["effective"] for row in rows)
    return {(row["month"], row["billing_currency"]): row["billed"] for row in rows}


def exported(day: date, lines: Iterable[Line], hour: int = 9) -> list[Line]:
    """The lines as Google exported them at an hour of the day."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)
    return [{**line, "export_time": moment} for line in lines]


def with_rates(warehouse: Warehouse) -> None:
    """Rates of every currency that test bills have."""
    warehouse.execute(
        "INSERT INTO oco.exchange_rates (month, from_currency, rate, source) "
        "SELECT month, 'EUR', 1.1, 'test' "
        "FROM generate_series('2026-06-01'::date, '2026-12-01', '1 month') AS month"
    )
