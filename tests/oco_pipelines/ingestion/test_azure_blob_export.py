"""Azure's exports in a container, as the real object store client reads them on loopback."""

import gzip
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
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
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.accounts import load_accounts
from oco_pipelines.ingestion.azure_blob_assets import catching_up, watching
from oco_pipelines.ingestion.azure_blob_kind import BlobExport
from oco_pipelines.ingestion.azure_blob_layout import newest_runs
from oco_pipelines.ingestion.azure_blob_load import (
    access_of,
    deliveries,
    load_delivery,
    stored_files,
)
from oco_pipelines.ingestion.azure_credentials import TokenFile
from oco_pipelines.ingestion.azure_query_client import CostQuery
from oco_pipelines.ingestion.azure_query_load import Partition, load_month
from oco_pipelines.ingestion.cost_checks import control_totals
from oco_pipelines.ingestion.definitions import build
from oco_pipelines.ingestion.object_store import StoredFile
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.azure_blob_options import parse_blob_export
from oco_warehouse.cloud_accounts.azure_scope import read_scope
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidFileError, InvalidInputError, UpstreamError
from oco_warehouse.settings import Settings, load_settings
from tests.oco_pipelines.ingestion import azure_month, azure_standin
from tests.oco_pipelines.ingestion.blob_standin import CONTAINER, TOKEN, Blobs, blobs
from tests.oco_pipelines.ingestion.conftest import as_csv, charge

PERIOD = "20260901-20260930"
KEY = f"azure-exports|{PERIOD}"
ASSET = AssetKey(["azure_blob_export", "azure_exports"])
RUN = "11111111-2222-3333-4444-{:012d}"


@pytest.fixture
def store() -> Iterator[Blobs]:
    with blobs() as server:
        yield server


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as local:
        yield local


def configured(tmp_path: Path, store: Blobs, **options: Any) -> Settings:
    (tmp_path / "token").write_text(TOKEN)
    whole = {
        "url": f"az://{CONTAINER}/costs",
        "storage_account": "contosobills",
        "endpoint": store.url,
        "actual": "billed",
        "amortized": "spread",
        **options,
    }
    account = {
        "name": "azure-exports",
        "provider": "azure",
        "kind": "blob_export",
        "options": {name: value for name, value in whole.items() if value is not None},
        "credentials": {"from": "file", "path": "token"},
    }
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"accounts": [account]}))
    return load_settings({"OCO_HOME": str(tmp_path / "home"), "OCO_SOURCES": str(path)})


def account_of(settings: Settings) -> Account:
    (account,) = load_accounts(settings)
    return account


def in_euro(warehouse: Warehouse) -> Warehouse:
    warehouse.execute(
        "INSERT INTO oco.exchange_rates (from_currency, to_currency, month, rate, source) "
        "VALUES ('EUR', 'USD', '2026-09-01', 1.1, 'test') ON CONFLICT DO NOTHING"
    )
    return warehouse


def export(
    store: Blobs,
    name: str,
    charges: list[azure_month.Charge],
    run: int,
    *,
    parts: int = 1,
    form: str = "csv",
    folder: str = "",
    manifest: bool = True,
    rows: int | None = None,
) -> None:
    """A run of an export, as Azure writes it: the parts, then the manifest."""
    kind: azure_month.Dataset = "actual" if name == "billed" else "amortized"
    have = [charge for charge in charges if getattr(charge, kind) is not None]
    place = f"costs/{name}/{PERIOD}/{folder}{RUN.format(run)}"
    listed = []
    for number in range(parts):
        content = azure_month.write(have[number::parts], "EA", kind)
        key = f"{place}/part_{number}_0001.{form}"
        if form == "csv.gz":
            content = gzip.compress(content)
        if form == "parquet":
            buffer = io.BytesIO()
            pl.read_csv(content, infer_schema=False).write_parquet(buffer)
            content = buffer.getvalue()
        store.put(key, content)
        listed.append({"blobName": key, "dataRowCount": len(have[number::parts])})
    if rows is not None:
        listed[0]["dataRowCount"] = rows
    if manifest:
        told = {
            "manifestVersion": "2024-04-01",
            "exportConfig": {
                "exportName": name,
                "type": "ActualCost" if kind == "actual" else "AmortizedCost",
            },
            "runInfo": {"runId": RUN.format(run)},
            "blobs": listed,
        }
        store.put(f"{place}/manifest.json", b"\xef\xbb\xbf" + json.dumps(told).encode())


