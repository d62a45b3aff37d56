"""When a budget's period begins and ends: pure arithmetic on aware moments.

Calendar periods begin at local midnight in the budget's own zone, weeks on Monday. A rolling period
is a window of a fixed length; windows follow one another from the budget's creation on, so that a
limit has one moment at which it is whole again.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from oco_warehouse.errors import InvalidInputError

CALENDAR_PERIODS: Final = ("day", "week", "month", "quarter", "year")
PERIODS: Final = (*CALENDAR_PERIODS, "rolling")
# Files beside the zones of some machines: what they say, or whether they are there, differs.
_OF_THE_MACHINE: Final = frozenset({"localtime", "posixrules", "posix", "right"})


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time in UTC; the end is exclusive."""

    start: datetime
    end: datetime


def zone(name: str) -> ZoneInfo:
    """The IANA zone of a name.

    Raises:
        InvalidInputError: when there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInputError(
            f"{name!r} is not an IANA time zone such as Europe/Berlin"
        ) from None


def check_zone(name: str) -> None:
    """Whether a zone says the same on every machine.

    Raises:
        InvalidInputError: when it does not, or there is none of that name.
    """
    if name.partition("/")[0] in _OF_THE_MACHINE:
        raise InvalidInputError(
            f"{name!r} depends on the machine: name a time zone such as Europe/Berlin"
        )
    zone(name)


def period_at(
    moment: datetime,
    period: str,
    time_zone: str = "UTC",
    *,
    rolling_interval: timedelta | None = None,
    anchor: datetime | None = None,
) -> Period:
    """The period that a moment lies in: `start <= moment < end`.

    Args:
        moment: aware.
        period: one of `PERIODS`.
        time_zone: in which calendar periods begin.
        rolling_interval: length of a rolling window; only and always with `rolling`.
        anchor: aware moment at which the first rolling window begins; default the epoch.

    Raises:
        InvalidInputError: when period, zone or interval are not usable.
    """
    if period == "rolling":
        if rolling_interval is None or rolling_interval <= timedelta(0):
            raise InvalidInputError("a rolling budget needs a rolling_interval above zero")
        first = anchor or datetime(1970, 1, 1, tzinfo=UTC)
        start = first + (moment - first) // rolling_interval * rolling_interval
        return Period(start.astimezone(UTC), (start + rolling_interval).astimezone(UTC))
    if period not in CALENDAR_PERIODS:
        raise InvalidInputError(f"{period!r} is not a period; expected one of {', '.join(PERIODS)}")
    local = zone(time_zone)
    day = moment.astimezone(local).date()
    first_day = _first_day(day, period)
    return Period(_midnight(first_day, local), _midnight(_next_first_day(first_day, period), local))


def _first_day(day: date, period: str) -> date:
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    if period == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def _next_first_day(first: date, period: str) -> date:
    if period == "day":
        return first + timedelta(days=1)
    if period == "week":
        return first + timedelta(days=7)
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _midnight(day: date, local: ZoneInfo) -> datetime:
    # Where clocks jump over midnight, `fold=0` gives the jump itself; where midnight comes twice,
    # the first: in both cases the earliest moment of the day.
    return datetime.combine(day, time(0), tzinfo=local).astimezone(UTC)
