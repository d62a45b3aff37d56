"""Every line type of an AWS Cost and Usage Report, and the forms in which AWS writes it.

The columns have the spelling of the legacy CSV, without their family where that is unique.
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from tests.oco_pipelines.ingestion.adversarial.line_types import Item, LineType, row, same
from tests.oco_pipelines.ingestion.aws_month import DEFAULTS, PLAN, RESERVATION, SPELLINGS

Row = dict[str, str]
NET = "net"
TEXTS = "texts"
_MORE = [
    "lineItem/NetUnblendedCost",
    "line_item_net_unblended_cost",
    "reservation/NetEffectiveCost",
    "reservation_net_effective_cost",
    "reservation/NetUnusedRecurringFee",
    "reservation_net_unused_recurring_fee",
    "reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "savingsPlan/NetSavingsPlanEffectiveCost",
    "savings_plan_net_savings_plan_effective_cost",
    "savingsPlan/AmortizedUpfrontCommitmentForBillingPeriod",
    "savings_plan_amortized_upfront_commitment_for_billing_period",
    "savingsPlan/RecurringCommitmentForBillingPeriod",
    "savings_plan_recurring_commitment_for_billing_period",
    "savingsPlan/NetAmortizedUpfrontCommitmentForBillingPeriod",
    "savings_plan_net_amortized_upfront_commitment_for_billing_period",
    "savingsPlan/NetRecurringCommitmentForBillingPeriod",
    "savings_plan_net_recurring_commitment_for_billing_period",
]
_SPELT = {**SPELLINGS, **dict(zip(_MORE[::2], _MORE[1::2], strict=True))}
_FULL = {name.partition("/")[2]: name for name in _SPELT}
_NEEDED = (
    "bill/InvoiceId",
    "reservation/EffectiveCost",
    "reservation/UnusedRecurringFee",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod",
    "savingsPlan/SavingsPlanEffectiveCost",
    "savingsPlan/TotalCommitmentToDate",
    "savingsPlan/UsedCommitment",
)

_RI = {"ReservationARN": RESERVATION}
_SP = {"SavingsPlanARN": PLAN}
_POD = "arn:aws:eks:eu-west-1:000000000013:pod/main/shop/web/1"


def _line(
    name: str, line_type: str, money: Mapping[str, str], *effects: Any, **more: Any
) -> LineType:
    known = {"only", "bill_month", "usage_month", "is_rejected", "currency"}
    says = {key: value for key, value in more.items() if key not in known}
    about = {key: value for key, value in more.items() if key in known}
    return LineType(name, money, {"LineItemType": line_type, **says}, effects, **about)


def _discount(name: str, **more: Any) -> LineType:
    cost = {"UnblendedCost": "-5"}
    return _line(name, name, cost, row("-5", "-5", "0", "-5", "Credit"), **more)


LINE_TYPES = (
    # Usage. List is the public price, everything else what was asked.
    _line(
        "Usage",
        "Usage",
        {"UnblendedCost": "3.21", "publicOnDemandCost": "4.5", "UsageAmount": "1.234567"},
        row("3.21", "3.21", "4.5", "3.21", "Usage"),
        unit="Hrs",
    ),
    _line(
        "Usage of ten decimals",
        "Usage",
        {"UnblendedCost": "0.0000001", "publicOnDemandCost": "0.0000002", "UsageAmount": "1E-10"},
        row("0.0000001", "0.0000001", "0.0000002", "0.0000001", "Usage"),
        unit="GB-Mo",
    ),
    _line(
        "Usage, spot",
        "Usage",
        {"UnblendedCost": "1.1", "publicOnDemandCost": "5"},
        row("1.1", "1.1", "5", "1.1", "Usage"),
        UsageType="EU-SpotUsage:m5.large",
    ),
    _line(
        "Usage, free",
        "Usage",
        {"UnblendedCost": "0", "publicOnDemandCost": "0", "UsageAmount": "7"},
        same("0", "Usage"),
    ),
    _line("Usage without a public price", "Usage", {"UnblendedCost": "2.5"}, same("2.5", "Usage")),
    _line(
        "Usage without a product",
        "Usage",
        {"UnblendedCost": "2.75"},
        same("2.75", "Usage"),
        ProductCode="",
        ProductName="",
        regionCode="",
        location="",
        ResourceId="",
    ),
    _line(
        "Usage, Marketplace",
        "Usage",
        {"UnblendedCost": "12.5", "publicOnDemandCost": "0", "UsageAmount": "2"},
        same("12.5", "Usage"),
        BillingEntity="AWS Marketplace",
        LegalEntity="Example Software GmbH",
        ProductCode="9abcdefghijklmnop",
    ),
    _line(
        "Usage in another currency",
        "Usage",
        {"UnblendedCost": "250", "publicOnDemandCost": "300"},
        row("250", "250", "300", "250", "Usage"),
        currency="JPY",
    ),
    _line(
        "Usage of the month before",
        "Usage",
        {"UnblendedCost": "0.5"},
        same("0.5", "Usage"),
        UsageStartDate="2026-08-31T23:00:00Z",
        UsageEndDate="2026-09-01T00:00:00Z",
        usage_month="2026-08",
    ),
    _line(
        "Usage until the month's end",
        "Usage",
        {"UnblendedCost": "0.75"},
        same("0.75", "Usage"),
        UsageStartDate="2026-09-30T23:00:00Z",
        UsageEndDate="2026-10-01T00:00:00Z",
    ),
    _line(
        "Usage of the next month",
        "Usage",
        {"UnblendedCost": "0.875"},
        same("0.875", "Usage"),
        UsageStartDate="2026-10-01T00:00:00Z",
        UsageEndDate="2026-10-01T01:00:00Z",
        usage_month="2026-10",
    ),
    # Reservations. The covered hour costs what it has of the reservation.
    _line(
        "DiscountedUsage",
        "DiscountedUsage",
        {"UnblendedCost": "0", "EffectiveCost": "6", "publicOnDemandCost": "10"},
        row("0", "6", "10", "10", "Usage", "Used"),
        **_RI,
    ),
    _line(
        "DiscountedUsage without a public price",
        "DiscountedUsage",
        {"UnblendedCost": "0", "EffectiveCost": "6"},
        row("0", "6", "6", "6", "Usage", "Used"),
        **_RI,
    ),
    # 1.25 unused upfront + 2.5 unused recurring
    _line(
        "RIFee with unused hours",
        "RIFee",
        {
            "UnblendedCost": "72",
            "UnusedAmortizedUpfrontFeeForBillingPeriod": "1.25",
            "UnusedRecurringFee": "2.5",
        },
        row("72", "3.75", "72", "72", "Purchase", "Unused"),
        UsageStartDate="2026-09-01T00:00:00Z",
        UsageEndDate="2026-09-30T23:59:59Z",
        **_RI,
    ),
    _line(
        "RIFee all used",
        "RIFee",
        {
            "UnblendedCost": "72",
            "UnusedAmortizedUpfrontFeeForBillingPeriod": "0",
            "UnusedRecurringFee": "0",
        },
        row("72", "0", "72", "72", "Purchase", "Unused"),
        **_RI,
    ),
    # All upfront: the month's fee is nothing, and what of it stayed unused is not.
    _line(
        "RIFee, all upfront, unused hours",
        "RIFee",
        {
            "UnblendedCost": "0",
            "UnusedAmortizedUpfrontFeeForBillingPeriod": "3.5",
            "UnusedRecurringFee": "0",
        },
        row("0", "3.5", "0", "0", "Purchase", "Unused"),
        **_RI,
    ),
    _line(
        "RIFee, no upfront, unused hours",
        "RIFee",
        {"UnblendedCost": "72", "UnusedRecurringFee": "2.5"},
        row("72", "2.5", "72", "72", "Purchase", "Unused"),
        **_RI,
    ),
    _line(
        "Fee of a reservation, upfront",
        "Fee",
        {"UnblendedCost": "500"},
        row("500", "0", "500", "500", "Purchase"),
        BillType="Purchase",
        UsageStartDate="2026-09-03T10:11:12Z",
        UsageEndDate="2026-09-03T10:11:12Z",
        **_RI,
    ),
    # Savings plans.
    _line(
        "SavingsPlanCoveredUsage",
        "SavingsPlanCoveredUsage",
        {"UnblendedCost": "10", "SavingsPlanEffectiveCost": "7", "publicOnDemandCost": "10"},
        row("10", "7", "10", "10", "Usage", "Used"),
        **_SP,
    ),
    _line(
        "SavingsPlanNegation",
        "SavingsPlanNegation",
        {"UnblendedCost": "-10"},
        row("-10", "0", "0", "0", "Usage", "Used"),
        **_SP,
    ),
    # 30 − 25.5
    _line(
        "SavingsPlanRecurringFee with unused commitment",
        "SavingsPlanRecurringFee",
        {"UnblendedCost": "24", "TotalCommitmentToDate": "30", "UsedCommitment": "25.5"},
        row("24", "4.5", "24", "24", "Purchase", "Unused"),
        **_SP,
    ),
    _line(
        "SavingsPlanRecurringFee all used",
        "SavingsPlanRecurringFee",
        {"UnblendedCost": "24", "TotalCommitmentToDate": "30", "UsedCommitment": "30"},
        row("24", "0", "24", "24", "Purchase", "Unused"),
        **_SP,
    ),
    # AWS rounds the two apart: nothing less than nothing is left.
    _line(
        "SavingsPlanRecurringFee used beyond",
        "SavingsPlanRecurringFee",
        {"UnblendedCost": "24", "TotalCommitmentToDate": "30", "UsedCommitment": "30.0001"},
        row("24", "0", "24", "24", "Purchase", "Unused"),
        **_SP,
    ),
    _line(
        "SavingsPlanUpfrontFee",
        "SavingsPlanUpfrontFee",
        {"UnblendedCost": "900"},
        row("900", "0", "900", "900", "Purchase"),
        BillType="Purchase",
        **_SP,
    ),
    # All else: four times what was asked.
    _line(
        "Fee",
        "Fee",
        {"UnblendedCost": "100"},
        same("100", "Purchase"),
        ProductCode="AWSSupportBusiness",
    ),
    _line(
        "Tax",
        "Tax",
        {"UnblendedCost": "7.77"},
        same("7.77", "Tax"),
        UsageStartDate="2026-09-01T00:00:00Z",
        UsageEndDate="2026-10-01T00:00:00Z",
    ),
    _line("Credit", "Credit", {"UnblendedCost": "-3.5"}, same("-3.5", "Credit")),
    _line(
        "Refund",
        "Refund",
        {"UnblendedCost": "-1.25"},
        same("-1.25", "Adjustment", "Correction"),
        BillType="Refund",
    ),
    _line(
        "Usage on a refunding bill",
        "Usage",
        {"UnblendedCost": "-2"},
        same("-2", "Usage", "Correction"),
        BillType="Refund",
    ),
    _discount("EdpDiscount", only="gross"),
    _discount("PrivateRateDiscount", only="gross"),
    _discount("BundledDiscount"),
    _discount("DistributorDiscount"),
    _discount("RiVolumeDiscount"),
    _discount("Discount"),
    _line("A type of tomorrow", "SomethingNew", {"UnblendedCost": "9"}, same("9", "Adjustment")),
    # The machine's own line has the money of its pods and tasks.
    _line(
        "Split cost, EKS pod",
        "Usage",
        {"UnblendedCost": "0.25", "SplitCost": "0.2", "UnusedCost": "0.05"},
        same("0", "Usage"),
        ProductCode="AmazonEKS",
        ResourceId=_POD,
        ParentResourceId="i-00000000000000001",
    ),
    _line(
        "Split cost, ECS task on a machine",
        "Usage",
        {"UnblendedCost": "0.125", "SplitCost": "0.1", "UnusedCost": "0.025"},
        same("0", "Usage"),
        ProductCode="AmazonECS",
        ResourceId="arn:aws:ecs:eu-west-1:000000000013:task/main/1",
        ParentResourceId="i-00000000000000001",
    ),
    _line(
        "Split cost, Fargate task",
        "Usage",
        {"UnblendedCost": "0.04", "SplitCost": "0.03", "UsageAmount": "1"},
        same("0.04", "Usage"),
        ProductCode="AmazonECS",
        ResourceId="arn:aws:ecs:eu-west-1:000000000013:task/main/2",
    ),
    # Accounts with private discounts: what counts is the net cost, where the line has it.
    _line(
        "Usage, net",
        "Usage",
        {"UnblendedCost": "4", "NetUnblendedCost": "3", "publicOnDemandCost": "5"},
        row("3", "3", "5", "3", "Usage"),
        only=NET,
    ),
    _line(
        "DiscountedUsage, net",
        "DiscountedUsage",
        {
            "UnblendedCost": "0",
            "NetUnblendedCost": "0",
            "EffectiveCost": "6",
            "NetEffectiveCost": "5",
            "publicOnDemandCost": "10",
        },
        row("0", "5", "10", "10", "Usage", "Used"),
        only=NET,
        **_RI,
    ),
    # 1.125 + 2.25
    _line(
        "RIFee with unused hours, net",
        "RIFee",
        {
            "UnblendedCost": "72",
            "NetUnblendedCost": "64.8",
            "UnusedRecurringFee": "2.5",
            "NetUnusedRecurringFee": "2.25",
            "UnusedAmortizedUpfrontFeeForBillingPeriod": "1.25",
            "NetUnusedAmortizedUpfrontFeeForBillingPeriod": "1.125",
        },
        row("64.8", "3.375", "72", "64.8", "Purchase", "Unused"),
        only=NET,
        **_RI,
    ),
    _line(
        "SavingsPlanCoveredUsage, net",
        "SavingsPlanCoveredUsage",
        {
            "UnblendedCost": "10",
            "NetUnblendedCost": "9",
            "SavingsPlanEffectiveCost": "7",
            "NetSavingsPlanEffectiveCost": "6.3",
            "publicOnDemandCost": "10",
        },
        row("9", "6.3", "10", "9", "Usage", "Used"),
        only=NET,
        **_SP,
    ),
    _line(
        "SavingsPlanNegation, net",
        "SavingsPlanNegation",
        {"UnblendedCost": "-10", "NetUnblendedCost": "-9"},
        row("-9", "0", "0", "0", "Usage", "Used"),
        only=NET,
        **_SP,
    ),
    # 6 are left of 30; the plan costs 4.5 + 18 instead of 6 + 24: three quarters of 6.
    _line(
        "SavingsPlanRecurringFee with unused commitment, net",
        "SavingsPlanRecurringFee",
        {
            "UnblendedCost": "24",
            "NetUnblendedCost": "18",
            "TotalCommitmentToDate": "30",
            "UsedCommitment": "24",
            "AmortizedUpfrontCommitmentForBillingPeriod": "6",
            "NetAmortizedUpfrontCommitmentForBillingPeriod": "4.5",
            "RecurringCommitmentForBillingPeriod": "24",
            "NetRecurringCommitmentForBillingPeriod": "18",
        },
        row("18", "4.5", "24", "18", "Purchase", "Unused"),
        only=NET,
        **_SP,
    ),
    _line(
        "SavingsPlanUpfrontFee, net",
        "SavingsPlanUpfrontFee",
        {"UnblendedCost": "900", "NetUnblendedCost": "675"},
        row("675", "0", "900", "675", "Purchase"),
        only=NET,
        **_SP,
    ),
    _line(
        "Tax, net",
        "Tax",
        {"UnblendedCost": "7", "NetUnblendedCost": "6.3"},
        row("6.3", "6.3", "6.3", "6.3", "Tax"),
        only=NET,
    ),
    # The other lines have it taken off already.
    _line(
        "EdpDiscount beside net costs",
        "EdpDiscount",
        {"UnblendedCost": "-5"},
        same("0", "Credit"),
        only=NET,
    ),
    _line(
        "PrivateRateDiscount beside net costs",
        "PrivateRateDiscount",
        {"UnblendedCost": "-5", "NetUnblendedCost": "0"},
        same("0", "Credit"),
        only=NET,
    ),
    # Rows that cannot be loaded, and what can be read of their money.
    _line(
        "Rejected: ends before it starts",
        "Usage",
        {"UnblendedCost": "6", "publicOnDemandCost": "8"},
        row("6", "6", "8", "6", "Usage"),
        UsageEndDate="2026-09-09T00:00:00Z",
        is_rejected=True,
    ),
    _line(
        "Rejected: no amount",
        "Usage",
        {},
        same("0", "Usage"),
        UnblendedCost="n/a",
        is_rejected=True,
        only=TEXTS,
    ),
)
_AMOUNTS = frozenset(_FULL[name] for kind in LINE_TYPES for name in kind.money)
_DATES = frozenset(name for name in _SPELT if name.endswith(("StartDate", "EndDate")))
_TAGS: tuple[Row, ...] = ({}, {"env": "prod"}, {"env": 'a "b", {c}', "name": "web"})

FAMILIES = (("legacy CSV", "legacy Parquet"), ("CUR 2.0 CSV", "CUR 2.0 Parquet"))


def write(items: Sequence[Item], form: str, payer: str, dice: random.Random) -> bytes:
    """The lines as a file of that form; how it is laid out is as the dice fall."""
    rows = [_columns(item, payer) for item in items]
    tags = [_TAGS[item.number % len(_TAGS)] for item in items]
    names = [name for name in _SPELT if name in _NEEDED or any(name in columns for columns in rows)]
    dice.shuffle(names)
    if form.endswith("CSV"):
        return _csv(rows, tags, names, dice, is_legacy=form.startswith("legacy"))
    return _parquet(rows, tags, names, dice, is_legacy=form.startswith("legacy"))


def _columns(item: Item, payer: str) -> dict[str, Any]:
    values: dict[str, Any] = {**item.kind.says, **item.money()}
    resource = {"ResourceId": f"i-{item.number:017x}"}
    return (
        DEFAULTS
        | {_FULL[name]: value for name, value in {**resource, **values}.items()}
        | {
            "identity/LineItemId": f"line{item.number}",
            "bill/PayerAccountId": payer,
            "lineItem/CurrencyCode": item.currency,
            "lineItem/BlendedCost": Decimal(77),
        }
    )


def _csv(
    rows: list[dict[str, Any]],
    tags: list[Row],
    names: list[str],
    dice: random.Random,
    *,
    is_legacy: bool,
) -> bytes:
    written: list[Row] = []
    for columns, labels in zip(rows, tags, strict=True):
        line = {name: _text(columns.get(name), dice) for name in names}
        if is_legacy:
            line |= {f"resourceTags/user:{key}": value for key, value in labels.items()}
        else:
            product = {"product_name": line.pop("product/ProductName", "")}
            line = {_SPELT[name]: value for name, value in line.items()} | {
                "product": json.dumps({key: text for key, text in product.items() if text}),
                "resource_tags": json.dumps({f"user_{key}": text for key, text in labels.items()}),
                "bill_payer_account_name": "Example Holding",
            }
        written.append(line)
    header = list(dict.fromkeys(name for line in written for name in line))
    sink = io.StringIO()
    writer = csv.DictWriter(
        sink,
        header,
        restval="",
        lineterminator=dice.choice(("\n", "\r\n")),
        quoting=dice.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)),
    )
    writer.writeheader()
    writer.writerows(written)
    content = sink.getvalue().encode(dice.choice(("utf-8", "utf-8-sig")))
    return gzip.compress(content) if dice.random() < 0.5 else content


def _text(value: Any, dice: random.Random) -> str:
    """An amount in one of the ways that reports have shown: plain, with zeros, with an exponent."""
    if not isinstance(value, Decimal):
        return value or ""
    plain = f"{value:f}"
    zeros = plain + ("000" if "." in plain else ".0000")
    return dice.choice((plain, plain, zeros, f"{value:E}"))


def _parquet(
    rows: list[dict[str, Any]],
    tags: list[Row],
    names: list[str],
    dice: random.Random,
    *,
    is_legacy: bool,
) -> bytes:
    amounts: Any = dice.choice((pl.Float64(), pl.Decimal(38, 18)))
    frame: dict[str, pl.Series] = {}
    for name in names:
        values = [columns.get(name) for columns in rows]
        if name in _AMOUNTS or name.startswith("lineItem/Blended"):
            series = pl.Series(values, dtype=pl.Decimal(38, 18)).cast(pl.String).cast(amounts)
        elif name in _DATES:
            series = pl.Series(values, dtype=pl.String).str.to_datetime(
                "%Y-%m-%dT%H:%M:%SZ", time_unit=dice.choice(("ms", "us"))
            )
        else:
            series = pl.Series([value or None for value in values], dtype=pl.String)
        frame[_SPELT[name]] = series
    if is_legacy:
        for key in sorted({key for labels in tags for key in labels}):
            frame[f"resource_tags_user_{key}"] = pl.Series(
                [labels.get(key) for labels in tags], dtype=pl.String
            )
    else:
        pairs = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
        products = frame.pop("product_product_name")
        frame["product"] = pl.Series(
            [[{"key": "product_name", "value": name}] if name else [] for name in products],
            dtype=pairs,
        )
        frame["resource_tags"] = pl.Series(
            [[{"key": f"user_{key}", "value": text} for key, text in t.items()] for t in tags],
            dtype=pairs,
        )
        frame["bill_payer_account_name"] = pl.Series(["Example Holding"] * len(rows))
    sink = io.BytesIO()
    pl.DataFrame(frame).write_parquet(sink, row_group_size=dice.choice((1, 7, 1000)))
    return sink.getvalue()
