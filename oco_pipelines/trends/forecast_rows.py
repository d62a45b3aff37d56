"""The forecast of one scope as rows: each of the next 90 days, their sum, and the whole month."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from oco_pipelines.trends.daily_cost import DAY, MICRO, DailyCost, filled
from oco_pipelines.trends.forecast import INTERVAL, Model, model, reason_without_model
from oco_pipelines.trends.monthly_charges import charges_ahead, month_start, monthly_charges
from oco_pipelines.trends.usual import money
from oco_warehouse.money import ZERO, exact_product, exact_sum

AHEAD: Final = timedelta(days=90)
INTERVAL_SHARE: Final = Decimal(repr(INTERVAL))


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A row of `oco.cost_forecast` but for its scope; amounts in USD."""

    horizon: str
    period_start: date
    period_end: date
    as_of: date
    actual_usd: Decimal
    history_days: int
    charges_usd: Decimal | None = None
    expected_usd: Decimal | None = None
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    method: str | None = None
    wape: Decimal | None = None
    naive_wape: Decimal | None = None
    coverage: Decimal | None = None
    backtests: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected after `as_of`, in USD by day, and the model behind the metered part."""

    as_of: date
    metered: Mapping[date, Decimal]
    charges: Mapping[date, Decimal]
    model: Model

    def usd(self, first: date, end: date) -> Decimal:
        """Everything that is expected from `first` to before `end`."""
        return exact_sum([self.metered_usd(first, end), self.charges_usd(first, end)])

    def metered_usd(self, first: date, end: date) -> Decimal:
        """Its metered part."""
        return exact_sum(usd for day, usd in self.metered.items() if first <= day < end)

    def charges_usd(self, first: date, end: date) -> Decimal:
        """Its fees, taxes and credits."""
        return exact_sum(usd for day, usd in self.charges.items() if first <= day < end)


def outlook(cost: DailyCost, as_of: date, until: date) -> Outlook | str:
    """What is expected from the day after `as_of` to before `until`, or why nothing is."""
    days = filled(cost.metered, as_of)
    first = min((*cost.metered, *cost.charged), default=as_of)
    if cost.charged and not any(cost.metered.values()):
        # Fees alone: since the first of them no use has come.
        days = [(first + n * DAY, ZERO) for n in range((as_of - first).days + 1)]
    made = model(days)
    if made is None:
        return reason_without_model(days)
    ahead = made.ahead((until - as_of).days - 1)
    metered = {as_of + (n + 1) * DAY: money(usd) for n, usd in enumerate(ahead)}
    expected = monthly_charges(cost.charged, first, as_of)
    return Outlook(as_of, metered, charges_ahead(expected, cost.charged, as_of, until), made)


def spent(cost: DailyCost, first: date, end: date) -> Decimal:
    """Everything that the days from `first` to before `end` cost, in USD."""
    return exact_sum(
        usd
        for part in (cost.metered, cost.charged)
        for day, usd in part.items()
        if first <= day < end
    )


def forecast_rows(cost: DailyCost, as_of: date) -> list[ForecastRow]:
    """The rows of one scope.

    Args:
        cost: its cost by day; days after `as_of` are not looked at.
        as_of: the newest settled day.

    Returns:
        `month_end` and `next_90_days` always, without figures but with a reason where there is too
        little history; and 90 rows of `day` where there is enough.
    """
    start, end = as_of + DAY, as_of + DAY + AHEAD
    month = month_start(start)
    month_end = month_start(month + timedelta(days=31))
    actual = spent(cost, month, start)
    made = outlook(cost, as_of, end)
    known = len(filled(cost.metered, as_of))
    if isinstance(made, str):
        return [
            ForecastRow("month_end", month, month_end, as_of, actual, known, reason=made),
            ForecastRow("next_90_days", start, end, as_of, ZERO, known, reason=made),
        ]
    rows = [
        _row(made, "month_end", month, month_end, actual, (month_end - start).days),
        _row(made, "next_90_days", start, end, ZERO, AHEAD.days),
    ]
    for ahead in range(1, AHEAD.days + 1):
        day = as_of + ahead * DAY
        width = made.model.backtest.day_width(ahead)
        rows.append(_row(made, "day", day, day + DAY, ZERO, 1, width))
    return rows


def _row(
    made: Outlook,
    horizon: str,
    period_start: date,
    period_end: date,
    actual: Decimal,
    days: int,
    width: float | None = None,
) -> ForecastRow:
    first = made.as_of + DAY if horizon != "day" else period_start
    backtest = made.model.backtest
    metered = made.metered_usd(first, period_end)
    charges = made.charges_usd(first, period_end)
    share = money(backtest.width(days) if width is None else width)
    off = exact_product(metered, share).quantize(MICRO)
    expected = exact_sum([actual, metered, charges])
    return ForecastRow(
        horizon=horizon,
        period_start=period_start,
        period_end=period_end,
        as_of=made.as_of,
        actual_usd=actual,
        history_days=len(made.model.history),
        charges_usd=charges,
        expected_usd=expected,
        low_usd=exact_sum([expected, -min(off, metered)]),
        high_usd=exact_sum([expected, off]),
        method=backtest.method,
        wape=money(backtest.wape),
        naive_wape=money(made.model.naive_wape),
        coverage=None if horizon == "day" else money(backtest.coverage(days)),
        backtests=len(backtest.trials),
    )
