"""Rows that rules read and the recommendation that they make; plain values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Resource:
    """One row of `oco.resources`, as far as rules need it."""

    provider: str
    account_id: str
    resource_id: str
    resource_type: str
    resource_name: str | None = None
    region: str | None = None
    state: str | None = None
    size: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies it: provider, account, id."""
        return (self.provider, self.account_id, self.resource_id)


@dataclass(frozen=True, slots=True)
class Metric:
    """One interval of one metric of a resource; the average is in the metric's own unit."""

    metric: str
    interval_start: datetime
    interval_seconds: int
    average: Decimal
    sample_count: int

    @property
    def interval_end(self) -> datetime:
        """Exclusive end."""
        return self.interval_start + timedelta(seconds=self.interval_seconds)


@dataclass(frozen=True, slots=True)
class DailyCost:
    """Effective cost of a resource's use on a UTC day, in USD."""

    day: date
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What a rule found.

    Attributes:
        recommendation_type: the rule; with the resource it is the identity over runs.
        estimated_monthly_savings: USD in 30 days.
        confidence: from 0 to 1, two decimals.
        evidence: figures that the claim rests on, as JSON values.
    """

    resource: Resource
    recommendation_type: str
    title: str
    description: str
    estimated_monthly_savings: Decimal
    confidence: Decimal
    evidence: Mapping[str, str | int]
