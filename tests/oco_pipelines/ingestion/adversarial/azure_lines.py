"""Every type of charge of Azure's ActualCost and AmortizedCost exports, and their headers.

`actual` and `amortized` are what the charge costs in either file; without one, that file does not
have it. List cost is list price × quantity, contracted cost is price × quantity.
"""

import gzip
import io
import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import polars as pl

from tests.oco_pipelines.ingestion.adversarial.line_types import (
    Effect,
    Item,
    LineType,
    row,
    same,
)
from tests.oco_pipelines.ingestion.azure_month import HEADERS, PLAN, RESERVATION

Dataset = Literal["actual", "amortized"]
TEXTS = "texts"
# These have no commitments, no types of charge and no billing period.
USAGE_ONLY = ("usage only", "EA usage details")
_PRICED = {"unit_price": "0.5", "list_price": "0.75"}
_RI = {"pricing_model": "Reservation", "benefit_id": RESERVATION}
_SP = {"pricing_model": "SavingsPlan", "benefit_id": PLAN}


def _charge(
    name: str,
    kind: str,
    money: dict[str, str],
    pair: Effect,
    alone: Effect | None = None,
    **says: Any,
) -> LineType:
    known = {"only", "usage_month", "bill_month", "is_rejected"}
    return LineType(
        name,
        money,
        {"kind": kind, **{key: value for key, value in says.items() if key not in known}},
        (pair,),
        alone=(alone or pair,) if "actual" in {**money, **says} else (),
        **{key: value for key, value in says.items() if key in known},
    )


def _both(cost: str, **more: str) -> dict[str, str]:
    return {"actual": cost, "amortized": cost, **more}