def both(store: Blobs, charges: list[azure_month.Charge], run: int, **how: Any) -> None:
    export(store, "billed", charges, run, **how)
    export(store, "spread", charges, run, **how)


def fetch(warehouse: Warehouse, settings: Settings, key: str = KEY) -> Any:
    account = account_of(settings)
    options = parse_blob_export(account)
    access = access_of(account, options)
    there = deliveries(stored_files(options, settings, access), options)
    delivery = there[key.partition("|")[2]]
    return load_delivery(
        in_euro(warehouse), key, delivery, options, settings, access, today=date(2026, 10, 7)
    )


def sums(warehouse: Warehouse) -> tuple[Decimal, Decimal]:
    (row,) = warehouse.query(
        "SELECT coalesce(sum(billed_cost), 0) AS billed, "
        "coalesce(sum(effective_cost), 0) AS spread FROM oco.cloud_costs WHERE valid_to IS NULL"
    )
    return row["billed"], row["spread"]


def truth(charges: list[azure_month.Charge]) -> tuple[Decimal, Decimal]:
    return azure_month.total(charges, "actual"), azure_month.total(charges, "amortized")


@pytest.mark.parametrize(
    "how",
    [
        {"form": "csv"},
        {"form": "csv.gz", "parts": 3},
        {"form": "parquet", "parts": 2, "folder": "202610050100/"},
        {"form": "csv", "parts": 2, "manifest": False},
    ],
)
def test_both_exports_of_a_period_become_one_partition(
    warehouse: Warehouse, store: Blobs, tmp_path: Path, how: dict[str, Any]
) -> None:
    charges = azure_month.month(3)
    both(store, charges, 1, **how)
    result = fetch(warehouse, configured(tmp_path, store))
    assert result.status == "loaded" and result.rejected == 0
    assert sums(warehouse) == truth(charges)
    assert control_totals(warehouse) == []
    assert store.lists > 2  # The list came in pages.


