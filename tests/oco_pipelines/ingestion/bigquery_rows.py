"""The export's tables as the stand-in of BigQuery has them: their columns, and rows as JSON."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from tests.oco_pipelines.ingestion.gcp_bill import Line

_PART: Final = re.compile(
    r"STRUCT\((?P<inner>[^()]+)\) AS `(?P<struct>\w+)`|`(?P<plain>\w+)` AS `\w+`"
)
_INNER: Final = re.compile(r"`(?P<struct>\w+)`\.`(?P<field>\w+)` AS `(?P=field)`")
_LABEL: Final = "key:STRING value:STRING"
_SCHEMA: Final = f"""
    billing_account_id:STRING service(id:STRING description:STRING) sku(id:STRING
    description:STRING) usage_start_time:TIMESTAMP usage_end_time:TIMESTAMP project(id:STRING
    number:STRING name:STRING labels[{_LABEL}] ancestry_numbers:STRING) labels[{_LABEL}]
    system_labels[{_LABEL}] location(location:STRING country:STRING region:STRING zone:STRING)
    tags[{_LABEL} inherited:BOOLEAN namespace:STRING] transaction_type:STRING seller_name:STRING
    export_time:TIMESTAMP cost:FLOAT currency:STRING currency_conversion_rate:FLOAT usage(
    amount:FLOAT unit:STRING amount_in_pricing_units:FLOAT pricing_unit:STRING)
    credits[name:STRING amount:FLOAT full_name:STRING id:STRING type:STRING] invoice(month:STRING
    publisher_type:STRING) cost_type:STRING adjustment_info(id:STRING description:STRING
    mode:STRING type:STRING) price(list_price:NUMERIC effective_price:NUMERIC
    effective_price_default:NUMERIC tier_start_amount:NUMERIC unit:STRING
    pricing_unit_quantity:NUMERIC) cost_at_list:FLOAT cost_at_effective_price_default:FLOAT
    consumption_model(id:STRING description:STRING)
"""
_DETAILED_ONLY: Final = "resource(name:STRING global_name:STRING) subscription(instance_id:STRING)"
_TOKEN: Final = re.compile(r"(\w+)(?::(\w+)|([(\[]))|([)\]])")


def schema_of(table: str) -> list[dict[str, Any]]:
    """Columns of a table of that name, as tables.get tells them."""
    return _parse_schema(_SCHEMA + (_DETAILED_ONLY if "resource" in table else ""))


def projection(fields: str, columns: list[dict[str, Any]]) -> Callable[[Line], str]:
    """What a list of columns and structs makes of a row: its JSON.

    Raises:
        ValueError: for what is no column of the table.
    """
    kinds = {found["name"]: found for found in columns}
    wanted: list[tuple[str, list[str] | None]] = []
    position = 0
    while position < len(fields):
        match = _PART.match(fields, position)
        if match is None or (match["plain"] or match["struct"]) not in kinds:
            raise ValueError(f"Unrecognized name at {fields[position:]!r}")
        inner = None
        if match["struct"]:
            inner = [_INNER.fullmatch(part)["field"] for part in match["inner"].split(", ")]  # type: ignore[index]
        wanted.append((match["plain"] or match["struct"], inner))
        position = match.end() + len(", ")

    def project(line: Line) -> str:
        parts = []
        for column, inner in wanted:
            value = line.get(column)
            if inner is not None:
                value = {name: (value or {}).get(name) for name in inner}
            parts.append(f"{json.dumps(column)}:{_to_json(value, kinds[column])}")
        return "{" + ",".join(parts) + "}"

    return project


def _to_json(  # noqa: PLR0911 - one for each type
    value: Any, kind: dict[str, Any], *, element: bool = False
) -> str:
    """As TO_JSON_STRING writes a value of that kind."""
    if kind.get("mode") == "REPEATED" and not element:
        return "[" + ",".join(_to_json(item, kind, element=True) for item in value or ()) + "]"
    if value is None:
        return "null"
    if kind["type"] == "RECORD":
        inner = {found["name"]: found for found in kind["fields"]}
        parts = (f"{json.dumps(key)}:{_to_json(item, inner[key])}" for key, item in value.items())
        return "{" + ",".join(parts) + "}"
    if kind["type"] == "FLOAT":
        return round_trip(float(value))
    if kind["type"] == "NUMERIC":
        return f"{Decimal(value):f}"
    if kind["type"] == "TIMESTAMP":
        return json.dumps(f"{value:%Y-%m-%dT%H:%M:%SZ}")
    return json.dumps(value, ensure_ascii=False)


def round_trip(number: float) -> str:
    """A FLOAT64 as GoogleSQL writes it: with 15 digits, or 17 where those are another number."""
    short = f"{number:.15g}"
    return short if float(short) == number else f"{number:.17g}"


def _parse_schema(text: str) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = []
    stack = [fields]
    for match in _TOKEN.finditer(text):
        name, kind, opens, closes = match.groups()
        if closes:
            stack.pop()
        elif opens:
            inner: list[dict[str, Any]] = []
            mode = "REPEATED" if opens == "[" else "NULLABLE"
            stack[-1].append({"name": name, "type": "RECORD", "mode": mode, "fields": inner})
            stack.append(inner)
        else:
            stack[-1].append({"name": name, "type": kind, "mode": "NULLABLE"})
    return fields
