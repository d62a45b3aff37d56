"""What all rules have in common: amounts a month, and how sure a claim is.

confidence = coverage × margin × stability × price source, each from 0 to 1:

- coverage: hours of metrics seen of hours expected; 1 for a rule that rests on a state;
- margin: 0.5 at the threshold and up to 1 far from it;
- stability: 1 where every interval is alike, 0.5 where they spread as wide as the threshold;
- price source: 1 where the saving is from the bill, less for list prices and stated percentages.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from enum import Enum
from typing import Any, Final

import polars as pl

from oco_pipelines.optimizer.recommendation import Resource

CENT: Final = Decimal("0.01")
DAYS_A_MONTH: Final = 30
HOURS_A_MONTH: Final = 730
HOURS_A_WEEK: Final = 168
DAYS_A_WEEK: Final = 7
SECONDS_A_DAY: Final = 86_400
_NAMED: Final = frozenset(Resource.__dataclass_fields__)


class PriceSource(Enum):
    """Where the figures of a saving are from, and what that is worth."""

    BILLED = "billed"
    LIST = "list"
    PERCENTAGE = "percentage"

    @property
    def weight(self) -> Decimal:
        """Factor of the confidence."""
        return _WEIGHTS[self]


_WEIGHTS: Final = {
    PriceSource.BILLED: Decimal(1),
    PriceSource.LIST: Decimal("0.9"),
    PriceSource.PERCENTAGE: Decimal("0.75"),
}


def rows(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows in the order of their resources, so that a run says the same every time."""
    return frame.sort("provider", "account_id", "resource_id").iter_rows(named=True)


def resource_of(row: Mapping[str, Any]) -> Resource:
    """The resource of a row."""
    return Resource(**{name: row[name] for name in row if name in _NAMED})


def monthly(row: Mapping[str, Any], amount: str = "billed_usd") -> Decimal:
    """USD in 30 days: the daily average since the first billed day of the window × 30."""
    total, days = Decimal(row[amount]), Decimal(row["days"])
    return total / days * DAYS_A_MONTH


def cents(amount: Decimal) -> Decimal:
    """Rounded down: nothing promises more than there is."""
    return amount.quantize(CENT, ROUND_DOWN)


def confidence(
    *,
    coverage: float = 1,
    margin: float = 1,
    stability: float = 1,
    price: PriceSource = PriceSource.BILLED,
) -> Decimal:
    """The four factors multiplied, in two decimals."""
    factors = (Decimal(str(coverage)), Decimal(str(margin)), Decimal(str(stability)))
    product = price.weight
    for factor in factors:
        product *= min(Decimal(1), max(Decimal(0), factor))
    return product.quantize(CENT)


def margin_below(value: float, limit: float) -> float:
    """1 far below an upper limit, 0.5 at it; a limit of 0 can only be met exactly."""
    return 1 - value / limit / 2 if limit else 1


def margin_above(value: float, limit: float) -> float:
    """0.5 at a lower limit, 1 far above it."""
    return 1 - limit / value / 2 if value else 1


def stability(lowest: float, highest: float, limit: float) -> float:
    """1 where all values are alike, 0.5 where they spread as wide as the limit."""
    return 1 - min(1, (highest - lowest) / limit) / 2 if limit else 1


def coverage(seconds: int, start: datetime, end: datetime) -> float:
    """Seconds seen of seconds expected, at most 1."""
    expected = (end - start).total_seconds()
    return min(1, seconds / expected) if expected > 0 else 0


def days_since(moment: datetime, as_of: datetime) -> float:
    """Days that have passed; negative for what is still to come."""
    return (as_of - moment) / timedelta(days=1)


def window(as_of: datetime, start: datetime) -> dict[str, str | int]:
    """The window as evidence."""
    return {"window_start": start.isoformat(), "window_end": as_of.isoformat()}


def paid(row: Mapping[str, Any]) -> dict[str, str | int]:
    """What was billed, as evidence."""
    evidence: dict[str, str | int] = {
        "billed_days": row["days"],
        "billed_usd": text(row["billed_usd"]),
        "price_source": PriceSource.BILLED.value,
    }
    if row["committed_usd"] > 0:
        # A commitment stays to be paid: the saving comes when other use takes its place.
        evidence["covered_by_commitments_usd"] = text(row["committed_usd"])
    return evidence


def text(amount: Decimal) -> str:
    """An amount with every digit that says something."""
    return format(amount.normalize(), "f") if amount else "0"


def share(value: float) -> str:
    """A share as evidence, in two decimals."""
    return f"{value:.2f}"


def earliest(row: Mapping[str, Any], as_of: datetime, window_days: int) -> datetime:
    """From when metrics are expected: the window's start, or when the resource was made."""
    start = as_of - timedelta(days=window_days)
    made: datetime | None = row["created_at"]
    return max(start, made) if made is not None else start
