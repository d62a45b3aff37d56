"""A warehouse whose staging views are built: once for all tests here, emptied before each."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import psycopg
import pytest
from psycopg import sql

from oco_warehouse.database import Warehouse
from tests.dbt_in_process import dbt

Charge = dict[str, str | None]
CHARGE: Charge = {
    "BilledCost": "1.5",
    "EffectiveCost": "1.25",
    "ListCost": "2",
    "ContractedCost": "1.5",
    "BillingAccountId": "123456789012",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-09-01T00:00:00Z",
    "BillingPeriodEnd": "2026-10-01T00:00:00Z",
    "ChargePeriodStart": "2026-09-10T00:00:00Z",
    "ChargePeriodEnd": "2026-09-11T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeDescription": "A machine",
    "ChargeFrequency": "Usage-Based",
    "ServiceCategory": "Compute",
    "ServiceName": "Amazon Elastic Compute Cloud",
    "InvoiceIssuerName": "AWS",
    "ProviderName": "AWS",
    "PublisherName": "AWS",
    "PricingQuantity": "24",
    "PricingUnit": "Hours",
    "Tags": '{"team": "search"}',
}


@pytest.fixture(scope="module")
def built_url(servers: object, template_database: str, dbt_target: Path) -> Iterator[str]:
    """Address of a migrated warehouse with the views that dbt makes."""
    url: str = servers.database_url  # type: ignore[attr-defined]
    name = f"oco_export_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template_database)
            )
        )
    built = urlsplit(url)._replace(path=f"/{name}").geturl()
    done = dbt(built, dbt_target, "run", "--select", "+focus_cost_and_usage")
    assert done.returncode == 0, done.stdout
    yield built
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def built(built_url: str) -> Warehouse:
    """The same, with nothing loaded."""
    warehouse = Warehouse(built_url)
    warehouse.execute(
        "TRUNCATE oco.cloud_costs, oco.ingestion_batches, oco.rejected_rows, oco.api_requests, "
        "oco.exchange_rates"
    )
    return warehouse


_numbers = itertools.count()


@pytest.fixture
def bill(tmp_path: Path) -> Callable[..., Path]:
    """Writes charges, each given by what differs from CHARGE, into a new CSV file."""

    def write(*changes: Charge) -> Path:
        rows = [{**CHARGE, **change} for change in changes]
        names = list(dict.fromkeys(name for row in rows for name in row))
        data = {name: [row.get(name) for row in rows] for name in names}
        path = tmp_path / f"bill-{next(_numbers)}.csv"
        pl.DataFrame(data, schema=dict.fromkeys(names, pl.String)).write_csv(path)
        return path

    return write
