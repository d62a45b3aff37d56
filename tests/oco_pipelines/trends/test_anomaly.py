"""Anomalies: every planted one is found, ordinary weeks, trends and holidays are none."""

import random
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.trends.anomaly import Episode, episodes
from oco_pipelines.trends.daily_cost import filled

FIRST = date(2026, 6, 1)  # a Monday
DAYS = 150
FLOOR = Decimal(10)
HOLIDAYS = {FIRST + timedelta(days=number) for number in (33, 74, 75, 121)}  # all working days


def generated(seed: int) -> list[tuple[date, Decimal]]:
    """Five months: a weekly season, a trend, noise, and holidays that cost what Sundays do."""
    dice = random.Random(seed)
    base = dice.uniform(80, 4000)
    weekend = dice.uniform(0.4, 1.0)
    growth = dice.uniform(-0.001, 0.004)
    noise = dice.uniform(0.01, 0.06)
    made = []
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        quiet = day.weekday() >= 5 or day in HOLIDAYS
        cost = base * (1 + growth) ** number * (weekend if quiet else 1) * dice.gauss(1, noise)
        made.append((day, Decimal(repr(round(cost, 6)))))
    return made


def changed(
    costs: list[tuple[date, Decimal]], factors: dict[int, str]
) -> list[tuple[date, Decimal]]:
    return [
        (day, cost * Decimal(factors.get(number, "1"))) for number, (day, cost) in enumerate(costs)
    ]


def told(found: list[Episode]) -> list[tuple[str, int, int]]:
    return [
        (one.direction, (one.first_day - FIRST).days, (one.last_day - FIRST).days) for one in found
    ]


def flat(days: int, cost: str = "100") -> list[tuple[date, Decimal]]:
    return [(FIRST + timedelta(days=number), Decimal(cost)) for number in range(days)]


@pytest.mark.parametrize("seed", range(30))
def test_ordinary_months_with_seasons_trends_and_holidays_are_no_anomaly(seed: int) -> None:
    assert told(episodes(generated(seed), FLOOR)) == []


@pytest.mark.parametrize("seed", range(30))
def test_every_planted_anomaly_is_found_and_nothing_else(seed: int) -> None:
    planted = {60: "1.9", 90: "1.8", 91: "2.2", 92: "1.7", 113: "0.1", 114: "0.1"}
    found = episodes(changed(generated(seed), planted), FLOOR)
    assert told(found) == [("spike", 60, 60), ("spike", 90, 92), ("drop", 113, 114)]


def test_the_figures_of_a_spike_are_what_one_computes_by_hand() -> None:
    # 30 days of 100 USD, then one of 250: expected 100, spread at its least, 3 % of 100.
    found = episodes([*flat(30), (FIRST + timedelta(days=30), Decimal(250))], FLOOR)
    (one,) = found
    assert (one.direction, one.first_day, one.last_day) == ("spike", one.worst_day, one.worst_day)
    assert (one.observed_usd, one.expected_usd, one.excess_usd) == (250, 100, 150)
    assert (one.score, one.is_open) == (50, True)


def test_a_drop_to_nothing_is_told_as_negative_excess() -> None:
    (one,) = episodes([*flat(30), (FIRST + timedelta(days=30), Decimal(0))], FLOOR)
    assert (one.direction, one.observed_usd, one.excess_usd) == ("drop", 0, -100)


@pytest.mark.parametrize(("cost", "is_told"), [("125", False), ("125.000001", True)])
def test_a_spike_is_more_than_a_quarter_above_what_is_expected(cost: str, is_told: bool) -> None:
    assert (
        bool(episodes([*flat(30), (FIRST + timedelta(days=30), Decimal(cost))], FLOOR)) is is_told
    )


@pytest.mark.parametrize(("cost", "is_told"), [("15", False), ("15.01", True)])
def test_an_excess_below_the_floor_is_not_told(cost: str, is_told: bool) -> None:
    days = [*flat(30, "5"), (FIRST + timedelta(days=30), Decimal(cost))]
    assert bool(episodes(days, FLOOR)) is is_told


def test_three_weeks_of_history_are_needed_before_any_claim() -> None:
    wild = (FIRST + timedelta(days=20), Decimal(9000))
    assert episodes([*flat(20), wild], FLOOR) == []
    wild = (FIRST + timedelta(days=21), Decimal(9000))
    assert len(episodes([*flat(21), wild], FLOOR)) == 1


def test_days_with_one_ordinary_day_between_them_are_one_episode() -> None:
    days = changed(flat(60), {40: "3", 42: "3", 45: "3"})
    found = episodes(days, FLOOR)
    assert told(found) == [("spike", 40, 42), ("spike", 45, 45)]
    # The ordinary day between is counted on both sides.
    assert (found[0].observed_usd, found[0].expected_usd) == (700, 300)


def test_an_episode_is_open_until_two_ordinary_days_have_passed() -> None:
    spike = changed(flat(44), {40: "3"})
    assert [episodes(spike[:n], FLOOR)[0].is_open for n in (41, 42, 43, 44)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_new_level_is_one_episode_that_becomes_usual_after_two_weeks() -> None:
    costs = [*flat(60), *((day + timedelta(days=60), cost * 2) for day, cost in flat(60))]
    assert told(episodes(costs, FLOOR)) == [("spike", 60, 73)]
    # The new level is what later days are judged by.
    late = changed(costs, {110: "0.5"})
    assert told(episodes(late, FLOOR)) == [("spike", 60, 73), ("drop", 110, 110)]


def test_a_job_that_runs_once_a_month_is_a_spike_only_when_it_grows() -> None:
    monthly = dict.fromkeys((0, 30, 60, 90, 120), "1")
    days = [(day, cost * Decimal(monthly.get(n, "0"))) for n, (day, cost) in enumerate(flat(125))]
    assert episodes(days, FLOOR) == []
    assert told(episodes(changed(days, {120: "2.1"}), FLOOR)) == [("spike", 120, 120)]


@given(
    costs=st.lists(st.decimals(-50, 5000, places=4), max_size=120),
    floor=st.decimals("0.01", 100, places=2),
)
def test_whatever_costs_are_episodes_are_apart_and_add_up(
    costs: list[Decimal], floor: Decimal
) -> None:
    known = {FIRST + timedelta(days=n): cost for n, cost in enumerate(costs)}
    days = filled(known, FIRST + timedelta(days=max(0, len(costs) - 1)))
    found = episodes(days, floor)
    for one, after in pairwise(found):
        assert one.last_day < after.first_day
    for one in found:
        inside = [cost for day, cost in days if one.first_day <= day <= one.last_day]
        assert one.observed_usd == sum(inside)
        assert one.excess_usd == one.observed_usd - one.expected_usd
        assert one.first_day <= one.worst_day <= one.last_day


@given(seed=st.integers(0, 10_000), cut=st.integers(100, DAYS))
def test_what_comes_later_does_not_change_what_was_told(seed: int, cut: int) -> None:
    costs = changed(generated(seed), {60: "2", 61: "2"})
    first = [one for one in episodes(costs[:cut], FLOOR) if not one.is_open]
    assert episodes(costs, FLOOR)[: len(first)] == first
