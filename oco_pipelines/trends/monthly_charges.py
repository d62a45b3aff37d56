"""Fees, taxes and credits that come about once a month: what a month has of them, and what is left.

A month is expected to have the median of the last three complete months, on the day on which most
of it came. What it had already is not expected again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from oco_pipelines.robust import median
from oco_pipelines.trends.daily_cost import DAY, MICRO
from oco_warehouse.money import ZERO, exact_sum

MONTHS: Final = 3


@dataclass(frozen=True, slots=True)
class MonthlyCharges:
    """What a month is expected to be charged in USD, and on which day of it."""

    usd: Decimal
    day_of_month: int


def monthly_charges(
    charged: Mapping[date, Decimal], first: date, as_of: date
) -> MonthlyCharges | None:
    """What months are charged; None without a complete one.

    Args:
        charged: USD by day.
        first: first day of which anything is known; a month that began before it is not complete.
        as_of: last day that is settled.
    """
    months: list[list[tuple[date, Decimal]]] = []
    start = month_start(as_of + DAY)
    while len(months) < MONTHS and (before := month_start(start - DAY)) >= first:
        months.append([(day, usd) for day, usd in charged.items() if before <= day < start])
        start = before
    if not months:
        return None
    by_day: dict[int, Decimal] = {}
    for month in months:
        for day, usd in month:
            by_day[day.day] = by_day.get(day.day, ZERO) + usd
    most = max(sorted(by_day), key=lambda day: abs(by_day[day]), default=1)
    totals = [exact_sum(usd for _, usd in month) for month in months]
    return MonthlyCharges(median(totals).quantize(MICRO), most)


def charges_ahead(
    expected: MonthlyCharges | None,
    charged: Mapping[date, Decimal],
    as_of: date,
    until: date,
) -> dict[date, Decimal]:
    """What is still to be charged after `as_of` and before `until`, in USD by day."""
    if expected is None:
        return {}
    ahead: dict[date, Decimal] = {}
    start = month_start(as_of + DAY)
    had = exact_sum(usd for day, usd in charged.items() if start <= day <= as_of)
    left = expected.usd - had
    # A month that was charged more than usual owes nothing back.
    left = max(ZERO, left) if expected.usd >= 0 else min(ZERO, left)
    while start < until:
        after = month_start(start + timedelta(days=31))
        day = max(min(start + (expected.day_of_month - 1) * DAY, after - DAY), as_of + DAY)
        if left and day < until:
            ahead[day] = left
        start, left = after, expected.usd
    return ahead


def month_start(day: date) -> date:
    """First day of the month of a day."""
    return day.replace(day=1)
