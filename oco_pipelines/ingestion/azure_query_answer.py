"""Questions to Azure's Cost Management Query API and what its answers say. Pure, and exact.

Source: Microsoft's REST reference "Query - Usage", api-version 2025-03-01. An answer takes at most
two aggregations and two groupings; its rows are positional and named by `columns`. Amounts are JSON
numbers: they become Decimal from their text, never by way of a float.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, NoReturn

from oco_warehouse.errors import UpstreamError, UpstreamUnavailable

Question = Literal["ActualCost", "AmortizedCost"]
QUESTIONS: Final[tuple[Question, ...]] = ("ActualCost", "AmortizedCost")

_COST: Final = ("cost", "pretaxcost", "costinbillingcurrency", "totalcost")
_DAY: Final = "usagedate"
_CURRENCY: Final = "currency"
# A sum of amounts further apart would fill the memory with zeros.
_MAX_EXPONENT: Final = 60


class DamagedAnswer(UpstreamUnavailable):
    """An answer broke off, or is no JSON: asking again may help."""


class AnswerRow(NamedTuple):
    """One row of an answer: a day's cost of one combination of groups, "" where it has none."""

    day: date
    amount: Decimal
    currency: str
    groups: tuple[str, ...]


class Page(NamedTuple):
    """Some rows of an answer, and where the next ones are."""

    rows: list[AnswerRow]
    next_link: str | None


def question(
    kind: Question,
    first: date,
    last: date,
    grouping: Sequence[str],
    only: Mapping[str, str] | None = None,
) -> bytes:
    """The body that asks for the costs of each day from `first` to `last`, both included.

    Args:
        kind: whose money: as it was billed, or spread over what it was paid for.
        first: a day, UTC.
        last: a day, UTC.
        grouping: at most two dimensions; none asks for the whole.
        only: {dimension: the one value of it that counts}.
    """
    dataset: dict[str, Any] = {
        "granularity": "Daily",
        "aggregation": {"totalCost": {"name": "Cost", "function": "Sum"}},
    }
    if grouping:
        dataset["grouping"] = [{"type": "Dimension", "name": name} for name in grouping]
    wanted: list[dict[str, Any]] = [
        {"dimensions": {"name": name, "operator": "In", "values": [value]}}
        for name, value in (only or {}).items()
    ]
    if wanted:
        # `and` takes two at least.
        dataset["filter"] = wanted[0] if len(wanted) == 1 else {"and": wanted}
    body = {
        "type": kind,
        "timeframe": "Custom",
        "timePeriod": {
            "from": f"{first.isoformat()}T00:00:00+00:00",
            "to": f"{last.isoformat()}T23:59:59+00:00",
        },
        "dataset": dataset,
    }
    return json.dumps(body).encode()


def read_page(body: bytes, grouping: Sequence[str]) -> Page:
    """The rows of an answer to a question with these groupings.

    Raises:
        DamagedAnswer: when it is no whole JSON document.
        UpstreamError: when it lacks a column that was asked for, or a value cannot be read.
    """
    try:
        answer = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except ValueError as error:
        raise DamagedAnswer(f"Azure's answer cannot be read: {error}") from None
    properties = answer.get("properties") if isinstance(answer, dict) else None
    if not isinstance(properties, dict) or not isinstance(properties.get("columns"), list):
        raise DamagedAnswer("Azure's answer has no properties.columns")
    names = [str(column.get("name", "")).lower() for column in properties["columns"]]
    cost = _position(names, *_COST)
    day, currency = _position(names, _DAY), _position(names, _CURRENCY)
    groups = [_position(names, name.lower()) for name in grouping]
    rows = []
    for values in properties.get("rows") or []:
        if len(values) != len(names):
            raise UpstreamError(
                f"Azure's answer has a row of {len(values)} values for {len(names)} columns"
            )
        rows.append(
            AnswerRow(
                _day(values[day]),
                _amount(values[cost]),
                str(values[currency] or "").upper(),
                tuple(_text(values[place]) for place in groups),
            )
        )
    return Page(rows, properties.get("nextLink") or None)


def _position(names: Sequence[str], *wanted: str) -> int:
    for name in wanted:
        if name in names:
            return names.index(name)
    raise UpstreamError(
        f"Azure's answer has no column {wanted[0]!r}, but {', '.join(map(repr, names))}"
    )


def _day(value: object) -> date:
    """`20261031`, as a number or a text; monthly answers have a timestamp, which is read too."""
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    try:
        return datetime.fromisoformat(text.removesuffix(".0")).date()
    except ValueError:
        raise UpstreamError(f"Azure's answer has the day {text!r}, not one as 20261031") from None


def _amount(value: object) -> Decimal:
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        amount = Decimal(value)
        exponent = int(amount.as_tuple().exponent)
        if exponent >= -_MAX_EXPONENT and amount.adjusted() < _MAX_EXPONENT:
            return amount
    raise UpstreamError(f"Azure's answer has the cost {value!r}, which is no amount")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
