"""Insight: budgets that will run out before their period ends, and when.

A day is expected to cost what the same weekday cost on average over the four weeks before, once
there are two weeks of spend; until then, what a day cost on average. Of what is expected the
fraction of the day that is left counts today. A budget that is spent already is not forecast: its
threshold has told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from oco_pipelines.llm.insights.finding import DailySpend, Entity, Finding, text_of
from oco_warehouse.money import exact_sum, format_usd

KIND: Final = "budget_forecast"
HISTORY_DAYS: Final = 28
SEASONAL_DAYS: Final = 14
LEAST_DAYS: Final = 3
DAY: Final = timedelta(days=1)
_WEEK_DAYS: Final = 7
_SIX: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class RunningBudget:
    """A budget in its current period; amounts in USD, times aware."""

    id: str
    entity: Entity
    name: str
    limit_usd: Decimal
    spent_usd: Decimal
    period_start: datetime
    period_end: datetime
    enforcement: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of a budget.

    Attributes:
        runs_out_at: when the limit is reached; None when not before the period ends.
        period_usd: what the whole period is expected to cost.
        day_usd: what a day is expected to cost on average over a week.
    """

    runs_out_at: datetime | None
    period_usd: Decimal
    day_usd: Decimal


def budget_forecast(
    budget: RunningBudget, days: Iterable[DailySpend], now: datetime
) -> Finding | None:
    """Judge one budget.

    Args:
        budget: the budget.
        days: spend of its scope by UTC day, in any order; days that are not given cost nothing.
        now: aware.

    Returns:
        A finding when the budget runs out before its period ends; None otherwise, and when fewer
        than three complete days are known.
    """
    if not budget.period_start <= now < budget.period_end or budget.spent_usd >= budget.limit_usd:
        return None
    expected = expected_days(days, now.date())
    if expected is None:
        return None
    made = forecast(budget, expected, now)
    if made.runs_out_at is None:
        return None
    verb = "refuses calls from" if budget.enforcement == "hard" else "is exceeded from"
    return Finding(
        kind=KIND,
        scope=budget.entity.scope,
        entity_id=budget.entity.entity_id,
        title=(
            f"The budget of {budget.entity} {verb} about {made.runs_out_at:%Y-%m-%d %H:00} UTC on: "
            f"{format_usd(budget.spent_usd)} of {format_usd(budget.limit_usd)} is spent, "
            f"and a day costs {format_usd(made.day_usd)}"
        ),
        figures={
            "budget_id": budget.id,
            "budget_name": budget.name,
            "limit_usd": text_of(budget.limit_usd),
            "spent_usd": text_of(budget.spent_usd),
            "day_usd": text_of(made.day_usd),
            "period_usd": text_of(made.period_usd),
            "runs_out_at": made.runs_out_at.isoformat(),
            "period_end": budget.period_end.isoformat(),
        },
        window_start=budget.period_start,
        window_end=budget.period_end,
    )


def expected_days(days: Iterable[DailySpend], today: date) -> Mapping[int, Decimal] | None:
    """What each weekday (0: Monday) is expected to cost, in USD; None without enough days."""
    costs = {row.day: row.cost_usd for row in days if row.day < today}
    first = max(min(costs, default=today), today - HISTORY_DAYS * DAY)
    known = [first + number * DAY for number in range((today - first).days)]
    if len(known) < LEAST_DAYS:
        return None
    seasonal = len(known) >= SEASONAL_DAYS
    expected = {}
    for weekday in range(_WEEK_DAYS):
        alike = [day for day in known if day.weekday() == weekday] if seasonal else known
        expected[weekday] = exact_sum(costs.get(day, Decimal(0)) for day in alike) / len(alike)
    return expected


def forecast(budget: RunningBudget, expected: Mapping[int, Decimal], now: datetime) -> Forecast:
    """Walk from now to the end of the period, a UTC day at a time."""
    left = budget.limit_usd - budget.spent_usd
    runs_out_at: datetime | None = None
    total = Decimal(0)
    at = now
    while at < budget.period_end:
        midnight = datetime.combine(at.date() + DAY, time(), at.tzinfo)
        until = min(midnight, budget.period_end)
        whole_day = expected[at.weekday()]
        stretch = whole_day * _seconds(until - at) / _seconds(DAY)
        if runs_out_at is None and stretch > 0 and total + stretch >= left:
            share = max(Decimal(0), left - total) / stretch
            runs_out_at = at + timedelta(seconds=int(share * _seconds(until - at)))
        total += stretch
        at = until
    mean = exact_sum(expected.values()) / len(expected)
    return Forecast(runs_out_at, (budget.spent_usd + total).quantize(_SIX), mean.quantize(_SIX))


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(seconds=1))
