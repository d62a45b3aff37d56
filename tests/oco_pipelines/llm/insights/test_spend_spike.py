"""Spend spikes: seasonal, robust, and silent where the evidence does not suffice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.llm.insights.finding import Entity, HourlySpend
from oco_pipelines.llm.insights.spend_spike import limit_of, spend_spikes
from oco_pipelines.robust import median

TEAM = Entity("team", "search")
NOW = datetime(2026, 11, 18, 15, 30, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
THIS = datetime(2026, 11, 18, 14, tzinfo=UTC)  # the last complete hour


def usual(hour: datetime) -> Decimal:
    """10 USD an hour at work, 1 at night and at weekends, with a little noise."""
    base = 10 if hour.weekday() < 5 and 8 <= hour.hour < 18 else 1
    return base + Decimal((hour.day * 7 + hour.hour) % 5) / 10


def history(days: int, **changes: str) -> list[HourlySpend]:
    hours = [THIS - number * HOUR for number in range(days * 24)]
    spent = {hour: usual(hour) for hour in hours}
    for when, cost in changes.items():
        spent[THIS - int(when.removeprefix("h")) * HOUR] = Decimal(cost)
    return [HourlySpend(hour, cost) for hour, cost in spent.items()]


@pytest.mark.parametrize("days", [8, 20, 60])
def test_ordinary_weeks_are_no_spike(days: int) -> None:
    assert spend_spikes(TEAM, history(days), NOW) == []


def test_an_hour_far_above_its_weekdays_is_a_spike_with_its_figures() -> None:
    (found,) = spend_spikes(TEAM, history(60, h0="80"), NOW)
    assert (found.kind, found.scope, found.entity_id) == ("spend_spike", "team", "search")
    assert found.window_start == datetime(2026, 11, 18, tzinfo=UTC)
    assert found.figures["worst_hour"] == THIS.isoformat()
    assert (found.figures["worst_hour_usd"], found.figures["spiked_hours"]) == ("80", "1")
    # 23 comparable hours of 10.0 to 10.4 USD: the middle one is 10.2.
    assert Decimal(found.figures["expected_usd"]) == Decimal("10.2")
    assert Decimal(found.figures["excess_usd"]) == Decimal("69.8")
    assert "$80.00" in found.title


def test_what_is_usual_at_work_is_a_spike_at_night() -> None:
    night = history(60, h12="10")  # 02:00
    (found,) = spend_spikes(TEAM, night, NOW)
    assert found.figures["worst_hour"] == (THIS - 12 * HOUR).isoformat()


def test_a_weekly_peak_is_usual_once_four_weeks_are_known() -> None:
    weekly = {f"h{number * 168}": "80" for number in range(9)}
    beside = {f"h{number * 168 + side}": "80" for number in range(9) for side in (1, 2)}
    assert spend_spikes(TEAM, history(62, **weekly, **beside), NOW) == []
    assert len(spend_spikes(TEAM, history(62, h0="80"), NOW)) == 1


def test_a_spike_of_last_week_hides_no_spike_of_today() -> None:
    found = spend_spikes(TEAM, history(60, h0="80", h168="500", h167="500"), NOW)
    assert [item.figures["worst_hour"] for item in found] == [THIS.isoformat()]


def test_each_day_of_an_entity_is_one_finding_that_counts_its_hours() -> None:
    found = spend_spikes(TEAM, history(60, h0="80", h1="70", h24="90"), NOW)
    assert [item.window_start.day for item in found if item.window_start] == [17, 18]
    assert [item.figures["spiked_hours"] for item in found] == ["1", "2"]


def test_the_hour_that_is_not_over_is_not_judged() -> None:
    rows = [*history(60), HourlySpend(THIS + HOUR, Decimal(1000))]
    assert spend_spikes(TEAM, rows, NOW) == []


def test_less_than_a_week_is_no_evidence() -> None:
    assert spend_spikes(TEAM, history(6, h0="500"), NOW) == []
    assert spend_spikes(TEAM, [], NOW) == []


def test_small_change_is_no_spike_however_large_its_share() -> None:
    cents = [HourlySpend(row.hour, Decimal("0.01")) for row in history(60)]
    cents[0] = HourlySpend(THIS, Decimal("0.99"))
    assert spend_spikes(TEAM, cents, NOW) == []
    cents[0] = HourlySpend(THIS, Decimal("1.02"))
    assert len(spend_spikes(TEAM, cents, NOW)) == 1


def test_a_job_that_seldom_runs_is_compared_with_its_own_runs() -> None:
    # Every third day at 14:00 it costs 20 USD: an hour of 20 is usual, one of 90 is not.
    runs = [HourlySpend(THIS - number * timedelta(days=3), Decimal(20)) for number in range(15)]
    assert spend_spikes(TEAM, runs, NOW) == []
    runs[0] = HourlySpend(THIS, Decimal(90))
    (found,) = spend_spikes(TEAM, runs, NOW)
    assert Decimal(found.figures["expected_usd"]) == 20
    assert spend_spikes(TEAM, [HourlySpend(THIS, Decimal(90)), *runs[1:9]], NOW) == []


AMOUNTS = st.decimals(0, 10_000, places=6)


@given(st.lists(AMOUNTS, min_size=1, max_size=50))
def test_the_limit_is_above_every_half_of_what_is_usual(sample: list[Decimal]) -> None:
    limit = limit_of(sample)
    assert limit is not None
    expected, above = limit
    assert expected == median(sample)
    assert sum(value > expected for value in sample) * 2 <= len(sample)
    assert above >= expected + 1
    assert above >= 2 * expected


@given(st.lists(AMOUNTS, min_size=3, max_size=50), AMOUNTS)
def test_one_value_of_many_moves_the_middle_no_further_than_its_neighbours(
    sample: list[Decimal], other: Decimal
) -> None:
    ordered = sorted(sample)
    half = len(ordered) // 2
    moved = median([*sample[1:], other])
    assert ordered[max(0, half - 2)] <= moved <= ordered[min(len(ordered) - 1, half + 2)] or (
        len(sample) < 5
    )
