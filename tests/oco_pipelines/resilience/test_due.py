"""When backups are due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.resilience.due import MOST_MISSED, latest_due
from oco_warehouse.errors import InvalidInputError

MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
SPANS = st.timedeltas(timedelta(seconds=1), timedelta(days=9))
CRONS = st.sampled_from(["*/15 * * * *", "0 * * * *", "30 2 * * *", "5 4 * * 1-5", "0 */6 * * *"])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])


@given(CRONS, ZONES, MOMENTS, SPANS)
def test_due_time_lies_after_the_last_and_not_in_the_future(
    cron: str, zone: str, after: datetime, span: timedelta
) -> None:
    due = latest_due(cron, zone, after, after + span)
    if due is not None:
        assert after < due.at <= after + span
        assert due.lateness == after + span - due.at
        assert latest_due(cron, zone, due.at, after + span) is None


@given(CRONS, ZONES, MOMENTS, st.lists(st.integers(1, 3000), min_size=1, max_size=6))
def test_looking_often_or_once_handles_the_same_number_of_due_times(
    cron: str, zone: str, start: datetime, minutes: list[int]
) -> None:
    end = start + timedelta(minutes=sum(minutes))
    once = latest_due(cron, zone, start, end)
    handled, now, count, newest = start, start, 0, None
    for step in minutes:
        now += timedelta(minutes=step)
        due = latest_due(cron, zone, handled, now)
        if due is not None:
            handled, newest, count = due.at, due.at, count + 1 + due.missed
    assert newest == (once.at if once else None)
    assert count == (once.missed + 1 if once else 0) or count > MOST_MISSED


@given(MOMENTS, SPANS)
def test_in_utc_due_times_are_those_of_plain_counting(after: datetime, span: timedelta) -> None:
    due = latest_due("*/15 * * * *", "UTC", after, after + span)
    quarter = 900
    count = int((after + span).timestamp() // quarter - after.timestamp() // quarter)
    assert (due.missed + 1 if due else 0) == count


def test_missed_times_are_caught_up_once() -> None:
    after = datetime(2026, 5, 1, 0, 30, tzinfo=UTC)
    due = latest_due("0 * * * *", "UTC", after, after + timedelta(hours=5))
    assert due is not None
    assert due.at == datetime(2026, 5, 1, 5, tzinfo=UTC)
    assert due.missed == 4 and due.lateness == timedelta(minutes=30)


def days_due(cron: str, zone: str, first: datetime, last: datetime) -> list[datetime]:
    """Every due time in (first, last], found by looking each minute."""
    found, now = [], first
    while now < last:
        now += timedelta(minutes=1)
        due = latest_due(cron, zone, now - timedelta(minutes=1), now)
        if due is not None:
            found.append(due.at)
    return found


def test_time_that_the_clock_skips_is_due_right_after_the_gap() -> None:
    first = datetime(2026, 3, 28, 23, tzinfo=UTC)
    found = days_due("30 2 * * *", "Europe/Berlin", first, first + timedelta(hours=6))
    assert [at.astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M") for at in found] == ["03:30"]


def test_time_that_comes_twice_is_due_once() -> None:
    first = datetime(2026, 10, 24, 22, tzinfo=UTC)
    found = days_due("30 2 * * *", "Europe/Berlin", first, first + timedelta(hours=6))
    assert found == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


@pytest.mark.parametrize("first", [datetime(2026, 3, 28, 22), datetime(2026, 10, 24, 22)])
def test_hourly_schedule_follows_the_hours_as_they_pass(first: datetime) -> None:
    first = first.replace(tzinfo=UTC)
    due = latest_due("0 * * * *", "Europe/Berlin", first, first + timedelta(hours=8))
    assert due is not None and due.missed + 1 == 8


@pytest.mark.parametrize(
    ("cron", "zone"),
    [("* * *", "UTC"), ("61 * * * *", "UTC"), ("0 0 0 * * *", "UTC"), ("0 * * * *", "Mars/Base")],
)
def test_wrong_schedule_is_refused(cron: str, zone: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidInputError):
        latest_due(cron, zone, now, now)
