"""When a budget runs out: figures worked out by hand, and what must hold for all of them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.llm.insights.budget_forecast import (
    RunningBudget,
    budget_forecast,
    expected_days,
    forecast,
)
from oco_pipelines.llm.insights.finding import DailySpend, Entity

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday
START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def budget(**more: Any) -> RunningBudget:
    values = {
        "id": "b",
        "entity": Entity("team", "search"),
        "name": "Search",
        "limit_usd": Decimal(100),
        "spent_usd": Decimal(70),
        "period_start": START,
        "period_end": END,
        "enforcement": "hard",
    }
    return RunningBudget(**{**values, **more})


def spend(days: int, cost: str = "4", weekend: str | None = None) -> list[DailySpend]:
    rows = []
    for number in range(1, days + 1):
        day = date(2026, 11, 18) - timedelta(days=number)
        is_weekend = weekend is not None and day.weekday() >= 5
        rows.append(DailySpend(day, Decimal(weekend if is_weekend and weekend else cost)))
    return rows


def test_a_steady_spend_runs_out_when_division_says() -> None:
    # 30 USD are left at 4 a day: 7.5 days from noon of the 18th are midnight before the 26th.
    found = budget_forecast(budget(), spend(28), NOW)
    assert found is not None
    assert found.figures["runs_out_at"] == "2026-11-26T00:00:00+00:00"
    # 70 + 12.5 days × 4.
    assert Decimal(found.figures["period_usd"]) == 120
    assert Decimal(found.figures["day_usd"]) == 4
    assert (found.window_start, found.window_end) == (START, END)
    assert "refuses calls from about 2026-11-26" in found.title


def test_weekends_cost_what_weekends_cost() -> None:
    # Half of Wed 2, Thu 4, Fri 4, Sat and Sun 0, Mon to Thu 16 = 26; 2 of 4 on Fri.
    found = budget_forecast(budget(spent_usd=Decimal(72)), spend(28, weekend="0"), NOW)
    assert found is not None
    assert found.figures["runs_out_at"] == "2026-11-27T12:00:00+00:00"


def test_a_budget_that_lasts_is_no_finding() -> None:
    assert budget_forecast(budget(limit_usd=Decimal(121)), spend(28), NOW) is None
    assert budget_forecast(budget(limit_usd=Decimal(120)), spend(28), NOW) is not None


def test_a_spent_budget_and_one_of_another_period_are_not_forecast() -> None:
    assert budget_forecast(budget(spent_usd=Decimal(100)), spend(28), NOW) is None
    assert budget_forecast(budget(), spend(28), END) is None
    assert budget_forecast(budget(), spend(28), START - timedelta(seconds=1)) is None


def test_three_complete_days_are_needed_and_today_is_none() -> None:
    today = DailySpend(NOW.date(), Decimal(1000))
    assert budget_forecast(budget(), [*spend(2), today], NOW) is None
    found = budget_forecast(budget(), [*spend(3), today], NOW)
    assert found is not None
    assert Decimal(found.figures["day_usd"]) == 4


def test_days_without_calls_cost_nothing() -> None:
    rows = [row for row in spend(28) if row.day.day % 2]
    expected = expected_days([*rows, DailySpend(date(2026, 10, 21), Decimal(4))], NOW.date())
    assert expected is not None
    assert sum(expected.values()) < 7 * 4


def test_a_soft_budget_is_exceeded_and_refuses_nothing() -> None:
    found = budget_forecast(budget(enforcement="soft"), spend(28), NOW)
    assert found is not None
    assert "is exceeded from" in found.title


@given(
    st.lists(st.decimals(0, 1000, places=4), min_size=3, max_size=28),
    st.decimals(1, 10_000, places=4),
    st.integers(0, 29 * 24),
)
def test_a_budget_runs_out_inside_its_period_exactly_when_more_is_expected_than_it_has(
    costs: list[Decimal], limit: Decimal, hours: int
) -> None:
    now = START + timedelta(hours=hours)
    days = [
        DailySpend(now.date() - timedelta(days=number), cost)
        for number, cost in enumerate(costs, 1)
    ]
    expected = expected_days(days, now.date())
    assert expected is not None
    made = forecast(budget(limit_usd=limit, spent_usd=Decimal(0)), expected, now)
    assert made.period_usd >= 0
    if made.runs_out_at is None:
        assert made.period_usd <= limit
    else:
        assert now <= made.runs_out_at <= END
        assert made.period_usd >= limit - Decimal("0.00001")
