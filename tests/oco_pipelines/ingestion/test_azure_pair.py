"""An ActualCost and an AmortizedCost export are two views of the same money, never added."""

import random
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.azure_charges import Dataset
from oco_pipelines.ingestion.azure_columns import recognise
from oco_pipelines.ingestion.azure_export import to_focus
from oco_pipelines.ingestion.azure_pair import combine
from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.focus_reader import SourceTable
from oco_warehouse.errors import InvalidInputError
from tests.oco_pipelines.ingestion import azure_month

Row = dict[str, str | None]
_CHARGE = {
    "billingProfileId": "P-1",
    "billingPeriodStartDate": "09/01/2026",
    "billingPeriodEndDate": "09/30/2026",
    "date": "09/05/2026",
    "subscriptionId": "s-1",
    "resourceId": "/subscriptions/s-1/resourceGroups/rg/providers/Microsoft.Compute/vms/vm",
    "meterId": "m-1",
    "productName": "VM",
    "quantity": "24",
    "unitOfMeasure": "1 Hour",
    "unitPrice": "0.8",
    "costInBillingCurrency": "19.2",
    "billingCurrency": "EUR",
    "chargeType": "Usage",
    "pricingModel": "OnDemand",
    "tags": '"team": "a"',
    "benefitId": "",
    "invoiceId": "",
    "pricingCurrency": "",
    "costInPricingCurrency": "",
}
COVERED = {"pricingModel": "Reservation", "benefitId": azure_month.RESERVATION}
BOUGHT = {
    **COVERED,
    "chargeType": "Purchase",
    "quantity": "15",
    "unitPrice": "120",
    "costInBillingCurrency": "1800",
    "resourceId": "",
    "meterId": "",
    "productName": "Reserved VM",
}


def frame(*changes: dict[str, str]) -> pl.DataFrame:
    rows = [{**_CHARGE, **change} for change in changes]
    data = {name: [row[name] or None for row in rows] for name in _CHARGE}
    return pl.DataFrame(data, schema=dict.fromkeys(_CHARGE, pl.String))


def focus(dataset: Dataset, *changes: dict[str, str]) -> pl.DataFrame:
    rows = frame(*changes)
    variant = recognise(rows.columns)
    assert variant is not None
    return to_focus(rows, variant, dataset)


def pair(actual: list[dict[str, str]], amortized: list[dict[str, str]]) -> list[Row]:
    rows: list[Row] = combine(focus("actual", *actual), focus("amortized", *amortized)).to_dicts()
    return rows


def amount(rows: list[Row], column: str) -> Decimal:
    return sum((Decimal(row[column] or "n/a") for row in rows), Decimal(0))


def test_a_charge_that_both_files_have_is_one_row() -> None:
    (row,) = pair([{"invoiceId": "G1"}], [{}])
    assert (row["BilledCost"], row["EffectiveCost"], row["ContractedCost"]) == ("19.2",) * 3
    assert (row["ConsumedQuantity"], row["InvoiceId"]) == ("24", "G1")


def test_a_commitment_stands_once_as_billed_and_once_as_used_or_unused() -> None:
    # 1800 bought; of this day's share of 10, 24 hours at 0.3 were used and 2.8 were not.
    actual = [BOUGHT, {**COVERED, "costInBillingCurrency": "0"}]
    amortized = [
        {**COVERED, "costInBillingCurrency": "7.2"},
        {**COVERED, "chargeType": "UnusedReservation", "costInBillingCurrency": "2.8"},
    ]
    rows = pair(actual, amortized)
    columns = ("ChargeCategory", "CommitmentDiscountStatus", "BilledCost", "EffectiveCost")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("Purchase", None, "1800", "0"),
        ("Usage", "Used", "0", "7.2"),
        ("Usage", "Unused", "0", "2.8"),
    ]
    # What the covered hours would have cost: 24 × 0.8.
    assert rows[1]["ContractedCost"] == "19.2"


def test_an_actual_file_alone_has_effective_costs_but_for_the_commitments_bought() -> None:
    actual = focus("actual", {}, BOUGHT, {**COVERED, "costInBillingCurrency": "0"})
    rows = combine(actual, None)
    assert rows.equals(actual)
    assert rows["BilledCost"].to_list() == ["19.2", "1800", "0"]
    assert rows["EffectiveCost"].to_list() == ["19.2", "0", "0"]


def test_an_amortized_file_alone_is_refused_and_could_not_be_loaded() -> None:
    amortized = focus("amortized", {})
    with pytest.raises(InvalidInputError, match="give the ActualCost export of the same month"):
        combine(None, amortized)
    result = normalise(SourceTable(amortized.with_row_index("row_number"), ()))
    assert [row.reason for row in result.rejected] == ["BilledCost is missing"]


def test_a_charge_whose_tags_or_quantity_changed_meanwhile_stays_one_row() -> None:
    rows = pair([{}], [{"tags": '"team": "b"', "quantity": "25", "costInBillingCurrency": "20"}])
    (row,) = rows
    assert (row["BilledCost"], row["EffectiveCost"]) == ("19.2", "20")
    assert (row["PricingQuantity"], row["Tags"]) == ("25", '{"team": "b"}')


def test_rows_of_one_resource_and_day_find_their_own_whatever_their_order() -> None:
    one = {"quantity": "1", "costInBillingCurrency": "1"}
    two = {"quantity": "2", "costInBillingCurrency": "2"}
    three = {"quantity": "3", "costInBillingCurrency": "3"}
    rows = pair([one, two, three], [three, two])
    told = [(row["PricingQuantity"], row["BilledCost"], row["EffectiveCost"]) for row in rows]
    assert told == [("1", "1", "0"), ("2", "2", "2"), ("3", "3", "3")]


