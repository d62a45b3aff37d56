"""Budgets for cloud cost as people write them: read, checked, and their periods. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from oco_pipelines.trends.daily_cost import DAY
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import AmountRange, plain

DIMENSIONS: Final = (
    *("source", "provider", "service", "account", "region", "team"),
    *("environment", "cost_center", "application", "charge_category"),
)
# Dimensions of a few known values.
SOURCES: Final = ("cloud", "resilience")
CHARGE_CATEGORIES: Final = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
PERIODS: Final = {"month": 1, "quarter": 3, "year": 12}
BASES: Final = ("effective", "billed")
ACTUAL: Final = "actual"
FORECAST: Final = "forecast"
AMOUNT: Final = AmountRange(10**12, above_zero=True)
# 1 is all of the amount. More than ten times is taken for a percentage that was meant.
SHARE: Final = AmountRange(10, above_zero=True)
MAX_NAME: Final = 200
_KEYS: Final = ("name", "amount_usd", "period", "filter", "cost_basis", "thresholds", "enabled")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A share of the amount and what must reach it: what was spent, or what is forecast."""

    share: Decimal
    by: str

    def __str__(self) -> str:
        return f"{self.by}:{plain(self.share.normalize())}"


DEFAULT_THRESHOLDS: Final = (
    Threshold(Decimal("0.5"), ACTUAL),
    Threshold(Decimal("0.8"), ACTUAL),
    Threshold(Decimal(1), ACTUAL),
    Threshold(Decimal(1), FORECAST),
)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget; `dimensions` and `tags` are the values that count, and all of them must hold."""

    name: str
    amount_usd: Decimal
    period: str
    dimensions: Mapping[str, tuple[str, ...]]
    tags: Mapping[str, tuple[str, ...]]
    cost_basis: str = "effective"
    thresholds: tuple[Threshold, ...] = DEFAULT_THRESHOLDS
    enabled: bool = True

    def filter_json(self) -> dict[str, Any]:
        """The filter as it is stored."""
        stored: dict[str, Any] = {name: list(values) for name, values in self.dimensions.items()}
        if self.tags:
            stored["tags"] = {key: list(values) for key, values in self.tags.items()}
        return stored


def read_budget(entry: object, at: str) -> Budget:
    """Check one entry.

    Args:
        entry: what a file or a table has; amounts as `Decimal`, integer or text, never a float.
        at: where it stands, for messages, as in `budgets[0]`.

    Raises:
        InvalidInputError: one line that begins with the path of what is wrong.
    """
    fields = _object(entry, at, _KEYS)
    name = _text(_needed(fields, "name", at), f"{at}.name")
    if len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInputError(f"{at}.name: must be one line of at most {MAX_NAME} characters")
    enabled = fields.get("enabled", True)
    if not isinstance(enabled, bool):
        raise InvalidInputError(f"{at}.enabled: must be true or false")
    dimensions, tags = read_filter(fields.get("filter", {}), f"{at}.filter")
    return Budget(
        name=name,
        amount_usd=_amount(_needed(fields, "amount_usd", at), f"{at}.amount_usd", AMOUNT),
        period=_one_of(_needed(fields, "period", at), f"{at}.period", tuple(PERIODS)),
        dimensions=dimensions,
        tags=tags,
        cost_basis=_one_of(fields.get("cost_basis", BASES[0]), f"{at}.cost_basis", BASES),
        thresholds=_thresholds(fields.get("thresholds"), f"{at}.thresholds"),
        enabled=enabled,
    )


def read_filter(
    entry: object, at: str
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """(values by dimension, values by tag key) of a filter; a single value may stand for a list.

    Raises:
        InvalidInputError: one line that begins with the path of what is wrong.
    """
    fields = _object(entry, at, (*DIMENSIONS, "tags"))
    dimensions = {
        name: _texts(fields[name], f"{at}.{name}") for name in DIMENSIONS if name in fields
    }
    for name, known in (("source", SOURCES), ("charge_category", CHARGE_CATEGORIES)):
        for number, value in enumerate(dimensions.get(name, ())):
            _one_of(value, f"{at}.{name}[{number}]", known)
    tags = fields.get("tags", {})
    if not isinstance(tags, dict):
        raise InvalidInputError(f"{at}.tags: must be an object of values by tag key")
    return dimensions, {
        _text(key, f"{at}.tags"): _texts(values, f"{at}.tags.{key}") for key, values in tags.items()
    }


def period_of(period: str, day: date) -> tuple[date, date]:
    """First day and end (exclusive) of the calendar period, in UTC, that a day lies in."""
    months = PERIODS[period]
    start = date(day.year, (day.month - 1) // months * months + 1, 1)
    after = start.year * 12 + start.month - 1 + months
    return start, date(after // 12, after % 12 + 1, 1)


def period_before(period: str, start: date) -> tuple[date, date]:
    """The period that ended when one began."""
    return period_of(period, start - DAY)


def _thresholds(entry: object, at: str) -> tuple[Threshold, ...]:
    if entry is None:
        return DEFAULT_THRESHOLDS
    if not isinstance(entry, list):
        raise InvalidInputError(f"{at}: must be a list of {{share, by}}")
    found: list[Threshold] = []
    for number, item in enumerate(entry):
        here = f"{at}[{number}]"
        fields = _object(item, here, ("share", "by"))
        share = _amount(_needed(fields, "share", here), f"{here}.share (0.8 is 80 %)", SHARE)
        by = _one_of(fields.get("by", ACTUAL), f"{here}.by", (ACTUAL, FORECAST))
        made = Threshold(share.normalize(), by)
        if made in found:
            raise InvalidInputError(f"{here}: stands above already")
        found.append(made)
    return tuple(found)


def _object(entry: object, at: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InvalidInputError(f"{at}: must be an object with {', '.join(keys)}")
    for key in entry:
        if key not in keys:
            raise InvalidInputError(f"{at}.{key}: is unknown; use {', '.join(keys)}")
    return entry


def _needed(fields: dict[str, Any], key: str, at: str) -> Any:
    if fields.get(key) is None:
        raise InvalidInputError(f"{at}.{key}: is missing")
    return fields[key]


def _amount(entry: object, at: str, within: AmountRange) -> Decimal:
    amount: Decimal | None = None
    if isinstance(entry, (str, int, Decimal)) and not isinstance(entry, bool):
        try:
            amount = Decimal(entry)
        except InvalidOperation:
            amount = None
    if amount is None or not within.holds(amount):
        raise InvalidInputError(f"{at}: must be a number {within.rule}, and is {entry!r:.60}")
    return amount


def _one_of(entry: object, at: str, known: tuple[str, ...]) -> str:
    if not isinstance(entry, str) or entry not in known:
        raise InvalidInputError(f"{at}: must be one of {', '.join(known)}, and is {entry!r:.60}")
    return entry


def _text(entry: object, at: str) -> str:
    # PostgreSQL's text has no NUL.
    if not isinstance(entry, str) or not entry.strip() or "\0" in entry:
        raise InvalidInputError(f"{at}: must be a text that is not empty, and is {entry!r:.60}")
    return entry


def _texts(entry: object, at: str) -> tuple[str, ...]:
    if isinstance(entry, list):
        if not entry:
            raise InvalidInputError(f"{at}: is empty and would match nothing; leave it out")
        return tuple(_text(item, f"{at}[{number}]") for number, item in enumerate(entry))
    return (_text(entry, at),)
