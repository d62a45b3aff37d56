"""A hard budget that refuses is noted once a period, and never for calls that only have to wait."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from oco_proxy.budget.limits import Budget, Claim
from oco_proxy.budget.periods import Period
from oco_proxy.budget.refusing import Refusing
from oco_proxy.budget.verdicts import BudgetExceeded

NANO = 1_000_000_000
NOVEMBER = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
DECEMBER = Period(NOVEMBER.end, datetime(2027, 1, 1, tzinfo=UTC))


class Writes:
    """A pool that keeps what it is told; it can be away."""

    def __init__(self) -> None:
        self.got: list[tuple[str, datetime]] = []
        self.away = False

    async def execute(self, _: str, budget: str, start: datetime, **__: Any) -> None:
        if self.away:
            raise TimeoutError
        self.got.append((budget, start))


def refused(period: Period, spent: int, held: int, wanted: int) -> BudgetExceeded:
    budget = Budget("b", "agent", "bot", Decimal(10), "month", "UTC", "hard", NOVEMBER.start)
    return BudgetExceeded(Claim(budget, period), spent * NANO, held * NANO, wanted * NANO)


def test_a_thousand_refusals_are_one_write_a_period() -> None:
    writes: Any = Writes()
    refusing = Refusing()
    for period in (NOVEMBER, NOVEMBER, DECEMBER):
        for _ in range(1000):
            refusing.note(refused(period, 9, 0, 2))
        asyncio.run(refusing.write(writes))
    assert writes.got == [("b", NOVEMBER.start), ("b", DECEMBER.start)]


def test_what_only_waits_for_calls_under_way_is_not_noted() -> None:
    writes: Any = Writes()
    refusing = Refusing()
    refusing.note(refused(NOVEMBER, 5, 4, 5))
    asyncio.run(refusing.write(writes))
    assert writes.got == []


def test_what_could_not_be_written_is_written_the_next_time() -> None:
    writes: Any = Writes()
    refusing = Refusing()
    refusing.note(refused(NOVEMBER, 9, 0, 2))
    writes.away = True
    try:
        asyncio.run(refusing.write(writes))
    except TimeoutError:
        writes.away = False
    asyncio.run(refusing.write(writes))
    assert writes.got == [("b", NOVEMBER.start)]