LINE_TYPES = (
    # 2.000002 at 0.5, listed at 0.75
    _charge(
        "Usage",
        "Usage",
        _both("1.000001", quantity="2.000002"),
        row("1.000001", "1.000001", "1.5000015", "1.000001", "Usage"),
        **_PRICED,
        pricing_model="OnDemand",
    ),
    _charge(
        "Usage, spot",
        "Usage",
        _both("0.5", quantity="1"),
        row("0.5", "0.5", "0.75", "0.5", "Usage"),
        **_PRICED,
        pricing_model="Spot",
    ),
    # Azure writes 0 where it does not know the price.
    _charge(
        "Usage without a price",
        "Usage",
        _both("4", quantity="3"),
        same("4", "Usage"),
        unit_price="0",
        list_price="0",
    ),
    _charge(
        "Usage taken back",
        "Usage",
        _both("-0.5", quantity="-1"),
        row("-0.5", "-0.5", "-0.75", "-0.5", "Usage"),
        **_PRICED,
    ),
    _charge(
        "Usage of eight decimals",
        "Usage",
        _both("0.00000001", quantity="0.00000002"),
        row("0.00000001", "0.00000001", "0.000000015", "0.00000001", "Usage"),
        **_PRICED,
    ),
    # 2 at 0.5 USD × 0.8, listed at 0.75 USD × 0.8
    _charge(
        "Usage priced in another currency",
        "Usage",
        _both("0.8", quantity="2"),
        row("0.8", "0.8", "1.2", "0.8", "Usage"),
        **_PRICED,
        pricing_currency="USD",
        rate="0.8",
        only="MCA",
    ),
    _charge(
        "Usage that is billed again",
        "Usage",
        _both("0.5", quantity="1"),
        row("0.5", "0.5", "0.75", "0.5", "Usage", None, "Correction"),
        **_PRICED,
        previous_invoice="E0100",
        only="MCA",
    ),
    _charge(
        "Usage of the month before",
        "Usage",
        _both("0.5", quantity="1"),
        row("0.5", "0.5", "0.75", "0.5", "Usage"),
        **_PRICED,
        day=date(2026, 8, 31),
        usage_month="2026-08",
        only="typed",
    ),
    _charge(
        "Usage of the month's last day",
        "Usage",
        _both("0.5", quantity="1"),
        row("0.5", "0.5", "0.75", "0.5", "Usage"),
        **_PRICED,
        day=date(2026, 9, 30),
    ),
    # Commitments: bought in the one file, spread in the other.
    _charge(
        "Usage of a reservation",
        "Usage",
        {"actual": "0", "amortized": "0.6", "quantity": "2"},
        row("0", "0.6", "1.5", "1", "Usage", "Used"),
        row("0", "0", "1.5", "1", "Usage", "Used"),
        **_PRICED,
        **_RI,
        only="typed",
    ),
    _charge(
        "Usage of a savings plan",
        "Usage",
        {"actual": "0", "amortized": "0.7", "quantity": "2"},
        row("0", "0.7", "1.5", "1", "Usage", "Used"),
        row("0", "0", "1.5", "1", "Usage", "Used"),
        **_PRICED,
        **_SP,
        only="typed",
    ),
    _charge(
        "Purchase of a reservation",
        "Purchase",
        {"actual": "1200", "quantity": "1"},
        row("1200", "0", "1200", "1200", "Purchase"),
        unit_price="1200",
        list_price="1200",
        **_RI,
        only="typed",
    ),
    _charge(
        "Purchase of a savings plan",
        "Purchase",
        {"actual": "72.5", "quantity": "1"},
        row("72.5", "0", "72.5", "72.5", "Purchase"),
        unit_price="72.5",
        list_price="72.5",
        **_SP,
        only="typed",
    ),
    _charge(
        "Refund of a reservation",
        "Refund",
        {"actual": "-99.5", "quantity": "-1"},
        row("-99.5", "0", "-99.5", "-99.5", "Purchase", None, "Correction"),
        unit_price="99.5",
        list_price="99.5",
        **_RI,
        only="typed",
    ),
    _charge(
        "UnusedReservation",
        "UnusedReservation",
        {"amortized": "3.125"},
        row("0", "3.125", "3.125", "3.125", "Usage", "Unused"),
        **_RI,
        only="typed",
    ),
    _charge(
        "UnusedSavingsPlan",
        "UnusedSavingsPlan",
        {"amortized": "0.000012"},
        row("0", "0.000012", "0.000012", "0.000012", "Usage", "Unused"),
        **_SP,
        only="typed",
    ),
    # All else.
    _charge("Tax", "Tax", _both("19.01"), same("19.01", "Tax"), only="typed"),
    _charge("Credit", "Credit", _both("-12"), same("-12", "Credit"), only="typed"),
    _charge(
        "RoundingAdjustment",
        "RoundingAdjustment",
        _both("-0.004"),
        same("-0.004", "Adjustment"),
        only="typed",
    ),
    _charge("Adjustment", "Adjustment", _both("-7"), same("-7", "Adjustment"), only="typed"),
    _charge(
        "A type of tomorrow", "CarbonLevy", _both("0.33"), same("0.33", "Adjustment"), only="typed"
    ),
    _charge(
        "Refund of what is no commitment",
        "Refund",
        _both("-3"),
        row("-3", "-3", "-3", "-3", "Purchase", None, "Correction"),
        only="typed",
    ),
    _charge(
        "Purchase, Marketplace",
        "Purchase",
        _both("25", quantity="1"),
        same("25", "Purchase"),
        unit_price="0",
        list_price="0",
        publisher_type="Marketplace",
        publisher="Contoso Scanners",
        only="typed",
    ),
    # One and a part, or a thousand and more?
    _charge(
        "Rejected: an amount that says two things",
        "Usage",
        {},
        same("0", "Usage"),
        same("0", "Usage"),
        actual="1,234",
        amortized="1,234",
        is_rejected=True,
        only=TEXTS,
    ),
    _charge(
        "Rejected: no date",
        "Usage",
        _both("6", quantity="1"),
        same("6", "Usage"),
        day="soon",
        is_rejected=True,
    ),
)

_MCA = {**HEADERS["MCA"], "previous_invoice": "previousInvoiceId"}
_WORDS = ("Kosten", "Coût", "Maßeinheit", "料金", "Fecha de uso", "Abonnement-GUID")
FAMILIES = {
    # {agreement: ways to write the same}
    "EA": ("EA", "EA localised", "EA comma", "EA Parquet"),
    "EA 2023": ("EA 2023", "EA 2023 localised"),
    "MCA": ("MCA", "MCA localised", "MCA Parquet"),
    "CSP": ("CSP", "CSP localised"),
    "usage only": ("usage only", "usage only localised"),
    "EA usage details": ("EA usage details", "EA usage details comma"),
}
_AMOUNTS = ("cost", "quantity", "unit_price", "list_price", "rate")


