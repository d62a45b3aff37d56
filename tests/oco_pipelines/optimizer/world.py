"""Frames for the tests of rules: one resource, what was measured of it and what it cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from oco_pipelines.optimizer import frames as shapes
from oco_pipelines.optimizer.frames import Frames

AS_OF = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday
HOUR = 3600
GIB = 1024**3


def ago(days: float) -> datetime:
    return AS_OF - timedelta(days=days)


@dataclass
class World:
    """Rows of all frames; each method adds some and hands the world back."""

    as_of: datetime = AS_OF
    resources: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    week: list[dict[str, Any]] = field(default_factory=list)
    costs: list[dict[str, Any]] = field(default_factory=list)
    prices: list[dict[str, Any]] = field(default_factory=list)

    def resource(self, kind: str, identifier: str = "r-1", **values: Any) -> "World":
        row = dict.fromkeys(shapes.RESOURCES) | _key(kind.partition(".")[0], identifier)
        self.resources.append({**row, "resource_type": kind, "region": "us-east-1", **values})
        return self

    def cost(
        self,
        a_day: str,
        identifier: str = "r-1",
        provider: str = "aws",
        days: int = 14,
        **more: Any,
    ) -> "World":
        total = Decimal(a_day) * days
        row = {
            **_key(provider, identifier),
            "days": days,
            "billed_days": days,
            "billed_usd": total,
            "hourly_usd": Decimal(0),
            "hours": Decimal(0),
            "storage_usd": Decimal(0),
            "committed_usd": Decimal(0),
        }
        self.costs.append({**row, **more})
        return self

    def hourly(
        self,
        rate: str,
        identifier: str = "r-1",
        provider: str = "aws",
        hours: int = 336,
        **more: Any,
    ) -> "World":
        """Billed by the hour, over 14 days."""
        usd = Decimal(rate) * hours
        by_hour = {"hourly_usd": usd, "hours": Decimal(hours), "billed_usd": usd}
        return self.cost("0", identifier, provider, **{**by_hour, **more})

    def metric(
        self,
        name: str,
        values: Iterable[float],
        identifier: str = "r-1",
        provider: str = "aws",
        *,
        seconds: int = HOUR,
        window_days: int = 14,
    ) -> "World":
        """Intervals one after the other, the last of which ends with the window."""
        averages = list(values)
        starts = [
            self.as_of - timedelta(seconds=seconds * (len(averages) - place))
            for place in range(len(averages))
        ]
        sums: dict[Any, float] = {}
        for start, average in zip(starts, averages, strict=True):
            sums[start.date()] = sums.get(start.date(), 0) + average
        ordered = pl.Series(averages)
        self.metrics.append(
            {
                **_key(provider, identifier),
                "metric": name,
                "window_days": window_days,
                "intervals": len(averages),
                "seconds": seconds * len(averages),
                "first_start": starts[0],
                "lowest": min(averages),
                "highest": max(averages),
                "p99": ordered.quantile(0.99, "linear"),
                "peak": max(averages),
                "highest_day": max(sums.values()),
                "highest_day_amount": max(sums.values()) * seconds,
                "total": sum(averages),
            }
        )
        return self

    def hours_of_week(
        self,
        name: str,
        highest: Mapping[int, float],
        identifier: str = "r-1",
        provider: str = "aws",
        observed: int = 2,
    ) -> "World":
        self.week += [
            {
                **_key(provider, identifier),
                "metric": name,
                "hour": hour,
                "observed": observed,
                "highest": value,
            }
            for hour, value in highest.items()
        ]
        return self

    def price(
        self, size: str, billed: str | None, listed: str | None = None, provider: str = "aws"
    ) -> "World":
        self.prices.append(
            {
                "provider": provider,
                "region": "us-east-1",
                "size": size,
                "billed_rate": None if billed is None else Decimal(billed),
                "list_rate": None if listed is None else Decimal(listed),
                "resources": 1,
            }
        )
        return self

    def frames(self) -> Frames:
        return Frames(
            as_of=self.as_of,
            **{
                name: pl.DataFrame(getattr(self, name), schema=schema)
                for name, schema in shapes.SCHEMAS.items()
            },
        )


def _key(provider: str, identifier: str) -> dict[str, str]:
    return {"provider": provider, "account_id": "111", "resource_id": identifier}
