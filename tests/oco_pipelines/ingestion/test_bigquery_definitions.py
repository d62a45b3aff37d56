"""Asset, sensor and schedule of an account that reads the billing export in BigQuery."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    SensorResult,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)

from oco_pipelines.ingestion import bigquery_definitions, definitions
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings, load_settings
from tests.oco_pipelines.ingestion.bigquery_accounts import billed, exported
from tests.oco_pipelines.ingestion.bigquery_standin import (
    DATASET,
    DETAILED,
    PROJECT,
    Standin,
    serve,
)
from tests.oco_pipelines.ingestion.gcp_bill import line

TODAY = datetime.now(UTC).date()
DAYS = [TODAY - timedelta(days=number) for number in range(3)]
ASSET = AssetKey(["gcp_bigquery", "gcp_main"])


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    # Not entered here: a schedule's tick enters it, and an instance remembers only its last entry.
    local = DagsterInstance.local_temp(str(tmp_path / "dagster"))
    yield local
    local.dispose()


@pytest.fixture
def standin() -> Iterator[Standin]:
    with serve() as running:
        for number, day in enumerate(DAYS, start=1):
            running.table().deliver(day, exported(day, [line(cost=Decimal(number))]))
        yield running


@pytest.fixture
def settings(tmp_path: Path, standin: Standin) -> Settings:
    account = {
        "name": "gcp-main",
        "provider": "gcp",
        "kind": "bigquery",
        "options": {
            "project": PROJECT,
            "dataset": DATASET,
            "table": DETAILED,
            "api_endpoint": standin.url,
        },
        "credentials": {"from": "environment"},
    }
    path = tmp_path / "sources.yaml"
    path.write_text(json.dumps({"accounts": [account]}))
    return load_settings({"OCO_HOME": str(tmp_path), "OCO_SOURCES": str(path)})


def composed(settings: Settings, url: str) -> Definitions:
    shared = Definitions(resources={"warehouse": WarehouseResource(database_url=url)})
    return Definitions.merge(definitions.build(settings), shared)


def tick(
    settings: Settings, url: str, instance: DagsterInstance, cursor: str | None = None
) -> SensorResult | SkipReason:
    built = composed(settings, url)
    watch = built.resolve_sensor_def("gcp_bigquery_gcp_main_sensor")
    warehouse = WarehouseResource(database_url=url)
    context = build_sensor_context(
        instance=instance, cursor=cursor, resources={"warehouse": warehouse}
    )
    result = watch(context)
    assert isinstance(result, SensorResult | SkipReason)
    return result


def asked(result: SensorResult | SkipReason) -> list[str | None]:
    assert isinstance(result, SensorResult), result
    return [request.partition_key for request in result.run_requests or []]


def again(settings: Settings, url: str, instance: DagsterInstance) -> list[str | None]:
    built = composed(settings, url)
    result = built.resolve_schedule_def("gcp_bigquery_gcp_main").evaluate_tick(
        build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 1, 6, tzinfo=UTC),
            repository_def=built.get_repository_def(),
            resources={"warehouse": WarehouseResource(database_url=url)},
        )
    )
    return [request.partition_key for request in result.run_requests or []]


def load(
    settings: Settings, url: str, instance: DagsterInstance, day: date
) -> ExecuteInProcessResult:
    instance.add_dynamic_partitions("account_gcp_main", [key(day)])
    return (
        composed(settings, url)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            asset_selection=[ASSET],
            partition_key=key(day),
            instance=instance,
            raise_on_error=False,
        )
    )


def key(day: date) -> str:
    return f"gcp-main|{day.isoformat()}"


def test_a_day_becomes_a_partition_that_says_what_was_read(
    settings: Settings, warehouse: Warehouse, instance: DagsterInstance, standin: Standin
) -> None:
    run = load(settings, warehouse.url, instance, DAYS[0])
    assert run.success
    (event,) = run.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert metadata["rows"] == 1
    assert metadata["total"]["USD"]["billed_cost"] == "1"
    assert metadata["window"] == "2026-09-01 to 2026-09-01"
    assert metadata["bytes_billed"] == 2 * 10 * 1024**2
    assert metadata["requests"] == len(standin.requests)
    assert billed(warehouse) == {("202609", "USD"): Decimal(1)}


def test_each_account_has_a_pool_of_its_own_and_costs_wait_for_it(settings: Settings) -> None:
    built = composed(settings, "postgresql://nobody@127.0.0.1:1/none")
    graph = built.resolve_asset_graph()
    assert ASSET in graph.get(AssetKey("cloud_costs")).parent_keys
    assert built.resolve_assets_def(ASSET).op.pool == "account_gcp_main"


def test_the_sensor_asks_for_changed_days_once_and_looks_for_free(
    settings: Settings, warehouse: Warehouse, instance: DagsterInstance, standin: Standin
) -> None:
    first = tick(settings, warehouse.url, instance)
    assert asked(first) == [key(day) for day in DAYS]
    assert isinstance(first, SensorResult)
    queries = len(standin.queries)
    second = tick(settings, warehouse.url, instance, first.cursor)
    assert isinstance(second, SkipReason)
    assert len(standin.queries) == queries
    for day in DAYS:
        assert load(settings, warehouse.url, instance, day).success
    late = exported(DAYS[1], [line(cost=Decimal(9))], hour=20)
    standin.table().deliver(DAYS[1], [*standin.table().days[DAYS[1]], *late])
    third = tick(settings, warehouse.url, instance, first.cursor)
    assert asked(third) == [key(DAYS[1])]


def test_a_tick_asks_for_some_days_and_the_next_goes_on(
    settings: Settings,
    warehouse: Warehouse,
    instance: DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bigquery_definitions, "MAX_DAYS", 2)
    first = tick(settings, warehouse.url, instance)
    assert asked(first) == [key(DAYS[0]), key(DAYS[1])]
    assert isinstance(first, SensorResult)
    second = tick(settings, warehouse.url, instance, first.cursor)
    assert asked(second) == [key(DAYS[2])]
    assert isinstance(second, SensorResult)
    assert isinstance(tick(settings, warehouse.url, instance, second.cursor), SkipReason)


def test_a_day_that_comes_back_to_what_it_was_is_asked_for_under_another_run_key(
    settings: Settings, warehouse: Warehouse, instance: DagsterInstance, standin: Standin
) -> None:
    for day in DAYS:
        assert load(settings, warehouse.url, instance, day).success
    was = standin.table().days[DAYS[0]]
    keys = []
    cursor = None
    for lines in ([], was, []):
        standin.table().deliver(DAYS[0], lines)
        result = tick(settings, warehouse.url, instance, cursor)
        assert asked(result) == [key(DAYS[0])]
        assert isinstance(result, SensorResult)
        keys += [request.run_key for request in result.run_requests or []]
        cursor = result.cursor
        assert load(settings, warehouse.url, instance, DAYS[0]).success
    assert len(set(keys)) == 3
    assert billed(warehouse) == {("202609", "USD"): Decimal(5)}


def test_the_schedule_asks_again_for_what_failed_and_for_nothing_else(
    settings: Settings, warehouse: Warehouse, instance: DagsterInstance, standin: Standin
) -> None:
    for day in DAYS[:2]:
        assert load(settings, warehouse.url, instance, day).success
    standin.denied = {"next page", "get results"}
    assert not load(settings, warehouse.url, instance, DAYS[2]).success
    standin.denied = set()
    assert again(settings, warehouse.url, instance) == [key(DAYS[2])]
    assert instance.has_dynamic_partition("account_gcp_main", key(DAYS[2]))
    assert load(settings, warehouse.url, instance, DAYS[2]).success
    assert again(settings, warehouse.url, instance) == []


def test_what_cannot_be_read_is_a_reason_to_wait(
    settings: Settings, warehouse: Warehouse, instance: DagsterInstance, standin: Standin
) -> None:
    standin.denied = {"get table"}
    result = tick(settings, warehouse.url, instance)
    assert isinstance(result, SkipReason)
    assert "access denied" in str(result.skip_message)
    assert again(settings, warehouse.url, instance) == []


def test_a_failure_that_a_person_must_mend_is_one_line_and_not_tried_again(
    settings: Settings, warehouse: Warehouse, instance: DagsterInstance, standin: Standin
) -> None:
    standin.tables.clear()
    run = load(settings, warehouse.url, instance, DAYS[0])
    assert not run.success
    (failure,) = run.filter_events(lambda event: event.is_step_failure)
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert "not found" in str(told.description)
    assert "\n" not in str(told.description)


def test_definitions_of_an_account_load_without_a_server_and_without_google(
    settings: Settings, standin: Standin
) -> None:
    code = (
        "import sys; from oco_pipelines.ingestion.definitions import build;"
        "from oco_warehouse.settings import load_settings;"
        "assert build(load_settings()).sensors;"
        "print(sorted({'google.cloud.bigquery', 'google.auth', 'polars', 'psycopg'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "OCO_SOURCES": str(settings.sources_file),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'google.cloud.bigquery'" not in done.stdout
    assert "'polars'" not in done.stdout
    assert standin.requests == []
