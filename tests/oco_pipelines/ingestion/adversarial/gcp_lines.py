"""Every line type of GCP's billing export, and the ways in which people take it out of BigQuery."""

import gzip
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.oco_pipelines.ingestion.adversarial.line_types import Item, LineType, row, same
from tests.oco_pipelines.ingestion.gcp_bill import (
    CUD_MODEL,
    as_csv,
    as_json,
    as_parquet,
    credit,
    line,
    standard,
)

TEXTS = "texts"
_OLD_FEE = {
    "sku": {"id": "5515-81A8-03A2", "description": "Commitment v1: Cpu in Belgium for 1 Year"},
    "resource": None,
}
_NEW_FEE = {
    "sku": {"id": "B22F-51BE-D599", "description": "Commitment - dollar based v1: GCE 1 year"},
    "resource": None,
}
_UNSAID = {"cost_at_list": None, "cost_at_effective_price_default": None, "price": None}
_SUBSCRIPTION = {"subscription": {"instance_id": "sub-1"}}
_NO_PROJECT = {"id": None, "name": None, "labels": []}


def _regular(
    name: str, cost: str, granted: list[tuple[str | None, str | None]], *effects: Any, **says: Any
) -> LineType:
    """A line whose list cost is 11 and whose cost at the agreed price is 10.5."""
    known = {"bill_month", "usage_month", "currency", "is_rejected", "only"}
    money = {
        "cost": cost,
        "credits": granted,
        "cost_at_list": "11",
        "cost_at_effective_price_default": "10.5",
    }
    return LineType(
        name,
        money,
        {key: value for key, value in says.items() if key not in known},
        effects,
        **{key: value for key, value in says.items() if key in known},
    )


def _other(name: str, cost: str, category: str, charge_class: str | None, **says: Any) -> LineType:
    """A line without prices: four times its cost."""
    effect = same(cost, category, charge_class)
    return LineType(name, {"cost": cost, "credits": []}, {**_UNSAID, **says}, (effect,))


def _adjusted(
    name: str, kind: str | None, mode: str, category: str, charge_class: str | None
) -> LineType:
    info = {"id": "adj", "description": "Why", "mode": mode, "type": kind}
    return _other(name, "-4", category, charge_class, cost_type="adjustment", adjustment_info=info)


def _fee(name: str, cost: str, granted: list[Any], sku: dict[str, Any], *effects: Any) -> LineType:
    money = {
        "cost": cost,
        "credits": granted,
        "cost_at_list": cost,
        "cost_at_effective_price_default": cost,
    }
    return LineType(name, money, {**sku, **_SUBSCRIPTION}, effects)


