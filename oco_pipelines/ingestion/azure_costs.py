"""FOCUS' costs and prices of each row of an Azure cost export. Pure, row by row, and exact.

Takes and gives texts: an amount that cannot be read stays as it is, so that its row is rejected
with a reason. The rules in sentences are in `docs/costs.md`.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

import polars as pl

from oco_pipelines.ingestion.azure_values import read_decimal
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import ZERO, exact_product

# What the rows of one file are: charged money, or the same money spread over what it was used for.
ACTUAL: Final = "actual"
AMORTIZED: Final = "amortized"

_ONE: Final = Decimal(1)
# The loader takes 60 digits; a product of three of Azure's columns can have more behind the point.
# Only prices and list costs are products: what was billed is never rounded.
_MAX_DIGITS: Final = 60
_PLACES: Final = Decimal("1e-28")
_WIDE: Final = Context(prec=300, rounding=ROUND_HALF_EVEN)
COLUMNS: Final = (
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
    "ListUnitPrice",
    "ContractedUnitPrice",
    "PricingQuantity",
    "PricingCurrency",
    "PricingCurrencyListUnitPrice",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
)

Row = Mapping[str, str | None]


def costs(charges: pl.DataFrame, dataset: str) -> pl.DataFrame:
    """The amounts of every charge, in `COLUMNS`.

    Args:
        charges: every field of `azure_columns.SPELLINGS`, and `_is_bought` (a commitment or its
            refund), `_is_unused` (of a commitment) and `_is_counted` (usage or a purchase).
        dataset: `ACTUAL` or `AMORTIZED`.
    """
    rows = [_costs(row, dataset) for row in charges.iter_rows(named=True)]
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def _costs(row: Row, dataset: str) -> tuple[str | None, ...]:
    cost = _readable(row["cost"])
    # A commitment that is bought serves other charges: they have its effective cost.
    is_elsewhere = dataset == ACTUAL and row["_is_bought"]
    quantity, rate = _number(row["quantity"]), _rate(row)
    asked = None if row["_is_unused"] or not row["_is_counted"] else quantity
    unit_price = _price(row["unit_price"])
    list_price = _price(row["list_price"])
    contracted = _product(unit_price, asked, rate, cost)
    listed = _product(list_price, asked, rate, cost)
    pricing = row["pricing_currency"]
    spread = _readable(row["cost_in_pricing_currency"]) if pricing else None
    return (
        # Not known from this file: `combine` fills it, and without it no row can be loaded.
        cost if dataset == ACTUAL else None,
        "0" if is_elsewhere else cost,
        listed or _given(row["list_cost"], asked) or contracted or cost,
        contracted or cost,
        _text(_times(list_price, rate)) if listed else None,
        _text(_times(unit_price, rate)) if contracted else None,
        _readable(row["quantity"]) if row["_is_counted"] else None,
        pricing,
        _text(list_price) if pricing and listed else None,
        _text(unit_price) if pricing and contracted else None,
        "0" if spread is not None and is_elsewhere else spread,
    )


def _rate(row: Row) -> Decimal | None:
    """From the currency of the prices to that of the bill; None when it is not known."""
    if row["pricing_currency"] in {None, row["currency"]}:
        return _ONE
    rate = _number(row["exchange_rate"])
    return rate or None


def _price(text: str | None) -> Decimal | None:
    """A price; 0 is what Azure writes where it does not fill the column, and then unknown."""
    price = _number(text)
    return price or None


def _product(
    price: Decimal | None, quantity: Decimal | None, rate: Decimal | None, cost: str | None
) -> str | None:
    """Price × quantity in the billing currency, where all are known and it has the cost's sign."""
    amount = _times(price, rate)
    amount = None if amount is None or quantity is None else exact_product(amount, quantity)
    charged = _number(cost)
    if amount is None or charged is None or amount * charged < ZERO:
        return None
    return _text(amount)


def _times(price: Decimal | None, rate: Decimal | None) -> Decimal | None:
    return None if price is None or rate is None else exact_product(price, rate)


def _given(text: str | None, asked: Decimal | None) -> str | None:
    """The list cost that the file says itself; 0 is unknown there too."""
    return _text(_price(text)) if asked is not None else None


def _text(amount: Decimal | None) -> str | None:
    """An amount, exact as far as the loader takes it; None when it is too long even rounded."""
    if amount is None:
        return None
    _, digits, exponent = amount.as_tuple()
    if len(digits) + abs(int(exponent)) > _MAX_DIGITS:
        amount = amount.quantize(_PLACES, context=_WIDE)
    try:
        return read_decimal(str(amount))
    except InvalidInputError:
        return None


def _number(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        return Decimal(read_decimal(text))
    except InvalidInputError:
        return None


def _readable(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return read_decimal(text)
    except InvalidInputError:
        return text
