"""Days of Cost Explorer into the warehouse: the real client against a server that pages."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, Definitions, RunRequest, build_sensor_context
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from oco_pipelines.ingestion import cost_checks
from oco_pipelines.ingestion.aws_ce_pages import ATTEMPTS
from oco_pipelines.ingestion.aws_ce_request import first_day_to_read
from oco_pipelines.ingestion.aws_cost_explorer import DaysLoad, load_days
from oco_pipelines.ingestion.source_kinds import kind_of
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.reading import parse_accounts, refuse_doubles
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import (
    ConflictError,
    InvalidInputError,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from oco_warehouse.settings import load_settings
from tests.oco_pipelines.ingestion.cost_explorer_server import Charge, CostExplorerServer, serve

SINCE = "2026-09-01"
NOW = datetime(2026, 9, 4, 15, tzinfo=UTC)
# Each day is a load of its own: only tests of which days are read need all 35.
A_WEEK = date(2026, 8, 28)
EC2, S3 = "Amazon Elastic Compute Cloud - Compute", "Amazon Simple Storage Service"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "test")
    monkeypatch.setenv("TEST_SECRET", "test")


@pytest.fixture
def aws() -> Iterator[CostExplorerServer]:
    with serve() as server:
        server.estimated_from = date(2026, 9, 1)
        yield server


def account_of(aws: CostExplorerServer | str, name: str = "aws-main", **options: Any) -> Account:
    endpoint = aws if isinstance(aws, str) else aws.endpoint
    entry = {
        "name": name,
        "provider": "aws",
        "kind": "cost_explorer",
        "options": {"account_id": "000000000012", "endpoint_url": endpoint} | options,
        "credentials": {
            "from": "environment",
            "access_key_id": "TEST_KEY",
            "secret_access_key": "TEST_SECRET",
        },
    }
    (account,) = parse_accounts({"accounts": [entry]}, Path("/"))
    return account


def charge(day: date, unblended: str = "1", **more: Any) -> Charge:
    values = {
        "service": EC2,
        "usage_type": "BoxUsage:m5.large",
        "record_type": "Usage",
        "amortized": Decimal(unblended),
    } | more
    return Charge(day=day, unblended=Decimal(unblended), **values)


def load(warehouse: Warehouse, account: Account, now: datetime = NOW, **more: Any) -> DaysLoad:
    return load_days(warehouse, account, now=now, sleep=lambda _: None, **more)


def held(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query(
        "SELECT date, service, sku_meter, charge_category, charge_class, charge_description, "
        "billed_cost, effective_cost, list_cost, contracted_cost, account_id, usage_quantity, "
        "usage_unit, service_category, estimated, source_partition FROM oco.cloud_costs "
        "WHERE valid_to IS NULL ORDER BY date, service, charge_description, billed_cost"
    )


def sums(warehouse: Warehouse) -> tuple[Decimal, Decimal]:
    """(billed, effective), by SQL of its own."""
    (row,) = warehouse.query(
        "SELECT coalesce(sum(billed_cost), 0) AS billed, coalesce(sum(effective_cost), 0) AS used "
        "FROM oco.cloud_costs WHERE valid_to IS NULL"
    )
    return row["billed"], row["used"]


def a_month(server: CostExplorerServer, first: date = date(2026, 8, 1)) -> None:
    """Every kind of charge, over the days that are read at NOW."""
    for number in range((NOW.date() - first).days + 1):
        day = first + timedelta(days=number)
        server.charges += [
            charge(day, "1.0000000001"),
            charge(day, "0.5", usage_type="EBS:VolumeUsage.gp3", service="EC2 - Other"),
            charge(day, "0", record_type="DiscountedUsage", amortized=Decimal("0.25")),
            charge(day, "0.3", service=S3, usage_type="TimedStorage-ByteHrs", unit="GB-Mo"),
            charge(day, "0.19", service="Tax", usage_type="NoUsageType", record_type="Tax"),
        ]
    server.charges += [
        charge(first + timedelta(days=2), "-5", record_type="Credit"),
        charge(first + timedelta(days=3), "-2.5", record_type="Refund"),
        charge(first, "700", record_type="Upfront", amortized=Decimal(0)),
        charge(first, "30", record_type="RIFee", amortized=Decimal(3)),
        charge(first + timedelta(days=4), "-4", record_type="Enterprise Discount Program Discount"),
        charge(first + timedelta(days=5), "1", record_type="Of Tomorrow"),
    ]


def billed_of(server: CostExplorerServer) -> tuple[Decimal, Decimal]:
    return (
        sum((c.unblended for c in server.charges), Decimal(0)),
        sum((c.amortized for c in server.charges), Decimal(0)),
    )


@pytest.mark.parametrize("page_groups", [1, 3, 1000])
def test_every_page_counts_wherever_it_is_cut(
    warehouse: Warehouse, aws: CostExplorerServer, page_groups: int
) -> None:
    a_month(aws, A_WEEK)
    aws.page_groups = page_groups
    account = account_of(aws, since=str(A_WEEK))
    done = load(warehouse, account)
    assert sums(warehouse) == billed_of(aws)
    assert done.paid == len(aws.requests) == done.requests.sent
    assert len(done.results) == 8
    assert done.estimated == 4
    assert cost_checks.control_totals(warehouse) == []
    again = load(warehouse, account)
    assert {result.status for result in again.results} == {"unchanged"}


def test_charges_say_what_they_are(warehouse: Warehouse, aws: CostExplorerServer) -> None:
    a_month(aws)
    done = load(warehouse, account_of(aws))
    assert (len(done.results), done.estimated) == (35, 4)
    by_description = {row["charge_description"]: row for row in held(warehouse)}
    kinds = {
        name: (row["charge_category"], row["charge_class"]) for name, row in by_description.items()
    }
    assert kinds == {
        "BoxUsage:m5.large": ("Usage", None),
        "EBS:VolumeUsage.gp3": ("Usage", None),
        "TimedStorage-ByteHrs": ("Usage", None),
        "Tax": ("Tax", None),
        "Credit": ("Credit", None),
        "Refund": ("Adjustment", "Correction"),
        "Upfront": ("Purchase", None),
        "RIFee": ("Purchase", None),
        "Enterprise Discount Program Discount": ("Credit", None),
        "Of Tomorrow": ("Adjustment", None),
    }
    box, disk = by_description["BoxUsage:m5.large"], by_description["EBS:VolumeUsage.gp3"]
    assert (box["service"], box["service_category"]) == ("Amazon Elastic Compute Cloud", "Compute")
    assert (disk["service"], disk["service_category"]) == (box["service"], "Storage")
    assert (box["usage_quantity"], box["usage_unit"], box["sku_meter"]) == (
        Decimal(2), "Hrs", "BoxUsage:m5.large",
    )  # fmt: skip
    assert box["billed_cost"] == box["list_cost"] == box["contracted_cost"]
    assert by_description["Tax"]["usage_quantity"] is None
    assert box["source_partition"] == f"aws-main|{box['date']}"
    assert {row["account_id"] for row in by_description.values()} == {"000000000012"}
    assert {row["estimated"] for row in held(warehouse) if row["date"] < date(2026, 9, 1)} == {
        False
    }
    assert {row["estimated"] for row in held(warehouse) if row["date"] >= date(2026, 9, 1)} == {
        True
    }


def test_the_end_is_exclusive_and_today_is_read(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(date(2026, 9, 4)), charge(date(2026, 9, 5), "100")]
    load(warehouse, account_of(aws))
    assert aws.requests[0]["TimePeriod"] == {"Start": "2026-08-01", "End": "2026-09-05"}
    assert sums(warehouse)[0] == 1


def test_net_costs_are_taken_where_there_are_some(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(date(2026, 9, 1), "10", amortized=Decimal(6))]
    aws.discount = Decimal("0.9")
    load(warehouse, account_of(aws, since=SINCE))
    assert sums(warehouse) == (9, Decimal("5.4"))
    load(warehouse, account_of(aws, since=SINCE, net=False))
    assert sums(warehouse) == (10, 6)
    assert "NetUnblendedCost" not in aws.requests[-1]["Metrics"]


def test_linked_accounts_are_asked_about_one_by_one(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    day = date(2026, 9, 1)
    aws.charges = [
        charge(day, "1", linked="000000000013"),
        charge(day, "2", linked="000000000014"),
        charge(day, "4", linked="000000000014", record_type="Tax", service="Tax"),
        charge(day, "8", linked="000000000015"),
    ]
    done = load(
        warehouse, account_of(aws, since=SINCE, linked_accounts=["000000000013", "000000000014"])
    )
    assert done.paid == 4
    rows = [(row["account_id"], row["billed_cost"]) for row in held(warehouse)]
    assert sorted(rows) == [
        ("000000000013", 1), ("000000000014", 2), ("000000000014", 4),
    ]  # fmt: skip


def test_a_restated_day_loses_the_groups_that_vanished(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    first, second = date(2026, 9, 1), date(2026, 9, 2)
    aws.charges = [charge(first, "1"), charge(first, "2", service=S3), charge(second, "4")]
    load(warehouse, account_of(aws, since=SINCE))
    aws.charges = [charge(first, "1.5"), charge(first, "8", record_type="Tax", service="Tax")]
    load(warehouse, account_of(aws, since=SINCE))
    assert [(row["date"], row["billed_cost"]) for row in held(warehouse)] == [
        (first, Decimal("1.5")), (first, 8),
    ]  # fmt: skip
    assert cost_checks.control_totals(warehouse) == []


def test_late_rows_of_a_day_that_was_empty_are_found(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    load(warehouse, account_of(aws, since=SINCE))
    assert sums(warehouse) == (0, 0)
    aws.charges = [charge(date(2026, 9, 2), "3")]
    load(warehouse, account_of(aws), NOW + timedelta(days=40))
    assert aws.requests[-1]["TimePeriod"]["Start"] == "2026-09-01"
    assert sums(warehouse)[0] == 3


def test_days_are_read_until_they_are_final(warehouse: Warehouse, aws: CostExplorerServer) -> None:
    account = account_of(aws)
    load(warehouse, account)
    aws.estimated_from = date(2026, 9, 3)
    load(warehouse, account, NOW + timedelta(days=1))
    # August is final: September alone is read again, and of it only what is an estimate.
    assert aws.requests[-1]["TimePeriod"]["Start"] == "2026-09-01"
    load(warehouse, account, NOW + timedelta(days=2))
    assert aws.requests[-1]["TimePeriod"]["Start"] == "2026-09-03"
    load(warehouse, account, NOW + timedelta(days=3), start=date(2026, 8, 20))
    assert aws.requests[-1]["TimePeriod"]["Start"] == "2026-08-20"


TODAY = date(2026, 9, 4)


@given(
    st.dictionaries(st.dates(date(2026, 5, 1), TODAY), st.booleans()),
    st.none() | st.dates(date(2026, 5, 1), TODAY),
)
def test_no_day_that_is_wanted_and_not_final_is_passed_over(
    loaded: dict[date, bool], since: date | None
) -> None:
    first = first_day_to_read(TODAY, loaded, since)
    assert first <= TODAY
    wanted = since or date(2026, 8, 1)
    before = [wanted + timedelta(days=n) for n in range(max(0, (first - wanted).days))]
    assert all(loaded.get(day) is False for day in before)
    assert all(day >= first for day, estimated in loaded.items() if estimated)


def test_a_storm_of_throttling_is_waited_out_and_told(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    a_month(aws, A_WEEK)
    aws.throttle = ATTEMPTS - 1
    told: list[str] = []
    waits: list[float] = []
    account = account_of(aws, since=str(A_WEEK))
    done = load_days(warehouse, account, now=NOW, say=told.append, sleep=waits.append)
    assert sums(warehouse) == billed_of(aws)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(told) == len(waits)
    assert "LimitExceededException" in told[0]
    assert f"attempt 1 of {ATTEMPTS}, the next one in 1 s" in told[0]
    assert (done.paid, done.requests.sent) == (2, 2 + len(waits))


def test_throttling_that_does_not_end_fails_and_changes_nothing(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(date(2026, 9, 1), "1")]
    load(warehouse, account_of(aws, since=SINCE))
    aws.charges = [charge(date(2026, 9, 1), "2")]
    aws.throttle = ATTEMPTS
    with pytest.raises(UpstreamThrottled, match="AWS asks to slow down"):
        load(warehouse, account_of(aws, since=SINCE))
    assert sums(warehouse)[0] == 1


def test_an_answer_that_breaks_off_between_pages_changes_nothing(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    a_month(aws, A_WEEK)
    account = account_of(aws, since=str(A_WEEK))
    load(warehouse, account)
    before = held(warehouse)
    aws.charges = [charge(date(2026, 9, 1), "7", service=f"Service {n}") for n in range(9)]
    aws.page_groups = 4
    aws.break_after = len(aws.requests) + 3
    with pytest.raises(UpstreamUnavailable, match="AWS does not answer"):
        load(warehouse, account)
    assert held(warehouse) == before


def test_a_crash_between_days_leaves_each_of_them_whole(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    days = [date(2026, 9, 1), date(2026, 9, 2), date(2026, 9, 3)]
    account = account_of(aws, since="2026-09-01")
    aws.charges = [charge(day, "1") for day in days for _ in range(2)]
    load(warehouse, account)
    aws.charges = [
        *(charge(day, "10") for day in days),
        *(charge(day, "20", service=S3) for day in days),
    ]
    # What PostgreSQL refuses on the second day, in the midst of its transaction.
    warehouse.execute(
        "ALTER TABLE oco.cloud_costs ADD CONSTRAINT crash "
        "CHECK (date <> '2026-09-02' OR billed_cost <> 20)"
    )
    with pytest.raises(Exception, match="2026-09-02: PostgreSQL refused"):
        load(warehouse, account)
    by_day = {
        row["date"]: row["billed"]
        for row in warehouse.query(
            "SELECT date, sum(billed_cost) AS billed FROM oco.cloud_costs "
            "WHERE valid_to IS NULL GROUP BY 1"
        )
    }
    assert by_day == {days[0]: 30, days[1]: 2, days[2]: 2}
    warehouse.execute("ALTER TABLE oco.cloud_costs DROP CONSTRAINT crash")
    load(warehouse, account)
    assert sums(warehouse)[0] == 90


def test_an_answer_that_leaves_out_a_day_is_refused(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(date(2026, 9, 2), "1")]
    load(warehouse, account_of(aws, since=SINCE))
    aws.leave_out = date(2026, 9, 2)
    with pytest.raises(InvalidInputError, match="leaves out 2026-09-02: nothing is loaded"):
        load(warehouse, account_of(aws, since=SINCE))
    assert sums(warehouse)[0] == 1


def test_pages_that_go_round_in_circles_are_refused(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    a_month(aws)
    aws.page_groups, aws.repeat_token = 5, True
    with pytest.raises(UpstreamUnavailable, match="do not end"):
        load(warehouse, account_of(aws))
    assert sums(warehouse) == (0, 0)


STATES = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([EC2, S3, "Tax"]),
            st.sampled_from(["Usage", "Tax", "Credit"]),
            st.decimals(-9, 9, places=4),
            st.decimals(-9, 9, places=4),
        ),
        max_size=6,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STATES, st.data())
def test_any_history_of_answers_ends_as_one_clean_load(
    warehouse: Warehouse,
    aws: CostExplorerServer,
    states: list[list[tuple[int, str, str, Decimal, Decimal]]],
    data: st.DataObject,
) -> None:
    account = account_of(aws, since="2026-09-01")
    warehouse.execute("TRUNCATE oco.cloud_costs, oco.ingestion_batches CASCADE")

    def show(state: list[tuple[int, str, str, Decimal, Decimal]]) -> None:
        aws.charges = [
            charge(
                date(2026, 9, 1) + timedelta(days=day), f"{billed:f}",
                service=service, record_type=record, amortized=used,
            )
            for day, service, record, billed, used in data.draw(st.permutations(state))
        ]  # fmt: skip
        aws.page_groups = data.draw(st.integers(1, 4))
        load(warehouse, account)

    for state in data.draw(st.lists(st.sampled_from(states), min_size=1, max_size=4)):
        show(state)
        last = state
    ended = held(warehouse)
    assert sums(warehouse) == billed_of(aws)
    warehouse.execute("TRUNCATE oco.cloud_costs, oco.ingestion_batches CASCADE")
    show(last)
    assert ended == held(warehouse)


# Accounts


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"linked_accounts": ["1"]}, "options.linked_accounts must be a list of 12 digits"),
        ({"linked_accounts": ["0" * 12, "0" * 12]}, "options.linked_accounts names an account"),
        ({"net": "yes"}, "options.net must be true or false"),
        ({"since": "soon"}, "options.since must be a day"),
        ({"bucket": "b"}, "unknown field options.bucket"),
    ],
)
def test_a_wrong_option_is_one_line(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^account aws-main: {told}"):
        account_of("http://127.0.0.1:1", **options)


def test_an_export_and_cost_explorer_of_one_bill_are_refused() -> None:
    export = {
        "name": "export",
        "provider": "aws",
        "kind": "data_export",
        "options": {"account_id": "000000000012", "bucket": "b", "export": "e"},
        "credentials": {"from": "instance_role"},
    }
    (whole,) = parse_accounts({"accounts": [export]}, Path("/"))
    endpoint = "http://127.0.0.1:1"
    part = account_of(endpoint, linked_accounts=["000000000013"])
    for other in (account_of(endpoint), part):
        with pytest.raises(InvalidInputError, match="account export reads already"):
            refuse_doubles((whole, other))
    of_linked = account_of(endpoint, name="own", account_id="000000000013")
    with pytest.raises(InvalidInputError, match="account own: reads the costs of aws/000000000013"):
        refuse_doubles((part, of_linked))
    more = account_of(endpoint, name="more", linked_accounts=["000000000014"])
    refuse_doubles((part, more))


def test_days_that_came_from_an_export_are_not_asked_for(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(date(2026, 9, 1), "1")]
    load(warehouse, account_of(aws, since=SINCE))
    for table in ("cloud_costs", "cloud_cost_partition_days"):
        warehouse.execute(f"UPDATE oco.{table} SET source = 'aws_data_export'")
    asked = len(aws.requests)
    with pytest.raises(ConflictError, match=r"\(aws_data_export\), so money would count twice"):
        load(warehouse, account_of(aws, since=SINCE))
    assert len(aws.requests) == asked
    load(warehouse, account_of(aws, since="2026-09-02"), start=date(2026, 9, 2))


# moto: another server that answers as AWS does


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def test_queued_results_of_moto_are_loaded_and_a_check_says_what_works(
    warehouse: Warehouse, moto: str
) -> None:
    def result(*groups: dict[str, Any]) -> dict[str, Any]:
        return {
            "ResultsByTime": [
                {
                    "TimePeriod": {"Start": "2026-09-04", "End": "2026-09-05"},
                    "Total": {},
                    "Groups": list(groups),
                    "Estimated": True,
                }
            ],
            "DimensionValueAttributes": [],
        }

    cost = {"Amount": "0.0101516483", "Unit": "USD"}
    metrics = {"UnblendedCost": cost, "AmortizedCost": {"Amount": "1E-10", "Unit": "USD"}}
    queue = [
        result({"Keys": ["AWS Lambda", "Request"], "Metrics": metrics}),
        result({"Keys": ["Tax", "Tax"], "Metrics": metrics}),
    ]
    request = urllib.request.Request(
        f"{moto}/moto-api/static/ce/cost-and-usage-results",
        data=json.dumps({"results": queue}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201
    account = account_of(moto, since="2026-09-04")
    done = load(warehouse, account)
    assert sums(warehouse) == (Decimal("0.0203032966"), Decimal("2E-10"))
    assert done.paid == 2
    assert [finding.ok for finding in kind_of(account).check(account)] == [True, True]


# Dagster


def test_a_run_says_what_it_cost(
    aws: CostExplorerServer, warehouse: Warehouse, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    aws.charges = [charge(today, "2.5")]
    aws.page_groups = 20
    account = account_of(aws, since=today.isoformat())
    settings = load_settings({"OCO_HOME": str(tmp_path)})
    made = kind_of(account).definitions([account], settings)
    shared = Definitions(resources={"warehouse": WarehouseResource(database_url=warehouse.url)})
    key = AssetKey(["aws_cost_explorer", "aws_main"])
    (watch,) = made.sensors or ()
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        first = watch(build_sensor_context(instance=instance))  # type: ignore[operator]
        assert isinstance(first, RunRequest)
        job = Definitions.merge(made, shared).resolve_implicit_global_asset_job_def()
        run = job.execute_in_process(asset_selection=[key], instance=instance)
        (event,) = run.get_asset_materialization_events()
        second = watch(build_sensor_context(instance=instance))  # type: ignore[operator]
        assert not isinstance(second, RunRequest)
    told = {
        name: value.value
        for name, value in event.step_materialization_data.materialization.metadata.items()
    }
    assert told["total"]["USD"]["billed_cost"] == "2.5"
    assert (told["paid_requests"], told["cost_usd"]) == (2, "0.02")
    assert (told["days"], told["estimated_days"], told["rows"]) == (1, 1, 1)
    assert told["window"] == f"{today} to {today}"
