"""What is read of a metric now: whole intervals since it was read last. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

HOUR: Final = 3_600
DAY: Final = 86_400
# What is read again, because a cloud may still add to it.
_AGAIN: Final = {DAY: timedelta(days=2)}
_HOURS_AGAIN: Final = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Window:
    """What is read of a series: aware times on whole intervals, the end exclusive."""

    start: datetime
    end: datetime


def window_of(
    interval_seconds: int, read_until: datetime | None, now: datetime, days: int
) -> Window | None:
    """What is to be read of a series now; None when no interval ended since it was read.

    Args:
        interval_seconds: of the series.
        read_until: exclusive end of what was read before.
        now: aware.
        days: how far back is looked at most.
    """
    length = timedelta(seconds=interval_seconds)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    end = now.astimezone(UTC) - (now.astimezone(UTC) - epoch) % length
    first = end - timedelta(days=days)
    if read_until is None:
        return Window(first, end)
    if read_until >= end:
        return None
    again = read_until - _AGAIN.get(interval_seconds, _HOURS_AGAIN)
    start = again - (again - epoch) % length
    return Window(max(start, first), end)
