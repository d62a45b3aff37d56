"""The money of one row of GCP's billing export, as the charges that FOCUS knows. Pure, and exact.

Whatever the row, the charges' billed costs add up to cost + Σ credits, and so do their effective
costs. Does not belong here: where a charge belongs and what it is called (`gcp_export`).
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal, Inexact
from typing import Final

from oco_pipelines.ingestion.focus_values import read_amount
from oco_pipelines.ingestion.gcp_credits import (
    CUD_CREDITS,
    FEE_OFFSET,
    SPEND_CUD,
    BillCredit,
    read_credits,
)
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import exact_sum

Row = Mapping[str, str | None]
Charge = dict[str, str | None]

_CATEGORIES: Final = {
    "regular": "Usage",
    "tax": "Tax",
    "adjustment": "Adjustment",
    "rounding_error": "Adjustment",
}
_GRANTS: Final = frozenset({"GOODWILL", "SALES_BASED_GOODWILL", "SLA_VIOLATION"})
_CORRECTIONS: Final = frozenset({"USAGE_CORRECTION", "PRICE_CORRECTION", "METADATA_CORRECTION"})
_CORRECTING_MODES: Final = frozenset(
    {"PARTIAL_CORRECTION", "COMPLETE_NEGATION", "COMPLETE_NEGATION_WITH_REMONETIZATION"}
)
_FEE_SKU: Final = re.compile(r"^Commitment\b|\bCommitted Use Discounts?\b", re.IGNORECASE)
_SPEND_SKU: Final = re.compile(r"\bdollar[ -]based\b|\bCommitted Use Discounts?\b", re.IGNORECASE)
_SPOT_SKU: Final = re.compile(r"\b(Spot|Preemptible)\b", re.IGNORECASE)
_DEFAULT_MODEL: Final = "7754-699E-0EBF"
_EXACT: Final = Context(prec=60, traps=[Inexact])

_COSTS: Final = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
_QUANTITIES: Final = ("ListUnitPrice", "ContractedUnitPrice", "PricingQuantity", "ConsumedQuantity")
_ONLY_USAGE: Final = (*_QUANTITIES, "PricingUnit", "ConsumedUnit")


def charges(row: Row) -> list[Charge]:
    """The charges of a row: one, and one more for each grant and each side of a commitment fee.

    A row with a value that cannot be read stays one charge, so that it is rejected whole, with all
    of its money as far as that can be read.
    """
    try:
        return list(_charges(row))
    except InvalidInputError as error:
        # Not an amount, so that the row is rejected, and the text says why.
        return [{**_kind(row), **dict.fromkeys(_COSTS, str(error))}]


def _charges(row: Row) -> Iterator[Charge]:
    found = list(read_credits(row.get("credits")))
    main = {**_kind(row), **_prices(row)}
    if row.get("cost") is None:
        yield main
        return
    cost = Decimal(read_amount(row["cost"] or ""))
    if not _is_readable(main, row):
        net = _sum(cost, *(credit.amount for credit in found))
        yield {**main, "BilledCost": net, "EffectiveCost": net}
        return
    folded = [credit for credit in found if credit.is_discount]
    if _is_fee(row, folded):
        yield from _fee(row, cost, folded, main)
    else:
        net = _sum(cost, *(credit.amount for credit in folded))
        yield {**main, "BilledCost": net, "EffectiveCost": net, **_pricing(row, main, folded)}
    for credit in found:
        if not credit.is_discount and credit.amount:
            yield _grant(credit, main)


def _kind(row: Row) -> Charge:
    cost_type = row.get("cost_type")
    kind = row.get("adjustment_info.type")
    category = _CATEGORIES.get((cost_type or "").lower(), cost_type)
    if category == "Adjustment" and kind in _GRANTS:
        category = "Credit"
    corrects = kind in _CORRECTIONS or (
        kind is None and row.get("adjustment_info.mode") in _CORRECTING_MODES
    )
    return {
        "ChargeCategory": category,
        "ChargeClass": "Correction" if corrects else None,
        "ChargeDescription": row.get("adjustment_info.description") or row.get("sku.description"),
        "ChargeFrequency": "Usage-Based" if category == "Usage" else "One-Time",
    }


def _prices(row: Row) -> Charge:
    """List and contracted cost, prices and quantities; amounts that cannot be read as they are."""
    is_usage = (row.get("cost_type") or "").lower() == "regular"
    cost = row.get("cost")
    found: Charge = {
        "ListCost": row.get("cost_at_list") or cost,
        "ContractedCost": row.get("cost_at_effective_price_default") or cost,
    }
    if not is_usage:
        return found
    contracted = row.get("price.effective_price_default") or row.get("price.effective_price")
    quantity = row.get("usage.amount_in_pricing_units")
    return {
        **found,
        "ListUnitPrice": _unit_price(row, row.get("price.list_price")),
        "ContractedUnitPrice": _unit_price(row, contracted),
        "PricingQuantity": quantity,
        "PricingUnit": (row.get("usage.pricing_unit") or row.get("price.unit"))
        if quantity
        else None,
        "ConsumedQuantity": row.get("usage.amount"),
        "ConsumedUnit": row.get("usage.unit") if row.get("usage.amount") else None,
    }


def _unit_price(row: Row, price: str | None) -> str | None:
    """The price of one pricing unit; GCP states it for `pricing_unit_quantity` of them."""
    size = row.get("price.pricing_unit_quantity")
    if price is None or size is None:
        return price
    try:
        divisor = Decimal(read_amount(size))
        return read_amount(str(_EXACT.divide(Decimal(read_amount(price)), divisor)))
    except InvalidInputError:
        return price
    except (Inexact, ZeroDivisionError):
        return None  # no decimal says it exactly, and a rounded price is none


def _is_readable(main: Charge, row: Row) -> bool:
    """Whether every value that only some of a row's charges would carry can be read."""
    try:
        for name in (*_COSTS, *_QUANTITIES):
            text = main.get(name)
            if text is not None:
                read_amount(text)
    except InvalidInputError:
        return False
    return not any("\0" in text for text in row.values() if text)


