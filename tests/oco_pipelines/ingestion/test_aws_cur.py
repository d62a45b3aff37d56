"""What each type of line of an AWS report costs, with figures worked out by hand."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.focus_normalise import normalise
from oco_warehouse.errors import InvalidFileError
from tests.oco_pipelines.ingestion.aws_forms import legacy_csv, read_report
from tests.oco_pipelines.ingestion.aws_month import (
    PLAN,
    RESERVATION,
    Month,
    plan,
    reserve,
)

NET = "lineItem/NetUnblendedCost"


def rows(made: Month) -> list[dict[str, Any]]:
    return read_report("report", legacy_csv(made)).rows.to_dicts()


def row(line_type: str, cost: str, **more: str) -> dict[str, Any]:
    made = Month()
    made.add(line_type, cost, **more)
    return rows(made)[0]


def costs(found: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        found["BilledCost"],
        found["EffectiveCost"],
        found["ListCost"],
        found["ContractedCost"],
    )


@pytest.mark.parametrize(
    ("line_type", "cost", "more", "expected"),
    [
        # billed, effective, list and contracted cost
        ("Usage", "3", {"publicOnDemandCost": "4"}, ("3", "3", "4", "3")),
        ("Usage", "3", {}, ("3", "3", "3", "3")),
        ("Usage", "3", {"publicOnDemandCost": "0.0"}, ("3", "3", "3", "3")),
        ("Usage", "0.0", {"publicOnDemandCost": "0"}, ("0.0", "0.0", "0", "0.0")),
        (
            "DiscountedUsage",
            "0",
            {"ReservationARN": RESERVATION, "EffectiveCost": "6", "publicOnDemandCost": "10"},
            ("0", "6", "10", "10"),
        ),
        (
            "SavingsPlanCoveredUsage",
            "10",
            {"SavingsPlanARN": PLAN, "SavingsPlanEffectiveCost": "7", "publicOnDemandCost": "10"},
            ("10", "7", "10", "10"),
        ),
        ("SavingsPlanNegation", "-10", {"SavingsPlanARN": PLAN}, ("-10", "0", "0", "0")),
        (
            "SavingsPlanRecurringFee",
            "24",
            {"SavingsPlanARN": PLAN, "TotalCommitmentToDate": "30", "UsedCommitment": "25.5"},
            ("24", "4.5", "24", "24"),
        ),
        (
            "SavingsPlanRecurringFee",
            "24",
            {"SavingsPlanARN": PLAN, "TotalCommitmentToDate": "30", "UsedCommitment": "30.0001"},
            ("24", "0", "24", "24"),
        ),
        ("SavingsPlanUpfrontFee", "900", {"SavingsPlanARN": PLAN}, ("900", "0", "900", "900")),
        (
            "RIFee",
            "72",
            {
                "ReservationARN": RESERVATION,
                "UnusedAmortizedUpfrontFeeForBillingPeriod": "1.25",
                "UnusedRecurringFee": "2.5",
            },
            ("72", "3.75", "72", "72"),
        ),
        ("Fee", "500", {"ReservationARN": RESERVATION}, ("500", "0", "500", "500")),
        ("Fee", "100", {}, ("100", "100", "100", "100")),
        ("Tax", "7.77", {}, ("7.77", "7.77", "7.77", "7.77")),
        ("Credit", "-3.5", {}, ("-3.5", "-3.5", "-3.5", "-3.5")),
        ("Refund", "-1.25", {}, ("-1.25", "-1.25", "-1.25", "-1.25")),
        ("EdpDiscount", "-5", {}, ("-5", "-5", "0", "-5")),
        ("PrivateRateDiscount", "-5", {}, ("-5", "-5", "0", "-5")),
        ("BundledDiscount", "-5", {}, ("-5", "-5", "0", "-5")),
        ("DistributorDiscount", "-5", {}, ("-5", "-5", "0", "-5")),
        ("SomethingNew", "9", {}, ("9", "9", "9", "9")),
    ],
)
def test_the_four_costs_of_each_type_of_line(
    line_type: str, cost: str, more: dict[str, str], expected: tuple[str, ...]
) -> None:
    found = costs(row(line_type, cost, **more))
    assert found == expected


@pytest.mark.parametrize(
    ("line_type", "more", "expected"),
    [
        # category, class, frequency and pricing of the charge
        ("Usage", {}, ("Usage", None, "Usage-Based", "Standard")),
        ("Usage", {"UsageType": "EU-SpotUsage:m5"}, ("Usage", None, "Usage-Based", "Dynamic")),
        ("DiscountedUsage", {"EffectiveCost": "1"}, ("Usage", None, "Usage-Based", "Committed")),
        (
            "SavingsPlanCoveredUsage",
            {"SavingsPlanEffectiveCost": "1"},
            ("Usage", None, "Usage-Based", "Committed"),
        ),
        ("SavingsPlanNegation", {}, ("Usage", None, "Usage-Based", "Committed")),
        (
            "SavingsPlanRecurringFee",
            {"TotalCommitmentToDate": "1", "UsedCommitment": "1"},
            ("Purchase", None, "Recurring", "Committed"),
        ),
        ("SavingsPlanUpfrontFee", {}, ("Purchase", None, "One-Time", "Committed")),
        (
            "RIFee",
            {"UnusedRecurringFee": "1", "UnusedAmortizedUpfrontFeeForBillingPeriod": "1"},
            ("Purchase", None, "Recurring", "Committed"),
        ),
        ("Fee", {"ReservationARN": RESERVATION}, ("Purchase", None, "One-Time", "Committed")),
        ("Fee", {}, ("Purchase", None, "One-Time", "Standard")),
        ("Tax", {}, ("Tax", None, "One-Time", None)),
        ("Credit", {}, ("Credit", None, "One-Time", None)),
        ("Refund", {}, ("Adjustment", "Correction", "One-Time", None)),
        ("Usage", {"BillType": "Refund"}, ("Usage", "Correction", "Usage-Based", "Standard")),
        ("EdpDiscount", {}, ("Credit", None, "One-Time", None)),
        ("PrivateRateDiscount", {}, ("Credit", None, "One-Time", None)),
        ("BundledDiscount", {}, ("Credit", None, "One-Time", None)),
        ("DistributorDiscount", {}, ("Credit", None, "One-Time", None)),
        ("SomethingNew", {}, ("Adjustment", None, "One-Time", None)),
    ],
)
def test_what_each_type_of_line_is_in_focus(
    line_type: str, more: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    found = row(line_type, "1", **more)
    names = ("ChargeCategory", "ChargeClass", "ChargeFrequency", "PricingCategory")
    assert tuple(found[name] for name in names) == expected


@pytest.mark.parametrize(
    ("line_type", "more", "expected"),
    [
        # id, category, type and status of the commitment
        (
            "DiscountedUsage",
            {"ReservationARN": RESERVATION, "EffectiveCost": "1"},
            (RESERVATION, "Usage", "Reserved Instance", "Used"),
        ),
        (
            "SavingsPlanCoveredUsage",
            {"SavingsPlanARN": PLAN, "SavingsPlanEffectiveCost": "1"},
            (PLAN, "Spend", "Savings Plan", "Used"),
        ),
        (
            "SavingsPlanRecurringFee",
            {"SavingsPlanARN": PLAN, "TotalCommitmentToDate": "2", "UsedCommitment": "1"},
            (PLAN, "Spend", "Savings Plan", "Unused"),
        ),
        (
            "SavingsPlanUpfrontFee",
            {"SavingsPlanARN": PLAN},
            (PLAN, "Spend", "Savings Plan", None),
        ),
        (
            "Fee",
            {"ReservationARN": RESERVATION},
            (RESERVATION, "Usage", "Reserved Instance", None),
        ),
        ("Fee", {}, (None, None, None, None)),
        ("Usage", {"ReservationARN": RESERVATION}, (None, None, None, None)),
    ],
)
def test_a_line_names_the_commitment_it_belongs_to(
    line_type: str, more: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    found = row(line_type, "1", **more)
    assert tuple(found[f"CommitmentDiscount{x}"] for x in ("Id", "Category", "Type", "Status")) == (
        expected
    )


@given(st.integers(0, 2**32))
def test_what_was_used_and_what_was_not_is_what_was_bought(seed: int) -> None:
    made = Month()
    dice = random.Random(seed)
    reserve(made, dice)
    plan(made, dice)
    frame = normalise(read_report("report", legacy_csv(made)))
    assert not frame.rejected
    effective: dict[str, Decimal] = {}
    billed: dict[str, Decimal] = {}
    for found in frame.accepted.to_dicts():
        arn = found["commitment_discount_id"]
        effective[arn] = effective.get(arn, Decimal(0)) + Decimal(found["effective_cost"])
        billed[arn] = billed.get(arn, Decimal(0)) + Decimal(found["billed_cost"])
        if found["commitment_discount_status"] == "Unused":
            assert Decimal(found["effective_cost"]) >= 0
    assert effective == made.bought
    # Covered usage and its negation cancel: the invoice has the fees and nothing else.
    fees = [line for line in made.lines if line["lineItem/LineItemType"].endswith("Fee")]
    for arn, column in (
        (PLAN, "savingsPlan/SavingsPlanARN"),
        (RESERVATION, "reservation/ReservationARN"),
    ):
        assert billed[arn] == sum(
            Decimal(line["lineItem/UnblendedCost"]) for line in fees if line.get(column) == arn
        )  # fmt: skip


def test_net_costs_are_billed_where_the_report_has_them() -> None:
    # 100 less 10 %: the discount is taken off the usage, and its own line is worth nothing then.
    made = Month()
    made.add("Usage", "100", NetUnblendedCost="90", publicOnDemandCost="120")
    made.add("EdpDiscount", "-10")
    made.add("PrivateRateDiscount", "-4", NetUnblendedCost="0")
    made.add("BundledDiscount", "-3")
    made.add("Tax", "9")
    assert [costs(found) for found in rows(made)] == [
        ("90", "90", "120", "90"),
        ("0", "0", "0", "0"),
        ("0", "0", "0", "0"),
        ("-3", "-3", "0", "-3"),
        ("9", "9", "9", "9"),
    ]


def test_without_net_costs_the_lines_of_a_discount_count() -> None:
    made = Month()
    made.add("Usage", "100")
    made.add("EdpDiscount", "-10")
    assert [found["BilledCost"] for found in rows(made)] == ["100", "-10"]


def test_a_column_of_net_costs_that_is_empty_loses_no_discount() -> None:
    made = Month()
    made.add("Usage", "100", NetUnblendedCost="")
    made.add("EdpDiscount", "-10", NetUnblendedCost="")
    with pytest.raises(InvalidFileError, match="empty in every row, so that the discount"):
        rows(made)


def net_lines(**columns: str) -> bytes:
    """One line in the spelling of CUR 2.0."""
    values = {
        "bill_payer_account_id": "000000000012",
        "bill_billing_period_start_date": "2026-09-01T00:00:00Z",
        "bill_billing_period_end_date": "2026-10-01T00:00:00Z",
        "line_item_usage_start_date": "2026-09-01T00:00:00Z",
        "line_item_usage_end_date": "2026-10-01T00:00:00Z",
        "line_item_currency_code": "USD",
        **columns,
    }
    return f"{','.join(values)}\n{','.join(values.values())}\n".encode()


def test_the_unused_part_of_a_plan_has_the_discount_of_the_plan() -> None:
    # 40 of 100 unused, and of the plan's 100 only 97 are paid: 40 × 97 / 100 = 38.8.
    content = net_lines(
        line_item_line_item_type="SavingsPlanRecurringFee",
        line_item_unblended_cost="100",
        line_item_net_unblended_cost="97",
        savings_plan_savings_plan_a_r_n=PLAN,
        savings_plan_total_commitment_to_date="100",
        savings_plan_used_commitment="60",
        savings_plan_amortized_upfront_commitment_for_billing_period="0",
        savings_plan_recurring_commitment_for_billing_period="100",
        savings_plan_net_amortized_upfront_commitment_for_billing_period="0",
        savings_plan_net_recurring_commitment_for_billing_period="97",
    )
    (found,) = read_report("report", content).rows.to_dicts()
    assert (found["BilledCost"], Decimal(found["EffectiveCost"])) == ("97", Decimal("38.8"))


def test_the_net_amounts_of_a_reservation_are_taken_where_they_are_there() -> None:
    content = net_lines(
        line_item_line_item_type="RIFee",
        line_item_unblended_cost="72",
        line_item_net_unblended_cost="70",
        reservation_reservation_a_r_n=RESERVATION,
        reservation_unused_recurring_fee="2",
        reservation_net_unused_recurring_fee="1.5",
        reservation_unused_amortized_upfront_fee_for_billing_period="1",
        reservation_net_unused_amortized_upfront_fee_for_billing_period="",
    )
    (found,) = read_report("report", content).rows.to_dicts()
    assert (found["BilledCost"], found["EffectiveCost"]) == ("70", "2.5")


def test_a_share_of_a_machine_costs_nothing_because_the_machine_has_it() -> None:
    made = Month()
    made.add("Usage", "1.0", ResourceId="i-00000000000000001", UsageAmount="1", unit="Hrs")
    made.add(
        "Usage",
        "0.4",
        ResourceId="arn:aws:eks:eu-west-1:000000000013:pod/main/shop/web/1",
        ParentResourceId="i-00000000000000001",
        SplitCost="0.3",
        UnusedCost="0.1",
        UsageAmount="1",
        unit="Hrs",
        tags={"aws:eks:namespace": "shop"},
    )
    result = normalise(read_report("report", legacy_csv(made)))
    machine, pod = result.accepted.to_dicts()
    assert (result.rows, result.totals_source["USD"]["billed_cost"]) == (2, Decimal("1.0"))
    assert all(pod[f"{cost}_cost"] == "0" for cost in ("billed", "effective", "list", "contracted"))
    assert pod["resource_id"] == machine["resource_id"]
    assert pod["allocated_resource_id"].endswith("pod/main/shop/web/1")
    assert pod["allocated_method_details"] == '{"x_SplitCost":"0.3","x_UnusedCost":"0.1"}'
    assert pod["allocated_tags"] == '{"aws:eks:namespace":"shop"}'
    assert (pod["usage_quantity"], pod["tags"]) == (None, "{}")


@pytest.mark.parametrize("share", ["0.3", "0.300", "3E-1", ".3"])
def test_a_share_is_the_same_charge_however_its_amount_is_written(share: str) -> None:
    made = Month()
    made.add("Usage", "0.4", ParentResourceId="i-00000000000000001", SplitCost=share)
    result = normalise(read_report("report", legacy_csv(made)))
    assert result.accepted["allocated_method_details"].item() == '{"x_SplitCost":"0.3"}'


def test_a_task_on_fargate_is_the_charge_itself() -> None:
    assert costs(row("Usage", "0.04", ProductCode="AmazonECS", SplitCost="0.03"))[0] == "0.04"


def test_an_amount_that_cannot_be_read_rejects_its_row_and_no_other() -> None:
    made = Month()
    made.add("Usage", "1.5")
    made.add("Usage", "n/a")
    made.add("RIFee", "2", UnusedRecurringFee="x", UnusedAmortizedUpfrontFeeForBillingPeriod="1")
    made.add("SavingsPlanRecurringFee", "4", TotalCommitmentToDate="1", UsedCommitment="")
    result = normalise(read_report("report", legacy_csv(made)))
    assert [(bad.row_number, bad.reason) for bad in result.rejected] == [
        (2, "BilledCost: 'n/a' is not a decimal number"),
        (3, "EffectiveCost: 'x' is not a decimal number"),
        (4, "EffectiveCost is missing"),
    ]
    assert result.totals_source["USD"]["billed_cost"] == Decimal("7.5")
    assert result.totals_rejected["USD"]["billed_cost"] == Decimal(6)


def test_a_line_whose_effective_cost_no_column_tells_refuses_the_file() -> None:
    with pytest.raises(InvalidFileError, match=r"^report: has RIFee lines, .*unused_recurring_fee"):
        row("RIFee", "1", ReservationARN=RESERVATION)


def test_a_purchase_of_one_moment_lasts_to_the_end_of_its_billing_period() -> None:
    moment = "2026-09-10T12:00:00Z"
    found = row("Fee", "1", UsageStartDate=moment, UsageEndDate=moment)
    assert (found["ChargePeriodStart"], found["ChargePeriodEnd"]) == (
        moment,
        "2026-10-01T00:00:00Z",
    )


@pytest.mark.parametrize("moment", ["2026-10-01T00:00:00Z", "2026-11-15T08:30:00Z"])
def test_a_purchase_of_one_moment_behind_its_billing_period_lasts_to_the_end_of_its_day(
    moment: str,
) -> None:
    made = Month()
    made.add("Fee", "1", UsageStartDate=moment, UsageEndDate=moment)
    (found,) = normalise(read_report("report", legacy_csv(made))).accepted.to_dicts()
    assert found["charge_period_end"].date() - found["date"] == timedelta(days=1)


def test_only_usage_counts_as_consumed() -> None:
    usage = row("Usage", "1", UsageAmount="5", unit="Hrs", publicOnDemandRate="0.2")
    assert [usage[x] for x in ("ConsumedQuantity", "ConsumedUnit", "PricingUnit")] == [
        "5",
        "Hrs",
        "Hrs",
    ]
    assert usage["ListUnitPrice"] == "0.2"
    assert row("Tax", "1", UsageAmount="1", unit="Hrs")["ConsumedQuantity"] is None
    negation = row("SavingsPlanNegation", "-1", UsageAmount="5", unit="Hrs")
    assert negation["ConsumedQuantity"] is None


@pytest.mark.parametrize(
    ("more", "service", "category"),
    [
        ({"ProductCode": "AmazonS3"}, "Amazon Simple Storage Service", "Storage"),
        ({"productFamily": "Storage"}, "Amazon Elastic Compute Cloud", "Storage"),
        ({"productFamily": "NAT Gateway"}, "Amazon Elastic Compute Cloud", "Networking"),
        ({"productFamily": "Compute Instance"}, "Amazon Elastic Compute Cloud", "Compute"),
        ({"ProductCode": "9abc", "ProductName": "Example Database"}, "Example Database", "Other"),
        ({"ProductCode": "9abc", "ProductName": ""}, "9abc", "Other"),
        ({"ProductCode": "", "ProductName": ""}, "AWS", "Other"),
    ],
)
def test_a_service_has_a_name_and_a_category(
    more: dict[str, str], service: str, category: str
) -> None:
    found = row("Usage", "1", **more)
    assert (found["ServiceName"], found["ServiceCategory"]) == (service, category)


def test_marketplace_is_published_by_its_seller_and_invoiced_by_aws() -> None:
    found = row(
        "Usage",
        "1",
        BillingEntity="AWS Marketplace",
        LegalEntity="Example Software GmbH",
        InvoicingEntity="Amazon Web Services EMEA SARL",
    )
    assert found["PublisherName"] == "Example Software GmbH"
    assert found["InvoiceIssuerName"] == "Amazon Web Services EMEA SARL"
    assert found["ProviderName"] == "AWS"
    unnamed = row("Usage", "1", BillingEntity="AWS Marketplace", LegalEntity="")
    assert unnamed["PublisherName"] == "AWS Marketplace"


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ("i-0123456789abcdef0", "instance"),
        ("vol-0123456789abcdef0", "volume"),
        ("arn:aws:rds:eu-west-1:000000000013:db:search", "db"),
        ("arn:aws:ec2:eu-west-1:000000000013:natgateway/nat-1", "natgateway"),
        ("arn:aws:s3:::example-assets", None),
        ("example-assets", None),
    ],
)
def test_a_resource_is_an_arn_or_a_bare_id(resource: str, kind: str | None) -> None:
    found = row("Usage", "1", ResourceId=resource)
    assert (found["ResourceId"], found["ResourceType"]) == (resource, kind)