LINE_TYPES = (
    _regular("regular", "10", [], row("10", "10", "11", "10.5", "Usage")),
    _regular(
        "regular, hardly anything",
        "0.00001",
        [],
        row("0.00001", "0.00001", "11", "10.5", "Usage"),
        usage={
            "amount": Decimal("0.000001"),
            "unit": "byte-seconds",
            "amount_in_pricing_units": Decimal("1.23E-10"),
            "pricing_unit": "gibibyte month",
        },
    ),
    _regular("regular, free", "0", [], row("0", "0", "11", "10.5", "Usage")),
    LineType(
        "regular without list price",
        {"cost": "3", "credits": []},
        dict(_UNSAID),
        (same("3", "Usage"),),
    ),
    # Credits that lower the price: 10 − 2.
    *(
        _regular(f"credit {kind}", "10", [(kind, "-2")], row("8", "8", "11", "10.5", "Usage"))
        for kind in (
            "SUSTAINED_USAGE_DISCOUNT",
            "COMMITTED_USAGE_DISCOUNT",
            "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
            "DISCOUNT",
            "FREE_TIER",
            "RESELLER_MARGIN",
            "SUBSCRIPTION_BENEFIT",
        )
    ),
    _regular(
        "credit of a commitment that is named",
        "10",
        [("COMMITTED_USAGE_DISCOUNT", "-10")],
        row("0", "0", "11", "10.5", "Usage", "Used"),
        **_SUBSCRIPTION,
    ),
    # Grants pay, they do not lower the price: rows of their own.
    _regular(
        "credit PROMOTION",
        "10",
        [("PROMOTION", "-10")],
        row("10", "10", "11", "10.5", "Usage"),
        same("-10", "Credit"),
    ),
    # 10 − 1 − 2, and four grants
    _regular(
        "credits in an array, all elements",
        "10",
        [
            ("SUSTAINED_USAGE_DISCOUNT", "-1"),
            ("PROMOTION", "-0.5"),
            ("COMMITTED_USAGE_DISCOUNT", "-2"),
            ("PROMOTION", "-0.5"),
            (None, "-0.25"),
            ("NEVER_HEARD_OF", "-0.125"),
        ],
        row("7", "7", "11", "10.5", "Usage"),
        same("-0.5", "Credit"),
        same("-0.5", "Credit"),
        same("-0.25", "Credit"),
        same("-0.125", "Credit"),
    ),
    _regular(
        "credit taken back",
        "0",
        [("PROMOTION", "0.75"), ("DISCOUNT", "0.5")],
        row("0.5", "0.5", "11", "10.5", "Usage"),
        same("0.75", "Credit"),
    ),
    _regular(
        "credit of nothing", "10", [("PROMOTION", "0")], row("10", "10", "11", "10.5", "Usage")
    ),
    # Commitments. What is bought is billed; what was not repaid counts as usage.
    _fee(
        "fee of a commitment whose usage is lowered",
        "5",
        [],
        _OLD_FEE,
        row("5", "0", "5", "5", "Purchase"),
        row("0", "5", "0", "0", "Usage"),
    ),
    _fee(
        "fee of a commitment, all repaid",
        "10",
        [("FEE_UTILIZATION_OFFSET", "-10")],
        _NEW_FEE,
        row("10", "0", "10", "10", "Purchase"),
        row("-10", "0", "-10", "-10", "Credit"),
    ),
    _fee(
        "fee of a commitment, some unused",
        "10",
        [("FEE_UTILIZATION_OFFSET", "-7.25")],
        _NEW_FEE,
        row("10", "0", "10", "10", "Purchase"),
        row("-7.25", "0", "-7.25", "-7.25", "Credit"),
        row("0", "2.75", "0", "0", "Usage", "Unused"),
    ),
    # 10 − 1 is the fee
    _fee(
        "fee of a commitment with a discount and two offsets",
        "10",
        [
            ("FEE_UTILIZATION_OFFSET", "-3"),
            ("DISCOUNT", "-1"),
            ("FEE_UTILIZATION_OFFSET", "-2"),
        ],
        _NEW_FEE,
        row("9", "0", "10", "10", "Purchase"),
        row("-3", "0", "-3", "-3", "Credit"),
        row("-2", "0", "-2", "-2", "Credit"),
        row("0", "4", "0", "0", "Usage", "Unused"),
    ),
    _regular(
        "usage at a commitment's price",
        "8",
        [],
        row("8", "8", "11", "10.5", "Usage", "Used"),
        consumption_model=CUD_MODEL,
        **_SUBSCRIPTION,
    ),
    # What is no usage.
    _other("tax", "7.77", "Tax", None, cost_type="tax", project=None, labels=[]),
    LineType(
        "tax that a promotion pays",
        {"cost": "5", "credits": [("PROMOTION", "-5")]},
        {**_UNSAID, "cost_type": "tax", "project": None},
        (same("5", "Tax"), same("-5", "Credit")),
    ),
    _adjusted(
        "adjustment, usage corrected",
        "USAGE_CORRECTION",
        "PARTIAL_CORRECTION",
        "Adjustment",
        "Correction",
    ),
    _adjusted("adjustment, negation", None, "COMPLETE_NEGATION", "Adjustment", "Correction"),
    _adjusted("adjustment, goodwill", "GOODWILL", "MANUAL_ADJUSTMENT", "Credit", None),
    _adjusted("adjustment, SLA", "SLA_VIOLATION", "MANUAL_ADJUSTMENT", "Credit", None),
    _adjusted("adjustment, balance", "BALANCE_TRANSFER", "MANUAL_ADJUSTMENT", "Adjustment", None),
    _other(
        "rounding_error", "-0.00001", "Adjustment", None, cost_type="rounding_error", project=None
    ),
    # Where and when.
    _regular("NULL project", "10", [], row("10", "10", "11", "10.5", "Usage"), project=None),
    _regular(
        "NULL project.id", "10", [], row("10", "10", "11", "10.5", "Usage"), project=_NO_PROJECT
    ),
    _regular(
        "without labels, tags and place",
        "10",
        [],
        row("10", "10", "11", "10.5", "Usage"),
        labels=[],
        tags=[],
        system_labels=[],
        location=None,
    ),
    _regular(
        "crossover: the next month's invoice",
        "10",
        [("FREE_TIER", "-1")],
        row("9", "9", "11", "10.5", "Usage"),
        invoice={"month": "202610", "publisher_type": "GOOGLE"},
        start=datetime(2026, 9, 30, 23, tzinfo=UTC),
        bill_month="2026-10",
    ),
    _regular(
        "crossover: usage of the month before",
        "10",
        [],
        row("10", "10", "11", "10.5", "Usage"),
        start=datetime(2026, 8, 31, 23, tzinfo=UTC),
        usage_month="2026-08",
    ),
    _regular(
        "crossover: over midnight",
        "10",
        [],
        row("10", "10", "11", "10.5", "Usage"),
        start=datetime(2026, 9, 30, 23, 30, tzinfo=UTC),
        end=datetime(2026, 10, 1, 0, 30, tzinfo=UTC),
    ),
    _other(
        "no length",
        "6",
        "Tax",
        None,
        cost_type="tax",
        start=datetime(2026, 9, 30, tzinfo=UTC),
        end=datetime(2026, 9, 30, tzinfo=UTC),
    ),
    _regular(
        "in another currency",
        "10",
        [("PROMOTION", "-2.5")],
        row("10", "10", "11", "10.5", "Usage"),
        same("-2.5", "Credit"),
        currency="JPY",
        currency_conversion_rate=Decimal("147.25"),
    ),
    _regular(
        "third party",
        "10",
        [],
        row("10", "10", "11", "10.5", "Usage"),
        transaction_type="THIRD_PARTY_AGENCY",
        seller_name="Tools Ltd",
    ),
    _regular(
        "spot",
        "10",
        [],
        row("10", "10", "11", "10.5", "Usage"),
        sku={"id": "AAAA", "description": "Spot Preemptible N1 Core"},
    ),
    # Rows that cannot be loaded.
    _regular(
        "Rejected: no invoice month",
        "4.25",
        [("PROMOTION", "-2.5")],
        row("4.25", "4.25", "11", "10.5", "Usage"),
        same("-2.5", "Credit"),
        invoice={"month": "soon", "publisher_type": "GOOGLE"},
        is_rejected=True,
    ),
    # Whatever the rest says, its money is not known.
    _regular(
        "Rejected: a credit without an amount",
        "4",
        [("DISCOUNT", "-1"), ("PROMOTION", None)],
        same("0", "Usage"),
        is_rejected=True,
    ),
)