def test_the_currency_of_prices_has_its_own_effective_cost() -> None:
    dollars = {"pricingCurrency": "USD", "costInPricingCurrency": "22", "quantity": ""}
    (row, bought) = pair([dollars, {**BOUGHT, **dollars}], [dollars])
    assert row["PricingCurrencyEffectiveCost"] == "22"
    assert bought["PricingCurrencyEffectiveCost"] == "0"


def test_an_unreadable_amount_of_either_file_rejects_its_row_and_no_other() -> None:
    bad = {"costInBillingCurrency": "1,234", "meterId": "m-2"}
    rows = combine(
        focus("actual", {}, bad), focus("amortized", {}, {**bad, "costInBillingCurrency": ""})
    )
    result = normalise(SourceTable(rows.with_row_index("row_number", offset=1), ()))
    assert [row.row_number for row in result.rejected] == [2]
    assert result.totals_accepted["EUR"]["billed_cost"] == Decimal("19.2")


def test_files_of_different_accounts_or_months_are_no_pair() -> None:
    october = {"billingPeriodStartDate": "10/01/2026", "billingPeriodEndDate": "10/31/2026"}
    with pytest.raises(InvalidInputError, match="AmortizedCost export lacks P-1 from 2026-09-01"):
        pair([{}], [october])
    with pytest.raises(InvalidInputError, match="AmortizedCost export lacks P-1 from 2026-09-01"):
        pair([{}, october], [october])
    with pytest.raises(InvalidInputError, match="ActualCost export lacks P-1 from 2026-10-01"):
        pair([{}], [{}, october])
    # What is spread of an older commitment has nothing billed beside it.
    assert len(pair([{}], [{}, {**october, **COVERED, "chargeType": "UnusedReservation"}])) == 2


def test_exchanged_files_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="are exchanged"):
        combine(focus("amortized", {}), focus("actual", {}))
    with pytest.raises(InvalidInputError, match="an AmortizedCost export, not an ActualCost"):
        focus("actual", {"chargeType": "UnusedReservation"})
    with pytest.raises(InvalidInputError, match="usage that a commitment covers has a cost"):
        focus("actual", COVERED)
    with pytest.raises(InvalidInputError, match="an ActualCost export, not an AmortizedCost"):
        focus("amortized", BOUGHT)


@pytest.mark.parametrize(
    ("change", "dataset"),
    [
        ({}, None),
        (BOUGHT, "actual"),
        ({"chargeType": "UnusedSavingsPlan"}, "amortized"),
        ({**COVERED, "costInBillingCurrency": "7.2"}, "amortized"),
        ({**COVERED, "costInBillingCurrency": "0.00"}, None),
    ],
)
def test_rows_tell_which_file_they_can_only_be_of(change: Any, dataset: Dataset | None) -> None:
    rows = frame({}, change)
    variant = recognise(rows.columns)
    assert variant is not None
    for other in ("actual", "amortized"):
        fits = dataset in {None, other}
        with nullcontext() if fits else pytest.raises(InvalidInputError, match="not an"):
            to_focus(rows, variant, other)


costs = st.decimals(min_value=-(10**6), max_value=10**6, places=12, allow_nan=False).map(str)


def charges(*models: str) -> st.SearchStrategy[list[dict[str, str]]]:
    """Charges priced in these ways; what a commitment covers costs nothing in an actual file."""
    return st.lists(
        st.fixed_dictionaries(
            {
                "costInBillingCurrency": costs,
                "chargeType": st.sampled_from(
                    ["Usage", "Tax", "Refund", "RoundingAdjustment", "?"]
                ),
                "pricingModel": st.sampled_from(models),
                "resourceId": st.sampled_from(["", "/r/1", "/r/2"]),
                "date": st.sampled_from(["09/05/2026", "09/06/2026"]),
                "quantity": st.sampled_from(["", "1", "-2"]),
                "tags": st.sampled_from(["", '"a": "b"']),
            }
        ),
        min_size=1,
        max_size=12,
    )


uncovered = charges("OnDemand", "Spot")


@given(
    uncovered,
    charges("OnDemand", "Reservation", "SavingsPlan", "Spot"),
    st.integers(min_value=0, max_value=3),
)
def test_both_totals_hold_for_any_pair(
    actual: list[dict[str, str]], amortized: list[dict[str, str]], bought: int
) -> None:
    actual = [*actual, *([BOUGHT] * bought)]
    unused = {**COVERED, "chargeType": "UnusedReservation", "costInBillingCurrency": "2.8"}
    amortized = [*amortized, *([unused] * bought)]
    rows = pair(actual, amortized)
    by_hand = [
        sum((Decimal(charge["costInBillingCurrency"]) for charge in file), Decimal(0))
        for file in (actual, amortized)
    ]
    assert [amount(rows, "BilledCost"), amount(rows, "EffectiveCost")] == by_hand
    assert max(len(actual), len(amortized)) <= len(rows) <= len(actual) + len(amortized)


@given(uncovered, st.randoms(use_true_random=False))
def test_a_file_and_itself_in_another_order_are_its_own_rows(
    charged: list[dict[str, str]], dice: random.Random
) -> None:
    shuffled = dice.sample(charged, len(charged))
    rows = pair(charged, shuffled)
    assert len(rows) == len(charged)
    assert all(row["BilledCost"] == row["EffectiveCost"] for row in rows)
