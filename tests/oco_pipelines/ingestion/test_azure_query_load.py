"""Months of Azure's Query API in a real warehouse, whatever the way in which they arrived."""

import dataclasses
import itertools
import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.ingestion.azure_credentials import TokenFile
from oco_pipelines.ingestion.azure_query_client import CostQuery
from oco_pipelines.ingestion.azure_query_load import (
    Partition,
    load_month,
    read_partition,
    restated,
)
from oco_pipelines.ingestion.cost_batch import LoadResult
from oco_pipelines.ingestion.cost_checks import control_totals
from oco_warehouse.cloud_accounts.azure_scope import Scope, read_scope
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import (
    InvalidInputError,
    UpstreamError,
    WarehouseError,
)
from tests.oco_pipelines.ingestion.azure_standin import (
    SCOPE,
    SUBSCRIPTION,
    TOKEN,
    Azure,
    Charge,
    Fault,
    azure,
)
from tests.oco_pipelines.ingestion.test_azure_query import a_month

OCTOBER = Partition("production", date(2026, 10, 1))
BILLING = "/providers/Microsoft.Billing/billingAccounts"
TODAY = date(2026, 12, 2)
NOVEMBER = Partition("production", date(2026, 11, 1))


@pytest.fixture
def cloud() -> Iterator[Azure]:
    with azure() as server:
        server.charges = in_usd(a_month(11, days=3))
        yield server


def in_usd(charges: list[Charge]) -> list[Charge]:
    return [dataclasses.replace(charge, currency="USD") for charge in charges]


def fetch(
    warehouse: Warehouse,
    cloud: Azure,
    tmp_path: Path,
    partition: Partition = OCTOBER,
    today: date = TODAY,
    scope: str = SCOPE,
) -> LoadResult | None:
    (tmp_path / "token").write_text(TOKEN)
    credential = TokenFile(tmp_path / "token")
    query = CostQuery(scope, credential, cloud.url, sleep=lambda _: None)
    return load_month(warehouse, partition, query, read_scope(scope), today=today)


