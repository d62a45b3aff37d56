"""What an hour of a machine costs, and what an hour of another size would.

A rate of another size is, in this order: what this organisation's machines of that size are billed
in the same region; their list price on the bill; the machine's own rate × a stated part.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oco_pipelines.optimizer.frames import Frames
from oco_pipelines.optimizer.judging import HOURS_A_MONTH, PriceSource

_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class Rate:
    """USD an hour, and where it is from."""

    usd: Decimal
    source: PriceSource


class Prices:
    """Rates of sizes by provider and region, from the frame of prices."""

    def __init__(self, frames: Frames) -> None:
        self._rows = {
            (row["provider"], row["region"], row["size"]): row
            for row in frames.prices.iter_rows(named=True)
        }
        self._seen: dict[tuple[str, str], set[str]] = {}
        for provider, region, size in self._rows:
            self._seen.setdefault((provider, region), set()).add(size)

    def seen(self, provider: str, region: str | None) -> AbstractSet[str]:
        """Sizes that are on the bill in a region."""
        return self._seen.get((provider, region or ""), frozenset())

    def of(
        self, provider: str, region: str | None, size: str, own: Decimal, part: float
    ) -> Rate | None:
        """The rate of a size.

        Args:
            provider: aws, azure or gcp.
            region: where.
            size: the size that is asked for.
            own: USD an hour of the machine that it would replace.
            part: the size's part of that machine, where nothing else is known.

        Returns:
            None when it is on the bill and not cheaper.
        """
        row = self._rows.get((provider, region, size))
        if row is not None and row["billed_rate"] is not None:
            rate = Rate(row["billed_rate"], PriceSource.BILLED)
        elif row is not None and row["list_rate"] is not None:
            rate = Rate(row["list_rate"], PriceSource.LIST)
        else:
            rate = Rate(own * Decimal(str(part)), PriceSource.PERCENTAGE)
        return rate if rate.usd < own else None


def billed_rate(row: Mapping[str, Any]) -> Decimal:
    """USD an hour as billed: by the hour where the bill counts hours, else the day's part."""
    usd, hours = Decimal(row["hourly_usd"]), Decimal(row["hours"])
    if hours > 0 and usd > 0:
        return usd / hours
    return Decimal(row["billed_usd"]) / Decimal(row["days"] * _HOURS_A_DAY)


def hours_a_month(row: Mapping[str, Any]) -> Decimal:
    """Hours that it runs in a month: 730 for one that never stops."""
    hours = Decimal(row["hours"])
    if hours <= 0:
        return Decimal(HOURS_A_MONTH)
    running = min(Decimal(1), hours / Decimal(row["days"] * _HOURS_A_DAY))
    return running * HOURS_A_MONTH
