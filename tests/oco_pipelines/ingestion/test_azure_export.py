"""Azure's cost exports become FOCUS: the same money, whatever the agreement calls its columns."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.azure_columns import Variant, recognise
from oco_pipelines.ingestion.azure_export import to_focus
from oco_pipelines.ingestion.azure_pair import combine
from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_pipelines.ingestion.focus_reader import SourceTable
from oco_warehouse.errors import InvalidInputError
from tests.oco_pipelines.ingestion import azure_month
from tests.oco_pipelines.ingestion.files import frame_of

Row = dict[str, str | None]
_CHARGE = {
    "BillingAccountId": "8600001",
    "BillingPeriodStartDate": "09/01/2026",
    "BillingPeriodEndDate": "09/30/2026",
    "SubscriptionId": "SUB-1",
    "SubscriptionName": "Production",
    "Date": "09/05/2026",
    "ProductName": "Virtual Machines Dv2 - D2 v2",
    "MeterId": "m-1",
    "MeterCategory": "Virtual Machines",
    "MeterSubCategory": "Dv2 Series",
    "MeterName": "D2 v2",
    "Quantity": "24",
    "CostInBillingCurrency": "19.2",
    "EffectivePrice": "0.8",
    "UnitPrice": "0.8",
    "PayGPrice": "1",
    "BillingCurrencyCode": "USD",
    "ResourceLocation": "EastUS",
    "ResourceId": "/subscriptions/SUB-1/resourceGroups/RG/providers/"
    "Microsoft.Compute/virtualMachines/VM",
    "Tags": '"env": "prod","org": "trey"',
    "UnitOfMeasure": "1 Hour",
    "benefitId": "",
    "benefitName": "",
    "PricingModel": "OnDemand",
    "ChargeType": "Usage",
    "Frequency": "UsageBased",
    "PublisherType": "Azure",
    "PublisherName": "Microsoft",
    "IsAzureCreditEligible": "True",
    "AdditionalInfo": '{"VCPUs":2}',
}
RESERVED = {"PricingModel": "Reservation", "benefitId": azure_month.RESERVATION, "benefitName": "R"}


def frame(*changes: dict[str, str]) -> pl.DataFrame:
    """Charges of an EA file as `read_table` gives them."""
    names = list(dict.fromkeys([*_CHARGE, *(name for change in changes for name in change)]))
    rows = [{**_CHARGE, **change} for change in changes]
    data = {name: [row.get(name) or None for row in rows] for name in names}
    return pl.DataFrame(data, schema=dict.fromkeys(names, pl.String))


def known(rows: pl.DataFrame, **defaults: Any) -> Variant:
    variant = recognise(rows.columns, **defaults)
    assert variant is not None
    return variant


def focus(dataset: Any = "actual", *, drop: tuple[str, ...] = (), **change: str) -> Row:
    """One charge of an EA file, changed, in FOCUS."""
    rows = frame(change).drop(drop)
    (row,) = to_focus(rows, known(rows), dataset).to_dicts()
    return row


def judged(rows: pl.DataFrame) -> Normalised:
    return normalise(SourceTable(rows.with_row_index("row_number", offset=1), ()))


def read(content: bytes, variant: str, dataset: Any) -> pl.DataFrame:
    rows = frame_of(content)
    defaults: dict[str, str] = {}
    if variant in azure_month.USAGE_ONLY:
        defaults["billing_account"] = azure_month.ENROLMENT
    if variant == "EA usage details":
        defaults["currency"] = "EUR"
    found = known(rows, **defaults)
    return to_focus(rows, found, dataset)


def amount(rows: pl.DataFrame, column: str) -> Decimal:
    return sum((Decimal(text) for text in rows[column]), Decimal(0))


def test_usage_at_the_negotiated_price() -> None:
    row = focus()
    # 24 hours at 0.8, which would have been 1 each at retail.
    assert (row["BilledCost"], row["EffectiveCost"]) == ("19.2", "19.2")
    assert (row["ContractedCost"], row["ContractedUnitPrice"]) == ("19.2", "0.8")
    assert (row["ListCost"], row["ListUnitPrice"]) == ("24", "1")
    assert (row["PricingQuantity"], row["PricingUnit"]) == ("24", "Hours")
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("24", "Hours")
    assert (row["ChargeCategory"], row["ChargeClass"]) == ("Usage", None)
    assert (row["PricingCategory"], row["ChargeFrequency"]) == ("Standard", "Usage-Based")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-09-05", "2026-09-06")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-09-01", "2026-10-01")
    assert (row["ServiceName"], row["ServiceCategory"]) == ("Virtual Machines", "Compute")
    assert (row["SkuId"], row["SkuMeter"]) == ("m-1", "D2 v2")
    assert (row["SubAccountId"], row["BillingAccountId"]) == ("sub-1", "8600001")
    assert (row["ResourceName"], row["ResourceType"]) == ("vm", "microsoft.compute/virtualmachines")
    assert (row["RegionId"], row["RegionName"]) == ("eastus", "EastUS")
    assert (row["ProviderName"], row["InvoiceIssuerName"]) == ("Microsoft", "Microsoft")
    assert row["Tags"] == '{"env": "prod","org": "trey"}'
    assert row["CommitmentDiscountStatus"] is None


@pytest.mark.parametrize(
    ("kind", "category", "charge_class"),
    [
        ("Usage", "Usage", None),
        ("Purchase", "Purchase", None),
        ("Refund", "Purchase", "Correction"),
        ("Tax", "Tax", None),
        ("Credit", "Credit", None),
        ("Adjustment", "Adjustment", None),
        ("RoundingAdjustment", "Adjustment", None),
        ("Rounding Adjustment", "Adjustment", None),
    ],
)
def test_each_type_of_charge_counts_as_what_it_is(
    kind: str, category: str, charge_class: str | None
) -> None:
    row = focus(ChargeType=kind, CostInBillingCurrency="-3.5")
    assert (row["ChargeCategory"], row["ChargeClass"]) == (category, charge_class)
    assert (row["BilledCost"], row["EffectiveCost"]) == ("-3.5", "-3.5")


def test_an_unknown_type_of_charge_is_an_adjustment_that_says_its_name() -> None:
    row = focus(ChargeType="CarbonLevy", ProductName="Levy")
    assert (row["ChargeCategory"], row["BilledCost"]) == ("Adjustment", "19.2")
    assert row["ChargeDescription"] == "CarbonLevy: Levy"


def test_a_charge_that_names_the_invoice_it_corrects_is_a_correction() -> None:
    assert focus(previousInvoiceId="G001")["ChargeClass"] == "Correction"


def test_a_reservation_that_is_bought_is_billed_and_has_no_effective_cost() -> None:
    row = focus(
        ChargeType="Purchase", CostInBillingCurrency="1800", Quantity="15", UnitPrice="120",
        PayGPrice="0", MeterCategory="", **RESERVED,
    )  # fmt: skip
    assert (row["BilledCost"], row["EffectiveCost"]) == ("1800", "0")
    assert (row["ContractedCost"], row["ListCost"]) == ("1800", "1800")
    assert (row["ChargeCategory"], row["PricingCategory"]) == ("Purchase", "Standard")
    assert (row["CommitmentDiscountType"], row["CommitmentDiscountCategory"]) == (
        "Reservation",
        "Usage",
    )
    assert (row["CommitmentDiscountStatus"], row["ServiceName"]) == (None, "Azure Reservations")
    assert row["CommitmentDiscountId"] == azure_month.RESERVATION.lower()


def test_usage_that_a_reservation_covers_has_its_share_only_in_the_amortized_file() -> None:
    cost = {"CostInBillingCurrency": "7.2", "PayGPrice": "0", **RESERVED}
    row = focus("amortized", **cost)
    assert (row["BilledCost"], row["EffectiveCost"]) == (None, "7.2")
    # Azure writes 0 for a retail price that it does not fill: the negotiated one stands in.
    assert (row["ListCost"], row["ListUnitPrice"], row["ContractedCost"]) == ("19.2", None, "19.2")
    assert (row["CommitmentDiscountStatus"], row["PricingCategory"]) == ("Used", "Committed")


@pytest.mark.parametrize(
    ("kind", "commitment", "category"),
    [
        ("UnusedReservation", "Reservation", "Usage"),
        ("UnusedSavingsPlan", "Savings Plan", "Spend"),
    ],
)
def test_what_a_commitment_does_not_cover_is_effective_only(
    kind: str, commitment: str, category: str
) -> None:
    row = focus("amortized", ChargeType=kind, CostInBillingCurrency="3.125", PricingModel="")
    assert (row["EffectiveCost"], row["ListCost"], row["ContractedCost"]) == ("3.125",) * 3
    assert (row["ChargeCategory"], row["CommitmentDiscountStatus"]) == ("Usage", "Unused")
    assert (row["CommitmentDiscountType"], row["CommitmentDiscountCategory"]) == (
        commitment,
        category,
    )
    assert row["ConsumedQuantity"] is None


def test_a_savings_plan_and_a_spot_price() -> None:
    plan = focus("amortized", PricingModel="Savings Plan", benefitId=azure_month.PLAN)
    assert (plan["CommitmentDiscountType"], plan["PricingCategory"]) == (
        "Savings Plan",
        "Committed",
    )
    assert focus(PricingModel="Spot")["PricingCategory"] == "Dynamic"
    assert focus(PricingModel="Barter")["PricingCategory"] is None


def test_for_usage_the_way_of_pricing_says_whether_a_commitment_covers_it() -> None:
    spilt = focus(PricingModel="OnDemand", benefitId=azure_month.PLAN)
    assert (spilt["PricingCategory"], spilt["CommitmentDiscountId"]) == ("Standard", None)
    older = focus(
        "amortized",
        drop=("PricingModel", "benefitId"),
        ReservationId="R-1",
        ReservationName="VMs",
    )
    assert (older["CommitmentDiscountStatus"], older["CommitmentDiscountId"]) == ("Used", "r-1")
    assert older["CommitmentDiscountName"] == "VMs"
    bought = focus(ChargeType="Purchase", PricingModel="OnDemand", benefitId=azure_month.PLAN)
    assert (bought["CommitmentDiscountType"], bought["EffectiveCost"]) == ("Savings Plan", "0")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"PublisherType": "Microsoft"}, ("Microsoft", "Microsoft", "Microsoft")),
        (
            {"PublisherType": "Marketplace", "PublisherName": "Contoso"},
            ("Microsoft", "Contoso", "Microsoft"),
        ),
        (
            {"PublisherType": "AWS", "PublisherName": ""},
            ("AWS", "AWS", "Amazon Web Services"),
        ),
        ({"partnerName": "Fabrikam"}, ("Microsoft", "Microsoft", "Fabrikam")),
    ],
)
def test_who_sells_publishes_and_bills(change: dict[str, str], names: tuple[str, ...]) -> None:
    row = focus(**change)
    assert (row["ProviderName"], row["PublisherName"], row["InvoiceIssuerName"]) == names


@pytest.mark.parametrize(
    ("unit", "pricing", "consumed"),
    [
        ("1 Hour", "Hours", "Hours"),
        ("1/Month", "Units/Month", "Units/Month"),
        ("1", "Units", "Units"),
        ("1 GB Hour", "GB Hours", "GB Hours"),
        # Azure's files disagree on what Quantity counts here: what was used is not claimed.
        ("100 Hours", "100 Hours", None),
        ("10K", "10000 Units", None),
        ("1M/Month", "1000000 Units/Month", None),
        ("128 MB", "128 MB", None),
        ("per Privacy Request", "per Privacy Request", None),
    ],
)
def test_a_unit_is_what_the_file_says(unit: str, pricing: str, consumed: str | None) -> None:
    row = focus(UnitOfMeasure=unit, Quantity="0.1351")
    assert (row["PricingQuantity"], row["PricingUnit"]) == ("0.1351", pricing)
    assert row["ConsumedUnit"] == consumed
    assert row["ConsumedQuantity"] == ("0.1351" if consumed else None)


def test_prices_in_another_currency_are_turned_into_that_of_the_bill() -> None:
    row = focus(
        BillingCurrencyCode="EUR", pricingCurrency="USD", exchangeRatePricingToBilling="0.85",
        costInPricingCurrency="19.2", CostInBillingCurrency="16.32", costInUsd="19.2",
    )  # fmt: skip
    assert (row["BilledCost"], row["BillingCurrency"]) == ("16.32", "EUR")
    # 24 × 0.8 × 0.85 and 24 × 1 × 0.85
    assert (row["ContractedCost"], row["ListCost"]) == ("16.32", "20.4")
    assert (row["ContractedUnitPrice"], row["ListUnitPrice"]) == ("0.68", "0.85")
    assert (row["PricingCurrency"], row["PricingCurrencyEffectiveCost"]) == ("USD", "19.2")
    assert row["PricingCurrencyListUnitPrice"] == "1"


def test_prices_whose_rate_is_not_known_are_not_believed() -> None:
    row = focus(BillingCurrencyCode="EUR", pricingCurrency="USD", CostInBillingCurrency="16.32")
    assert (row["ContractedCost"], row["ListCost"], row["ListUnitPrice"]) == (
        "16.32",
        "16.32",
        None,
    )


def test_the_list_cost_of_the_file_stands_in_for_a_missing_price() -> None:
    assert focus(PayGPrice="", paygCostInBillingCurrency="24.5")["ListCost"] == "24.5"
    assert focus(PayGPrice="", paygCostInBillingCurrency="0")["ListCost"] == "19.2"
    assert focus(PayGPrice="", UnitPrice="", CostInBillingCurrency="5")["ListCost"] == "5"


def test_a_price_that_contradicts_its_charge_is_not_believed() -> None:
    row = focus(CostInBillingCurrency="-19.2")
    assert (row["BilledCost"], row["ListCost"], row["ContractedCost"]) == ("-19.2",) * 3


def test_a_negative_quantity_is_a_negative_charge() -> None:
    row = focus(Quantity="-24", CostInBillingCurrency="-19.2")
    assert (row["PricingQuantity"], row["ListCost"]) == ("-24", "-24")


def test_products_keep_every_digit() -> None:
    row = focus(Quantity="0.32085564", UnitPrice="0.0187", CostInBillingCurrency="0.006000000468")
    assert row["ContractedCost"] == row["BilledCost"] == "0.006000000468"
    long = focus(
        Quantity="0.0000000000000000000000001", UnitPrice="0.0000000000000000000000003",
        PayGPrice="0.0000000000000000000000003",
    )  # fmt: skip
    assert not judged(pl.DataFrame([long], schema=dict.fromkeys(long, pl.String))).rejected


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1.2E-05", "0.000012"),
        ("0.0000000072922557592391990000", "0.000000007292255759239199"),
        ("1,23", "1.23"),
        ("-0,000123", "-0.000123"),
        ("1.234,5", "1234.5"),
        ("1,234.50", "1234.5"),
        ("1,2E-05", "0.000012"),
        (" 5 ", "5"),
    ],
)
def test_an_amount_is_read_digit_for_digit(text: str, plain: str) -> None:
    assert focus(CostInBillingCurrency=text)["BilledCost"] == plain


@pytest.mark.parametrize("text", ["1,234", "n/a", "1,23,4", "NaN"])
def test_an_amount_that_can_be_read_in_two_ways_or_none_rejects_its_row(text: str) -> None:
    rows = frame({}, {"CostInBillingCurrency": text})
    result = judged(to_focus(rows, known(rows), "actual"))
    (rejected,) = result.rejected
    assert (rejected.row_number, result.accepted.height) == (2, 1)
    assert "BilledCost" in rejected.reason


def test_a_second_column_of_costs_never_stands_in_for_the_first() -> None:
    row = focus(CostInBillingCurrency="", Cost="21")
    assert row["BilledCost"] is None


@pytest.mark.parametrize(
    ("date", "start", "end", "days"),
    [
        ("09/05/2026", "09/01/2026", "09/30/2026", ("2026-09-05", "2026-09-01", "2026-10-01")),
        ("05/09/2026", "01/09/2026", "30/09/2026", ("2026-09-05", "2026-09-01", "2026-10-01")),
        ("2026-09-05", "2026-09-01", "2026-09-30", ("2026-09-05", "2026-09-01", "2026-10-01")),
        ("20260905", "20260901", "20260930", ("2026-09-05", "2026-09-01", "2026-10-01")),
        ("05.09.2026", "01.09.2026", "30.09.2026", ("2026-09-05", "2026-09-01", "2026-10-01")),
        ("9/5/26", "", "", ("2026-09-05", "2026-09-01", "2026-10-01")),
        ("2026-09-05T00:00:00Z", "", "", ("2026-09-05", "2026-09-01", "2026-10-01")),
        ("12/31/2026 12:00:00 AM", "", "", ("2026-12-31", "2026-12-01", "2027-01-01")),
        # Pay-as-you-go is billed from the day of the month on which it began.
        ("09/20/2026", "09/14/2026", "10/13/2026", ("2026-09-20", "2026-09-14", "2026-10-14")),
        # Billed in the month after.
        ("08/31/2026", "09/01/2026", "09/30/2026", ("2026-08-31", "2026-09-01", "2026-10-01")),
        ("09/05/2026", "09/01/2026", "", ("2026-09-05", "2026-09-01", "2026-10-01")),
    ],
)
def test_days_are_read_as_the_row_itself_tells(
    date: str, start: str, end: str, days: tuple[str, ...]
) -> None:
    row = focus(Date=date, BillingPeriodStartDate=start, BillingPeriodEndDate=end)
    assert (row["ChargePeriodStart"], row["BillingPeriodStart"], row["BillingPeriodEnd"]) == days


def test_a_billing_period_without_days_is_its_month() -> None:
    row = focus(
        drop=("BillingPeriodStartDate", "BillingPeriodEndDate"), Date="08/31/2026",
        BillingPeriod="202609",
    )  # fmt: skip
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-09-01", "2026-10-01")


def test_dates_that_contradict_one_another_reject_their_row() -> None:
    rows = frame({}, {"Date": "30/09/2026"}, {"Date": "soon"}, {"Date": "02/30/2026"})
    result = judged(to_focus(rows, known(rows), "actual"))
    assert [row.row_number for row in result.rejected] == [2, 3, 4]


def test_days_first_without_a_billing_period_refuse_the_file() -> None:
    rows = frame({"Date": "05/09/2026"}, {"Date": "13/09/2026"})
    rows = rows.drop("BillingPeriodStartDate", "BillingPeriodEndDate")
    with pytest.raises(InvalidInputError, match=r"'13/09/2026' has its day first"):
        to_focus(rows, known(rows), "actual")


@pytest.mark.parametrize("later", ["05/09/2026", "13/09/2026"])
def test_days_first_with_the_start_of_a_billing_period_alone_refuse_the_file(later: str) -> None:
    rows = frame(
        {"Date": "01/09/2026", "BillingPeriodStartDate": "01/09/2026"},
        {"Date": later, "BillingPeriodStartDate": "01/09/2026"},
    ).drop("BillingPeriodEndDate")
    with pytest.raises(InvalidInputError, match=f"'{later}' has its day first"):
        to_focus(rows, known(rows), "actual")


def test_a_charge_of_another_month_than_its_period_is_read_month_first() -> None:
    rows = frame({"Date": "08/05/2026", "BillingPeriodStartDate": "09/01/2026"})
    rows = rows.drop("BillingPeriodEndDate")
    (row,) = to_focus(rows, known(rows), "actual").to_dicts()
    assert (row["ChargePeriodStart"], row["BillingPeriodStart"]) == ("2026-08-05", "2026-09-01")


def test_a_point_that_may_be_of_thousands_beside_decimal_commas_refuses_the_file() -> None:
    rows = frame({"CostInBillingCurrency": "12,5"}, {"CostInBillingCurrency": "1.234"})
    with pytest.raises(InvalidInputError, match=r"'12,5'.*'1\.234' could be one and a part"):
        to_focus(rows, known(rows), "actual")


def test_an_amount_that_is_no_sure_decimal_comma_rejects_its_row_alone() -> None:
    rows = frame({"CostInBillingCurrency": "1,234"}, {"CostInBillingCurrency": "1.234"})
    assert to_focus(rows, known(rows), "actual")["BilledCost"].to_list() == ["1,234", "1.234"]


@pytest.mark.parametrize("other", ["0.234", "1.2345", "1.234,5", "1234"])
def test_amounts_with_one_reading_are_taken_beside_decimal_commas(other: str) -> None:
    rows = frame({"CostInBillingCurrency": "12,5"}, {"CostInBillingCurrency": other})
    assert to_focus(rows, known(rows), "actual")["BilledCost"].to_list()[0] == "12.5"


@pytest.mark.parametrize("tags", ['"a": "b","c": "d,e"', '{"a": "b", "c": "d,e"}'])
def test_tags_with_and_without_braces_are_the_same(tags: str) -> None:
    rows = frame({"Tags": tags})
    (row,) = judged(to_focus(rows, known(rows), "actual")).accepted.to_dicts()
    assert row["tags"] == '{"a":"b","c":"d,e"}'
    assert row["provider"] == "azure"


@pytest.mark.parametrize(
    ("category", "family", "meant"),
    [
        ("Azure Cosmos DB", "", ("Azure Cosmos DB", "Databases")),
        ("Quantum Teleport", "Storage", ("Quantum Teleport", "Storage")),
        ("Quantum Teleport", "", ("Quantum Teleport", "Other")),
        ("Unassigned", "", ("Microsoft.Compute", "Other")),
    ],
)
def test_a_service_has_a_category_or_is_other(
    category: str, family: str, meant: tuple[str, str]
) -> None:
    row = focus(MeterCategory=category, ServiceFamily=family, ConsumedService="Microsoft.Compute")
    assert (row["ServiceName"], row["ServiceCategory"]) == meant


def test_the_region_of_a_bill_is_the_region_of_its_id() -> None:
    assert focus(ResourceLocation="US East 2")["RegionId"] == "eastus2"
    assert focus(ResourceLocation="", location="EU West")["RegionId"] == "westeurope"
    assert focus(ResourceLocation="Unassigned")["RegionId"] is None


def test_a_header_of_another_vendor_is_none_of_azures() -> None:
    assert recognise(["BilledCost", "EffectiveCost", "ServiceName"]) is None
    assert recognise(["lineItem/UsageStartDate", "lineItem/UnblendedCost"]) is None


def test_missing_columns_are_named_in_one_line() -> None:
    names = frame({}).drop("Date", "CostInBillingCurrency").columns
    with pytest.raises(InvalidInputError, match=r"without the column CostInBillingCurrency .*Date"):
        recognise(names)


def test_a_column_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'Date' twice"):
        recognise([*frame({}).columns, "date"])


def test_unknown_columns_are_left_out() -> None:
    assert known(frame({"NewThing": "1"})).ignored == (
        "EffectivePrice",
        "IsAzureCreditEligible",
        "AdditionalInfo",
        "NewThing",
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_variant_gives_the_same_rows_and_money(seed: int) -> None:
    charges = azure_month.month(seed)
    whole: dict[str, list[Row]] = {}
    for variant in azure_month.VARIANTS:
        said = charges
        if variant in azure_month.USAGE_ONLY:
            said = azure_month.usage_only(charges)
        actual, amortized = (
            read(azure_month.write(said, variant, dataset), variant, dataset)
            for dataset in ("actual", "amortized")
        )
        rows = combine(actual, amortized)
        result = judged(rows)
        assert not result.rejected, variant
        totals = result.totals_accepted["EUR"]
        assert totals["billed_cost"] == azure_month.total(said, "actual")
        assert totals["effective_cost"] == azure_month.total(said, "amortized")
        assert rows.height == len(said), variant
        whole[variant] = rows.sort(pl.all()).to_dicts()
        if variant == "MCA":
            for row in whole[variant]:
                # The others have no currency of prices.
                assert row["PricingCurrency"] == "EUR"
                row.update({name: None for name in row if name.startswith("PricingCurrency")})
                row["Tags"] = row["Tags"] or None
    assert whole["EA"] == whole["EA 2023"] == whole["MCA"] == whole["CSP"]
    assert whole["usage only"] == whole["German"]
    least = ("BilledCost", "EffectiveCost", "ResourceId", "SkuId", "ChargePeriodStart", "Tags")
    few = azure_month.usage_only(charges)
    modern = read(azure_month.write(few, "EA", "actual"), "EA", "actual").select(least)
    for variant in azure_month.USAGE_ONLY:
        older = read(azure_month.write(few, variant, "actual"), variant, "actual").select(least)
        assert older.equals(modern), variant


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_translated_without_knowing_their_neighbours(seed: int) -> None:
    rows = frame_of(azure_month.write(azure_month.month(seed), "EA", "actual"))
    variant = known(rows)
    chunks = [
        to_focus(rows.slice(start, 7), variant, "actual") for start in range(0, rows.height, 7)
    ]
    assert pl.concat(chunks).equals(to_focus(rows, variant, "actual"))


amounts = st.decimals(min_value=-(10**6), max_value=10**6, places=10, allow_nan=False).map(str)


@given(st.lists(st.tuples(amounts, st.sampled_from(["Usage", "Tax", "Refund", "Purchase", "?"]))))
def test_billed_money_is_the_cost_column_whatever_the_charges(
    charges: list[tuple[str, str]],
) -> None:
    rows = frame(*({"CostInBillingCurrency": cost, "ChargeType": kind} for cost, kind in charges))
    by_hand = sum((Decimal(cost) for cost, _ in charges), Decimal(0))
    assert amount(to_focus(rows, known(rows), "actual"), "BilledCost") == by_hand
