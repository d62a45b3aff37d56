"""Forecasts: figures by hand, an interval that holds what comes, and silence without history."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.trends.daily_cost import CostRow, DailyCost
from oco_pipelines.trends.forecast import Backtest, Trial, model, predict, quantile
from oco_pipelines.trends.forecast_rows import ForecastRow, forecast_rows
from oco_pipelines.trends.forecast_store import differing_forecasts, write_forecast
from oco_pipelines.trends.monthly_charges import MonthlyCharges, charges_ahead, monthly_charges
from oco_warehouse.database import Warehouse

from .conftest import every_day

FIRST = date(2026, 8, 1)
AS_OF = date(2026, 10, 20)  # 81 days
NOW = datetime(2026, 10, 21, 6, tzinfo=UTC)


def days_of(costs: list[str], first: date = FIRST) -> DailyCost:
    made = DailyCost()
    for number, usd in enumerate(costs):
        made.add(CostRow(first + timedelta(days=number), Decimal(usd), Decimal(0)))
    return made


def only(rows: list[ForecastRow], horizon: str) -> ForecastRow:
    (row,) = [row for row in rows if row.horizon == horizon]
    return row


def test_what_never_varies_goes_on_and_the_figures_are_what_one_computes_by_hand() -> None:
    rows = forecast_rows(days_of(["100"] * 81), AS_OF)
    month, ahead = only(rows, "month_end"), only(rows, "next_90_days")
    # 20 days of October are known, 11 are left.
    assert (month.period_start, month.period_end) == (date(2026, 10, 1), date(2026, 11, 1))
    assert (month.actual_usd, month.expected_usd) == (2000, 3100)
    assert (month.low_usd, month.high_usd, month.wape, month.coverage) == (3100, 3100, 0, 1)
    assert (ahead.period_start, ahead.period_end) == (date(2026, 10, 21), date(2027, 1, 19))
    assert (ahead.actual_usd, ahead.expected_usd, ahead.method) == (0, 9000, "seasonal")
    assert [row.expected_usd for row in rows if row.horizon == "day"] == [100] * 90


def test_each_weekday_is_forecast_as_it_was() -> None:
    costs = ["50" if (FIRST + timedelta(days=n)).weekday() >= 5 else "100" for n in range(81)]
    rows = [row for row in forecast_rows(days_of(costs), AS_OF) if row.horizon == "day"]
    assert {(row.period_start.weekday() >= 5, row.expected_usd) for row in rows} == {
        (True, Decimal(50)),
        (False, Decimal(100)),
    }


def test_growth_is_carried_on_for_four_weeks_and_then_stays() -> None:
    rows = forecast_rows(days_of([str(100 + n) for n in range(81)]), AS_OF)
    days = [row.expected_usd for row in rows if row.horizon == "day"]
    assert days[0] == pytest.approx(Decimal(181), rel=Decimal("0.02"))
    assert days[27] == pytest.approx(Decimal(208), rel=Decimal("0.02"))
    assert max(d for d in days if d) == pytest.approx(Decimal(208), rel=Decimal("0.03"))
    assert only(rows, "month_end").method == "seasonal"


def test_where_the_last_week_is_the_better_forecast_it_is_taken_and_said() -> None:
    # Every second week costs more than twice as much in the last weeks: a line is no help.
    costs = ["100"] * 46 + ["300"] * 35
    made = model(list(zip((FIRST + timedelta(days=n) for n in range(81)), map(Decimal, costs),
                          strict=True)))  # fmt: skip
    assert made is not None
    assert made.backtest.method == "naive"
    assert made.backtest.wape == made.naive_wape
    rows = forecast_rows(days_of(costs), AS_OF)
    assert only(rows, "next_90_days").method == "naive"
    assert only(rows, "next_90_days").expected_usd == 90 * 300


@pytest.mark.parametrize("strange", [2000.0, 4.0])
def test_a_strange_day_of_the_last_week_is_not_forecast_again(strange: float) -> None:
    history = [(FIRST + timedelta(days=n), strange if n == 78 else 300.0) for n in range(81)]
    assert predict("naive", history, 8) == [300.0] * 8


def test_a_week_that_costs_more_than_before_as_a_whole_is_no_strange_one() -> None:
    history = [(FIRST + timedelta(days=n), 100.0 if n < 74 else 250.0) for n in range(81)]
    assert predict("naive", history, 8) == [250.0] * 8


@pytest.mark.parametrize(("days", "has_forecast"), [(55, False), (56, True)])
def test_eight_weeks_are_needed_and_without_them_the_reason_is_said(
    days: int, has_forecast: bool
) -> None:
    first = AS_OF - timedelta(days=days - 1)
    rows = forecast_rows(days_of(["100"] * days, first), AS_OF)
    month = only(rows, "month_end")
    assert (month.expected_usd is not None) is has_forecast
    assert month.actual_usd == 2000
    if not has_forecast:
        assert month.reason == (
            "55 days of metered cost are settled; a forecast and its backtest need 56"
        )
        assert [row.horizon for row in rows] == ["month_end", "next_90_days"]


def test_wape_width_and_coverage_by_hand() -> None:
    # Sums of two days: forecast 200 each; came 220, 180, 240, 200: 10, 10, 20 and 0 % off.
    trials = tuple(Trial((100.0, 100.0), (came, came)) for came in (110.0, 90.0, 120.0, 100.0))
    test = Backtest("seasonal", trials)
    assert test.wape == pytest.approx((20 + 20 + 40 + 0) / 840)
    assert test.width(2) == pytest.approx(0.2)
    assert test.width(8) == pytest.approx(0.4)  # four times as long, twice as wide
    # The 20 % are not inside an interval of the others, which is 10 % wide.
    assert test.coverage(2) == 0.75


def test_the_quantile_is_the_rank_that_holds_four_of_five_new_errors() -> None:
    assert quantile([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) == 0.8
    assert quantile([0.1, 0.5]) == 0.5


def test_the_interval_holds_about_as_many_months_as_it_says() -> None:
    held = total = 0
    for seed in range(60):
        dice = random.Random(seed)
        level, costs = 100.0, []
        for number in range(120 + 30):
            level *= dice.gauss(1, 0.01)
            weekday = (FIRST + timedelta(days=number)).weekday()
            costs.append(level * (0.6 if weekday >= 5 else 1) * dice.gauss(1, 0.05))
        as_of = FIRST + timedelta(days=119)
        known = days_of([repr(round(cost, 4)) for cost in costs[:120]])
        rows = [row for row in forecast_rows(known, as_of) if row.horizon == "next_90_days"]
        made = model([(day, usd) for day, usd in sorted(known.metered.items())])
        assert made is not None and rows[0].expected_usd is not None
        expected = sum(made.ahead(30))
        width = made.backtest.width(30)
        held += abs(sum(costs[120:]) - expected) <= expected * width
        total += 1
    assert 0.65 <= held / total <= 0.95


def test_a_monthly_fee_is_expected_once_a_month_on_its_day_and_not_spread() -> None:
    cost = days_of(["100"] * 81)
    for month, usd in ((8, "500"), (9, "520"), (10, "520")):
        cost.add(CostRow(date(2026, month, 3), Decimal(0), Decimal(usd)))
    rows = forecast_rows(cost, AS_OF)
    month, ahead = only(rows, "month_end"), only(rows, "next_90_days")
    # October was charged already; the median of August and September, 510, comes again on the 3rd
    # of November, December and January.
    assert (month.actual_usd, month.charges_usd, month.expected_usd) == (2520, 0, 3620)
    assert (ahead.charges_usd, ahead.expected_usd) == (1530, 10530)
    charged = [r for r in rows if r.horizon == "day" and r.charges_usd]
    assert [row.period_start for row in charged] == [
        date(2026, 11, 3),
        date(2026, 12, 3),
        date(2027, 1, 3),
    ]


def test_a_fee_that_is_still_to_come_this_month_is_expected_and_none_owes_anything_back() -> None:
    due = MonthlyCharges(Decimal(500), 31)
    november = date(2026, 11, 1)
    assert charges_ahead(due, {}, AS_OF, november) == {date(2026, 10, 31): 500}
    had = {date(2026, 10, 2): Decimal(200)}
    assert charges_ahead(due, had, AS_OF, november) == {date(2026, 10, 31): 300}
    too_much = {date(2026, 10, 2): Decimal(700)}
    assert charges_ahead(due, too_much, AS_OF, november) == {}
    # November has 30 days.
    assert date(2026, 11, 30) in charges_ahead(due, had, AS_OF, date(2026, 12, 1))


def test_what_has_fees_alone_is_forecast_by_its_fees() -> None:
    cost = DailyCost()
    for month in (8, 9, 10):
        cost.add(CostRow(date(2026, month, 3), Decimal(0), Decimal(500)))
    rows = forecast_rows(cost, AS_OF)
    month, ahead = only(rows, "month_end"), only(rows, "next_90_days")
    assert (month.actual_usd, month.expected_usd, month.low_usd) == (500, 500, 500)
    assert (ahead.expected_usd, ahead.wape, ahead.history_days) == (1500, 0, 79)


def test_use_that_has_just_begun_has_no_forecast_though_there_are_fees() -> None:
    cost = days_of(["5"], AS_OF + timedelta(days=1))
    cost.add(CostRow(date(2026, 8, 3), Decimal(0), Decimal(500)))
    assert only(forecast_rows(cost, AS_OF), "month_end").reason is not None


def test_without_a_complete_month_no_fee_is_expected() -> None:
    charged = {date(2026, 10, 1): Decimal(500)}
    assert monthly_charges(charged, date(2026, 9, 2), AS_OF) is None


@given(
    metered=st.lists(st.decimals(0, 10_000, places=6), min_size=56, max_size=140),
    charged=st.dictionaries(st.integers(0, 55), st.decimals(-500, 500, places=4), max_size=6),
)
def test_days_add_up_to_their_sums_and_lie_in_their_intervals(
    metered: list[Decimal], charged: dict[int, Decimal]
) -> None:
    first = AS_OF - timedelta(days=len(metered) - 1)
    cost = days_of([str(usd) for usd in metered], first)
    for number, usd in charged.items():
        cost.add(CostRow(first + timedelta(days=number), Decimal(0), usd))
    rows = forecast_rows(cost, AS_OF)
    days = [row for row in rows if row.horizon == "day"]
    if not days:
        return
    for whole in (only(rows, "month_end"), only(rows, "next_90_days")):
        inside = [row.expected_usd or 0 for row in days if row.period_start < whole.period_end]
        assert whole.expected_usd == whole.actual_usd + sum(inside)
    for row in rows:
        assert row.low_usd is not None and row.expected_usd is not None
        assert row.high_usd is not None
        assert row.low_usd <= row.expected_usd <= row.high_usd


def test_every_provider_every_team_and_the_total_are_forecast_in_the_mart(
    warehouse: Warehouse,
    charge: Callable[..., None],
    dbt_build: Callable[..., None],
) -> None:
    charge(
        [
            *every_day(FIRST, 81, "100"),
            *every_day(FIRST, 81, "30", provider="gcp", tags="{}"),
            *every_day(AS_OF - timedelta(days=4), 5, "7", tags='{"team": "new"}'),
        ]
    )
    made = write_forecast(warehouse, NOW, settling_days=0)
    assert (made.scopes, made.without, made.as_of) == (6, 1, AS_OF)
    write_forecast(warehouse, NOW, settling_days=0)
    assert differing_forecasts(warehouse) == []
    dbt_build("stg_cost_forecast", "fct_cost_forecast")
    rows = warehouse.query(
        "SELECT scope, entity_id, expected_usd, reason FROM marts.fct_cost_forecast "
        "WHERE horizon = 'month_end' ORDER BY scope, entity_id"
    )
    assert [(row["scope"], row["entity_id"], row["expected_usd"]) for row in rows] == [
        ("provider", "aws", 3135),
        ("provider", "gcp", 930),
        ("team", "new", None),
        ("team", "search", 3100),
        ("team", "untagged", 930),
        ("total", "all", 4065),
    ]
    warehouse.execute(
        "UPDATE oco.cost_forecast SET expected_usd = 4065.01, high_usd = 5000 "
        "WHERE scope = 'total' AND horizon = 'month_end'"
    )
    assert differing_forecasts(warehouse) == [
        "total all: 4065.01 is expected, and its days add up to 1430.000000"
    ]
