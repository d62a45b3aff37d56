"""Insight: hours that cost far more than such hours do.

An hour is compared with the same hour of the same weekday, and the hours beside it, over the eight
weeks before; while there are not four such weeks, with the same time of all working days, or of all
days of weekends, and of at least four. Where most of those hours cost nothing, with the hours in
which the entity was active at all. Median and MAD describe them, so that a spike of last week
neither hides this one nor makes it.

An hour is a spike when it costs more than the median + 5 robust standard deviations, more than
twice the median, and at least a dollar above it. A finding is a UTC day of an entity.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Final

from oco_pipelines.llm.insights.finding import CENT, Entity, Finding, HourlySpend, text_of
from oco_pipelines.robust import deviation, median
from oco_warehouse.money import exact_sum, format_usd

KIND: Final = "spend_spike"
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEKS: Final = 8
LEAST_WEEKS: Final = 4
LEAST_DAYS: Final = 4
_SATURDAY: Final = 5
LEAST_ACTIVE_HOURS: Final = 12
JUDGED: Final = timedelta(days=2)
DEVIATIONS: Final = 5
LEAST_RATIO: Final = 2
LEAST_EXCESS_USD: Final = Decimal(1)
# Spend that never varies would make any cent a spike.
_LEAST_SIGMA_SHARE: Final = Decimal("0.1")
_BESIDE: Final = (-1, 0, 1)


def spend_spikes(entity: Entity, hours: Iterable[HourlySpend], now: datetime) -> list[Finding]:
    """Judge the complete hours of today and yesterday (UTC) of one entity.

    Args:
        entity: who spent.
        hours: its hours in any order; hours that are not given cost nothing.
        now: aware; the hour that it lies in is not complete and not judged.

    Returns:
        At most one finding a day, oldest first.
    """
    costs = {row.hour: row.cost_usd for row in hours}
    if not costs:
        return []
    first = min(costs)
    end = now.replace(minute=0, second=0, microsecond=0)
    today = datetime.combine(now.date(), time(), now.tzinfo)
    days: dict[datetime, list[tuple[datetime, Decimal]]] = {}
    hour = today - JUDGED + DAY
    while hour < end:
        cost = costs.get(hour, Decimal(0))
        expected = limit_of(baseline(costs, hour, first))
        if expected is not None and cost > expected[1]:
            day = datetime.combine(hour.date(), time(), hour.tzinfo)
            days.setdefault(day, []).append((hour, expected[0]))
        hour += HOUR
    return [_finding(entity, day, spiked, costs) for day, spiked in sorted(days.items())]


def baseline(
    costs: Mapping[datetime, Decimal], hour: datetime, first: datetime
) -> Sequence[Decimal]:
    """What comparable hours before an hour's own day cost; empty when they do not suffice.

    Args:
        costs: by hour; a missing hour costs nothing.
        hour: the hour that is judged.
        first: the entity's first hour; nothing before it is counted as zero.
    """
    weekly = _sample(costs, hour, first, timedelta(weeks=1), WEEKS)
    if len(weekly) >= LEAST_WEEKS * len(_BESIDE):
        sample = weekly
    else:
        sample = _sample(costs, hour, first, DAY, WEEKS * 7)
        if len(sample) < LEAST_DAYS * len(_BESIDE):
            return []
    if median(sample) > 0:
        return sample
    day = datetime.combine(hour.date(), time(), hour.tzinfo)
    active = [cost for at, cost in costs.items() if at < day and cost > 0]
    return active if len(active) >= LEAST_ACTIVE_HOURS else []


def limit_of(sample: Sequence[Decimal]) -> tuple[Decimal, Decimal] | None:
    """(what is expected, above what it is a spike) in USD; None without a sample."""
    if not sample:
        return None
    middle = median(sample)
    sigma = max(deviation(sample, middle), middle * _LEAST_SIGMA_SHARE)
    return middle, max(middle + DEVIATIONS * sigma, middle * LEAST_RATIO, middle + LEAST_EXCESS_USD)


def _sample(
    costs: Mapping[datetime, Decimal],
    hour: datetime,
    first: datetime,
    step: timedelta,
    count: int,
) -> list[Decimal]:
    """Costs of the hours one step, two steps, … earlier, each with the hours beside it."""
    moments = [
        hour - number * step + side * HOUR
        for number in range(1, count + 1)
        for side in _BESIDE
        if _is_weekend(hour - number * step) == _is_weekend(hour)
    ]
    return [costs.get(moment, Decimal(0)) for moment in moments if moment >= first]


def _is_weekend(hour: datetime) -> bool:
    return hour.weekday() >= _SATURDAY


def _finding(
    entity: Entity,
    day: datetime,
    spiked: Sequence[tuple[datetime, Decimal]],
    costs: Mapping[datetime, Decimal],
) -> Finding:
    worst, expected = max(spiked, key=lambda item: costs[item[0]] - item[1])
    excess = exact_sum(costs[hour] - usual for hour, usual in spiked)
    return Finding(
        kind=KIND,
        scope=entity.scope,
        entity_id=entity.entity_id,
        title=(
            f"{entity} cost {format_usd(costs[worst])} in the hour from {worst:%Y-%m-%d %H:%M} UTC "
            f"where {format_usd(expected)} is usual"
        ),
        figures={
            "spiked_hours": str(len(spiked)),
            "worst_hour": worst.isoformat(),
            "worst_hour_usd": text_of(costs[worst]),
            "expected_usd": text_of(expected.quantize(CENT**3)),
            "excess_usd": text_of(excess.quantize(CENT**3)),
        },
        window_start=day,
        window_end=day + DAY,
    )
