"""Data exports of AWS from S3 into the warehouse: real clients, a real server, real SQL."""

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    SensorResult,
    build_schedule_context,
    build_sensor_context,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from oco_pipelines.ingestion import aws_export, cost_checks, definitions
from oco_pipelines.ingestion.accounts import load_accounts
from oco_pipelines.ingestion.aws_export import load_period
from oco_pipelines.ingestion.aws_file import read_aws
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.source_kinds import kind_of
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_export_options import parse_export
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    OpenCloudOpsError,
)
from oco_warehouse.settings import Settings, load_settings
from tests.oco_pipelines.ingestion import aws_month
from tests.oco_pipelines.ingestion.aws_bucket import Bucket
from tests.oco_pipelines.ingestion.aws_forms import FORMS

PERIOD = "2026-09"
ENDINGS = {
    "legacy CSV": "csv",
    "legacy Parquet": "parquet",
    "CUR 2.0 CSV": "csv",
    "CUR 2.0 Parquet": "parquet",
}
KEYS = {"from": "environment", "access_key_id": "TEST_KEY", "secret_access_key": "TEST_SECRET"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("TEST_KEY", "test")
    monkeypatch.setenv("TEST_SECRET", "test")
    return Bucket(server)


def account_of(bucket: Bucket, credentials: dict[str, str] = KEYS, /, **options: Any) -> Account:
    entry = {
        "name": "aws-main",
        "provider": "aws",
        "kind": "data_export",
        "options": bucket.options(**options),
        "credentials": credentials,
    }
    (account,) = parse_accounts({"accounts": [entry]}, Path("/"))
    return account


def lines(costs: list[str]) -> aws_month.Month:
    made = aws_month.Month()
    for number, cost in enumerate(costs):
        made.add("Usage", cost, ResourceId=f"i-{number:017}")
    return made


def file_of(costs: list[str]) -> bytes:
    return FORMS["CUR 2.0 CSV"](lines(costs))


def state(warehouse: Warehouse) -> list[tuple[str, str]]:
    rows = warehouse.query(
        "SELECT resource_id, billed_cost FROM oco.cloud_costs WHERE valid_to IS NULL ORDER BY 1, 2"
    )
    return [(row["resource_id"], f"{row['billed_cost']:f}") for row in rows]


def billed(warehouse: Warehouse) -> Decimal:
    """The sum of what is believed, by SQL of its own."""
    (row,) = warehouse.query(
        "SELECT coalesce(sum(billed_cost), 0) AS billed FROM oco.cloud_costs WHERE valid_to IS NULL"
    )
    total: Decimal = row["billed"]
    return total


@pytest.mark.parametrize("form", FORMS)
def test_a_period_in_several_files_is_loaded_to_the_last_digit(
    warehouse: Warehouse, bucket: Bucket, form: str
) -> None:
    made = aws_month.month(3)
    half = len(made.lines) // 2
    first = aws_month.Month(made.lines[:half], made.tags[:half])
    second = aws_month.Month(made.lines[half:], made.tags[half:])
    bucket.deliver(PERIOD, [FORMS[form](first), FORMS[form](second)], ending=ENDINGS[form])
    account = account_of(bucket)
    done = load_period(warehouse, account, PERIOD)
    assert (done.files, done.result.rows) == (2, len(made.lines))
    assert billed(warehouse) == made.billed()
    (where,) = warehouse.query("SELECT DISTINCT source, source_partition FROM oco.cloud_costs")
    assert where == {"source": "aws_data_export", "source_partition": "aws-main|2026-09"}
    assert load_period(warehouse, account, PERIOD).result.status == "unchanged"
    assert cost_checks.control_totals(warehouse) == []


def test_a_legacy_report_is_read_by_its_newest_manifest(
    warehouse: Warehouse, bucket: Bucket
) -> None:
    def gzipped(costs: list[str]) -> bytes:
        return gzip.compress(FORMS["legacy CSV"](lines(costs)))

    bucket.deliver_legacy(PERIOD, [gzipped(["1"])])
    account = account_of(bucket)
    load_period(warehouse, account, PERIOD)
    assert billed(warehouse) == 1
    newest = bucket.deliver_legacy(PERIOD, [gzipped(["2"]), gzipped(["4", "8"])])
    assert load_period(warehouse, account, PERIOD).delivery == newest
    assert billed(warehouse) == 14


def test_a_new_delivery_replaces_its_period_and_no_other(
    warehouse: Warehouse, bucket: Bucket
) -> None:
    account = account_of(bucket)
    bucket.deliver("2026-08", [file_of(["100"]).replace(b"2026-09", b"2026-08")])
    bucket.deliver(PERIOD, [file_of(["1", "2"])])
    for period in ("2026-08", PERIOD):
        load_period(warehouse, account, period)
    bucket.deliver(PERIOD, [file_of(["1"]), file_of([]), file_of(["9", "5"])])
    done = load_period(warehouse, account, PERIOD)
    assert billed(warehouse) == 115
    assert (done.result.inserted, done.result.closed) == (2, 1)


def test_rows_are_numbered_through_all_files(warehouse: Warehouse, bucket: Bucket) -> None:
    bucket.deliver(PERIOD, [file_of(["1", "2"]), file_of(["3", "n/a"])])
    done = load_period(warehouse, account_of(bucket), PERIOD)
    assert [row.row_number for row in done.result.first_rejected] == [4]
    assert billed(warehouse) == 6


def test_a_file_that_the_manifest_lists_and_s3_lacks_loads_nothing(
    warehouse: Warehouse, bucket: Bucket
) -> None:
    account = account_of(bucket)
    bucket.deliver(PERIOD, [file_of(["1"])])
    load_period(warehouse, account, PERIOD)
    before = state(warehouse)
    keys = bucket.deliver(PERIOD, [file_of(["5"]), file_of(["6"])])
    bucket.delete(keys[1])
    with pytest.raises(InvalidInputError, match=r"cur-00002.csv: does not exist"):
        load_period(warehouse, account, PERIOD)
    assert state(warehouse) == before


class Meddling:
    """An S3 client that lets AWS write something right before the n-th download."""

    def __init__(self, client: Any, before: int, write: Callable[[], object]) -> None:
        self._client, self._left, self._write = client, before, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_object(self, **request: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self._write()
        return self._client.get_object(**request)


@pytest.mark.parametrize("before", [1, 2, 3])
@pytest.mark.parametrize("whole", [True, False])
def test_a_delivery_that_changes_while_it_is_read_loads_nothing(
    warehouse: Warehouse,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    before: int,
    whole: bool,
) -> None:
    account = account_of(bucket)
    bucket.deliver(PERIOD, [file_of(["1"]), file_of(["2"])])
    load_period(warehouse, account, PERIOD)
    keys = bucket.deliver(PERIOD, [file_of(["10"]), file_of(["20"])])

    def write() -> None:
        if whole:
            bucket.deliver(PERIOD, [file_of(["100"]), file_of(["200"])])
        else:
            # The first file is new; before it is asked for, that is a delivery like any other.
            bucket.put(keys[0], file_of(["100"]))

    real = aws_export.make_client
    monkeypatch.setattr(
        aws_export, "make_client", lambda *given: Meddling(real(*given), before, write)
    )
    if whole or before == 3:
        with pytest.raises(ConflictError, match="changed while it was read, so nothing was loaded"):
            load_period(warehouse, account, PERIOD)
        assert billed(warehouse) == 3
    else:
        load_period(warehouse, account, PERIOD)
        assert billed(warehouse) == 120
    monkeypatch.setattr(aws_export, "make_client", real)
    load_period(warehouse, account, PERIOD)
    assert billed(warehouse) == (300 if whole else 120)


def test_a_load_that_breaks_off_leaves_the_period_as_it_was(
    warehouse: Warehouse, bucket: Bucket
) -> None:
    account = account_of(bucket)
    bucket.deliver(PERIOD, [file_of(["1", "2"])])
    load_period(warehouse, account, PERIOD)
    before = state(warehouse)
    # The second file cannot be read: the first one's rows are in the transaction by then.
    bucket.deliver(PERIOD, [file_of(["7"] * 3), b"date,cost\n2026-09-01,1\n"])
    with pytest.raises(InvalidInputError, match="neither an AWS Cost and Usage Report"):
        load_period(warehouse, account, PERIOD)
    assert state(warehouse) == before
    assert cost_checks.control_totals(warehouse) == []


def test_a_month_without_rows_is_no_mistake_but_losing_one_is(
    warehouse: Warehouse, bucket: Bucket
) -> None:
    account = account_of(bucket)
    bucket.deliver(PERIOD, [file_of(["1"])[: file_of(["1"]).index(b"\n") + 1]])
    assert load_period(warehouse, account, PERIOD).result.rows == 0
    empty = bucket.client.get_object(
        Bucket=bucket.name, Key="bills/cur/data/BILLING_PERIOD=2026-09/cur-00001.csv"
    )["Body"].read()
    bucket.deliver(PERIOD, [file_of(["1"])])
    load_period(warehouse, account, PERIOD)
    bucket.deliver(PERIOD, [empty])
    with pytest.raises(InvalidInputError, match="there are no rows"):
        load_period(warehouse, account, PERIOD)
    assert billed(warehouse) == 1


def test_a_month_that_was_loaded_by_hand_is_not_counted_again(
    warehouse: Warehouse, bucket: Bucket, tmp_path: Path
) -> None:
    by_hand = tmp_path / "september.csv"
    by_hand.write_bytes(FORMS["legacy CSV"](lines(["1"])))
    load_focus_file(warehouse, "september", by_hand, read=read_aws)
    # The same money in other words: no charge is equal, so the guard of equal ones is silent.
    bucket.deliver(PERIOD, [file_of(["0.4", "0.6"])])
    with pytest.raises(ConflictError, match=r"'september' \(focus_files\).*options.since"):
        load_period(warehouse, account_of(bucket), PERIOD)
    assert billed(warehouse) == 1
    bucket.deliver("2026-08", [file_of(["5"]).replace(b"2026-09", b"2026-08")])
    load_period(warehouse, account_of(bucket), "2026-08")
    assert billed(warehouse) == 6


DELIVERIES = st.lists(
    st.lists(
        st.lists(st.decimals(-9, 9, places=3).map(str), max_size=4), min_size=1, max_size=3
    ).filter(any),
    min_size=1,
    max_size=3,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DELIVERIES, st.data())
def test_any_order_and_repetition_of_deliveries_ends_as_one_clean_load(
    warehouse: Warehouse, bucket: Bucket, deliveries: list[list[list[str]]], data: st.DataObject
) -> None:
    account = account_of(bucket)
    warehouse.execute("TRUNCATE oco.cloud_costs, oco.ingestion_batches CASCADE")
    order = data.draw(st.lists(st.sampled_from(deliveries), min_size=1, max_size=4))
    for delivery in order:
        bucket.deliver(PERIOD, [file_of(costs) for costs in delivery])
        for _ in range(data.draw(st.integers(0, 2))):
            load_period(warehouse, account, PERIOD)
    load_period(warehouse, account, PERIOD)
    costs = [cost for part in order[-1] for cost in part]
    assert len(state(warehouse)) == len(costs)
    assert billed(warehouse) == sum(map(Decimal, costs), Decimal(0))
    assert sorted(state(warehouse)) == sorted(
        (f"i-{number:017}", f"{Decimal(cost).normalize() + 0:f}")
        for part in order[-1]
        for number, cost in enumerate(part)
    )


def test_keys_may_come_from_a_file_and_are_in_no_message(
    warehouse: Warehouse, bucket: Bucket, tmp_path: Path
) -> None:
    secret = "a-very-secret-key"
    keys = tmp_path / "keys"
    keys.write_text(f"[prod]\naws_access_key_id = id\naws_secret_access_key = {secret}\n")
    bucket.deliver(PERIOD, [file_of(["1"])])
    named = {"from": "file", "path": str(keys), "profile": "prod"}
    account = account_of(bucket, named)
    load_period(warehouse, account, PERIOD)
    assert billed(warehouse) == 1
    for profile, content in (("other", keys.read_text()), ("prod", secret)):
        keys.write_text(content)
        with pytest.raises(ConfigurationError) as refused:
            load_period(warehouse, account_of(bucket, named | {"profile": profile}), PERIOD)
        assert secret not in str(refused.value)


def test_a_role_is_taken_on(warehouse: Warehouse, bucket: Bucket) -> None:
    role = "arn:aws:iam::123456789012:role/cost-reader"
    account = account_of(bucket, role_arn=role, external_id="ours")
    bucket.deliver(PERIOD, [file_of(["1"])])
    identity, *_ = kind_of(account).check(account)
    assert identity.ok
    assert ":assumed-role/cost-reader/open-cloud-ops" in identity.detail
    load_period(warehouse, account, PERIOD)
    assert billed(warehouse) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"account_id": "12"}, "options.account_id must be the 12 digits"),
        ({"account_id": 123456789012}, "options.account_id must be a text"),
        ({"bucket": None}, "options.bucket and options.export"),
        ({"export": "a/b"}, "options.bucket and options.export"),
        ({"since": "September"}, "options.since must be a billing period"),
        ({"role_arn": "reader"}, "options.role_arn must be as in"),
        ({"external_id": "x"}, "options.external_id is of use with role_arn only"),
        ({"endpoint_url": "ftp://x"}, "options.endpoint_url must be"),
        ({"region": "Frankfurt"}, "options.region must be as in"),
        ({"ignore_columns": "x"}, "options.ignore_columns must be a list"),
        ({"colour": "red"}, "unknown field options.colour"),
    ],
)
def test_a_wrong_option_is_one_line(bucket: Bucket, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        account_of(bucket, **options)
    assert f"account aws-main: {told}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_missing_is_found_before_a_run(bucket: Bucket) -> None:
    account = account_of(bucket)
    findings = kind_of(account).check(account)
    assert [finding.ok for finding in findings] == [True, False]
    assert "no manifest of an export called cur" in findings[1].detail
    bucket.deliver(PERIOD, [file_of(["1"])])
    findings = kind_of(account).check(account)
    assert [finding.ok for finding in findings] == [True, True, True]
    assert "1 billing periods, 2026-09 to 2026-09" in findings[1].detail


def test_a_bucket_that_is_not_there_is_told(warehouse: Warehouse, bucket: Bucket) -> None:
    account = account_of(bucket, bucket="nowhere")
    with pytest.raises(OpenCloudOpsError, match=r"s3://nowhere/bills/cur/: does not exist"):
        load_period(warehouse, account, PERIOD)


def test_without_keys_the_variable_is_named(
    warehouse: Warehouse, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_SECRET")
    with pytest.raises(ConfigurationError, match="TEST_SECRET, which is not set"):
        load_period(warehouse, account_of(bucket), PERIOD)
    account = account_of(bucket)
    (finding,) = kind_of(account).check(account)
    assert not finding.ok


# Dagster: what asks for a period, and what a run leaves behind


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as local:
        yield local


@pytest.fixture
def source(bucket: Bucket, tmp_path: Path) -> Settings:
    path = tmp_path / "sources.yaml"
    entry = {
        "name": "aws-main",
        "provider": "aws",
        "kind": "data_export",
        "options": bucket.options(),
        "credentials": KEYS,
    }
    path.write_text(yaml.safe_dump({"accounts": [entry]}))
    return load_settings({"OCO_SOURCES": str(path), "OCO_HOME": str(tmp_path)})


def composed(source: Settings, url: str) -> Definitions:
    shared = Definitions(resources={"warehouse": WarehouseResource(database_url=url)})
    return Definitions.merge(definitions.build(source), shared)


def run(source: Settings, url: str, instance: DagsterInstance, key: str) -> ExecuteInProcessResult:
    return (
        composed(source, url)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            asset_selection=[AssetKey(["aws_data_export", "aws_main"])],
            partition_key=key,
            instance=instance,
            raise_on_error=False,
        )
    )


def tick(source: Settings, instance: DagsterInstance, cursor: str | None = None) -> SensorResult:
    (account,) = load_accounts(source)
    (watch,) = kind_of(account).definitions([account], source).sensors or ()
    result = watch(build_sensor_context(instance=instance, cursor=cursor))  # type: ignore[operator]
    assert isinstance(result, SensorResult)
    return result


def asked(result: SensorResult) -> list[str | None]:
    return [request.partition_key for request in result.run_requests or []]


def test_the_sensor_asks_for_each_delivery_once_and_a_run_says_what_it_did(
    source: Settings, bucket: Bucket, warehouse: Warehouse, instance: DagsterInstance
) -> None:
    bucket.deliver("2026-08", [file_of(["1"]).replace(b"2026-09", b"2026-08")])
    keys = bucket.deliver(PERIOD, [file_of(["1.5"]), file_of(["2"])])
    first = tick(source, instance)
    assert asked(first) == ["aws-main|2026-08", "aws-main|2026-09"]
    instance.add_dynamic_partitions("account_aws_main", ["aws-main|2026-09"])
    done = run(source, warehouse.url, instance, "aws-main|2026-09")
    assert done.success
    (event,) = done.get_asset_materialization_events()
    told = {
        name: value.value
        for name, value in event.step_materialization_data.materialization.metadata.items()
    }
    assert told["rows"] == 2
    assert told["total"]["USD"]["billed_cost"] == "3.5"
    assert told["window"] == "2026-09-10 to 2026-09-10"
    assert told["bytes"] == sum(len(file_of([cost])) for cost in ("1.5", "2"))
    # A list of each of two folders, the manifest and its files, and each of them once more.
    assert told["requests"] == 2 + 3 + 3
    assert json.loads(json.dumps(told["total"])) == told["total"]
    assert asked(tick(source, instance)) == ["aws-main|2026-08"]
    assert asked(tick(source, instance, first.cursor)) == []
    bucket.manifest(PERIOD, keys)
    assert asked(tick(source, instance, first.cursor)) == ["aws-main|2026-09"]


def test_the_schedule_reads_the_open_months_and_what_failed(
    source: Settings, bucket: Bucket, warehouse: Warehouse, instance: DagsterInstance
) -> None:
    periods = ["2026-05", "2026-06", "2026-08", "2026-09"]
    for period in periods:
        bucket.deliver(period, [file_of(["1"]).replace(b"2026-09", period.encode())])
    known = [f"aws-main|{period}" for period in periods]
    instance.add_dynamic_partitions("account_aws_main", known)
    assert run(source, warehouse.url, instance, "aws-main|2026-05").success
    (account,) = load_accounts(source)
    (again,) = kind_of(account).definitions([account], source).schedules or ()
    result = again.evaluate_tick(  # type: ignore[union-attr]
        build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 10, 1, 6, tzinfo=UTC),
            repository_def=composed(source, "unused").get_repository_def(),
        )
    )
    assert [request.partition_key for request in result.run_requests or []] == known[1:]


