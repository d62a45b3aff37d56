"""A month of GCP's billing export, made up: every kind of line, in every way that people export it.

Amounts have few enough digits to pass through a float unharmed, as those of the export do.
"""

import csv
import io
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

Line = dict[str, Any]
DISCOUNTS = (
    "SUSTAINED_USAGE_DISCOUNT",
    "COMMITTED_USAGE_DISCOUNT",
    "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
    "DISCOUNT",
    "FREE_TIER",
    "RESELLER_MARGIN",
    "SUBSCRIPTION_BENEFIT",
)
DEFAULT_MODEL = {"id": "7754-699E-0EBF", "description": "Default"}
CUD_MODEL = {"id": "D97B-0795-975B", "description": "Compute Flexible CUDs - 1 Year"}
START = datetime(2026, 9, 1, tzinfo=UTC)


def credit(kind: str | None, amount: Decimal | str) -> Line:
    return {
        "name": f"{kind} name",
        "amount": Decimal(amount),
        "full_name": f"{kind} in full",
        "id": f"id of {kind}",
        "type": kind,
    }


def line(**changes: Any) -> Line:
    """One line of a resource-level export, as BigQuery has it."""
    start = changes.pop("start", START)
    end = changes.pop("end", start + timedelta(hours=1))
    usual: Line = {
        "billing_account_id": "01AB23-CD45EF-678901",
        "invoice": {"month": "202609", "publisher_type": "GOOGLE"},
        "cost_type": "regular",
        "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
        "sku": {"id": "2E27-4F75-95CD", "description": "N1 Core running in Belgium"},
        "usage_start_time": start,
        "usage_end_time": end,
        "project": {
            "id": "shop-prod",
            "number": "1234",
            "name": "Shop",
            "labels": [{"key": "cost-centre", "value": "7"}],
            "ancestry_numbers": "/1/2/",
        },
        "labels": [{"key": "team", "value": "search"}],
        "system_labels": [{"key": "compute.googleapis.com/cores", "value": "4"}],
        "location": {
            "location": "europe-west1",
            "country": "BE",
            "region": "europe-west1",
            "zone": "europe-west1-b",
        },
        "tags": [{"key": "env", "value": "prod", "inherited": False, "namespace": "99"}],
        "cost": Decimal("1.5"),
        "cost_at_list": Decimal(2),
        "cost_at_effective_price_default": Decimal("1.75"),
        "currency": "USD",
        "currency_conversion_rate": Decimal(1),
        "usage": {
            "amount": Decimal(3600),
            "unit": "seconds",
            "amount_in_pricing_units": Decimal(1),
            "pricing_unit": "hour",
        },
        "price": {
            "list_price": Decimal(2),
            "effective_price": Decimal("1.5"),
            "effective_price_default": Decimal("1.75"),
            "tier_start_amount": Decimal(0),
            "unit": "hour",
            "pricing_unit_quantity": Decimal(1),
        },
        "credits": [],
        "adjustment_info": None,
        "consumption_model": DEFAULT_MODEL,
        "transaction_type": "GOOGLE",
        "seller_name": None,
        "export_time": start + timedelta(hours=9),
        "resource": {
            "name": "web-1",
            "global_name": "//compute.googleapis.com/projects/1/zones/b/instances/77",
        },
        "subscription": None,
        "added_by_google_later": "ignored",
    }
    return {**usual, **changes}


def bill(seed: int, lines: int = 120) -> list[Line]:
    """Every kind of line at least once, in a random order, with random money."""
    source = random.Random(seed)
    makers = [source.choice(_MAKERS) for _ in range(lines - len(_MAKERS))] + list(_MAKERS)
    source.shuffle(makers)
    return [line(**{**_when(source), **make(source)}) for make in makers]


def commitment_month(seed: int) -> tuple[list[Line], list[Line], list[Line]]:
    """(fees and usage where GCP lowers usage, fees where it repays them, usage it repaid)."""
    source = random.Random(seed)
    old, fees, covered = [], [], []
    for hour in range(24):
        start = START + timedelta(hours=hour)
        fee, used = money(source), Decimal(source.randint(0, 100)) / 100
        old.append(line(start=start, **_old_fee(fee, "sub-old")))
        on_demand = money(source)
        old.append(line(start=start, cost=on_demand, credits=[credit(DISCOUNTS[2], -on_demand)]))
        repaid = fee * used
        fees.append(line(start=start, **_new_fee(fee, repaid, "sub-new")))
        covered.append(line(start=start, cost=repaid, consumption_model=CUD_MODEL))
    return old, fees, covered


