"""Every kind of charge of a FOCUS file: what stands there is what must be loaded."""

import csv
import gzip
import io
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from tests.oco_pipelines.ingestion.adversarial.line_types import Item, LineType, row

COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
_COMMITMENT = {
    "CommitmentDiscountId": "plan-1",
    "CommitmentDiscountCategory": "Spend",
    "CommitmentDiscountType": "Savings Plan",
    "PricingCategory": "Committed",
}
_SINCE_1_2 = [
    "BillingAccountType",
    "SubAccountType",
    "InvoiceId",
    "PricingCurrency",
    "SkuMeter",
    "SkuPriceDetails",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "PricingCurrencyEffectiveCost",
]


def _charge(
    name: str,
    costs: tuple[str, str, str, str],
    category: str,
    status: str | None = None,
    charge_class: str | None = None,
    **says: Any,
) -> LineType:
    known = {"bill_month", "usage_month", "currency", "is_rejected"}
    return LineType(
        name,
        dict(zip(COSTS, costs, strict=True)),
        {
            "ChargeCategory": category,
            "ChargeClass": charge_class,
            "CommitmentDiscountStatus": status,
            **{key: value for key, value in says.items() if key not in known},
        },
        (row(*costs, category, status, charge_class),),
        **{key: value for key, value in says.items() if key in known},
    )


LINE_TYPES = (
    _charge("Usage", ("1.5", "1.25", "2", "1.75"), "Usage", ConsumedQuantity="1.234567"),
    _charge("Usage of twelve decimals", ("1E-12", "1E-12", "2E-12", "1E-12"), "Usage"),
    _charge("Usage covered", ("0", "0.7", "1", "1"), "Usage", "Used", **_COMMITMENT),
    _charge("Usage unused", ("0", "0.3", "0", "0.3"), "Usage", "Unused", **_COMMITMENT),
    _charge("Purchase", ("1", "0", "1", "1"), "Purchase", **_COMMITMENT),
    _charge("Tax", ("0.19", "0.19", "0.19", "0.19"), "Tax"),
    _charge("Credit", ("-3", "-3", "-3", "-3"), "Credit"),
    _charge("Adjustment", ("-0.004", "-0.004", "0", "-0.004"), "Adjustment"),
    _charge("Usage corrected", ("-1.5", "-1.25", "-2", "-1.75"), "Usage", None, "Correction"),
    _charge("Purchase refunded", ("-1", "0", "-1", "-1"), "Purchase", None, "Correction"),
    _charge(
        "Tokens",
        ("0.25", "0.25", "0.25", "0.25"),
        "Usage",
        ConsumedQuantity="83333.333333",
        ConsumedUnit="Tokens",
        PricingUnit="1000000 Tokens",
        PricingQuantity="0.083333333333",
        ServiceCategory="AI and Machine Learning",
        SkuMeter="Input Tokens",
    ),
    _charge("In another currency", ("250", "250", "300", "250"), "Usage", currency="JPY"),
    # Ten at night, two hours behind, is the next month.
    _charge(
        "Crossover: a zone of its own",
        ("1", "1", "1", "1"),
        "Usage",
        ChargePeriodStart="2026-09-30T22:00:00-02:00",
        ChargePeriodEnd="2026-09-30T23:00:00-02:00",
        usage_month="2026-10",
    ),
    _charge(
        "Crossover: the month before",
        ("1", "1", "1", "1"),
        "Usage",
        ChargePeriodStart="2026-08-31T23:00:00Z",
        ChargePeriodEnd="2026-09-01T00:00:00Z",
        usage_month="2026-08",
    ),
    _charge(
        "Nothing but what must be there",
        ("1.125", "1.125", "1.125", "1.125"),
        "Usage",
        SubAccountId=None,
        ResourceId=None,
        Tags=None,
        RegionId=None,
    ),
    _charge(
        "Rejected: a category that is none",
        ("6", "6", "6", "6"),
        "Usagee",
        is_rejected=True,
    ),
    _charge(
        "Rejected: ends before it starts",
        ("7", "7", "8", "7"),
        "Usage",
        ChargePeriodEnd="2026-09-01T00:00:00Z",
        is_rejected=True,
    ),
)
FAMILIES = (
    ("1.0 CSV", "1.0 Parquet", "1.0 snake CSV"),
    ("1.2 CSV", "1.2 Parquet", "1.2 snake CSV"),
)
_QUANTITIES = ("ConsumedQuantity", "PricingQuantity")


def write(items: Sequence[Item], form: str, account: str, dice: random.Random) -> bytes:
    """The charges as a file of that version."""
    rows = [_row(item, account) for item in items]
    names = list(dict.fromkeys(name for line in rows for name in line))
    if form.startswith("1.0"):
        names = [name for name in names if name not in _SINCE_1_2]
    dice.shuffle(names)
    if form.endswith("Parquet"):
        return _parquet(rows, names, dice)
    null = dice.choice(("", "NULL"))
    sink = io.StringIO()
    writer = csv.writer(sink, quoting=dice.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)))
    writer.writerow([_snake(name) if "snake" in form else name for name in names])
    writer.writerows([_text(line.get(name), null, dice) for name in names] for line in rows)
    content = sink.getvalue().encode(dice.choice(("utf-8", "utf-8-sig")))
    return gzip.compress(content) if dice.random() < 0.5 else content


def _row(item: Item, account: str) -> dict[str, Any]:
    usual = {
        "BillingAccountId": account,
        "BillingAccountType": "Account",
        "BillingCurrency": item.currency,
        "BillingPeriodStart": "2026-09-01T00:00:00Z",
        "BillingPeriodEnd": "2026-10-01T00:00:00Z",
        "ChargePeriodStart": "2026-09-10T00:00:00Z",
        "ChargePeriodEnd": "2026-09-11T00:00:00Z",
        "ServiceCategory": "Compute",
        "ServiceName": "Machines",
        "InvoiceIssuerName": "Example Cloud Ltd",
        "InvoiceId": "I-1",
        "ProviderName": "Example Cloud",
        "PublisherName": "Example Cloud",
        "SubAccountId": "sub",
        "RegionId": "north-1",
        "ResourceId": "vm",
        "Tags": '{"team": "search"}',
        "ChargeDescription": f"charge {item.number}",
    }
    line = {**usual, **item.kind.says, **item.money()}
    return {
        name: Decimal(value) if name in _QUANTITIES and value else value
        for name, value in line.items()
    }


def _text(value: Any, null: str, dice: random.Random) -> str:
    if value is None:
        return null
    if not isinstance(value, Decimal):
        return str(value)
    return dice.choice((f"{value:f}", f"{value:E}"))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]


def _parquet(rows: list[dict[str, Any]], names: list[str], dice: random.Random) -> bytes:
    amounts: Any = dice.choice((pl.Float64(), pl.Decimal(38, 18)))
    data = {}
    for name in names:
        values = [line.get(name) for line in rows]
        if name in COSTS or name in _QUANTITIES:
            data[name] = pl.Series(values, dtype=pl.Decimal(38, 18)).cast(pl.String).cast(amounts)
        else:
            data[name] = pl.Series(values, dtype=pl.String)
    sink = io.BytesIO()
    pl.DataFrame(data).write_parquet(sink, row_group_size=dice.choice((1, 7, 1000)))
    return sink.getvalue()
