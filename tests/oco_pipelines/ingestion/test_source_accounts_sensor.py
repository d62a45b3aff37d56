"""What the pipelines make of accounts that were added through the API."""

from pathlib import Path

import pytest
from dagster import SkipReason, build_sensor_context
from psycopg.types.json import Jsonb

from oco_pipelines.ingestion.accounts import load_accounts
from oco_pipelines.ingestion.definitions import source_accounts_sensor
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path, warehouse_url: str) -> Settings:
    return load_settings({"OCO_HOME": str(tmp_path), "DATABASE_URL": warehouse_url})


def add(warehouse: Warehouse, name: str, account_id: str = "123456789012") -> None:
    options = {"account_id": account_id, "bucket": "billing", "export": "cur2"}
    warehouse.execute(
        "INSERT INTO oco.source_accounts (name, provider, kind, options, credentials) "
        "VALUES (%s, 'aws', 'data_export', %s, %s)",
        [name, Jsonb(options), Jsonb({"from": "instance_role"})],
    )


def tick(settings: Settings, warehouse: Warehouse) -> str:
    """What the sensor of a code location says that starts now."""
    sensor = source_accounts_sensor(settings)
    context = build_sensor_context(
        resources={"warehouse": WarehouseResource(database_url=warehouse.url)}
    )
    result = sensor(context)
    assert isinstance(result, SkipReason)
    assert result.skip_message is not None
    return result.skip_message


def test_an_account_is_kept_for_the_code_server_which_reads_it(
    settings: Settings, warehouse: Warehouse
) -> None:
    add(warehouse, "main")
    assert load_accounts(settings) == ()
    assert (
        tick(settings, warehouse)
        == "accounts of the API changed: the definitions are to be loaded again"
    )
    assert [account.name for account in load_accounts(settings)] == ["main"]
    assert tick(settings, warehouse) == "the accounts of the API are as they were loaded"


def test_an_account_that_clashes_is_told_where_people_look_and_not_read(
    settings: Settings, warehouse: Warehouse
) -> None:
    add(warehouse, "main")
    add(warehouse, "again")
    said = tick(settings, warehouse)
    assert "again" in said
    rows = warehouse.query("SELECT name, problem FROM oco.source_accounts")
    assert {row["name"]: row["problem"] for row in rows} == {"main": None, "again": said}
    assert [account.name for account in load_accounts(settings)] == ["main"]