def test_the_newest_run_counts_whole_and_alone(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    settings = configured(tmp_path, store)
    # Run 9 is written first: not its name, its time makes a run the newest.
    both(store, azure_month.month(3), 9, parts=2)
    fetch(warehouse, settings)
    now = azure_month.month(4, charges=25)
    both(store, now, 1)
    fetch(warehouse, settings)
    assert sums(warehouse) == truth(now)
    assert fetch(warehouse, settings).status == "unchanged"


def test_a_run_without_its_manifest_is_not_done(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    settings = configured(tmp_path, store)
    done = azure_month.month(3)
    both(store, done, 1)
    both(store, azure_month.month(4), 2, manifest=False)
    fetch(warehouse, settings)
    assert sums(warehouse) == truth(done)


def test_periods_before_the_first_month_are_left_alone(store: Blobs, tmp_path: Path) -> None:
    export(store, "billed", azure_month.month(3), 1)
    for since, found in (("2026-09", [PERIOD]), ("2026-10", [])):
        settings = configured(tmp_path, store, since=since)
        options = parse_blob_export(account_of(settings))
        files = stored_files(options, settings, access_of(account_of(settings), options))
        assert list(deliveries(files, options)) == found


def test_an_older_export_is_one_file_a_run(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    old, new = azure_month.month(5), azure_month.month(6)
    for charges in (old, new):
        content = azure_month.write(charges, "EA", "actual")
        store.put(f"costs/billed/{PERIOD}/billed_{len(store.blobs)}.csv", content)
    fetch(warehouse, configured(tmp_path, store, amortized=None))
    assert sums(warehouse)[0] == truth(new)[0]


def test_a_period_of_which_only_the_billed_export_is_there_is_loaded_from_it(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    charges = azure_month.month(3)
    export(store, "billed", charges, 1)
    settings = configured(tmp_path, store)
    fetch(warehouse, settings)
    assert sums(warehouse)[0] == truth(charges)[0]
    export(store, "spread", charges, 1)
    fetch(warehouse, settings)
    assert sums(warehouse) == truth(charges)


@pytest.mark.parametrize("which", ["rows", "blob", "json", "type"])
def test_a_run_that_is_not_whole_leaves_the_earlier_one(
    warehouse: Warehouse, store: Blobs, tmp_path: Path, which: str
) -> None:
    settings = configured(tmp_path, store)
    charges = azure_month.month(3)
    both(store, charges, 1)
    fetch(warehouse, settings)
    export(store, "billed", azure_month.month(4), 2, parts=2, rows=5 if which == "rows" else None)
    place = f"costs/billed/{PERIOD}/{RUN.format(2)}"
    told = store.blobs[f"{place}/manifest.json"][0]
    if which == "blob":
        del store.blobs[f"{place}/part_1_0001.csv"]
    if which == "json":
        store.put(f"{place}/manifest.json", told[:-30])
    if which == "type":
        store.put(f"{place}/manifest.json", told.replace(b"ActualCost", b"FocusCost"))
    said = {
        "rows": "its manifest says", "blob": "which is not there",
        "json": "is no manifest", "type": "is of the type FocusCost, not ActualCost",
    }  # fmt: skip
    with pytest.raises(InvalidFileError, match=said[which]):
        fetch(warehouse, settings)
    assert sums(warehouse) == truth(charges)


def test_a_newer_run_that_comes_while_one_is_read_loads_nothing(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    settings = configured(tmp_path, store)
    both(store, azure_month.month(3), 1)
    account = account_of(settings)
    options = parse_blob_export(account)
    access = access_of(account, options)
    (seen,) = deliveries(stored_files(options, settings, access), options).values()
    export(store, "billed", azure_month.month(4), 2)
    with pytest.raises(UpstreamError, match="newer run"):
        load_delivery(
            in_euro(warehouse), KEY, seen, options, settings, access, today=date(2026, 10, 7)
        )
    assert sums(warehouse) == (0, 0)


def test_a_run_without_charges_does_not_take_back_what_was_loaded(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    settings = configured(tmp_path, store, amortized=None)
    empty = {"exportConfig": {"type": "ActualCost"}, "blobs": []}
    place = f"costs/billed/{PERIOD}"
    store.put(f"{place}/{RUN.format(1)}/manifest.json", json.dumps(empty).encode())
    assert fetch(warehouse, settings) is None
    export(store, "billed", azure_month.month(3), 2)
    fetch(warehouse, settings)
    store.put(f"{place}/{RUN.format(3)}/manifest.json", json.dumps(empty).encode())
    with pytest.raises(InvalidInputError, match="nothing was changed"):
        fetch(warehouse, settings)
    assert sums(warehouse)[0] == truth(azure_month.month(3))[0]


def test_a_download_that_breaks_off_is_gone_on_with(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    charges = azure_month.month(3)
    both(store, charges, 1)
    store.page_size, store.broken = 1000, 1
    settings = configured(tmp_path, store)
    try:
        fetch(warehouse, settings)
    except UpstreamError:
        assert sums(warehouse) == (0, 0)
        fetch(warehouse, settings)
    assert sums(warehouse) == truth(charges)


def focus_run(store: Blobs, run: int, *parts: bytes, rows: list[int]) -> None:
    place = f"costs/focus/{PERIOD}/{RUN.format(run)}"
    keys = [f"{place}/part_{number}_0001.csv" for number in range(len(parts))]
    for key, part in zip(keys, parts, strict=True):
        store.put(key, part)
    blobs = [{"blobName": k, "dataRowCount": n} for k, n in zip(keys, rows, strict=True)]
    told = {"exportConfig": {"type": "FocusCost"}, "blobs": blobs}
    store.put(f"{place}/manifest.json", json.dumps(told).encode())


def test_a_focus_export_is_read_as_it_is(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    settings = configured(tmp_path, store, actual=None, amortized=None, focus="focus")
    azure = {"ProviderName": "Microsoft", "InvoiceIssuerName": "Microsoft"}
    one = as_csv(charge(**azure), charge(**azure, BilledCost="2"))
    header = one.splitlines()[0]
    focus_run(store, 1, one, as_csv(charge(**azure, BilledCost="-0.1")), header, rows=[2, 1, 0])
    assert fetch(warehouse, settings).accepted == 3
    assert sums(warehouse) == (Decimal("3.4"), Decimal("3.75"))
    assert all(finding.ok for finding in BlobExport().check(account_of(settings)))
    focus_run(store, 2, one, rows=[3])
    with pytest.raises(InvalidFileError, match="has 2 rows, and its manifest says 3"):
        fetch(warehouse, settings)
    assert sums(warehouse) == (Decimal("3.4"), Decimal("3.75"))


def test_costs_that_the_other_kind_has_loaded_are_not_loaded_again(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    charges = azure_month.month(3)
    both(store, charges, 1)
    subscription = azure_month.SUBSCRIPTION.format(1)
    scope = f"/subscriptions/{subscription}"
    settings = configured(tmp_path, store)
    with azure_standin.azure() as cloud:
        day = date(2026, 9, 2)
        cloud.charges = [azure_standin.Charge(day, "1", "1", ResourceId=f"{scope}/x")]

        def query() -> Any:
            token = TokenFile(tmp_path / "token")
            asked = CostQuery(scope, token, cloud.url)
            month = Partition("q", date(2026, 9, 1))
            return load_month(warehouse, month, asked, read_scope(scope), today=date(2026, 10, 7))

        query()
        with pytest.raises(ConflictError, match=r"azure_query.* money would count twice"):
            fetch(warehouse, settings)
        assert sums(warehouse) == (1, 1)
        warehouse.execute(
            "UPDATE oco.cloud_costs SET valid_to = now(); TRUNCATE oco.cloud_cost_partition_days"
        )
        fetch(warehouse, settings)
        with pytest.raises(ConflictError, match=r"azure_blob_export.* money would count twice"):
            query()
    assert sums(warehouse) == truth(charges)


def test_a_folder_of_this_machine_does_too(
    warehouse: Warehouse, store: Blobs, tmp_path: Path
) -> None:
    charges = azure_month.month(3)
    both(store, charges, 1, parts=2)
    for key, (content, _) in store.blobs.items():
        path = tmp_path / "copy" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder = str(tmp_path / "copy" / "costs")
    settings = configured(tmp_path, store, url=folder, storage_account=None, endpoint=None)
    fetch(warehouse, settings)
    assert sums(warehouse) == truth(charges)
    findings = BlobExport().check(account_of(settings))
    assert all(finding.ok for finding in findings) and len(findings) == 3


def composed(settings: Settings, url: str) -> Definitions:
    shared = Definitions(resources={"warehouse": WarehouseResource(database_url=url)})
    return Definitions.merge(build(settings), shared)


def run(settings: Settings, url: str, instance: DagsterInstance) -> ExecuteInProcessResult:
    instance.add_dynamic_partitions("account_azure_exports", [KEY])
    job = composed(settings, url).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=[ASSET], partition_key=KEY, instance=instance, raise_on_error=False
    )


def tick(settings: Settings, instance: DagsterInstance, cursor: str | None = None) -> SensorResult:
    account = account_of(settings)
    sensor = watching(account, parse_blob_export(account), settings)
    result = sensor(build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, SensorResult)
    return result


def test_the_sensor_asks_once_for_each_newest_run_and_the_asset_loads_it(
    warehouse: Warehouse, store: Blobs, tmp_path: Path, instance: DagsterInstance
) -> None:
    settings = configured(tmp_path, store)
    charges = azure_month.month(3)
    both(store, charges, 1)
    first = tick(settings, instance)
    assert [r.partition_key for r in first.run_requests or []] == [KEY]
    done = run(settings, in_euro(warehouse).url, instance)
    assert done.success and sums(warehouse) == truth(charges)
    (event,) = done.asset_materializations_for_node("azure_blob_export__azure_exports")
    told = {name: value.value for name, value in event.metadata.items()}
    assert told["rows"] > 0 and told["main_run"] == RUN.format(1)
    assert told["total"]["EUR"]["billed_cost"] == f"{truth(charges)[0]:f}"
    assert tick(settings, instance, first.cursor).run_requests == []
    # What another run has loaded is not asked for again.
    assert tick(settings, instance).run_requests == []
    export(store, "spread", charges, 2)
    again = tick(settings, instance, first.cursor)
    assert [r.partition_key for r in again.run_requests or []] == [KEY]


def test_the_schedule_asks_again_for_what_is_not_loaded(
    warehouse: Warehouse, store: Blobs, tmp_path: Path, instance: DagsterInstance
) -> None:
    settings = configured(tmp_path, store)
    account = account_of(settings)
    both(store, azure_month.month(3), 1)

    def asked() -> list[str | None]:
        schedule = catching_up(account, parse_blob_export(account), settings)
        result = schedule.evaluate_tick(
            build_schedule_context(
                instance=instance,
                scheduled_execution_time=datetime(2026, 10, 8, tzinfo=UTC),
                repository_def=composed(settings, "unused").get_repository_def(),
            )
        )
        return [request.partition_key for request in result.run_requests or []]

    assert asked() == [KEY]
    assert run(settings, in_euro(warehouse).url, instance).success
    assert asked() == []


def test_check_names_the_role_of_the_container(store: Blobs, tmp_path: Path) -> None:
    store.denied = True
    credential, access = BlobExport().check(account_of(configured(tmp_path, store)))
    assert credential.ok and not access.ok
    assert '--role "Storage Blob Data Reader"' in access.remedy
    assert (
        '--scope "$(az storage account show --name contosobills --query id -o tsv)'
        f'/blobServices/default/containers/{CONTAINER}"'
    ) in access.remedy
    assert TOKEN not in str((credential, access))


def test_check_says_which_exports_there_are(store: Blobs, tmp_path: Path) -> None:
    export(store, "billed", azure_month.month(3), 1)
    findings = BlobExport().check(account_of(configured(tmp_path, store)))
    assert [finding.ok for finding in findings] == [True, True, True, False]
    assert "1 periods" in findings[2].detail
    assert "exports that have: billed" in findings[3].detail and findings[3].remedy


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"url": None}, "options.url is missing"),
        ({"url": "costs"}, "options.url must be az://"),
        ({"storage_account": None}, "options.storage_account is missing"),
        ({"actual": None}, "options.actual is missing"),
        ({"amortized": "Billed"}, "options.amortized names the same export"),
        ({"focus": "f"}, "options.focus has the same money"),
        ({"account_key": "x"}, "looks like a secret"),
    ],
)
def test_a_wrong_option_is_one_line(
    store: Blobs, tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        load_accounts(configured(tmp_path, store, **options))
    assert told in str(refused.value) and "account azure-exports" in str(refused.value)


runs = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8)


@given(runs, st.integers())
def test_whatever_the_order_of_the_list_the_newest_finished_run_wins(
    written: list[tuple[int, bool]], seed: int
) -> None:
    files, expected = [], {}
    for number, (month, is_done) in enumerate(written):
        period = f"2026{month + 7:02d}01-2026{month + 7:02d}28"
        moment = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=number)
        place = f"a/Billed/{period}/{number:032x}"
        files.append(StoredFile(f"{place}/part_0_0001.csv", 1, "x", moment))
        if is_done:
            files.append(StoredFile(f"{place}/manifest.json", 1, "x", moment))
            expected[period] = f"{number:032x}"
    if not any(is_done for _, is_done in written):
        expected = {
            f"2026{month + 7:02d}01-2026{month + 7:02d}28": f"{number:032x}"
            for number, (month, _) in enumerate(written)
        }
    other = StoredFile("a/other/20260701-20260728/x/part.csv", 1, "x", moment)
    files.append(other)
    random.Random(seed).shuffle(files)
    assert {period: run.name for period, run in newest_runs(files, "billed").items()} == expected
