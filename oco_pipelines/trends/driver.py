"""What carries most of an excess: provider → service → region, then resource, its SKU and team."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from oco_pipelines.trends.daily_cost import DAY, MICRO
from oco_warehouse.money import exact_sum

WEEKS_BEFORE: Final = 3
DIMENSIONS: Final = ("provider", "service", "region", "resource", "sku", "team")


@dataclass(frozen=True, slots=True)
class Part:
    """Charges that share all dimensions and what they cost above the weeks before, in USD.

    Attributes:
        names: values in the order of `DIMENSIONS`.
    """

    names: tuple[str, ...]
    excess_usd: Decimal


@dataclass(frozen=True, slots=True)
class Driver:
    """The part that carries most of the excess.

    Attributes:
        names: values in the order of `DIMENSIONS`.
        excess_usd: its own excess.
        share: of the whole excess; above 1 when other parts moved the other way.
    """

    names: tuple[str, ...]
    excess_usd: Decimal
    share: Decimal


def weights(first_day: date, last_day: date) -> dict[date, Decimal]:
    """How often each day counts in an excess over the same weekdays of the three weeks before.

    1 for the days of the episode; in the three weeks before it, minus a third for each day of the
    episode that has the same weekday. All times three, so that they are whole and add up to 0:
    whoever sums by them divides by `WEEKS_BEFORE` in the end.
    """
    counted: dict[date, Decimal] = {}
    day = first_day
    while day <= last_day:
        counted[day] = Decimal(WEEKS_BEFORE)
        offset = timedelta(days=(day - first_day).days % 7)
        for week in range(1, WEEKS_BEFORE + 1):
            before = first_day + offset - timedelta(weeks=week)
            counted[before] = counted.get(before, Decimal(0)) - 1
        day += DAY
    return counted


def driver(parts: Iterable[Part], sign: int) -> Driver | None:
    """Walk down: of each dimension take the value with the largest excess, within those above it.

    Args:
        parts: every part of the episode.
        sign: 1 for a spike, -1 for a drop.

    Returns:
        None when the whole did not move in that direction.
    """
    chosen = list(parts)
    whole = _total(chosen) * sign
    if whole <= 0:
        return None
    names: list[str] = []
    for depth in range(len(DIMENSIONS)):
        values = sorted({part.names[depth] for part in chosen})
        best = max(values, key=lambda value: _of(chosen, depth, value) * sign)
        chosen = [part for part in chosen if part.names[depth] == best]
        names.append(best)
    excess = _total(chosen)
    return Driver(tuple(names), excess.quantize(MICRO), (excess * sign / whole).quantize(MICRO))


def _of(parts: Sequence[Part], depth: int, value: str) -> Decimal:
    return _total([part for part in parts if part.names[depth] == value])


def _total(parts: Sequence[Part]) -> Decimal:
    return exact_sum(part.excess_usd for part in parts)
