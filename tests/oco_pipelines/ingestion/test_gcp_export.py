"""Each rule by which a row of GCP's export becomes charges, with figures made by hand."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_pipelines.ingestion.focus_reader import SourceTable
from oco_pipelines.ingestion.gcp_export import focus_rows, to_focus

Texts = dict[str, str | None]
ROW: Texts = {
    "billing_account_id": "01AB23-CD45EF-678901",
    "invoice.month": "202609",
    "cost_type": "regular",
    "service.id": "6F81-5844-456A",
    "service.description": "Compute Engine",
    "sku.id": "2E27",
    "sku.description": "N1 Core running in Belgium",
    "usage_start_time": "2026-09-10 08:00:00 UTC",
    "usage_end_time": "2026-09-10 09:00:00 UTC",
    "project.id": "shop-prod",
    "cost": "10",
    "currency": "USD",
    "credits": None,
}


def row(**changes: str | None) -> Texts:
    """A row; `invoice__month` names the field `invoice.month`."""
    return {**ROW, **{name.replace("__", "."): text for name, text in changes.items()}}


def credits_of(*elements: tuple[str | None, str]) -> str:
    return json.dumps([{"type": kind, "amount": amount} for kind, amount in elements])


def charges(**changes: str | None) -> list[Texts]:
    return list(focus_rows(row(**changes)))


def charge(**changes: str | None) -> Texts:
    (only,) = charges(**changes)
    return only


def judged(*rows: Texts) -> Normalised:
    return normalise(SourceTable(to_focus(pl.DataFrame(rows, infer_schema_length=None)), ()))


def reason(**changes: str | None) -> str:
    found = judged(row(**changes))
    assert found.accepted.is_empty()
    return found.rejected[0].reason


def test_discounts_lower_the_cost_of_their_row() -> None:
    found = charge(
        credits=credits_of(
            ("SUSTAINED_USAGE_DISCOUNT", "-1"),
            ("COMMITTED_USAGE_DISCOUNT", "-2"),
            ("COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE", "-0.5"),
            ("DISCOUNT", "-0.25"),
            ("FREE_TIER", "-0.125"),
            ("RESELLER_MARGIN", "-0.0625"),
            ("SUBSCRIPTION_BENEFIT", "-0.03125"),
        )
    )
    assert (found["BilledCost"], found["EffectiveCost"]) == ("6.03125", "6.03125")
    assert (found["ListCost"], found["ContractedCost"]) == ("10", "10")
    assert found["ChargeCategory"] == "Usage"


def test_a_promotion_and_a_credit_of_unknown_type_are_charges_of_their_own() -> None:
    usage, promotion, unknown, untyped = charges(
        credits=credits_of(
            ("DISCOUNT", "-1"), ("PROMOTION", "-9"), ("NEW_TYPE", "-3"), (None, "-0.5")
        )
    )
    assert (usage["BilledCost"], usage["ChargeCategory"]) == ("9", "Usage")
    assert [item["BilledCost"] for item in (promotion, unknown, untyped)] == ["-9", "-3", "-0.5"]
    assert {item["ChargeCategory"] for item in (promotion, unknown, untyped)} == {"Credit"}
    assert promotion["EffectiveCost"] == promotion["ListCost"] == "-9"
    same = ("SubAccountId", "ServiceName", "SkuId", "ChargePeriodStart", "Tags")
    assert [promotion[name] for name in same] == [usage[name] for name in same]


def test_a_credit_without_money_is_no_charge() -> None:
    assert charge(credits=credits_of(("PROMOTION", "0")))["BilledCost"] == "10"


def test_no_digit_is_lost() -> None:
    found = charge(
        cost="12345.6789012345678901234",
        credits=credits_of(("DISCOUNT", "-1E-19"), ("FREE_TIER", "-0.0000000000000000002")),
    )
    assert found["BilledCost"] == "12345.6789012345678901231"


@pytest.mark.parametrize(
    ("cost_type", "category"),
    [
        ("regular", "Usage"),
        ("tax", "Tax"),
        ("TAX", "Tax"),
        ("adjustment", "Adjustment"),
        ("rounding_error", "Adjustment"),
    ],
)
def test_cost_type_says_the_category(cost_type: str, category: str) -> None:
    assert charge(cost_type=cost_type)["ChargeCategory"] == category


def test_tax_is_for_no_sku() -> None:
    found = charge(cost_type="tax")
    assert (found["SkuId"], found["SkuPriceId"]) == (None, None)


@pytest.mark.parametrize(
    ("kind", "mode", "category", "charge_class"),
    [
        ("USAGE_CORRECTION", "PARTIAL_CORRECTION", "Adjustment", "Correction"),
        ("PRICE_CORRECTION", None, "Adjustment", "Correction"),
        (None, "COMPLETE_NEGATION", "Adjustment", "Correction"),
        ("GOODWILL", "MANUAL_ADJUSTMENT", "Credit", None),
        ("SLA_VIOLATION", None, "Credit", None),
        ("BALANCE_TRANSFER", "MANUAL_ADJUSTMENT", "Adjustment", None),
        ("GENERAL_ADJUSTMENT", None, "Adjustment", None),
    ],
)
def test_adjustments_are_corrections_grants_or_neither(
    kind: str | None, mode: str | None, category: str, charge_class: str | None
) -> None:
    found = charge(cost_type="adjustment", adjustment_info__type=kind, adjustment_info__mode=mode)
    assert (found["ChargeCategory"], found["ChargeClass"]) == (category, charge_class)


def test_usage_that_corrects_stays_usage() -> None:
    found = charge(adjustment_info__type="USAGE_CORRECTION")
    assert (found["ChargeCategory"], found["ChargeClass"]) == ("Usage", "Correction")


def test_a_fee_whose_discount_lowers_other_rows_is_bought_and_used() -> None:
    bought, used = charges(
        sku__description="Commitment v1: Cpu in Belgium for 1 Year",
        subscription__instance_id="sub-1",
        credits=credits_of(("DISCOUNT", "-1")),
    )
    assert (bought["ChargeCategory"], bought["BilledCost"], bought["EffectiveCost"]) == (
        "Purchase",
        "9",
        "0",
    )
    assert (used["ChargeCategory"], used["BilledCost"], used["EffectiveCost"]) == (
        "Usage",
        "0",
        "9",
    )
    assert used["ListCost"] == used["ContractedCost"] == "0"
    assert used["CommitmentDiscountId"] == bought["CommitmentDiscountId"] == "sub-1"
    assert used["CommitmentDiscountCategory"] == "Usage"
    assert used["CommitmentDiscountStatus"] is None


def test_a_fee_that_usage_repaid_leaves_what_was_not_used() -> None:
    """$36 an hour committed, $30 used: the usage is billed on its own rows, $6 are left."""
    bought, repaid, unused = charges(
        sku__description="Commitment - dollar based v1: GCE for 1 year",
        subscription__instance_id="sub-2",
        cost="36",
        credits=credits_of(("FEE_UTILIZATION_OFFSET", "-30")),
    )
    money = [(item["BilledCost"], item["EffectiveCost"]) for item in (bought, repaid, unused)]
    assert money == [("36", "0"), ("-30", "0"), ("0", "6")]
    assert [item["ChargeCategory"] for item in (bought, repaid, unused)] == [
        "Purchase",
        "Credit",
        "Usage",
    ]
    assert unused["CommitmentDiscountStatus"] == "Unused"
    assert unused["CommitmentDiscountCategory"] == "Spend"


def test_a_fee_that_was_used_whole_leaves_nothing() -> None:
    found = charges(
        sku__description="Compute Flexible Committed Use Discounts - 1 Year",
        credits=credits_of(("FEE_UTILIZATION_OFFSET", "-10"), ("PROMOTION", "-4")),
    )
    assert [item["BilledCost"] for item in found] == ["10", "-10", "-4"]
    assert [item["EffectiveCost"] for item in found] == ["0", "0", "-4"]
    assert found[0].get("CommitmentDiscountId") is None


@pytest.mark.parametrize(
    ("changes", "category"),
    [
        ({}, "Standard"),
        ({"sku__description": "Spot Preemptible N1 Core"}, "Dynamic"),
        ({"credits": credits_of(("COMMITTED_USAGE_DISCOUNT", "-1"))}, "Committed"),
        ({"consumption_model__id": "D97B-0795-975B"}, "Committed"),
        ({"consumption_model__id": "7754-699E-0EBF"}, "Standard"),
        ({"cost_type": "tax"}, None),
    ],
)
def test_pricing_is_by_commitment_spot_or_standard(changes: Texts, category: str | None) -> None:
    assert charge(**changes).get("PricingCategory") == category


def test_list_and_contracted_cost_are_those_of_the_default_model() -> None:
    found = charge(cost_at_list="14", cost_at_effective_price_default="12")
    assert (found["ListCost"], found["ContractedCost"], found["BilledCost"]) == ("14", "12", "10")


def test_prices_are_of_one_pricing_unit() -> None:
    found = charge(
        price__list_price="0.4",
        price__effective_price="0.3",
        price__pricing_unit_quantity="1000000",
        usage__amount="2500000",
        usage__unit="requests",
        usage__amount_in_pricing_units="2500000",
        usage__pricing_unit="count",
    )
    assert (found["ListUnitPrice"], found["ContractedUnitPrice"]) == ("0.0000004", "0.0000003")
    assert (found["PricingQuantity"], found["PricingUnit"]) == ("2500000", "count")
    assert (found["ConsumedQuantity"], found["ConsumedUnit"]) == ("2500000", "requests")


def test_a_price_that_no_decimal_says_exactly_is_left_out() -> None:
    assert charge(price__list_price="1", price__pricing_unit_quantity="3")["ListUnitPrice"] is None


def test_the_billing_period_is_the_invoices_and_the_charge_period_the_usages() -> None:
    found = charge(invoice__month="202612", usage_start_time="2026-11-30 23:00:00 UTC")
    assert found["BillingPeriodStart"] == "2026-12-01T00:00:00Z"
    assert found["BillingPeriodEnd"] == "2027-01-01T00:00:00Z"
    assert found["ChargePeriodStart"] == "2026-11-30 23:00:00 UTC"


def test_a_row_that_spans_midnight_counts_for_the_day_of_its_start() -> None:
    found = judged(
        row(usage_start_time="2026-09-10 23:30:00 UTC", usage_end_time="2026-09-11 00:30:00 UTC")
    )
    assert [f"{day}" for day in found.accepted["date"]] == ["2026-09-10"]


def test_a_period_without_length_is_an_hour() -> None:
    found = judged(row(usage_end_time="2026-09-10T08:00:00+00:00"))
    assert found.accepted["charge_period_end"][0] == datetime(2026, 9, 10, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "1788998400",
        "1788998400.0",
        "1.7889984E9",
        "1788998400000",
        "1788998400000000",
        "1788998400000000000",
        "2026-09-10 00:00:00 UTC",
        "2026-09-10T00:00:00.000000+00:00",
    ],
)
def test_times_are_read_however_they_are_written(text: str) -> None:
    found = judged(row(usage_start_time=text))
    assert found.accepted["charge_period_start"][0] == datetime(2026, 9, 10, tzinfo=UTC)


def test_a_row_without_a_project_is_the_billing_accounts() -> None:
    found = judged(row(project__id=None))
    assert found.accepted["sub_account_id"][0] is None
    assert found.accepted["account_id"][0] == "01AB23-CD45EF-678901"


def test_a_currency_stays_as_it_is_with_its_rate_beside_it() -> None:
    found = charge(currency="EUR", currency_conversion_rate="0.90")
    assert (found["BillingCurrency"], found["BilledCost"]) == ("EUR", "10")
    assert json.loads(found["SkuPriceDetails"] or "")["x_CurrencyConversionRate"] == "0.9"


def test_tags_of_every_kind_stand_side_by_side() -> None:
    def pairs(**values: str) -> str:
        return json.dumps([{"key": key, "value": value} for key, value in values.items()])

    tags = [
        {"key": "env", "value": "prod", "namespace": "99", "inherited": "false"},
        {"key": "env", "value": "dev", "namespace": "99", "inherited": "true"},
    ]
    found = charge(
        labels=pairs(env="label"),
        project__labels=pairs(env="project"),
        system_labels=pairs(env="system"),
        tags=json.dumps(tags),
    )
    assert json.loads(found["Tags"] or "") == {
        "env": "label",
        "project:env": "project",
        "system:env": "system",
        "tag:99/env": "prod",
    }


def test_a_resource_has_its_global_name_for_an_id() -> None:
    name = "//compute.googleapis.com/projects/1/zones/b/instances/77"
    found = charge(resource__global_name=name, resource__name="web-1")
    assert (found["ResourceId"], found["ResourceName"]) == (name, "web-1")
    assert found["ResourceType"] == "instances"
    assert charge(resource__name="web-1")["ResourceId"] == "web-1"


def test_a_region_is_the_region_or_the_wider_location() -> None:
    found = charge(
        location__location="europe-west1-b",
        location__region="europe-west1",
        location__zone="europe-west1-b",
    )
    assert (found["RegionId"], found["AvailabilityZone"]) == ("europe-west1", "europe-west1-b")
    assert charge(location__location="eu")["RegionId"] == "eu"


@pytest.mark.parametrize(
    ("transaction", "publisher", "issuer"),
    [
        ("GOOGLE", "Google Cloud", "Google Cloud"),
        (None, "Google Cloud", "Google Cloud"),
        ("THIRD_PARTY_RESELLER", "Tools Ltd", "Google Cloud"),
        ("THIRD_PARTY_AGENCY", "Tools Ltd", "Tools Ltd"),
    ],
)
def test_the_marketplace_has_other_publishers(
    transaction: str | None, publisher: str, issuer: str
) -> None:
    found = charge(transaction_type=transaction, seller_name="Tools Ltd")
    assert found["ProviderName"] == "Google Cloud"
    assert (found["PublisherName"], found["InvoiceIssuerName"]) == (publisher, issuer)


def test_a_service_that_is_not_listed_is_other() -> None:
    assert charge(service__description="cloud sql")["ServiceCategory"] == "Databases"
    assert charge(service__description="Tools by Ltd")["ServiceCategory"] == "Other"


def test_a_row_that_is_delivered_again_is_the_same_row() -> None:
    one, other = (
        judged(row(export_time=time)).accepted["row_hash"][0]
        for time in ("2026-09-11", "2026-10-1")
    )
    assert one == other


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"invoice__month": None}, "BillingPeriodStart is missing"),
        ({"invoice__month": "202613"}, "BillingPeriodStart: '202613' is not"),
        ({"cost": None}, "BilledCost is missing"),
        ({"cost": "ten"}, "'ten' is not a decimal number"),
        ({"cost": "Infinity"}, "'Infinity' is not a finite number"),
        ({"cost_type": None}, "ChargeCategory is missing"),
        ({"cost_type": "gift"}, "ChargeCategory 'gift' is none of"),
        ({"currency": "euro"}, "BillingCurrency 'euro'"),
        ({"usage_start_time": "yesterday"}, "ChargePeriodStart: 'yesterday'"),
        ({"usage_start_time": "20260910"}, "lies outside"),
        ({"usage_end_time": "2026-09-10 07:00:00 UTC"}, "not after its start"),
        ({"credits": "-3"}, "credits '-3' is no array of structs"),
        ({"credits": credits_of(("PROMOTION", "x"))}, "'x' is not a decimal number"),
        ({"credits": '[{"type": "PROMOTION"}]'}, "a credit has no amount"),
        ({"labels": "team"}, "Tags: "),
        ({"unreadable": "the line is not JSON"}, "the line is not JSON"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_reason(changes: Texts, told: str) -> None:
    assert told in reason(**changes)


def test_a_row_is_rejected_whole_with_all_of_its_money() -> None:
    good = row(cost="1")
    bad = row(credits=credits_of(("PROMOTION", "-9")), cost_at_list="dear")
    late = row(credits=credits_of(("PROMOTION", "-8")), invoice__month="soon")
    unreadable = row(credits=credits_of(("PROMOTION", "-8"), ("DISCOUNT", "?")))
    found = judged(good, bad, late, unreadable)
    assert found.totals_accepted["USD"]["billed_cost"] == 1
    assert [item.row_number for item in found.rejected] == [2, 3, 3, 4]
    assert found.totals_rejected["USD"]["billed_cost"] == (10 - 9) + (10 - 8)
