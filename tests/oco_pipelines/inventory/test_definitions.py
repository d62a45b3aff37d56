"""The assets of inventories: what runs, what waits, and what a run says."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    SourceAsset,
)

from oco_pipelines.ingestion import definitions as ingestion
from oco_pipelines.inventory import definitions
from oco_pipelines.inventory.sample_inventory import write_sample
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings, load_settings
from tests.oco_pipelines.inventory.cloudwatch import CloudWatch
from tests.oco_pipelines.inventory.conftest import ACCOUNT_ID, KEYS, REGION

ASSET = AssetKey(["aws_inventory", "main"])


def settings_of(folder: Path, endpoint: str, **options: Any) -> Settings:
    entry = {
        "name": "main", "provider": "aws", "kind": "inventory", "credentials": KEYS,
        "options": {"account_id": ACCOUNT_ID, "region": REGION, "endpoint_url": endpoint,
                    "kinds": ["aws.ec2", "aws.ebs"], **options},
    }  # fmt: skip
    (folder / "sources.yaml").write_text(yaml.safe_dump({"accounts": [entry]}))
    return load_settings({"OCO_HOME": str(folder), "OCO_SOURCES": str(folder / "sources.yaml")})


def built(settings: Settings, warehouse_url: str) -> Definitions:
    shared = Definitions(
        assets=[SourceAsset("cloud_costs")],
        resources={"warehouse": WarehouseResource(database_url=warehouse_url)},
    )
    return Definitions.merge(shared, definitions.build(settings))


def run(definitions_: Definitions, selection: AssetSelection) -> ExecuteInProcessResult:
    with DagsterInstance.ephemeral() as instance:
        return definitions_.get_implicit_global_asset_job_def().execute_in_process(
            asset_selection=list(
                selection.resolve(definitions_.resolve_asset_graph(), allow_missing=True)
            ),
            instance=instance,
            raise_on_error=False,
        )


def test_an_account_is_an_asset_that_resources_wait_for_and_costs_do_not(
    tmp_path: Path, aws_endpoint: str
) -> None:
    settings = settings_of(tmp_path, aws_endpoint)
    made = built(settings, "postgresql://nobody@nowhere/nothing")
    graph = made.resolve_asset_graph()
    assert graph.get(AssetKey("resources")).parent_keys == {ASSET, AssetKey("cloud_costs")}
    shared = Definitions(
        resources={"warehouse": WarehouseResource(database_url="postgresql://x/y")}
    )
    costs = Definitions.merge(shared, ingestion.build(settings)).resolve_asset_graph()
    assert ASSET not in costs.get(AssetKey("cloud_costs")).parent_keys
    assert graph.get(ASSET).pools == {"account_main"}
    assert [one.cron_schedule for one in made.schedules or ()] == [settings.ingestion_cron]


def test_a_run_says_what_it_listed_what_it_asked_and_what_that_cost(
    tmp_path: Path, aws_endpoint: str, warehouse_url: str, client: Callable[..., Any],
    cloudwatch: CloudWatch,
) -> None:  # fmt: skip
    client("ec2").run_instances(ImageId="ami-1", MinCount=3, MaxCount=3, InstanceType="m5.large")
    made = built(settings_of(tmp_path, aws_endpoint), warehouse_url)
    result = run(made, AssetSelection.all())
    assert result.success
    (told,) = result.asset_materializations_for_node("aws_inventory__main")
    assert told.metadata["rows"].value == 6
    assert told.metadata["by_kind"].value == {"aws.ebs": 3, "aws.ec2": 3}
    assert told.metadata["cost_usd"].value == "0.00036"
    assert told.metadata["missing_permissions"].value == {}
    assert all(check.passed for check in result.get_asset_check_evaluations())
    (whole,) = result.asset_materializations_for_node("resources")
    assert whole.metadata["rows"].value == 6


def test_what_cannot_be_listed_fails_a_check_and_not_the_run(
    tmp_path: Path, aws_endpoint: str, warehouse_url: str, warehouse: Warehouse
) -> None:
    for source in ("main", "no-longer-configured"):
        warehouse.execute(
            "INSERT INTO oco.inventory_listings (source, provider, account_id, region, "
            "resource_type, status, permission, problem) VALUES (%s, 'aws', '1', 'eu-west-1', "
            "'aws.ebs', 'denied', 'ec2:DescribeVolumes', 'access is denied')",
            [source],
        )
    settings = settings_of(tmp_path, aws_endpoint)
    result = run(built(settings, warehouse_url), AssetSelection.assets("resources"))
    assert result.success
    failed = [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert [one.check_name for one in failed] == ["no_permission_missing"]
    assert failed[0].description == (
        "account main: ec2:DescribeVolumes is missing for aws.ebs in eu-west-1: "
        "see `oco sources check main`"
    )


def test_credentials_that_are_wrong_fail_the_account_at_once(
    tmp_path: Path, aws_endpoint: str, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, aws_endpoint, account_id="999999999999")
    result = run(built(settings, warehouse_url), AssetSelection.assets(ASSET))
    assert not result.success
    assert os.environ["TEST_KEY"] == "test"


def test_the_sample_feeds_resources_without_accounts(
    tmp_path: Path, warehouse_url: str, warehouse: Warehouse
) -> None:
    settings = load_settings({"OCO_HOME": str(tmp_path)})
    result = run(built(settings, warehouse_url), AssetSelection.all())
    (told,) = result.asset_materializations_for_node("resources")
    assert told.metadata["rows"].value == 8
    rows = warehouse.query("SELECT count(*) AS rows FROM oco.resource_metrics")
    assert rows[0]["rows"] == 480
    write_sample(warehouse)
    assert warehouse.query("SELECT count(*) AS rows FROM oco.resource_metrics") == rows
