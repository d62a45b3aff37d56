"""When a backup is due: cron in a time zone, since the last time that was handled. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from croniter import croniter

from oco_warehouse.cron import check_schedule, follows_hours, instants, wall_time, zone_of
from oco_warehouse.errors import InvalidInputError

# Missed times are counted up to here; the count only tells how late we are.
MOST_MISSED: Final = 1000
# No zone moves its clock by more than this at once, the date line aside.
_WIDEST_SHIFT: Final = timedelta(hours=3)


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
    zone = zone_of(time_zone)
    every_hour = follows_hours(cron)
    floor = wall_time(after, zone) - _WIDEST_SHIFT
    found: set[datetime] = set()
    walls = croniter(cron, wall_time(now, zone) + _WIDEST_SHIFT)
    while len(found) <= MOST_MISSED:
        wall = walls.get_prev(datetime)
        if wall < floor:
            break
        found.update(at for at in instants(wall, zone, every_hour) if after < at <= now)
    if not found:
        return None
    newest = max(found)
    return Due(newest, now.astimezone(UTC) - newest, len(found) - 1)
