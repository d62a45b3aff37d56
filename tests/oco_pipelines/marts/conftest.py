"""A warehouse whose charges a test states one by one, and dbt over it."""

import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from oco_warehouse.database import Warehouse
from tests.dbt_in_process import dbt
from tests.oco_pipelines.raw_charges import told

Build = Callable[..., subprocess.CompletedProcess[str]]
Charge = Callable[..., None]
Load = Callable[..., datetime]


@pytest.fixture
def dbt_build(warehouse: Warehouse, dbt_target: Path) -> Build:
    """Runs `dbt build` with arguments."""

    def build(*arguments: str) -> subprocess.CompletedProcess[str]:
        return dbt(warehouse.url, dbt_target, "build", *arguments)

    return build


@pytest.fixture
def charge(warehouse: Warehouse) -> Charge:
    """Writes a believed charge of 1 USD; keywords are columns of `oco.cloud_costs` that differ.

    `effective_cost` is the billed cost where it is not said.
    """
    numbers = count()
    (batch,) = warehouse.query(
        "INSERT INTO oco.ingestion_batches (source, source_partition, status, started_at) "
        "VALUES ('focus_files', 'a.csv', 'loaded', '2026-10-01Z') RETURNING id"
    )

    def write(billed: str = "1", **columns: Any) -> None:
        day: date = columns.pop("date", date(2026, 10, 5))
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        month = start.replace(day=1)
        amount, rate = Decimal(billed), Decimal(columns.pop("usd_rate", 1))
        row = {
            "provider": "aws",
            "service": "Amazon EC2",
            "account_id": "111",
            "billing_account_id": "1",
            "billing_currency": "USD",
            "charge_category": "Usage",
            "date": day,
            "charge_period_start": start,
            "charge_period_end": start + timedelta(days=1),
            "billing_period_start": month,
            "billing_period_end": (month + timedelta(days=32)).replace(day=1),
            "billed_cost": amount,
            "effective_cost": amount,
            "list_cost": amount,
            "contracted_cost": amount,
            "usd_rate": rate,
            "cost_usd": amount * rate,
            "source": "focus_files",
            "source_partition": "a.csv",
            "batch_id": batch["id"],
            "row_hash": next(numbers).to_bytes(32),
            "occurrence": 1,
            "valid_from": datetime(2026, 10, 1, tzinfo=UTC),
        } | columns
        row["tags"] = Jsonb(columns.get("tags", {}))
        warehouse.execute(
            sql.SQL("INSERT INTO oco.cloud_costs ({}) VALUES ({})").format(  # type: ignore[arg-type]
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(sql.Placeholder() * len(row)),
            ),
            list(row.values()),
        )
        told(warehouse)

    return write
