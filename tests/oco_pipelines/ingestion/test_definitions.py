"""The domain's assets, sensor and schedule on real servers and a folder of files."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    SensorResult,
    build_schedule_context,
    build_sensor_context,
)

from oco_pipelines.ingestion import definitions, sample
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings, load_settings


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as local:
        yield local


@pytest.fixture
def source(tmp_path: Path) -> Settings:
    """A folder with the two Azure files of the sample."""
    sample.install(tmp_path / "all", 1)
    return load_settings(
        {"OCO_HOME": str(tmp_path), "OCO_FOCUS_PATH": str(tmp_path / "all" / "azure")}
    )


def composed(settings: Settings, url: str) -> Definitions:
    shared = Definitions(resources={"warehouse": WarehouseResource(database_url=url)})
    return Definitions.merge(definitions.build(settings), shared)


def materialise(
    settings: Settings, url: str, instance: DagsterInstance, asset: str, key: str | None = None
) -> ExecuteInProcessResult:
    return (
        composed(settings, url)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            asset_selection=[AssetKey(asset)],
            partition_key=key,
            instance=instance,
            raise_on_error=False,
        )
    )


def tick(settings: Settings, instance: DagsterInstance, cursor: str | None = None) -> SensorResult:
    context = build_sensor_context(instance=instance, cursor=cursor)
    result = definitions.focus_files_sensor(settings)(context)
    assert isinstance(result, SensorResult)
    return result


def test_a_file_becomes_a_partition_and_its_totals_hold(
    source: Settings, warehouse_url: str, instance: DagsterInstance
) -> None:
    first = tick(source, instance)
    keys = [request.partition_key for request in first.run_requests or []]
    assert keys == ["focus-2026-09.csv.gz", "focus-2026-10.csv.gz"]
    instance.add_dynamic_partitions("focus_files", ["focus-2026-09.csv.gz"])
    run = materialise(source, warehouse_url, instance, "focus_files", "focus-2026-09.csv.gz")
    assert run.success
    costs = materialise(source, warehouse_url, instance, "cloud_costs")
    checks = {check.check_name: check.passed for check in costs.get_asset_check_evaluations()}
    assert checks == dict.fromkeys(
        ["control_totals", "one_rate_a_month", "schema", "freshness", "no_gap_in_days"], True
    )


def test_the_sensor_asks_for_each_version_of_a_file_once(
    source: Settings, warehouse_url: str, instance: DagsterInstance
) -> None:
    # What another run has loaded is not asked for again.
    instance.add_dynamic_partitions("focus_files", ["focus-2026-09.csv.gz"])
    materialise(source, warehouse_url, instance, "focus_files", "focus-2026-09.csv.gz")
    first = tick(source, instance)
    assert [r.partition_key for r in first.run_requests or []] == ["focus-2026-10.csv.gz"]
    assert tick(source, instance, first.cursor).run_requests == []
    changed = Path(str(source.focus_path)) / "focus-2026-09.csv.gz"
    changed.write_bytes(changed.read_bytes() + b"\0")
    again = tick(source, instance, first.cursor)
    assert [r.partition_key for r in again.run_requests or []] == ["focus-2026-09.csv.gz"]


def test_a_file_that_goes_back_to_an_earlier_version_is_asked_for_again(
    source: Settings, instance: DagsterInstance
) -> None:
    file = Path(str(source.focus_path)) / "focus-2026-09.csv.gz"
    first, cursor, keys = file.read_bytes(), None, []
    for content in (first, first + b"\0", first, first + b"\0"):
        file.write_bytes(content)
        os.utime(file, (len(content), len(content)))  # the version is known by its time
        result = tick(source, instance, cursor)
        cursor = result.cursor
        keys += [r.run_key for r in result.run_requests or [] if r.partition_key == file.name]
    assert len(set(keys)) == 4


def test_a_tick_that_is_repeated_asks_for_the_same_runs(
    source: Settings, instance: DagsterInstance
) -> None:
    asked = [[r.run_key for r in tick(source, instance).run_requests or []] for _ in range(2)]
    assert asked[0] == asked[1]


def test_a_damaged_file_fails_its_run_and_writes_no_cost(
    source: Settings, warehouse: Warehouse, instance: DagsterInstance
) -> None:
    (Path(str(source.focus_path)) / "bad.csv").write_text("nothing,of,focus\n1,2,3\n")
    instance.add_dynamic_partitions("focus_files", ["bad.csv"])
    assert not materialise(source, warehouse.url, instance, "focus_files", "bad.csv").success
    assert warehouse.query("SELECT 1 FROM oco.cloud_costs") == []


def test_the_schedule_reads_known_files_again(source: Settings, instance: DagsterInstance) -> None:
    instance.add_dynamic_partitions("focus_files", ["focus-2026-09.csv.gz", "gone.csv"])
    result = definitions.ingestion_schedule(source).evaluate_tick(
        build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 1, 6, tzinfo=UTC),
            repository_def=composed(source, "unused").get_repository_def(),
        )
    )
    keys = [request.partition_key for request in result.run_requests or []]
    assert keys == ["focus-2026-09.csv.gz"]