FAMILIES = (
    ("JSON", "JSON of texts", "JSON of floats", "JSON without nulls", "Parquet", "NUMERIC", "CSV"),
)


def write(
    items: Sequence[Item], form: str, account: str, dice: random.Random, *, detailed: bool
) -> bytes:
    """The lines in that form."""
    lines = [_line(item, account) for item in items]
    if not detailed:
        lines = standard(lines)
    match form:
        case "JSON":
            content = as_json(lines)
        case "JSON of texts":
            content = as_json(lines, numbers=False, times="iso")
        case "JSON of floats":
            content = as_json(_floats(lines))
        case "JSON without nulls":
            content = as_json(lines, times="epoch", nulls=False)
        case "Parquet":
            return as_parquet(lines)
        case "NUMERIC":
            return as_parquet(lines, money_as="decimal")
        case _:
            content = as_csv(lines, separator=dice.choice("._"))
    if dice.random() < 0.3:
        content = b"\xef\xbb\xbf" + content
    return gzip.compress(content) if dice.random() < 0.5 else content


def _line(item: Item, account: str) -> dict[str, Any]:
    money = item.money()
    granted = [
        credit(kind, amount) if amount is not None else {**credit(kind, 0), "amount": None}
        for kind, amount in money.pop("credits")
    ]
    resource = {
        "name": f"vm-{item.number}",
        "global_name": f"//compute.googleapis.com/projects/1/zones/b/instances/{item.number}",
    }
    return line(
        **{
            "billing_account_id": account,
            "currency": item.currency,
            "resource": resource,
            # The standard export has nothing else that tells two lines apart.
            "labels": [{"key": "n", "value": str(item.number)}],
            **item.kind.says,
            **money,
            "credits": granted,
        }
    )


def _floats(value: Any) -> Any:
    """As BigQuery writes FLOAT64: 8e-07."""
    if isinstance(value, dict):
        return {key: _floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_floats(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value