def write(
    items: Sequence[Item], form: str, dataset: Dataset, account: str, dice: random.Random
) -> bytes:
    """The charges that the file of that kind has."""
    agreement = next(name for name in sorted(FAMILIES, key=len, reverse=True) if name in form)
    rows = [
        _row(item, agreement, dataset, account)
        for item in items
        if dataset in item.kind.money or dataset in item.kind.says
    ]
    if form.endswith("comma"):
        rows = [{name: _comma(name, value, dice) for name, value in line.items()} for line in rows]
    headers = dict(_MCA if agreement == "MCA" else HEADERS[agreement])
    names = list(headers)
    dice.shuffle(names)
    spelt = {
        name: f"{dice.choice(_WORDS)} ({headers[name]})"
        if form.endswith("localised")
        else headers[name]
        for name in names
    }
    if form.endswith("Parquet"):
        return _parquet(rows, spelt, dice)
    data = {
        header: [_text(line.get(name), dice) for line in rows] for name, header in spelt.items()
    }
    content = (
        dice.choice((b"\xef\xbb\xbf", b""))
        + pl.DataFrame(data, schema=dict.fromkeys(data, pl.String))
        .write_csv(line_terminator=dice.choice(("\n", "\r\n")))
        .encode()
    )
    return gzip.compress(content) if dice.random() < 0.4 else content


def _row(item: Item, agreement: str, dataset: Dataset, account: str) -> dict[str, Any]:
    values: dict[str, Any] = {**item.kind.says, **item.money()}
    values |= {
        name: Decimal(values[name])
        for name in ("unit_price", "list_price", "rate")
        if name in values
    }
    day = values.pop("day", date(2026, 9, 5))
    subscription = "00000000-aaaa-4bbb-8ccc-000000000001"
    machine = f"vm-{item.number}"
    usual: dict[str, Any] = {
        "account": account,
        "account_name": "Contoso",
        "currency": item.currency,
        "publisher_type": "Azure",
        "publisher": "Microsoft",
        "frequency": "UsageBased" if values["kind"] == "Usage" else "OneTime",
        "unit": "1 Hour",
        "subscription": subscription,
        "resource": f"/subscriptions/{subscription}/resourceGroups/RG/providers/"
        f"Microsoft.Compute/virtualMachines/{machine}",
        "resource_name": machine,
        "location": "EastUS",
        "category": "Virtual Machines",
        "meter_id": "14fc9a21-4919-4cb1-b495-000000000001",
        "product": "Virtual Machines Dv2",
        "tags": '"team": "search","cost center": "7,5"',
    }
    line = {**usual, **values, "cost": values[dataset]}
    line["start"], line["end"] = "09/01/2026", "09/30/2026"
    line["date"] = day if isinstance(day, str) else f"{day:%m/%d/%Y}"
    if agreement in USAGE_ONLY and not isinstance(day, str):
        line["date"] = day.isoformat()
    if agreement == "CSP":
        line["start"], line["end"] = "2026-09-01T00:00:00Z", "2026-09-30"
        line["date"] = day if isinstance(day, str) else day.strftime("%Y%m%d")
    if agreement == "MCA":
        if values.get("pricing_currency") == item.currency:
            # It says "another currency", and has a rate.
            line["pricing_currency"] = "EUR"
        line.setdefault("pricing_currency", item.currency)
        line.setdefault("rate", Decimal(1))
        line["cost_in_usd"] = Decimal(999999)
    return line


def _text(value: Any, dice: random.Random) -> str:
    if not isinstance(value, Decimal):
        return value or ""
    return dice.choice((f"{value:f}", f"{value:E}"))


def _comma(name: str, value: Any, dice: random.Random) -> Any:
    """As a spreadsheet of a German leaves it; three decimals could be thousands, so a zero more."""
    if name not in _AMOUNTS or not isinstance(value, Decimal):
        return value
    whole, _, part = f"{value:f}".partition(".")
    if not part:
        return whole
    if dice.random() < 0.5:
        sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        whole = sign + f"{int(digits):,}".replace(",", ".")
    return f"{whole},{part}" + ("0" if len(part) == 3 else "")


def _parquet(rows: list[dict[str, Any]], spelt: dict[str, str], dice: random.Random) -> bytes:
    amounts = [name for name in spelt if any(isinstance(r.get(name), Decimal) for r in rows)]
    data = {
        header: pl.Series(
            [None if line.get(name) is None else float(line[name]) for line in rows],
            dtype=pl.Float64,
        )
        if name in amounts
        else pl.Series([line.get(name) for line in rows], dtype=pl.String)
        for name, header in spelt.items()
    }
    sink = io.BytesIO()
    pl.DataFrame(data).write_parquet(sink, row_group_size=dice.choice((1, 7, 1000)))
    return sink.getvalue()
