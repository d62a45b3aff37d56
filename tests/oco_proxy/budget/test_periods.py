from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.budget.periods import CALENDAR_PERIODS, check_zone, period_at
from oco_warehouse.errors import InvalidInputError

ZONES = st.sampled_from(sorted(available_timezones() - {"localtime"}))
MOMENTS = st.integers(157_766_400, 3_786_912_000).map(lambda s: datetime.fromtimestamp(s, UTC))


@given(MOMENTS, st.sampled_from(CALENDAR_PERIODS), ZONES)
def test_a_moment_lies_in_its_period_and_periods_follow_without_a_gap(
    moment: datetime, period: str, zone: str
) -> None:
    now = period_at(moment, period, zone)
    assert now.start <= moment < now.end
    assert period_at(now.start, period, zone) == now
    assert period_at(now.end - timedelta(microseconds=1), period, zone) == now
    assert period_at(now.end, period, zone).start == now.end


@given(MOMENTS, MOMENTS, st.timedeltas(timedelta(minutes=1), timedelta(days=366)))
def test_rolling_windows_follow_one_another_from_their_anchor(
    moment: datetime, anchor: datetime, length: timedelta
) -> None:
    now = period_at(moment, "rolling", rolling_interval=length, anchor=anchor)
    assert now.start <= moment < now.end
    assert now.end - now.start == length
    assert (now.start - anchor) % length == timedelta(0)


def test_a_month_begins_at_midnight_in_its_own_zone() -> None:
    berlin = period_at(datetime(2026, 6, 30, 23, 30, tzinfo=UTC), "month", "Europe/Berlin")
    assert berlin.start == datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert berlin.start == datetime(2026, 6, 30, 22, tzinfo=UTC)


def test_a_week_begins_on_monday_and_a_quarter_with_its_first_month() -> None:
    moment = datetime(2026, 11, 18, 12, tzinfo=UTC)
    assert period_at(moment, "week").start == datetime(2026, 11, 16, tzinfo=UTC)
    assert period_at(moment, "quarter").start == datetime(2026, 10, 1, tzinfo=UTC)
    assert period_at(moment, "quarter").end == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_day_without_a_midnight_begins_when_the_clocks_jump() -> None:
    # Beirut, 29 March 2026: 00:00 becomes 01:00.
    day = period_at(datetime(2026, 3, 29, 12, tzinfo=UTC), "day", "Asia/Beirut")
    assert day.end - day.start == timedelta(hours=23)


@pytest.mark.parametrize(
    ("period", "zone", "says"),
    [
        ("fortnight", "UTC", "not a period"),
        ("day", "Mars/Olympus", "not an IANA time zone"),
        ("rolling", "UTC", "rolling_interval"),
        ("day", "../etc", "not an IANA"),
    ],
)
def test_what_cannot_be_used_is_named(period: str, zone: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        period_at(datetime.now(UTC), period, zone)


@pytest.mark.parametrize("name", ["localtime", "posixrules", "posix/Europe/Berlin", "right/UTC"])
def test_a_zone_that_depends_on_the_machine_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="depends on the machine"):
        check_zone(name)
    check_zone("Europe/Berlin")