def _is_fee(row: Row, folded: list[BillCredit]) -> bool:
    if (row.get("cost_type") or "").lower() != "regular":
        return False
    return _FEE_SKU.search(row.get("sku.description") or "") is not None or any(
        credit.kind == FEE_OFFSET for credit in folded
    )


def _fee(row: Row, cost: Decimal, folded: list[BillCredit], main: Charge) -> Iterator[Charge]:
    """A commitment's fee: bought, less what usage at the commitment's price repaid, and the rest.

    The purchase is billed and its effective cost is 0. What was not repaid counts as usage: it is
    the unused part where GCP repays used fees (FEE_UTILIZATION_OFFSET), and the whole commitment
    where it lowers the cost of usage instead, and does not say which row used what.
    """
    offsets = [credit for credit in folded if credit.kind == FEE_OFFSET]
    fee = _sum(cost, *(credit.amount for credit in folded if credit.kind != FEE_OFFSET))
    left = _sum(Decimal(fee), *(credit.amount for credit in offsets))
    commitment = _commitment(row, folded, row.get("sku.description"))
    common = {**main, **commitment, "PricingCategory": "Committed"}
    yield {
        **common,
        "ChargeCategory": "Purchase",
        "ChargeFrequency": "Recurring",
        "BilledCost": fee,
        "EffectiveCost": "0",
        "ConsumedQuantity": None,
        "ConsumedUnit": None,
        "CommitmentDiscountStatus": None,
    }
    for credit in offsets:
        amount = _sum(credit.amount)
        yield {
            **common,
            **dict.fromkeys(_ONLY_USAGE),
            **_costs(amount, "0", amount, amount),
            "ChargeCategory": "Credit",
            "ChargeFrequency": "Recurring",
            "ChargeDescription": credit.label,
            "CommitmentDiscountStatus": None,
            "PricingCategory": None,
        }
    if left != "0":
        yield {
            **common,
            **dict.fromkeys(_ONLY_USAGE),
            **_costs("0", left, "0", "0"),
            "ChargeFrequency": "Recurring",
        }


def _commitment(row: Row, folded: list[BillCredit], name: str | None) -> Charge:
    """Columns that name the commitment; FOCUS allows them only where there is an id."""
    identity = row.get("subscription.instance_id")
    if identity is None:
        return {}
    kinds = {credit.kind for credit in folded}
    by_spend = bool(kinds & {SPEND_CUD, FEE_OFFSET}) or _SPEND_SKU.search(
        row.get("sku.description") or ""
    )
    return {
        "CommitmentDiscountId": identity,
        "CommitmentDiscountName": name,
        "CommitmentDiscountCategory": "Spend" if by_spend else "Usage",
        "CommitmentDiscountType": "Committed Use Discount",
        "CommitmentDiscountStatus": "Unused" if FEE_OFFSET in kinds else None,
    }


def _pricing(row: Row, main: Charge, folded: list[BillCredit]) -> Charge:
    if main["ChargeCategory"] != "Usage":
        return {}
    model = row.get("consumption_model.id")
    if any(credit.kind in CUD_CREDITS for credit in folded) or (
        model is not None and model != _DEFAULT_MODEL
    ):
        commitment = _commitment(row, folded, row.get("consumption_model.description"))
        status = {"CommitmentDiscountStatus": "Used"} if commitment else {}
        return {**commitment, **status, "PricingCategory": "Committed"}
    is_spot = _SPOT_SKU.search(row.get("sku.description") or "") is not None
    return {"PricingCategory": "Dynamic" if is_spot else "Standard"}


def _grant(credit: BillCredit, main: Charge) -> Charge:
    amount = _sum(credit.amount)
    return {
        **_costs(amount, amount, amount, amount),
        "ChargeCategory": "Credit",
        "ChargeClass": main["ChargeClass"],
        "ChargeDescription": credit.label,
        "ChargeFrequency": "One-Time",
    }


def _costs(billed: str, effective: str, listed: str | None, contracted: str | None) -> Charge:
    return dict(zip(_COSTS, (billed, effective, listed, contracted), strict=True))


def _sum(*amounts: Decimal) -> str:
    return read_amount(str(exact_sum(amounts)))
