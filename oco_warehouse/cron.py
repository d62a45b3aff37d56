"""Cron schedules in a time zone: what is one, and how far apart its times lie. Pure.

Belongs here: what the API and the pipelines both must know of a schedule. Does not belong here:
which time is due now (`oco_pipelines.resilience.due`).
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from oco_warehouse.errors import InvalidInputError

_FIELDS: Final = 5
# What every cron knows; L, #, ? and hashed fields mean different things to different ones.
_NAMES: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
_PLAIN: Final = re.compile(rf"(?:[0-9*,/-]|{_NAMES})+", re.IGNORECASE)
_DAY_MINUTES: Final = 24 * 60
# A 29 February is at most eight years from the next; weekdays alone come again each week.
_LOOK_DAYS: Final = 8 * 366 + 1
_YEAR_DAYS: Final = 367
_ONE_DAY: Final = timedelta(days=1)


@lru_cache(maxsize=4096)
def check_schedule(cron: str, time_zone: str) -> None:
    """Say what is wrong with a schedule.

    Raises:
        InvalidInputError: when the cron expression has not five plain fields or the zone is
            unknown.
    """
    zone_of(time_zone)
    fields = cron.split()
    plain = len(fields) == _FIELDS and all(_PLAIN.fullmatch(field) for field in fields)
    if not plain or not croniter.is_valid(cron):
        raise InvalidInputError(f"schedule {cron!r} is not a cron expression of five fields")


def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        InvalidInputError: when there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInputError(f"time zone {name!r} is unknown; expected an IANA name") from None


def wall_time(at: datetime, zone: ZoneInfo) -> datetime:
    """What a clock on the wall shows, without zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def instants(wall: datetime, zone: ZoneInfo, every_hour: bool) -> list[datetime]:
    """The moments, UTC, at which a clock on the wall shows `wall`: none, one or two.

    Args:
        wall: without zone.
        zone: where the clock hangs.
        every_hour: whether the schedule follows the hours as they really pass; a fixed time is
            right after a gap when the clock skips it, and comes once when the clock repeats it.
    """
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return [first]
    skipped = wall_time(first, zone) != wall
    if skipped:
        # The zone database reads a skipped time with the old offset: the same span after the gap.
        return [] if every_hour else [first]
    return [first, second] if every_hour else [first]


def follows_hours(cron: str) -> bool:
    """Whether a schedule follows the hours as they really pass: its hour field begins with `*`."""
    return cron.split()[1].startswith("*")


def longest_gap(cron: str, time_zone: str, first_day: date) -> timedelta | None:
    """The longest time between two due times of a schedule, changes of the clock included.

    Args:
        cron: five fields.
        time_zone: IANA name.
        first_day: from where on to look, up to some eight years.

    Returns:
        None for a schedule that is not due twice in that time.

    Raises:
        InvalidInputError: when the schedule is wrong.
    """
    check_schedule(cron, time_zone)
    zone = zone_of(time_zone)
    minutes = _minutes(cron)
    inside = max((b - a for a, b in pairwise(minutes)), default=0)
    longest, before = timedelta(minutes=inside), None
    counted = 0
    for day in _days(cron, first_day):
        at = datetime.combine(day, datetime.min.time())
        # One more hour or one less lies between the times of a day that changes the clock.
        steady = (
            at.replace(tzinfo=zone).utcoffset() == (at + _ONE_DAY).replace(tzinfo=zone).utcoffset()
        )
        shown = [minutes[0], minutes[-1]] if steady else minutes
        times = [
            moment
            for minute in dict.fromkeys(shown)
            for moment in instants(at + timedelta(minutes=minute), zone, follows_hours(cron))
        ]
        for moment in sorted(times):
            counted += 1
            if before is not None and (not steady or moment == min(times)):
                longest = max(longest, moment - before)
            before = moment
    return longest if counted > 1 else None


def _minutes(cron: str) -> list[int]:
    """Minutes of a day at which a schedule is due, on its days."""
    minute, hour, *_ = _expanded(cron)
    return [60 * h + m for h in (hour or range(24)) for m in (minute or range(60))]


def _days(cron: str, first_day: date) -> Iterator[date]:
    """The days on which a schedule is due, from `first_day` on."""
    _, _, of_month, months, of_week = _expanded(cron)
    for number in range(_LOOK_DAYS if of_month or months else _YEAR_DAYS):
        day = first_day + timedelta(days=number)
        if months and day.month not in months:
            continue
        in_month = not of_month or day.day in of_month
        in_week = not of_week or day.isoweekday() % 7 in of_week
        # Cron's own rule: where both are given, one of them is enough.
        either = bool(of_month) and bool(of_week)
        if (in_month or in_week) if either else (in_month and in_week):
            yield day


def _expanded(cron: str) -> list[list[int]]:
    """The values of each field, sorted; empty for any."""
    fields, _ = croniter.expand(cron)
    return [[] if field == ["*"] else sorted(set(field)) for field in fields]