def test_a_failed_run_tells_the_one_line(
    source: Settings, bucket: Bucket, warehouse: Warehouse, instance: DagsterInstance
) -> None:
    (key,) = bucket.deliver(PERIOD, [file_of(["1"])])
    bucket.delete(key)
    instance.add_dynamic_partitions("account_aws_main", ["aws-main|2026-09"])
    done = run(source, warehouse.url, instance, "aws-main|2026-09")
    assert not done.success
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    assert "cur-00001.csv: does not exist" in str(failed.step_failure_data.error)
    assert state(warehouse) == []


def test_a_shuffled_listing_gives_the_same_manifests(bucket: Bucket) -> None:
    for period in ("2026-08", "2026-09"):
        keys = bucket.deliver(period, [file_of(["1"])])
        bucket.manifest(period, keys, within="2026-10-01T00:00:00Z-newer/")
        bucket.manifest(period, keys, export="other")
    account = account_of(bucket)
    options = parse_export(account)
    found = aws_export.find_periods(account, options, bucket.client)
    assert list(found) == ["2026-08", "2026-09"]
    objects = list(found.values())
    random.Random(1).shuffle(objects)
    again = aws_export.newest_manifests(objects, options.folder, options.export)
    assert again == found


def test_definitions_of_accounts_need_no_cloud_sdk_to_load(source: Settings) -> None:
    code = (
        "import sys; from oco_pipelines.ingestion.definitions import build;"
        "from oco_warehouse.settings import load_settings; build(load_settings());"
        "heavy = {'boto3', 'botocore', 'polars', 'pandera'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {
        **os.environ,
        "OCO_SOURCES": str(source.sources_file),
        "OCO_HOME": str(source.home),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
