"""Cloud charges as days of cost, and the marts over them, on a real warehouse."""

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest

from oco_warehouse.database import Warehouse
from tests.databases import Databases
from tests.dbt_in_process import dbt
from tests.oco_pipelines.raw_charges import told

_CHARGE = """
    INSERT INTO oco.cloud_costs (
        provider, service, resource_id, sku_id, cost_usd, usd_rate, region, account_id, tags, date,
        billed_cost, effective_cost, list_cost, contracted_cost, billing_currency, charge_category,
        charge_frequency, charge_period_start, charge_period_end, billing_period_start,
        billing_period_end, billing_account_id, source, source_partition, batch_id, row_hash,
        occurrence
    )
    VALUES (
        %(provider)s, %(service)s, %(resource)s, 'sku-1', %(billed)s, 1, %(region)s, %(account)s,
        %(tags)s::jsonb, %(day)s, %(billed)s, %(usd)s, 0, 0, 'USD', %(category)s, NULL,
        %(day)s, %(day)s::date + 1, date_trunc('month', %(day)s::date),
        date_trunc('month', %(day)s::date) + interval '1 month', '1', 'focus_files', 'a.csv',
        gen_random_uuid(), sha256(random()::text::bytea), 1
    )
"""


class Charge(NamedTuple):
    """One charge of one day, in USD."""

    day: date
    usd: Decimal
    provider: str = "aws"
    service: str = "EC2"
    account: str = "111"
    region: str | None = "eu-west-1"
    resource: str | None = "i-1"
    tags: str = '{"team": "search"}'
    category: str = "Usage"
    billed: Decimal | None = None


@pytest.fixture
def charge(warehouse: Warehouse) -> Callable[[Iterable[Charge]], None]:
    """Writes charges to the raw table."""

    def write(charges: Iterable[Charge]) -> None:
        with warehouse.transaction() as connection, connection.cursor() as cursor:
            for one in charges:
                values = one._asdict()
                values["billed"] = one.usd if one.billed is None else one.billed
                cursor.execute(_CHARGE, values)
            told(connection)

    return write


@pytest.fixture(scope="session")
def empty_marts(servers: Any, template_database: str, dbt_target: Path) -> Iterator[str]:
    """Marts built once, and live: a dbt run takes longer than all of these tests."""
    name = f"oco_marts_{os.getpid()}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")  # type: ignore[arg-type]
    done = dbt(database(servers.database_url, name), dbt_target, "run")
    assert done.returncode == 0, done.stdout
    keep_live(database(servers.database_url, name), dbt_target)
    yield name
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def keep_live(url: str, target: Path) -> None:
    """Put views of the same SQL in the place of what is kept from build to build."""
    compiled = target / "compiled" / "open_cloud_ops" / "models" / "intermediate"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE intermediate.int_cloud_cost_kept CASCADE")
        for view in ("int_cloud_cost_kept", "int_cloud_cost_cells"):
            query = (compiled / f"{view}.sql").read_text()
            connection.execute(f"CREATE VIEW intermediate.{view} AS {query}")  # type: ignore[arg-type]


@pytest.fixture
def warehouse_url(databases: Databases, empty_marts: str) -> Iterator[str]:
    """Address of a fresh warehouse with empty marts."""
    with databases.fresh("trends", empty_marts) as url:
        yield url


@pytest.fixture
def dbt_build(warehouse: Warehouse, dbt_target: Path) -> Callable[..., None]:
    """Builds models with their unit tests and data tests."""

    def build(*select: str) -> None:
        done = dbt(warehouse.url, dbt_target, "build", "--select", *select)
        assert done.returncode == 0, done.stdout

    return build


def database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def every_day(first: date, days: int, usd: str, **changes: str) -> list[Charge]:
    """Equal charges on days in a row; `changes` are fields of `Charge`."""
    return [
        Charge(first + timedelta(days=number), Decimal(usd), **changes)  # type: ignore[arg-type]
        for number in range(days)
    ]