def believed(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Everything that is believed of every charge; not which load it came with."""
    return warehouse.query(
        "SELECT source, source_partition, date, charge_period_end, billing_period_start, "
        "charge_category, charge_class, service, service_category, resource_id, sub_account_id, "
        "account_id, pricing_category, commitment_discount_status, billing_currency, billed_cost, "
        "effective_cost, list_cost, contracted_cost, cost_usd, row_hash, occurrence "
        "FROM oco.cloud_costs WHERE valid_to IS NULL ORDER BY row_hash, occurrence"
    )


def sums(warehouse: Warehouse) -> tuple[Decimal, Decimal]:
    (row,) = warehouse.query(
        "SELECT coalesce(sum(billed_cost), 0) AS billed, "
        "coalesce(sum(effective_cost), 0) AS spread FROM oco.cloud_costs WHERE valid_to IS NULL"
    )
    return row["billed"], row["spread"]


def truth(charges: list[Charge]) -> tuple[Decimal, Decimal]:
    """The sums of both questions, from the texts of the charges."""
    actual = [Decimal(charge.actual) for charge in charges if charge.actual is not None]
    spread = [Decimal(charge.amortized) for charge in charges if charge.amortized is not None]
    return sum(actual, Decimal(0)), sum(spread, Decimal(0))


def test_billed_is_actual_and_effective_is_amortized_to_the_last_digit(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path
) -> None:
    result = fetch(warehouse, cloud, tmp_path)
    assert result is not None and result.rejected == 0
    assert sums(warehouse) == truth(cloud.charges)
    assert control_totals(warehouse) == []
    rows = {
        (row["charge_category"], row["pricing_category"], row["commitment_discount_status"]): row
        for row in believed(warehouse)
    }
    # What is bought is billed only, what it covers and what it does not is effective only.
    bought = rows["Purchase", "Standard", None]
    assert (bought["billed_cost"], bought["effective_cost"]) == (Decimal("1200.5"), 0)
    used = rows["Usage", "Committed", "Used"]
    assert (used["billed_cost"], used["effective_cost"]) == (0, Decimal("4E-19"))
    unused = rows["Usage", "Committed", "Unused"]
    assert (unused["billed_cost"], unused["effective_cost"]) == (0, Decimal("0.0031"))
    assert rows["Tax", None, None]["billed_cost"] == Decimal("19.01")
    # A type that we do not know counts, and says so.
    assert rows["Adjustment", None, None]["billed_cost"] == Decimal("-0.3")
    assert {row["account_id"] for row in rows.values()} == {SUBSCRIPTION}
    assert used["service"] == "Virtual Machines" and used["service_category"] == "Compute"


@pytest.mark.parametrize(
    "scope",
    [f"{BILLING}/8600001", "/providers/Microsoft.Management/managementGroups/all"],
)
def test_a_scope_of_several_subscriptions_is_read_by_subscription(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path, scope: str
) -> None:
    fetch(warehouse, cloud, tmp_path, scope=scope)
    assert sums(warehouse) == truth(cloud.charges)
    rows = believed(warehouse)
    assert {row["resource_id"] for row in rows} == {None}
    assert {row["sub_account_id"] for row in rows} == {SUBSCRIPTION, None}


def test_the_same_month_again_changes_nothing(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path
) -> None:
    fetch(warehouse, cloud, tmp_path)
    before = believed(warehouse)
    cloud.page_size, cloud.dice = 2, random.Random(1)
    again = fetch(warehouse, cloud, tmp_path)
    assert again is not None and again.status == "unchanged"
    assert believed(warehouse) == before


def test_what_azure_restates_and_takes_back_is_believed_as_it_says_now(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path
) -> None:
    fetch(warehouse, cloud, tmp_path)
    first, _, *rest = cloud.charges
    late = Charge(date(2026, 10, 2), "5.5", "5.5", ResourceId="/subscriptions/late")
    cloud.charges = [*rest, dataclasses.replace(first, actual="1", amortized="1"), late]
    result = fetch(warehouse, cloud, tmp_path)
    assert result is not None and result.status == "loaded" and result.closed > 0
    assert sums(warehouse) == truth(cloud.charges)
    held = warehouse.query("SELECT count(*) AS n FROM oco.cloud_costs WHERE valid_to IS NOT NULL")
    assert held[0]["n"] == result.closed


def test_a_month_is_of_its_own_days(warehouse: Warehouse, cloud: Azure, tmp_path: Path) -> None:
    october = cloud.charges
    november = [Charge(date(2026, 11, 1), "3", "3"), Charge(date(2026, 11, 30), "4", "4")]
    cloud.charges = [*october, *november]
    fetch(warehouse, cloud, tmp_path)
    assert sums(warehouse) == truth(october)
    fetch(warehouse, cloud, tmp_path, NOVEMBER)
    assert sums(warehouse) == truth(cloud.charges)


def test_an_open_month_is_an_estimate_and_ends_today(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path
) -> None:
    def flags() -> list[dict[str, Any]]:
        return warehouse.query("SELECT DISTINCT estimated FROM oco.cloud_costs")

    fetch(warehouse, cloud, tmp_path, today=date(2026, 10, 20))
    assert flags() == [{"estimated": True}]
    assert {r["body"]["timePeriod"]["to"][:10] for r in cloud.requests} == {"2026-10-20"}
    fetch(warehouse, cloud, tmp_path, today=date(2026, 11, 5))
    assert flags() == [{"estimated": True}]
    final = fetch(warehouse, cloud, tmp_path, today=date(2026, 11, 6))
    assert final is not None and final.status == "unchanged"
    assert flags() == [{"estimated": False}]
    with pytest.raises(InvalidInputError, match="in the future"):
        fetch(warehouse, cloud, tmp_path, NOVEMBER, today=date(2026, 10, 31))


@pytest.mark.parametrize("broken_at", range(0, 14, 3))
def test_a_reading_that_breaks_off_leaves_the_earlier_month_whole(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path, broken_at: int
) -> None:
    fetch(warehouse, cloud, tmp_path)
    before = believed(warehouse)
    cloud.charges, cloud.page_size = in_usd(a_month(12, days=3)), 4
    cloud.faults = [*[None] * broken_at, *[Fault(cut=True)] * 5]
    with pytest.raises(UpstreamError, match="did not answer"):
        fetch(warehouse, cloud, tmp_path)
    assert believed(warehouse) == before


def test_a_load_that_postgresql_ends_in_the_middle_leaves_the_earlier_month_whole(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path
) -> None:
    fetch(warehouse, cloud, tmp_path)
    before = believed(warehouse)
    cloud.charges = in_usd(a_month(12, days=3))
    # The last thing that a load writes is how it ended.
    warehouse.execute(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$"
    )
    warehouse.execute(
        "CREATE TRIGGER die BEFORE UPDATE ON oco.ingestion_batches "
        "FOR EACH ROW WHEN (NEW.status = 'loaded') EXECUTE FUNCTION die()"
    )
    with pytest.raises(WarehouseError):
        fetch(warehouse, cloud, tmp_path)
    assert believed(warehouse) == before
    warehouse.execute("DROP TRIGGER die ON oco.ingestion_batches")
    fetch(warehouse, cloud, tmp_path)
    assert sums(warehouse) == truth(cloud.charges)


def test_an_empty_answer_is_no_evidence_that_nothing_was_spent(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path
) -> None:
    cloud.charges, kept = [], cloud.charges
    assert fetch(warehouse, cloud, tmp_path) is None
    cloud.charges = kept
    fetch(warehouse, cloud, tmp_path)
    cloud.charges = []
    with pytest.raises(InvalidInputError, match=r"no costs at all.*nothing was changed"):
        fetch(warehouse, cloud, tmp_path)
    assert sums(warehouse) == truth(kept)


def test_a_month_with_purchases_only_has_no_effective_cost(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path
) -> None:
    cloud.charges = [
        Charge(date(2026, 10, 9), "88", None, ChargeType="Purchase", PricingModel="SavingsPlan")
    ]
    fetch(warehouse, cloud, tmp_path)
    assert sums(warehouse) == (88, 0)
    cloud.charges = [
        Charge(date(2026, 10, 9), None, "8", ChargeType="UnusedSavingsPlan", PricingModel="x")
    ]
    fetch(warehouse, cloud, tmp_path)
    assert sums(warehouse) == (0, 8)


# More than the rounding of Azure's own sums.
amounts = st.builds(
    lambda sign, number: f"{sign}{Decimal(number).scaleb(-12):f}",
    st.sampled_from(["", "-"]),
    st.integers(10**9, 10**15),
)
charges = st.builds(
    Charge,
    day=st.dates(date(2026, 10, 1), date(2026, 10, 31)),
    actual=st.none() | amounts,
    amortized=amounts,
    ChargeType=st.sampled_from(["Usage", "Tax", "Refund"]),
    # What a reservation covers costs nothing in the actual answer.
    PricingModel=st.sampled_from(["OnDemand", "Spot", ""]),
    ResourceId=st.sampled_from(["", f"{SCOPE}/a", f"{SCOPE}/b"]),
)
faults = st.none() | st.builds(
    Fault,
    status=st.sampled_from([200, 200, 429, 503]),
    cut=st.booleans(),
    double=st.booleans(),
    lose=st.booleans(),
)


def losing_once(broken: list[Fault | None]) -> list[Fault | None]:
    """The same without a second lost row: what no answer to any question has cannot be missed."""
    losing = [fault for fault in broken if fault is not None and fault.lose]
    return [
        dataclasses.replace(fault, lose=False)
        if fault in losing and fault is not losing[0]
        else fault
        for fault in broken
    ]


deliveries = st.lists(
    st.tuples(st.lists(charges, min_size=1, max_size=6),
              st.lists(faults, max_size=6).map(losing_once), st.integers(1, 4), st.integers()),
    min_size=1, max_size=4,
)  # fmt: skip
_tables = "oco.cloud_costs, oco.ingestion_batches, oco.rejected_rows"


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schedule=deliveries)
def test_any_schedule_of_deliveries_ends_as_one_clean_load(
    warehouse: Warehouse, tmp_path: Path, schedule: list[Any]
) -> None:
    """Late rows, restatements, doubles, losses and cut connections on the way to the same truth."""
    with azure() as cloud:
        for known, broken, size, seed in schedule:
            cloud.charges, cloud.page_size = known, size
            cloud.faults, cloud.dice = list(broken), random.Random(seed)
            for _ in itertools.repeat(None, 4):
                try:
                    fetch(warehouse, cloud, tmp_path)
                except UpstreamError:
                    continue  # As the next tick of the schedule does.
                break
            assert sums(warehouse) == truth(known)
        late = believed(warehouse)
        warehouse.execute(f"TRUNCATE {_tables} CASCADE")
        clean = azure_of(schedule[-1][0], cloud)
        fetch(warehouse, clean, tmp_path)
        assert late == believed(warehouse)
        assert control_totals(warehouse) == []
    warehouse.execute(f"TRUNCATE {_tables} CASCADE")


def azure_of(charges: list[Charge], cloud: Azure) -> Azure:
    cloud.charges, cloud.faults, cloud.dice, cloud.page_size = charges, [], None, 1000
    return cloud


def test_partitions_and_months() -> None:
    assert OCTOBER.key == "production|2026-10" and read_partition(OCTOBER.key) == OCTOBER
    assert OCTOBER.last == date(2026, 10, 31)
    assert restated(date(2026, 1, 31)) == [date(2025, 12, 1), date(2026, 1, 1)]
    for wrong in ("production", "production|2026-13", "production|2026-1-1"):
        with pytest.raises(InvalidInputError, match="is no partition"):
            read_partition(wrong)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        (SCOPE.upper(), Scope(SCOPE.upper(), SUBSCRIPTION, SUBSCRIPTION)),
        (f"{SCOPE}/resourceGroups/rg-1/",
         Scope(f"{SCOPE}/resourceGroups/rg-1", SUBSCRIPTION, SUBSCRIPTION)),
        ("providers/Microsoft.Billing/billingAccounts/8600001",
         Scope("/providers/Microsoft.Billing/billingAccounts/8600001", "8600001", None)),
        (f"{BILLING}/a:b_2019/billingProfiles/AB-CD",
         Scope(f"{BILLING}/a:b_2019/billingProfiles/AB-CD", "AB-CD", None)),
        ("/providers/Microsoft.Management/managementGroups/all",
         Scope("/providers/Microsoft.Management/managementGroups/all", "all", None)),
    ],
)  # fmt: skip
def test_a_scope_says_whose_bill_it_is(text: str, scope: Scope) -> None:
    assert read_scope(text) == scope


@pytest.mark.parametrize("text", ["", "production", "/subscriptions/1", f"{SCOPE}?x=1", "/a/../b"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="none of Azure's"):
        read_scope(text)
