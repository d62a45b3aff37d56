"""What a day usually costs: a weekday's weight times a level that moves along a line.

1. The weight of a weekday is the median, over up to eight weeks, of a day's cost over the median of
   the seven days around it.
2. Costs over their weights, of the last four weeks, are fitted with a line: its slope is the median
   of the slopes between all pairs of days (Theil and Sen), its height the median of what is left.
3. The spread is 1.4826 × the median distance from the line (MAD), of the four weeks or of all
   eight, whichever is larger, at least 3 % of the level.

Medians, so that a few wild days move nothing. The line is carried on for four weeks at most.
Statistics are floats; money enters and leaves as `Decimal` (Sen 1968, doi 10.2307/2285891).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from oco_pipelines.robust import deviation, median
from oco_pipelines.trends.daily_cost import DAY, MICRO

HISTORY: Final = timedelta(days=56)
LEAST_DAYS: Final = 21
TREND_DAYS: Final = 28
_AROUND: Final = (-3, -2, -1, 0, 1, 2, 3)
_LEAST_AROUND: Final = 6
_LEAST_RATIOS: Final = 2
_LEAST_SPREAD: Final = 0.03
# A weekday below a tenth of the level says too little about the level.
_LEAST_WEIGHT: Final = 0.1

Days = Sequence[tuple[date, float]]


@dataclass(frozen=True, slots=True)
class Usual:
    """The fit, as of its last day.

    Attributes:
        weights: of Monday to Sunday, around 1.
        level: USD a day at weight 1 on the last day.
        slope: USD by which the level grows a day.
        spread: standard deviation around the line in USD, at weight 1.
        last: the newest day that it rests on.
    """

    weights: tuple[float, ...]
    level: float
    slope: float
    spread: float
    last: date

    def at(self, day: date, weight: float | None = None) -> float:
        """What a day is expected to cost in USD, never below 0."""
        ahead = min((day - self.last).days, TREND_DAYS)
        weight = self.weights[day.weekday()] if weight is None else weight
        return max(0.0, (self.level + self.slope * ahead) * weight)


def fit(days: Days) -> Usual | None:
    """The fit of days in order, gaps allowed; None for fewer than three weeks of them."""
    days = [(day, cost) for day, cost in days if day > days[-1][0] - HISTORY]
    if len(days) < LEAST_DAYS:
        return None
    weights = _weights(days)
    last = days[-1][0]
    points = [
        ((day - last).days, cost / weights[day.weekday()])
        for day, cost in days
        if weights[day.weekday()] >= _LEAST_WEIGHT
    ]
    line = points[-TREND_DAYS:]
    slopes = [
        (cost - earlier_cost) / (at - earlier)
        for number, (at, cost) in enumerate(line)
        for earlier, earlier_cost in line[:number]
    ]
    slope = median(slopes)
    level = median([cost - slope * at for at, cost in line])
    heights = [cost - slope * at for at, cost in points]
    spread = max(deviation(heights[-TREND_DAYS:], level), deviation(heights, level))
    return Usual(weights, level, slope, max(spread, abs(level) * _LEAST_SPREAD), last)


def money(amount: float) -> Decimal:
    """A statistic as an amount in USD, to the millionth."""
    return Decimal(repr(amount)).quantize(MICRO)


def _weights(days: Days) -> tuple[float, ...]:
    costs = dict(days)
    ratios: dict[int, list[float]] = {}
    for day, cost in days:
        around = [costs[day + n * DAY] for n in _AROUND if day + n * DAY in costs]
        middle = median(around)
        if len(around) >= _LEAST_AROUND and middle > 0:
            ratios.setdefault(day.weekday(), []).append(cost / middle)
    return tuple(
        max(0.0, median(ratios[weekday])) if len(ratios.get(weekday, ())) >= _LEAST_RATIOS else 1.0
        for weekday in range(7)
    )
