"""When a backup is due: cron in a time zone, since the last time that was handled. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from oco_warehouse.errors import InvalidInputError

# Missed times are counted up to here; the count only tells how late we are.
MOST_MISSED: Final = 1000
# No zone moves its clock by more than this at once, the date line aside.
_WIDEST_SHIFT: Final = timedelta(hours=3)
_FIELDS: Final = 5


@dataclass(frozen=True, slots=True)
class Due:
    """One due time.

    Attributes:
        at: the due time, UTC.
        lateness: how long ago that was.
        missed: earlier due times that are not made up for; at most MOST_MISSED.
    """

    at: datetime
    lateness: timedelta
    missed: int


def check_schedule(cron: str, time_zone: str) -> None:
    """Say what is wrong with a schedule.

    Raises:
        InvalidInputError: when the cron expression has not five fields or the zone is unknown.
    """
    _zone(time_zone)
    if len(cron.split()) != _FIELDS or not croniter.is_valid(cron):
        raise InvalidInputError(f"schedule {cron!r} is not a cron expression of five fields")


def latest_due(cron: str, time_zone: str, after: datetime, now: datetime) -> Due | None:
    """The newest due time in (after, now], or None when none has come.

    Missed times are caught up once, by the newest. In the hour that a clock skips, a fixed time is
    due right after it; in the hour that comes twice it is due once, the first time. A schedule for
    every hour follows the hours as they really pass.

    Args:
        cron: five fields.
        time_zone: IANA name of the zone of `cron`.
        after: the last due time that was handled, aware.
        now: aware.

    Raises:
        InvalidInputError: when the schedule is wrong.
    """
    check_schedule(cron, time_zone)
    if after.tzinfo is None or now.tzinfo is None:
        raise InvalidInputError("due times need aware times")
    zone = _zone(time_zone)
    every_hour = cron.split()[1].startswith("*")
    floor = _wall(after, zone) - _WIDEST_SHIFT
    found: set[datetime] = set()
    walls = croniter(cron, _wall(now, zone) + _WIDEST_SHIFT)
    while len(found) <= MOST_MISSED:
        wall = walls.get_prev(datetime)
        if wall < floor:
            break
        found.update(at for at in _instants(wall, zone, every_hour) if after < at <= now)
    if not found:
        return None
    newest = max(found)
    return Due(newest, now.astimezone(UTC) - newest, len(found) - 1)


def _instants(wall: datetime, zone: ZoneInfo, every_hour: bool) -> list[datetime]:
    """The moments, UTC, at which a clock on the wall shows `wall`: none, one or two."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return [first]
    skipped = _wall(first, zone) != wall
    if skipped:
        # The zone database reads a skipped time with the old offset: the same span after the gap.
        return [] if every_hour else [first]
    return [first, second] if every_hour else [first]


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInputError(f"time zone {name!r} is unknown; expected an IANA name") from None
