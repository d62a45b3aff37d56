"""Bills of every vendor with every line type, loaded to the last digit however they are written.

What must come of each line is in the tables of `aws_lines`, `azure_lines`, `gcp_lines` and
`focus_lines`, worked out by hand.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion.adversarial.bill import (
    FORMS,
    PROVIDERS,
    RATES,
    TYPES,
    Bill,
    Provider,
    load,
    loaded,
    make_bill,
)

SEEDS = range(1, 7)
BILLS = [(provider, seed) for provider in PROVIDERS for seed in SEEDS]
FEW_BILLS = [(provider, seed) for provider, seed in BILLS if seed <= 2]

# Every line type of the page of facts about bills: {what it says: (provider, line types here)}.
FACTS: dict[str, tuple[Provider, set[str]]] = {
    "RIFee → unused upfront + unused recurring": (
        "aws",
        {
            "RIFee with unused hours",
            "RIFee all used",
            "RIFee, all upfront, unused hours",
            "RIFee, no upfront, unused hours",
            "RIFee with unused hours, net",
        },
    ),
    "SavingsPlanRecurringFee → commitment − used": (
        "aws",
        {
            "SavingsPlanRecurringFee with unused commitment",
            "SavingsPlanRecurringFee all used",
            "SavingsPlanRecurringFee used beyond",
            "SavingsPlanRecurringFee with unused commitment, net",
        },
    ),
    "SavingsPlanNegation → 0": ("aws", {"SavingsPlanNegation", "SavingsPlanNegation, net"}),
    "SavingsPlanUpfrontFee → 0": ("aws", {"SavingsPlanUpfrontFee", "SavingsPlanUpfrontFee, net"}),
    "an upfront RI Fee → 0": ("aws", {"Fee of a reservation, upfront"}),
    "DiscountedUsage → its effective cost": (
        "aws",
        {"DiscountedUsage", "DiscountedUsage, net", "DiscountedUsage without a public price"},
    ),
    "SavingsPlanCoveredUsage → its effective cost": (
        "aws",
        {"SavingsPlanCoveredUsage", "SavingsPlanCoveredUsage, net"},
    ),
    "split-cost lines (EKS pod, ECS task) double count": (
        "aws",
        {
            "Split cost, EKS pod",
            "Split cost, ECS task on a machine",
            "Split cost, Fargate task",
        },
    ),
    "refunds, credits and tax of AWS": (
        "aws",
        {"Refund", "Usage on a refunding bill", "Credit", "Tax", "Tax, net"},
    ),
    "private discounts of AWS": (
        "aws",
        {
            "EdpDiscount",
            "PrivateRateDiscount",
            "EdpDiscount beside net costs",
            "PrivateRateDiscount beside net costs",
        },
    ),
    "crossover months of AWS": (
        "aws",
        {"Usage of the month before", "Usage until the month's end", "Usage of the next month"},
    ),
    "currencies and many decimals of AWS": (
        "aws",
        {"Usage", "Usage in another currency", "Usage of ten decimals"},
    ),
    "ActualCost → billed, AmortizedCost → effective": (
        "azure",
        {
            "Usage",
            "Usage of a reservation",
            "Usage of a savings plan",
            "Purchase of a reservation",
            "Purchase of a savings plan",
            "UnusedReservation",
            "UnusedSavingsPlan",
            "Refund of a reservation",
        },
    ),
    "tax, credit and rounding of Azure": ("azure", {"Tax", "Credit", "RoundingAdjustment"}),
    "currencies and crossover months of Azure": (
        "azure",
        {"Usage priced in another currency", "Usage of the month before"},
    ),
    "credits is an array: over all elements": (
        "gcp",
        {
            "credits in an array, all elements",
            "credit PROMOTION",
            "credit SUSTAINED_USAGE_DISCOUNT",
            "credit COMMITTED_USAGE_DISCOUNT",
            "credit COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
            "credit DISCOUNT",
            "credit FREE_TIER",
            "credit RESELLER_MARGIN",
            "credit SUBSCRIPTION_BENEFIT",
            "credit taken back",
        },
    ),
    "cost_type regular": ("gcp", {"regular"}),
    "cost_type tax": ("gcp", {"tax", "tax that a promotion pays"}),
    "cost_type adjustment": (
        "gcp",
        {
            "adjustment, usage corrected",
            "adjustment, negation",
            "adjustment, goodwill",
            "adjustment, SLA",
            "adjustment, balance",
        },
    ),
    "cost_type rounding_error": ("gcp", {"rounding_error"}),
    "project.id can be NULL": ("gcp", {"NULL project", "NULL project.id"}),
    "invoice.month ≠ usage month": (
        "gcp",
        {"crossover: the next month's invoice", "crossover: usage of the month before"},
    ),
    "rows can span midnight": ("gcp", {"crossover: over midnight"}),
    "commitments of GCP": (
        "gcp",
        {
            "fee of a commitment whose usage is lowered",
            "fee of a commitment, all repaid",
            "fee of a commitment, some unused",
            "usage at a commitment's price",
        },
    ),
    "currencies and many decimals of GCP": (
        "gcp",
        {"in another currency", "regular, hardly anything"},
    ),
    "FOCUS' charge categories": ("focus", {"Usage", "Purchase", "Tax", "Credit", "Adjustment"}),
    "FOCUS: LLM tokens": ("focus", {"Tokens"}),
    "FOCUS: used + unused = purchase": ("focus", {"Usage covered", "Usage unused", "Purchase"}),
}


@pytest.fixture
def rated(warehouse: Warehouse) -> Warehouse:
    """A warehouse with the rates of the bills."""
    for (currency, month), rate in RATES.items():
        warehouse.execute(
            "INSERT INTO oco.exchange_rates (month, from_currency, rate, source) "
            "VALUES (%s, %s, %s, 'test')",
            [f"{month}-01", currency, rate],
        )
    return warehouse


def charges(warehouse: Warehouse, partitions: list[str]) -> Counter[bytes]:
    """Which charges are believed, and how often each."""
    rows = warehouse.query(
        "SELECT row_hash FROM oco.cloud_costs WHERE valid_to IS NULL "
        "AND source_partition = ANY(%s)",
        [partitions],
    )
    return Counter(bytes(row["row_hash"]) for row in rows)


def whole(totals: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {currency: sums["billed_cost"] for currency, sums in totals.items()}


def check_totals(warehouse: Warehouse, bill: Bill, folder: Path) -> str:
    """Load a bill and hold it against what must come of it; answers its partition."""
    partition = f"{bill.provider}-{bill.seed}"
    result = load(warehouse, [bill], folder, partition)
    expected, (rejected, unbilled) = bill.expected(), bill.expected_rejected()
    assert loaded(warehouse, [partition]) == expected
    accepted = sum(sums[0] for sums in expected.values())
    assert (result.accepted, result.rejected) == (accepted, rejected)
    assert result.rows == accepted + rejected
    assert whole(result.totals_rejected) == unbilled
    billed = {
        currency: sum(sums[1] for key, sums in expected.items() if key[0] == currency)
        + unbilled.get(currency, 0)
        for currency in {key[0] for key in expected} | unbilled.keys()
    }
    assert whole(result.totals_source) == billed
    return partition


def check_again(warehouse: Warehouse, bill: Bill, folder: Path, partition: str) -> None:
    """Load the same bill in another order and layout: nothing may change."""
    result = load(warehouse, [bill.shuffled()], folder, partition)
    assert (result.inserted, result.closed) == (0, 0)


@pytest.mark.parametrize(("provider", "seed"), BILLS)
def test_every_total_of_a_bill_is_what_was_worked_out_by_hand(
    rated: Warehouse, tmp_path: Path, provider: Provider, seed: int
) -> None:
    bill = make_bill(provider, seed)
    partition = check_totals(rated, bill, tmp_path)
    check_again(rated, bill, tmp_path, partition)


@pytest.mark.parametrize(("provider", "seed"), FEW_BILLS)
def test_a_bill_cut_into_files_is_the_same_charges(
    rated: Warehouse, tmp_path: Path, provider: Provider, seed: int
) -> None:
    bill = make_bill(provider, seed)
    load(rated, [bill], tmp_path, "whole")
    before = charges(rated, ["whole"])
    pieces = bill.shuffled().cut()
    if provider == "azure":
        # A month is one partition, of as many files as it comes in.
        result = load(rated, pieces, tmp_path, "whole")
        assert (result.inserted, result.closed) == (0, 0)
        return
    names = [f"part-{number}" for number in range(len(pieces))]
    for number, (name, piece) in enumerate(zip(names, pieces, strict=True)):
        load(rated, [piece], tmp_path, name, () if number else ["whole"])
    assert charges(rated, names) == before
    assert loaded(rated, ["whole", *names]) == bill.expected()
    load(rated, [bill], tmp_path, "whole", names)
    assert charges(rated, ["whole", *names]) == before


@settings(
    max_examples=4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(provider=st.sampled_from(PROVIDERS), seed=st.integers(100, 2**31))
@example(provider="azure", seed=4250)  # a bill in USD of what has a price in another currency
def test_so_is_every_total_of_any_other_bill(
    rated: Warehouse, tmp_path: Path, provider: Provider, seed: int
) -> None:
    bill = make_bill(provider, seed)
    partition = check_totals(rated, bill, tmp_path)
    check_again(rated, bill, tmp_path, partition)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_seeds_have_every_line_type(provider: Provider) -> None:
    there = {item.kind.name for seed in SEEDS for item in make_bill(provider, seed).items}
    assert there == {kind.name for kind in TYPES[provider]}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_seeds_have_every_form(provider: Provider) -> None:
    forms = {form for seed in SEEDS for form in make_bill(provider, seed).forms}
    assert forms == {form for family in FORMS[provider] for form in family}


@pytest.mark.parametrize("fact", FACTS)
def test_every_line_type_of_the_facts_is_in_a_table(fact: str) -> None:
    provider, names = FACTS[fact]
    assert names <= {kind.name for kind in TYPES[provider]}
