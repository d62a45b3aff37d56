"""Resources of Cost Explorer: they split a day's usage, and its sums stay those without them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.ingestion import cost_checks
from oco_pipelines.ingestion.aws_ce_pages import ATTEMPTS
from oco_pipelines.ingestion.aws_checks import check_cost_explorer
from oco_pipelines.ingestion.aws_cost_explorer import DaysLoad, load_days
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_ce_options import parse_cost_explorer
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, UpstreamThrottled
from tests.oco_pipelines.ingestion.cost_explorer_server import Charge, CostExplorerServer, serve

NOW = datetime(2026, 9, 4, 15, tzinfo=UTC)
DAY = date(2026, 9, 1)
EC2, OTHER, S3 = (
    "Amazon Elastic Compute Cloud - Compute",
    "EC2 - Other",
    "Amazon Simple Storage Service",
)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "test")
    monkeypatch.setenv("TEST_SECRET", "test")


@pytest.fixture
def aws() -> Iterator[CostExplorerServer]:
    with serve() as server:
        server.estimated_from = date(2026, 8, 1)
        yield server


def account_of(aws: CostExplorerServer, **options: Any) -> Account:
    entry = {
        "name": "aws-main",
        "provider": "aws",
        "kind": "cost_explorer",
        "options": {
            "account_id": "000000000012",
            "endpoint_url": aws.endpoint,
            "since": "2026-09-01",
            "resources": [EC2],
        }
        | options,
        "credentials": {
            "from": "environment",
            "access_key_id": "TEST_KEY",
            "secret_access_key": "TEST_SECRET",
        },
    }
    (account,) = parse_accounts({"accounts": [entry]}, Path("/"))
    return account


def charge(day: date, cost: str, resource: str = "NoResourceId", **more: Any) -> Charge:
    values: dict[str, Any] = {
        "service": EC2,
        "usage_type": "BoxUsage:m5.large",
        "record_type": "Usage",
        "amortized": Decimal(cost) / 2,
    }
    return Charge(day=day, unblended=Decimal(cost), resource=resource, **{**values, **more})


def load(warehouse: Warehouse, account: Account, **more: Any) -> DaysLoad:
    return load_days(warehouse, account, **{"now": NOW, "sleep": lambda _: None, **more})


def by_resource(warehouse: Warehouse) -> dict[tuple[date, str | None], Decimal]:
    rows = warehouse.query(
        "SELECT date, resource_id, sum(billed_cost) AS billed FROM oco.cloud_costs "
        "WHERE valid_to IS NULL GROUP BY 1, 2"
    )
    return {(row["date"], row["resource_id"]): row["billed"] for row in rows}


def by_usage(warehouse: Warehouse) -> dict[tuple[Any, ...], tuple[Decimal, ...]]:
    """Sums of each day, account, service, usage type and category, resources left out."""
    rows = warehouse.query(
        "SELECT date, sub_account_id, service, charge_description, charge_category, "
        "billing_currency, sum(billed_cost) AS billed, sum(effective_cost) AS effective, "
        "sum(list_cost) AS listed, sum(contracted_cost) AS contracted, "
        "coalesce(sum(usage_quantity), 0) AS used FROM oco.cloud_costs "
        "WHERE valid_to IS NULL GROUP BY 1, 2, 3, 4, 5, 6"
    )
    found = [tuple(row.values()) for row in rows]
    return {row[:6]: row[6:] for row in found}


def test_a_resource_has_its_own_charge_and_the_rest_is_one_without(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [
        charge(DAY, "1.25", "i-1"),
        charge(DAY, "2.5", "i-2"),
        charge(DAY, "0.75"),
        charge(DAY, "8", "bucket", service=S3),
    ]
    load(warehouse, account_of(aws))
    rows = warehouse.query(
        "SELECT resource_id, billed_cost, effective_cost, usage_quantity, sku_meter "
        "FROM oco.cloud_costs WHERE service_category = 'Compute' ORDER BY billed_cost"
    )
    assert [tuple(row.values()) for row in rows] == [
        (None, Decimal("0.75"), Decimal("0.375"), 1, "BoxUsage:m5.large"),
        ("i-1", Decimal("1.25"), Decimal("0.625"), 1, "BoxUsage:m5.large"),
        ("i-2", Decimal("2.5"), Decimal("1.25"), 1, "BoxUsage:m5.large"),
    ]
    assert by_resource(warehouse)[DAY, None] == Decimal("8.75")
    assert cost_checks.control_totals(warehouse) == []


def test_without_the_option_nothing_about_resources_is_asked(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(DAY, "1", "i-1")]
    done = load(warehouse, account_of(aws, resources=[]))
    assert set(aws.operations) == {"GetCostAndUsage"}
    assert by_resource(warehouse) == {(DAY, None): 1}
    assert (done.paid, done.paid_resources) == (2, 0)


def test_only_the_last_14_days_are_asked_for(warehouse: Warehouse, aws: CostExplorerServer) -> None:
    load(warehouse, account_of(aws, since="2026-08-01"))
    periods = {
        operation: request["TimePeriod"]
        for operation, request in zip(aws.operations, aws.requests, strict=True)
    }
    assert periods == {
        "GetCostAndUsage": {"Start": "2026-08-01", "End": "2026-09-05"},
        "GetCostAndUsageWithResources": {"Start": "2026-08-22", "End": "2026-09-05"},
    }


def test_each_service_and_linked_account_is_a_paid_question_of_its_own(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    one, other = "000000000013", "000000000014"
    aws.charges = [
        charge(DAY, "1", "i-1", linked=one),
        charge(DAY, "2", "i-1", linked=other),
        charge(DAY, "4", "bucket", linked=other, service=S3),
    ]
    done = load(warehouse, account_of(aws, linked_accounts=[one, other], resources=[EC2, S3]))
    assert (done.paid, done.paid_resources) == (8, 4)
    assert done.paid == done.requests.sent == len(aws.requests)
    rows = warehouse.query(
        "SELECT sub_account_id, resource_id, billed_cost FROM oco.cloud_costs ORDER BY billed_cost"
    )
    assert [tuple(row.values()) for row in rows] == [
        (one, "i-1", 1), (other, "i-1", 2), (other, "bucket", 4),
    ]  # fmt: skip


@pytest.mark.parametrize("page_groups", [1, 2, 3, 4, 5, 7])
def test_every_page_counts_wherever_it_is_cut(
    warehouse: Warehouse, aws: CostExplorerServer, page_groups: int
) -> None:
    aws.charges = [
        charge(DAY + timedelta(days=day), f"{number}.5", f"i-{number}")
        for day in range(2)
        for number in range(1, 4)
    ]
    aws.page_groups = page_groups
    done = load(warehouse, account_of(aws))
    assert by_resource(warehouse) == {
        (DAY + timedelta(days=day), f"i-{number}"): Decimal(f"{number}.5")
        for day in range(2)
        for number in range(1, 4)
    }
    asked = aws.operations.count("GetCostAndUsageWithResources")
    assert (done.paid_resources, done.paid) == (asked, len(aws.requests))


def test_what_resources_do_not_explain_or_explain_too_much_is_kept_apart(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(DAY, "1", "i-1"), charge(DAY, "2", "i-2")]
    for unknown, rest in (("0.0000000001", "0.0000000002"), ("-0.25", "-0.5")):
        aws.unknown_to_resources = Decimal(unknown)
        load(warehouse, account_of(aws))
        found = by_resource(warehouse)
        assert found[DAY, None] == Decimal(rest)
        assert sum(found.values()) == 3


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValidationException", "enable resource-level data"),
        ("DataUnavailableException", "enable resource-level data"),
        ("AccessDeniedException", "allow ce:GetCostAndUsageWithResources"),
    ],
)
def test_where_aws_does_not_answer_about_resources_the_sums_are_loaded_and_it_is_told(
    warehouse: Warehouse, aws: CostExplorerServer, error: str, told: str
) -> None:
    aws.charges = [charge(DAY, "1", "i-1"), charge(DAY, "2", "i-2")]
    aws.refuse_resources = error
    lines: list[str] = []
    done = load(warehouse, account_of(aws), say=lines.append)
    assert by_resource(warehouse) == {(DAY, None): 3}
    (line,) = lines
    assert line.startswith("account aws-main: ce:GetCostAndUsageWithResources: ")
    assert error in line and EC2 in line and told in line
    assert len(done.without_resources) == 1
    assert (done.paid, done.paid_resources) == (2, 0)


def test_a_service_that_is_refused_leaves_the_others_their_resources(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(DAY, "1", "i-1"), charge(DAY, "2", "bucket", service=S3)]
    aws.unanswered_service = S3
    load(warehouse, account_of(aws, resources=[S3, EC2]))
    assert by_resource(warehouse) == {(DAY, None): 2, (DAY, "i-1"): 1}


def test_throttling_of_resources_that_does_not_end_fails_and_changes_nothing(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(DAY, "1", "i-1")]
    load(warehouse, account_of(aws))
    aws.charges = [charge(DAY, "2", "i-1")]
    aws.refuse_resources = "LimitExceededException"
    with pytest.raises(UpstreamThrottled, match="AWS asks to slow down"):
        load(warehouse, account_of(aws))
    assert aws.operations[-ATTEMPTS:] == ["GetCostAndUsageWithResources"] * ATTEMPTS
    assert by_resource(warehouse) == {(DAY, "i-1"): 1}


def test_resources_stay_when_their_days_are_too_long_ago(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(DAY, "1.50", "i-1"), charge(DAY, "2", "i-2"), charge(DAY, "4")]
    load(warehouse, account_of(aws))
    aws.today = date(2026, 9, 25)
    done = load(warehouse, account_of(aws), now=NOW + timedelta(days=21))
    assert aws.requests[-1]["TimePeriod"]["Start"] == "2026-09-12"
    assert {(r.inserted, r.closed) for r in done.results} == {(0, 0)}
    assert by_resource(warehouse) == {
        (DAY, "i-1"): Decimal("1.5"), (DAY, "i-2"): 2, (DAY, None): 4,
    }  # fmt: skip


def test_a_restatement_of_such_a_day_changes_what_has_no_resource(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [
        charge(DAY, "1", "i-1"),
        charge(DAY, "2", "i-2"),
        charge(DAY, "8", "vol-1", service=OTHER, usage_type="EBS:VolumeUsage.gp3"),
    ]
    account = account_of(aws, resources=[EC2, OTHER])
    load(warehouse, account)
    aws.charges = [charge(DAY, "1", "i-1"), charge(DAY, "2.75", "i-2")]
    aws.today = date(2026, 9, 25)
    load(warehouse, account, now=NOW + timedelta(days=21))
    assert by_resource(warehouse) == {
        (DAY, "i-1"): 1, (DAY, "i-2"): 2, (DAY, None): Decimal("0.75"),
    }  # fmt: skip


def test_resources_stay_while_aws_does_not_answer_about_them(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(DAY, "1", "i-1")]
    load(warehouse, account_of(aws))
    aws.refuse_resources = "DataUnavailableException"
    aws.charges = [charge(DAY, "1", "i-1"), charge(DAY, "2", "i-2")]
    load(warehouse, account_of(aws))
    assert by_resource(warehouse) == {(DAY, "i-1"): 1, (DAY, None): 2}


def test_an_option_that_is_taken_out_takes_the_resources_out(
    warehouse: Warehouse, aws: CostExplorerServer
) -> None:
    aws.charges = [charge(DAY, "1", "i-1"), charge(DAY, "2", "i-2")]
    load(warehouse, account_of(aws))
    load(warehouse, account_of(aws, resources=[]))
    assert by_resource(warehouse) == {(DAY, None): 3}


CHARGES = st.lists(
    st.builds(
        charge,
        st.dates(date(2026, 9, 2), date(2026, 9, 4)),
        st.decimals(-9, 9, places=4).map(str),
        st.sampled_from(["i-1", "i-2", "vol-1", "NoResourceId", ""]),
        service=st.sampled_from([EC2, OTHER, S3]),
        usage_type=st.sampled_from(["BoxUsage:m5.large", "DataTransfer-Out-Bytes"]),
        record_type=st.sampled_from(["Usage", "DiscountedUsage", "Tax"]),
        unit=st.sampled_from(["Hrs", "GB", "N/A"]),
        linked=st.sampled_from(["000000000013", "000000000014"]),
    ),
    max_size=12,
)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_sums_are_those_without_resources_whatever_is_answered(
    warehouse: Warehouse, aws: CostExplorerServer, data: st.DataObject
) -> None:
    options: dict[str, Any] = {"since": "2026-09-02"}
    if data.draw(st.booleans()):
        options["linked_accounts"] = ["000000000013", "000000000014"]
    services = data.draw(st.lists(st.sampled_from([EC2, OTHER, S3]), min_size=1, unique=True))
    warehouse.execute("TRUNCATE oco.cloud_costs, oco.ingestion_batches CASCADE")
    aws.today = NOW.date()
    # The last time, some of the days are too long ago.
    for later in (0, 12):
        aws.charges = data.draw(CHARGES)
        aws.page_groups = data.draw(st.integers(1, 5))
        aws.unknown_to_resources = data.draw(st.sampled_from([Decimal(0), Decimal("0.01")]))
        aws.refuse_resources = data.draw(st.sampled_from([None, None, "ValidationException"]))
        aws.today = NOW.date() + timedelta(days=later)
        now = NOW + timedelta(days=later)
        load(warehouse, account_of(aws, resources=services, **options), now=now)
    with_resources = by_usage(warehouse)
    assert cost_checks.control_totals(warehouse) == []
    warehouse.execute("TRUNCATE oco.cloud_costs, oco.ingestion_batches CASCADE")
    load(warehouse, account_of(aws, resources=[], **options), now=now)
    assert with_nothing_left_out(with_resources) == with_nothing_left_out(by_usage(warehouse))


def with_nothing_left_out(
    sums: dict[tuple[Any, ...], tuple[Decimal, ...]],
) -> dict[tuple[Any, ...], tuple[Decimal, ...]]:
    """Without groups of nothing: a rest of nothing is no charge."""
    return {key: amounts for key, amounts in sums.items() if any(amounts)}


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ("EC2", "options.resources must be a list of services"),
        ([1], "options.resources must be a list of services"),
        ([" "], "options.resources must be a list of services"),
        ([EC2, EC2], "options.resources names a service twice"),
    ],
)
def test_a_wrong_option_is_one_line(aws: CostExplorerServer, resources: object, told: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^account aws-main: {told}"):
        account_of(aws, resources=resources)


def findings(aws: CostExplorerServer) -> list[Any]:
    account = account_of(aws)
    return check_cost_explorer(account, parse_cost_explorer(account))


def test_a_check_asks_about_resources_too(aws: CostExplorerServer) -> None:
    aws.today = datetime.now(UTC).date()
    found = findings(aws)
    assert [finding.ok for finding in found] == [True, True, True]
    assert found[-1].detail == f"answers about {EC2} (this cost 0.01 USD)"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("AccessDeniedException", '"ce:GetCostAndUsageWithResources"'),
        ("DataUnavailableException", "enable resource-level data"),
    ],
)
def test_a_check_says_what_resources_lack(aws: CostExplorerServer, error: str, told: str) -> None:
    aws.refuse_resources = error
    *others, last = findings(aws)
    assert [finding.ok for finding in others] == [True, True]
    assert not last.ok
    assert error in last.detail
    assert told in last.remedy
