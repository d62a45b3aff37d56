"""Cron schedules in a time zone, and how far apart their times lie."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from oco_pipelines.resilience.due import latest_due
from oco_warehouse.cron import check_schedule, longest_gap
from oco_warehouse.errors import InvalidInputError


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("30 2 * * *", "Europe/Berlin"),
        ("0 */6 * * *", "America/New_York"),
        ("15 1,13 * * 1-5", "Australia/Lord_Howe"),
    ],
)
def test_longest_gap_is_one_that_the_due_times_around_changes_of_the_clock_have(
    cron: str, zone: str
) -> None:
    gaps = []
    for first in (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)):
        at, times = first, []
        while at < first + timedelta(days=45):
            at += timedelta(hours=1)
            due = latest_due(cron, zone, at - timedelta(hours=1), at)
            times += [due.at] if due else []
        gaps += [after - before for before, after in pairwise(times)]
    assert longest_gap(cron, zone, date(2026, 1, 1)) == max(gaps)


@pytest.mark.parametrize(
    ("cron", "zone", "gap"),
    [
        ("0 3 * * *", "UTC", timedelta(days=1)),
        ("0 3 * * *", "Europe/Berlin", timedelta(hours=25)),
        ("0 */6 * * *", "Europe/Berlin", timedelta(hours=7)),
        ("*/5 9-17 * 1 *", "UTC", timedelta(days=335, hours=15, minutes=5)),
        ("0 0 29 2 *", "UTC", timedelta(days=1461)),
        ("0 0 31 2 *", "UTC", None),
        ("* * * * *", "UTC", timedelta(minutes=1)),
    ],
)
def test_gap_of_a_schedule(cron: str, zone: str, gap: timedelta | None) -> None:
    assert longest_gap(cron, zone, date(2026, 11, 29)) == gap


@pytest.mark.parametrize(
    "cron", ["@daily", "0 0 L * *", "0 0 * * 5#2", "H * * * *", "0 0 ? * *", "0 0 0 * * *", "a"]
)
def test_what_not_every_cron_knows_is_refused(cron: str) -> None:
    with pytest.raises(InvalidInputError, match="five fields"):
        check_schedule(cron, "UTC")
