"""Cost by day, what is metered apart from what is charged now and then; plain values, no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from oco_warehouse.money import ZERO, exact_sum

DAY: Final = timedelta(days=1)
MICRO: Final = Decimal("0.000001")
# A provider that delivered nothing for so long is not waited for.
SILENT: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class CostRow:
    """Cost of a day in USD; `metered` is usage, the rest is fees, taxes, credits, corrections."""

    day: date
    metered_usd: Decimal
    charged_usd: Decimal


@dataclass(slots=True)
class DailyCost:
    """Cost of one thing by day, in USD; a day that is not in it cost nothing."""

    metered: dict[date, Decimal] = field(default_factory=dict)
    charged: dict[date, Decimal] = field(default_factory=dict)

    def add(self, row: CostRow) -> None:
        """Count a row in."""
        for costs, usd in ((self.metered, row.metered_usd), (self.charged, row.charged_usd)):
            costs[row.day] = exact_sum([costs.get(row.day, ZERO), usd])


def filled(costs: Mapping[date, Decimal], last: date) -> list[tuple[date, Decimal]]:
    """Every day from the first that cost anything to `last`, in order."""
    first = min((day for day, cost in costs.items() if cost), default=last + DAY)
    days = (first + number * DAY for number in range((last - first).days + 1))
    return [(day, costs.get(day, Decimal(0))) for day in days]


def settled_day(newest: Iterable[date], settling_days: int) -> date | None:
    """The last day that is not restated any more; None without any delivery.

    Args:
        newest: the newest day that each provider delivered. With several, the slowest counts, as
            long as it delivers at all.
        settling_days: how many of the newest days a provider still restates.
    """
    days = list(newest)
    if not days:
        return None
    return min(day for day in days if day >= max(days) - SILENT) - settling_days * DAY
