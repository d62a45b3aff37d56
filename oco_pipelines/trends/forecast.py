"""What metered cost is expected to be, how far off such forecasts were, and an interval from that.

Two methods are tried on the past: `seasonal` (the fit of `usual`: weekday × level and trend, the
trend carried on for four weeks) and `naive` (the last week again and again, but for a strange day
in it). From one to twelve weeks ago both forecast, with what was known then, the days that are
known now; the one with the smaller WAPE, the sum of absolute errors of days over the sum of their
cost, makes the forecast.

The interval of a sum over n days is as wide as 80 % of the method's past sums over n days were off,
relative to what was forecast. Where the past is too short for n days, the longest sum with four
trials is taken, and the width grows with the square root of the length. How often an interval made
from the other trials held the cost of a trial is its coverage.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

from oco_pipelines.robust import median
from oco_pipelines.trends.anomaly import DEVIATIONS, LEAST_SHARE
from oco_pipelines.trends.daily_cost import DAY
from oco_pipelines.trends.usual import TREND_DAYS, fit

INTERVAL: Final = 0.8
ORIGINS: Final = 12
WEEK: Final = 7
LEAST_TRAINING: Final = 28
LEAST_TRIALS: Final = 4
LEAST_HISTORY: Final = LEAST_TRAINING + LEAST_TRIALS * WEEK
SEASONAL: Final = "seasonal"
NAIVE: Final = "naive"

Days = Sequence[tuple[date, float]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A forecast of the past: what was forecast and what came, USD by day."""

    forecast: tuple[float, ...]
    actual: tuple[float, ...]

    def error(self, first: int, last: int) -> float:
        """Relative error of the sum of days `first` to `last` (exclusive)."""
        expected, came = sum(self.forecast[first:last]), sum(self.actual[first:last])
        if expected <= 0:
            return 0.0 if came == expected else 1.0
        return abs(came - expected) / expected


@dataclass(frozen=True, slots=True)
class Backtest:
    """Trials of one method, the shortest first."""

    method: str
    trials: tuple[Trial, ...]

    @property
    def wape(self) -> float:
        """Sum of absolute errors of days, of at most four weeks a trial, over their cost."""
        pairs = [
            pair
            for trial in self.trials
            for pair in list(zip(trial.forecast, trial.actual, strict=True))[:TREND_DAYS]
        ]
        cost = sum(abs(came) for _, came in pairs)
        return sum(abs(came - expected) for expected, came in pairs) / cost if cost else 0.0

    def width(self, days: int) -> float:
        """Half the interval of a sum over `days` days, as a share of it."""
        errors, tested = self._errors(days)
        return quantile(errors) * math.sqrt(days / tested)

    def coverage(self, days: int) -> float:
        """Share of trials that the interval of the others holds."""
        errors, _ = self._errors(days)
        held = [
            error <= quantile([*errors[:number], *errors[number + 1 :]])
            for number, error in enumerate(errors)
        ]
        return sum(held) / len(held)

    def day_width(self, ahead: int) -> float:
        """Half the interval of the single day that is `ahead` days ahead (1: the next one)."""
        week = min((ahead - 1) // WEEK, len(self.trials) - LEAST_TRIALS)
        errors = [
            trial.error(day, day + 1)
            for trial in self.trials
            for day in range(week * WEEK, min((week + 1) * WEEK, len(trial.actual)))
        ]
        tested = (week + 1) * WEEK
        return quantile(errors) * math.sqrt(max(1.0, ahead / tested))

    def _errors(self, days: int) -> tuple[list[float], int]:
        longest = len(self.trials[-LEAST_TRIALS].actual)
        tested = min(days, longest)
        return [t.error(0, tested) for t in self.trials if len(t.actual) >= tested], tested


@dataclass(frozen=True, slots=True)
class Model:
    """What makes the forecast: the better method and its backtest."""

    backtest: Backtest
    naive_wape: float
    history: tuple[tuple[date, float], ...]

    def ahead(self, days: int) -> list[float]:
        """USD of each of the next days."""
        return predict(self.backtest.method, self.history, days)


def model(costs: Sequence[tuple[date, Decimal]]) -> Model | None:
    """Choose a method; None when there are fewer than `LEAST_HISTORY` days.

    Args:
        costs: every settled day in order, from the first that cost anything.
    """
    days = tuple((day, float(cost)) for day, cost in costs)
    if len(days) < LEAST_HISTORY:
        return None
    tests = {method: _backtest(method, days) for method in (SEASONAL, NAIVE)}
    best = min((SEASONAL, NAIVE), key=lambda method: tests[method].wape)
    return Model(tests[best], tests[NAIVE].wape, days)


def predict(method: str, history: Days, days: int) -> list[float]:
    """USD of each of the days after a history."""
    last = history[-1][0]
    if method == SEASONAL:
        usual = _usual(tuple(history))
        if usual is not None:
            return [usual.at(last + (number + 1) * DAY) for number in range(days)]
    week = _ordinary_week(history)
    return [max(0.0, week[number % WEEK]) for number in range(days)]


def _ordinary_week(history: Days) -> list[float]:
    """The last week of a history, its strange days as they usually cost.

    Strange is what an anomaly is, measured on the level of the week itself, so that a cost that has
    moved for good is believed at once.
    """
    week = history[-WEEK:]
    costs = [cost for _, cost in week]
    usual = _usual(tuple(history[:-WEEK]))
    if usual is None:
        return costs
    expected = [usual.at(day) for day, _ in week]
    moved = [cost / usd for cost, usd in zip(costs, expected, strict=True) if usd > 0]
    if len(moved) <= WEEK // 2:
        return costs
    level = max(0.0, median(moved))
    ordinary = []
    for (day, cost), usd in zip(week, expected, strict=True):
        spread = usual.spread * usual.weights[day.weekday()]
        room = level * max(DEVIATIONS * spread, LEAST_SHARE * usd)
        ordinary.append(level * usd if abs(cost - level * usd) > room else cost)
    return ordinary


# What one trial has before its last week, the next one has as its whole history.
_usual: Final = lru_cache(maxsize=2 * ORIGINS)(fit)


def quantile(errors: Sequence[float]) -> float:
    """The error that 80 % of new ones should not exceed: rank ⌈(n + 1) × 0.8⌉ of n, at most n."""
    rank = min(len(errors), math.ceil((len(errors) + 1) * INTERVAL))
    return sorted(errors)[rank - 1]


def _backtest(method: str, days: Days) -> Backtest:
    trials = []
    for weeks in range(1, ORIGINS + 1):
        cut = len(days) - weeks * WEEK
        if cut < LEAST_TRAINING:
            break
        actual = tuple(cost for _, cost in days[cut:])
        trials.append(Trial(tuple(predict(method, days[:cut], len(actual))), actual))
    return Backtest(method, tuple(trials))


def reason_without_model(costs: Sequence[object]) -> str:
    """Why there is no forecast, in one line."""
    return (
        f"{len(costs)} days of metered cost are settled; a forecast and its backtest need "
        f"{LEAST_HISTORY}"
    )
