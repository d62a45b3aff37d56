"""Days on which something did not cost what it usually does, up or down, as episodes.

A day is judged by the eight weeks before it (`usual`), days that were strange themselves left out.
It is a spike when it costs more than expected by all of: 5 spreads, a quarter of what is expected,
and the floor in USD. A drop is the same downwards, measured from what the quietest weekday costs,
so that a holiday is none.

What costs nothing on most days (a monthly job) has no usual day: it is a spike when it costs more
than twice the most expensive day of the eight weeks before, and the floor; drops are not judged.

Strange days of one direction are one episode while at most one ordinary day lies between them. An
episode that lasts two weeks has become usual: it ends there, and the history begins anew with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal

from oco_pipelines.robust import median
from oco_pipelines.trends.daily_cost import DAY
from oco_pipelines.trends.usual import HISTORY, LEAST_DAYS, fit, money
from oco_warehouse.money import exact_sum

DEVIATIONS: Final = 5
LEAST_SHARE: Final = 0.25
LEAST_RATIO_OF_RARE: Final = 2
LONGEST_GAP: Final = timedelta(days=2)
BECOMES_USUAL: Final = timedelta(days=14)
# Costs are read from longer ago, so that a day is judged alike in today's run and in tomorrow's.
REPORTED: Final = timedelta(days=90)

Direction = Literal["spike", "drop"]
Costs = Sequence[tuple[date, Decimal]]


@dataclass(frozen=True, slots=True)
class Episode:
    """Strange days of one thing in a row; amounts in USD over all days from first to last.

    Attributes:
        score: excess of the worst day in robust standard deviations, positive.
        is_open: whether it may go on: its last day is as new as what is judged.
    """

    direction: Direction
    first_day: date
    last_day: date
    observed_usd: Decimal
    expected_usd: Decimal
    worst_day: date
    score: Decimal
    is_open: bool

    @property
    def excess_usd(self) -> Decimal:
        """Observed above expected; negative for a drop."""
        return exact_sum([self.observed_usd, -self.expected_usd])


@dataclass(frozen=True, slots=True)
class _Strange:
    day: date
    direction: Direction
    excess: float
    score: float


def episodes(costs: Costs, floor_usd: Decimal) -> list[Episode]:
    """What was strange of one thing.

    Args:
        costs: every settled day in order, from the first that cost anything; see `filled`.
        floor_usd: no excess below it is told.

    Returns:
        Episodes in order. With fewer than three weeks of history before a day, none of that day.
    """
    floor = float(floor_usd)
    if max((abs(cost) for _, cost in costs), default=Decimal(0)) < floor_usd:
        return []
    known = dict(costs)
    newest = costs[-1][0]
    expected: dict[date, Decimal] = {}
    ordinary: list[tuple[date, float]] = []
    seen: list[tuple[date, float]] = []
    runs: list[list[_Strange]] = []
    usual_from = -1
    for day, amount in costs:
        cost = float(amount)
        recent = [item for item in seen if item[0] >= day - HISTORY]
        strange, expectation = _judge(ordinary, recent, day, cost, floor)
        expected[day] = money(expectation)
        seen.append((day, cost))
        if strange is None:
            ordinary.append((day, cost))
        elif len(runs) - 1 > usual_from and _goes_on(runs[-1], strange):
            runs[-1].append(strange)
            if day - runs[-1][0].day >= BECOMES_USUAL - DAY:
                usual_from = len(runs) - 1
                ordinary = [item for item in seen if item[0] >= runs[-1][0].day]
                seen = list(ordinary)
        else:
            runs.append([strange])
    return [
        _episode(run, known, expected, newest, over=number <= usual_from)
        for number, run in enumerate(runs)
    ]


def _judge(
    ordinary: list[tuple[date, float]],
    recent: list[tuple[date, float]],
    day: date,
    cost: float,
    floor: float,
) -> tuple[_Strange | None, float]:
    """What is strange of a day, if anything, and what it was expected to cost."""
    history = [item for item in ordinary if item[0] >= day - HISTORY]
    if len(history) < LEAST_DAYS:
        return None, cost
    if median([cost for _, cost in recent]) <= 0:
        most = max(cost for _, cost in recent)
        excess = cost - most
        if excess > max(floor, most * (LEAST_RATIO_OF_RARE - 1)):
            return _Strange(day, "spike", excess, excess / max(most, floor, 0.01)), most
        return None, cost
    usual = fit(history)
    if usual is None:
        return None, cost
    expectation = usual.at(day)
    weight = usual.weights[day.weekday()]
    if cost >= expectation:
        spread = usual.spread * weight
        found = _strange("spike", day, cost - expectation, expectation, spread, floor)
    else:
        # A working day that costs what a Sunday does is taken for a holiday.
        weight = min(usual.weights)
        quietest = usual.at(day, weight)
        found = _strange("drop", day, quietest - cost, quietest, usual.spread * weight, floor)
    return found, expectation


def _strange(
    direction: Direction, day: date, excess: float, expectation: float, spread: float, floor: float
) -> _Strange | None:
    if excess <= max(floor, DEVIATIONS * spread, LEAST_SHARE * expectation):
        return None
    return _Strange(day, direction, excess, excess / max(spread, 0.01))


def _goes_on(run: list[_Strange], strange: _Strange) -> bool:
    last = run[-1]
    return last.direction == strange.direction and strange.day - last.day <= LONGEST_GAP


def _episode(
    run: list[_Strange],
    known: dict[date, Decimal],
    expected: dict[date, Decimal],
    newest: date,
    *,
    over: bool,
) -> Episode:
    worst = max(run, key=lambda strange: strange.excess)
    first, last = run[0].day, run[-1].day
    days = list(_days(first, last))
    return Episode(
        direction=run[0].direction,
        first_day=first,
        last_day=last,
        observed_usd=exact_sum(known[day] for day in days),
        expected_usd=exact_sum(expected[day] for day in days),
        worst_day=worst.day,
        score=money(worst.score),
        is_open=not over and newest - last < LONGEST_GAP,
    )


def _days(first: date, last: date) -> Iterator[date]:
    return (first + number * DAY for number in range((last - first).days + 1))
