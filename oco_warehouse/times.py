"""Moments as people and clouds write them: ISO 8601, other common forms, seconds since 1970.

A moment without a zone is in UTC.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

from dateutil import parser  # type: ignore[import-untyped]

# Smaller numbers are taken for counts: no cloud is older.
_FIRST_SECOND: Final = datetime(2006, 3, 19, tzinfo=UTC).timestamp()
# What the standard library and dateutil read alike; the first is fifty times as fast.
_PLAIN: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_LONGEST: Final = 100


def read_time(value: Any) -> datetime | None:
    """The aware moment that a value says; None when it says none.

    A number, also as text, is seconds since 1970, or milliseconds where seconds would be out of the
    calendar.

    Raises:
        OverflowError: for a number that is no moment of any calendar.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        found = None if value.isdigit() else read_text(value)
        return found or _read_number(_as_number(value))
    return _read_number(value)


def _as_number(text: str) -> float | None:
    try:
        return float(text) if len(text) <= _LONGEST else None
    except ValueError:
        return None


def _read_number(value: Any) -> datetime | None:
    if not isinstance(value, int | float) or not value > _FIRST_SECOND:
        return None
    for seconds in (value, value / 1000):
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except ValueError:
            continue
    return None


def read_text(text: str) -> datetime | None:
    """The aware moment that a text says as a date; None when it says none."""
    if len(text) > _LONGEST:
        return None
    try:
        if _PLAIN.fullmatch(text) and not text.startswith(("0001", "9999")):
            return datetime.fromisoformat(text)
    except ValueError:
        pass  # an hour 24, or an offset of a day: the other one decides
    try:
        found: datetime = parser.parse(text)
        # Its year may leave the calendar on the way to UTC.
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
