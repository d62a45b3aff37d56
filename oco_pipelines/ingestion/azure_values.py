"""Reads single values of an Azure cost export. Pure, and exact: an amount never becomes a float."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from oco_pipelines.ingestion.focus_values import read_amount
from oco_warehouse.errors import InvalidInputError

_COMMA: Final = re.compile(r"([+-]?)(\d{1,3}(?:\.\d{3})+|\d+),(\d+)((?:[eE][+-]?\d+)?)")
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+")
_MAYBE_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_TIME: Final = r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AP]M)?)? *(?:Z|UTC|\+00:?00)?"
_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})" + _TIME)
_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})")
_DOTTED: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})" + _TIME)
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})" + _TIME)
_MONTH: Final = re.compile(r"(\d{4})-?(\d{2})(?:-?\d{1,2})?")
_UNIT: Final = re.compile(r"(\d+)([KMB]?)(?=[ /]|$) *(.*)")
_THOUSANDS: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}
_COUNTED: Final = ("Second", "Minute", "Hour", "Day", "Week", "Month", "Year", "Unit")


class Unit(NamedTuple):
    """A unit of measure: how many of what; `size` is None when the text does not say."""

    size: int | None
    name: str

    def __str__(self) -> str:
        return self.name if self.size in {None, 1} else f"{self.size} {self.name}"


class Days(NamedTuple):
    """When a charge and its billing period begin and end, the ends exclusive, as ISO dates.

    A text that is no date stays as it is, so that its row is rejected with a reason.
    """

    charge_start: str | None
    charge_end: str | None
    period_start: str | None
    period_end: str | None


@lru_cache(maxsize=2**16)  # Prices and small amounts repeat a lot.
def read_decimal(text: str) -> str:
    """A number as plain decimal text, digit for digit, with a point or a comma.

    Azure writes points and no grouping, but files that went through a spreadsheet may not.

    Raises:
        InvalidInputError: when it is none, or when it could be read in two ways: `1,234`.
    """
    text = text.strip()
    if "," not in text:
        return read_amount(text)
    if _MAYBE_GROUPED.fullmatch(text):
        raise InvalidInputError(f"{text!r} could be one and a part, or a thousand and more")
    comma = _COMMA.fullmatch(text)
    if comma is not None:
        sign, whole, part, exponent = comma.groups()
        text = f"{sign}{whole.replace('.', '')}.{part}{exponent}"
    elif _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return read_amount(text)


def read_unit(text: str) -> Unit:
    """`100 Hours` → 100 of Hours, `10K` → 10000 of Units, `1/Month` → 1 of Units/Month."""
    text = " ".join(text.split())
    match = _UNIT.fullmatch(text)
    if match is None:
        return Unit(None, text)
    number, thousands, name = match.groups()
    if not name or name.startswith("/"):
        name = f"Units{name}"
    last = name.rsplit(" ", 1)[-1].capitalize()
    if last in _COUNTED:
        name = f"{name[: -len(last)]}{last}s"
    return Unit(int(number) * _THOUSANDS[thousands], name)


def read_days(day: str | None, start: str | None, end: str | None, month: str | None) -> Days:
    """The days of a charge.

    Azure writes month/day/year, or ISO. Whether a date with slashes has its day first is told by
    the row itself: the last day of its billing period is mostly above 12. Where the row cannot
    tell, it is month first, as Azure documents.

    Args:
        day: of the charge.
        start: first day of the billing period; without it, the calendar month of the charge.
        end: last day of the billing period, which is part of it.
        month: the billing period as `202609`, where its days are not given.
    """
    texts = [text for text in (day, start, end) if text]
    day_first = _is_day_first(texts)
    charge, first, last = (_date(text, day_first=day_first) for text in (day, start, end))
    if not start and not end and month and (match := _MONTH.fullmatch(month.strip())):
        first = _calendar_date(match[1], match[2], "1")
    if first is None and not start and charge is not None:
        first = charge.replace(day=1)
    after = _next_day(last)
    if after is None and not end and first is not None:
        after = _next_month(first)
    return Days(
        _iso(charge) or day,
        _iso(_next_day(charge)) or day,
        _iso(first) or start,
        _iso(after) or end,
    )


def is_day_first(text: str, start: str | None = None) -> bool:
    """Whether a date with slashes can only be day/month/year.

    Args:
        text: the date.
        start: first day of the billing period that it should lie in, written in the same way. Of
            two readings of both, one of which is in the period, that one is meant.
    """
    match = _SLASHED.fullmatch(text.strip())
    if match is None:
        return False
    if int(match[1]) > 12:
        return True
    month_first, day_first = (
        start is not None and _is_in_month_of(text, start, day_first=way) for way in (False, True)
    )
    return day_first and not month_first


def _is_in_month_of(text: str, start: str, *, day_first: bool) -> bool:
    day, first = (_date(date_, day_first=day_first) for date_ in (text, start))
    if day is None or first is None or _SLASHED.fullmatch(start.strip()) is None:
        return False
    after = _next_month(first)
    return first <= day and (after is None or day < after)


def _is_day_first(texts: Iterable[str]) -> bool | None:
    """True or False as the dates of a row say; None when they contradict one another."""
    told = {
        int(match[1]) > 12
        for text in texts
        if (match := _SLASHED.fullmatch(text.strip())) and max(int(match[1]), int(match[2])) > 12
    }
    return None if len(told) > 1 else told == {True}


def _date(text: str | None, *, day_first: bool | None) -> date | None:
    text = (text or "").strip()
    for pattern in (_ISO, _COMPACT):
        if match := pattern.fullmatch(text):
            return _calendar_date(*match.groups())
    if match := _DOTTED.fullmatch(text):
        return _calendar_date(match[3], match[2], match[1])
    match = _SLASHED.fullmatch(text)
    if match is None or day_first is None:
        return None
    one, other, year = match.groups()
    month, day = (other, one) if day_first else (one, other)
    return _calendar_date(year if len(year) == 4 else f"20{year}", month, day)


def _calendar_date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _next_day(day: date | None) -> date | None:
    return None if day is None or day == date.max else day + timedelta(days=1)


def _next_month(day: date) -> date | None:
    """The same day of the next month, or its last one: periods of a calendar month mostly."""
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = (following + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return following.replace(day=min(day.day, last.day))


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