def money(source: random.Random) -> Decimal:
    return Decimal(source.randint(1, 10**7)) / 10 ** source.randint(1, 7)


def net_by_month(lines: Iterable[Line]) -> dict[tuple[str, str], Decimal]:
    """{(invoice month, currency): cost + Σ credits}, on its own."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in lines:
        net = row["cost"] + sum(element["amount"] for element in row["credits"])
        sums[row["invoice"]["month"], row["currency"]] += net
    return dict(sums)


def _when(source: random.Random) -> Line:
    return {"start": START + timedelta(hours=source.randint(0, 24 * 29))}


def _old_fee(fee: Decimal, identity: str | None) -> Line:
    return {
        "cost": fee,
        "cost_at_list": fee,
        "cost_at_effective_price_default": fee,
        "sku": {"id": "5515-81A8-03A2", "description": "Commitment v1: Cpu in Belgium for 1 Year"},
        "subscription": {"instance_id": identity},
        "resource": None,
    }


def _new_fee(fee: Decimal, repaid: Decimal, identity: str | None) -> Line:
    return {
        **_old_fee(fee, identity),
        "sku": {"id": "B22F-51BE-D599", "description": "Commitment - dollar based v1: GCE 1 year"},
        "credits": [credit("FEE_UTILIZATION_OFFSET", -repaid)],
    }


def _adjusted(kind: str | None, mode: str | None) -> Callable[[random.Random], Line]:
    return lambda source: {
        "cost_type": "adjustment",
        "cost": -money(source),
        "adjustment_info": {"id": "adj", "description": "Why", "mode": mode, "type": kind},
    }


def _several_credits(source: random.Random) -> Line:
    kinds = [*source.sample(DISCOUNTS, 3), "PROMOTION", "PROMOTION", None, "NEVER_HEARD_OF"]
    return {"cost": money(source), "credits": [credit(kind, -money(source)) for kind in kinds]}


def _other_invoice(source: random.Random) -> Line:
    return {
        "invoice": {"month": "202610", "publisher_type": "GOOGLE"},
        "start": datetime(2026, 9, 30, 23, tzinfo=UTC),
        "cost": money(source),
    }


def _instantly(source: random.Random) -> Line:
    start = START + timedelta(hours=source.randint(0, 600))
    return {"start": start, "end": start, "cost_type": "tax", "cost": money(source)}


_MAKERS: list[Callable[[random.Random], Line]] = [
    lambda source: {"cost": money(source)},
    lambda _: {"cost": Decimal(0)},
    lambda _: {"cost": Decimal("0.0000008")},
    *(
        lambda source, kind=kind: {"cost": money(source), "credits": [credit(kind, -money(source))]}
        for kind in (*DISCOUNTS, "PROMOTION", "CREDIT_TYPE_UNSPECIFIED")
    ),
    _several_credits,
    lambda source: {"cost": money(source), "project": None},
    lambda source: {"cost": money(source), "cost_at_list": None, "price": None},
    lambda source: {"cost": money(source), "labels": [], "tags": [], "system_labels": []},
    lambda source: {"cost_type": "tax", "cost": money(source), "project": None, "labels": []},
    lambda source: {
        "cost_type": "tax",
        "cost": money(source),
        "credits": [credit("PROMOTION", "-1")],
    },
    _adjusted("USAGE_CORRECTION", "PARTIAL_CORRECTION"),
    _adjusted(None, "COMPLETE_NEGATION"),
    _adjusted("GOODWILL", "MANUAL_ADJUSTMENT"),
    _adjusted("SLA_VIOLATION", "MANUAL_ADJUSTMENT"),
    _adjusted("BALANCE_TRANSFER", "MANUAL_ADJUSTMENT"),
    lambda _: {"cost_type": "rounding_error", "cost": Decimal("-0.000001"), "project": None},
    _other_invoice,
    _instantly,
    lambda source: {"cost": money(source), "currency": "EUR", "currency_conversion_rate": "0.9"},
    lambda source: {
        "cost": money(source),
        "transaction_type": "THIRD_PARTY_AGENCY",
        "seller_name": "Tools Ltd",
    },
    lambda source: {"cost": money(source), "service": {"id": "X", "description": "Tools by Ltd"}},
    lambda source: _old_fee(money(source), "sub-1"),
    lambda _: _new_fee(Decimal(10), Decimal(10), "sub-2"),
    lambda _: _new_fee(Decimal(10), Decimal("7.25"), "sub-2"),
    lambda source: {"cost": money(source), "consumption_model": CUD_MODEL},
]


def standard(lines: Iterable[Line]) -> list[Line]:
    """The same lines as the standard export has them."""
    only = ("resource", "subscription")
    return [{key: value for key, value in row.items() if key not in only} for row in lines]


def as_json(
    lines: Iterable[Line], *, numbers: bool = True, times: str = "utc", nulls: bool = True
) -> bytes:
    """JSON lines: numbers as numbers or texts, nulls written or left out."""
    rows = [_json(row, numbers, times, nulls) for row in lines]
    return ("\n".join(rows) + "\n").encode()


def _json(value: Any, numbers: bool, times: str, nulls: bool) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}" if numbers else f'"{value:f}"'
    if isinstance(value, datetime):
        return str(int(value.timestamp())) if times == "epoch" else json.dumps(_time(value, times))
    if isinstance(value, dict):
        inner = (
            f"{json.dumps(key)}:{_json(item, numbers, times, nulls)}"
            for key, item in value.items()
            if nulls or item is not None
        )
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(item, numbers, times, nulls) for item in value) + "]"
    return json.dumps(value)


def _time(value: datetime, times: str) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if times == "utc" else value.isoformat()


def as_parquet(lines: Iterable[Line], *, money_as: str = "float") -> bytes:
    """Structs, lists of structs, timestamps; costs as FLOAT64 or NUMERIC."""
    cost: Any = pl.Float64 if money_as == "float" else pl.Decimal(38, 9)
    text, numeric = pl.String, pl.Decimal(38, 9)
    label = {"key": text, "value": text}

    def struct(**fields: Any) -> pl.Struct:
        return pl.Struct(fields)

    schema: dict[str, Any] = {
        "billing_account_id": text,
        "invoice": struct(month=text, publisher_type=text),
        "cost_type": text,
        "service": struct(id=text, description=text),
        "sku": struct(id=text, description=text),
        "usage_start_time": pl.Datetime("us", "UTC"),
        "usage_end_time": pl.Datetime("us", "UTC"),
        "project": struct(id=text, name=text, labels=pl.List(struct(**label))),
        "labels": pl.List(struct(**label)),
        "system_labels": pl.List(struct(**label)),
        "location": struct(location=text, country=text, region=text, zone=text),
        "tags": pl.List(struct(**label, inherited=pl.Boolean, namespace=text)),
        "cost": cost,
        "cost_at_list": cost,
        "cost_at_effective_price_default": cost,
        "currency": text,
        "currency_conversion_rate": pl.Float64,
        "usage": struct(
            amount=pl.Float64, unit=text, amount_in_pricing_units=pl.Float64, pricing_unit=text
        ),
        "price": struct(
            list_price=numeric,
            effective_price=numeric,
            effective_price_default=numeric,
            tier_start_amount=numeric,
            unit=text,
            pricing_unit_quantity=numeric,
        ),
        "credits": pl.List(struct(name=text, amount=cost, full_name=text, id=text, type=text)),
        "adjustment_info": struct(id=text, description=text, mode=text, type=text),
        "consumption_model": struct(id=text, description=text),
        "transaction_type": text,
        "seller_name": text,
        "export_time": pl.Datetime("us", "UTC"),
        "resource": struct(name=text, global_name=text),
        "subscription": struct(instance_id=text),
    }
    rows = list(lines)
    there = {name: kind for name, kind in schema.items() if name in rows[0]}
    data = {name: [_fits(row[name], kind) for row in rows] for name, kind in there.items()}
    sink = io.BytesIO()
    pl.DataFrame(data, schema=there).write_parquet(sink, row_group_size=50)
    return sink.getvalue()


def _fits(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, pl.Struct):
        return {field.name: _fits(value.get(field.name), field.dtype) for field in kind.fields}
    if isinstance(kind, pl.List):
        return [_fits(item, kind.inner) for item in value]
    if kind == pl.Float64:
        return float(value)
    return Decimal(value).quantize(Decimal("1e-9")) if isinstance(kind, pl.Decimal) else value


def as_csv(lines: Iterable[Line], *, separator: str = "_") -> bytes:
    """One column for each field of a struct; arrays as TO_JSON_STRING writes them."""
    rows = [_flat(row, separator) for row in lines]
    names = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.StringIO()
    writer = csv.DictWriter(sink, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().encode()


def _flat(row: Line, separator: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in row.items():
        leaves = value.items() if isinstance(value, dict) else [("", value)]
        for name, leaf in leaves:
            path = f"{key}{separator}{name}" if name else key
            if isinstance(leaf, list):
                flat[path] = _json(leaf, True, "iso", True)
            elif leaf is not None:
                flat[path] = _time(leaf, "utc") if isinstance(leaf, datetime) else str(leaf)
    return flat
