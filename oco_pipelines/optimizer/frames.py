"""The frames that rules read: columns, types, and where each is from.

Money is an exact decimal, twelve digits behind the point; measurements are floats. A resource is
identified by provider, account_id and resource_id in each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

import polars as pl

from oco_warehouse.errors import InvalidInputError

KEY: Final = ["provider", "account_id", "resource_id"]
USD: Final = pl.Decimal(38, 12)
MOMENT: Final = pl.Datetime("us", "UTC")
_IDENTITY: Final[dict[str, pl.DataType]] = {name: pl.String() for name in KEY}

RESOURCES: Final[Mapping[str, pl.DataType]] = {
    **_IDENTITY,
    "resource_type": pl.String(),
    "resource_name": pl.String(),
    "region": pl.String(),
    "state": pl.String(),
    "size": pl.String(),
    "created_at": MOMENT,
    "stopped_since": MOMENT,
    # Since when it has been unattached, as far as anybody saw; NULL while it is attached.
    "unattached_since": MOMENT,
    "attached": pl.Boolean(),
    # Ids of what is paid for with it: disks of a machine, snapshots of an image.
    "part_ids": pl.List(pl.String()),
    "size_gib": pl.Float64(),
    "vcpu": pl.Float64(),
    "memory_gib": pl.Float64(),
    "source_exists": pl.Boolean(),
    "in_use": pl.Boolean(),
    # Of a snapshot: whether a newer one of the same source is kept, which shares blocks with it.
    "blocks_shared": pl.Boolean(),
    "family": pl.String(),
    "engine": pl.String(),
    "interruptible": pl.Boolean(),
    "autoscaling_group": pl.String(),
    "storage_class": pl.String(),
    "targets": pl.Int64(),
}
METRICS: Final[Mapping[str, pl.DataType]] = {
    **_IDENTITY,
    "metric": pl.String(),
    # The frame has a row for each window that a rule asks for.
    "window_days": pl.Int64(),
    "intervals": pl.Int64(),
    "seconds": pl.Int64(),
    "first_start": MOMENT,
    # Over the intervals' averages.
    "lowest": pl.Float64(),
    "highest": pl.Float64(),
    # Over the highest figure that an interval states: its p99, else its maximum, else its average.
    "p99": pl.Float64(),
    "peak": pl.Float64(),
    # Highest UTC day of the averages' sum, and of average × seconds.
    "highest_day": pl.Float64(),
    "highest_day_amount": pl.Float64(),
    "total": pl.Float64(),
}
WEEK: Final[Mapping[str, pl.DataType]] = {
    **_IDENTITY,
    "metric": pl.String(),
    # 0 is Monday 00:00 UTC, 167 is Sunday 23:00 UTC.
    "hour": pl.Int64(),
    "observed": pl.Int64(),
    "highest": pl.Float64(),
}
COSTS: Final[Mapping[str, pl.DataType]] = {
    **_IDENTITY,
    # From the first billed day of the window to the window's end.
    "days": pl.Int64(),
    "billed_days": pl.Int64(),
    "billed_usd": USD,
    # What is billed by the hour, and for how many hours.
    "hourly_usd": USD,
    "hours": USD,
    # What is billed by the stored amount.
    "storage_usd": USD,
    # The part of billed_usd that a commitment covers.
    "committed_usd": USD,
}
PRICES: Final[Mapping[str, pl.DataType]] = {
    "provider": pl.String(),
    "region": pl.String(),
    "size": pl.String(),
    # Median of what this organisation's resources of that size cost an hour.
    "billed_rate": USD,
    "list_rate": USD,
    "resources": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class Frames:
    """All that the rules for single resources read of some resources.

    Attributes:
        as_of: aware end of every window, exclusive.
    """

    as_of: datetime
    resources: pl.DataFrame
    metrics: pl.DataFrame
    week: pl.DataFrame
    costs: pl.DataFrame
    prices: pl.DataFrame

    def __post_init__(self) -> None:
        """Refuse frames of another shape: a rule would judge by what is not there."""
        for field in fields(self)[1:]:
            frame: pl.DataFrame = getattr(self, field.name)
            if dict(frame.schema) != dict(SCHEMAS[field.name]):
                raise InvalidInputError(
                    f"the frame {field.name} has the columns {dict(frame.schema)}, "
                    f"expected {dict(SCHEMAS[field.name])}"
                )


SCHEMAS: Final[Mapping[str, Mapping[str, pl.DataType]]] = {
    "resources": RESOURCES,
    "metrics": METRICS,
    "week": WEEK,
    "costs": COSTS,
    "prices": PRICES,
}


def measured(frames: Frames, metric: str, window_days: int) -> pl.DataFrame:
    """One metric's rows of a window, its columns prefixed with the metric's name and `:`."""
    kept = frames.metrics.filter(
        (pl.col("metric") == metric) & (pl.col("window_days") == window_days)
    ).drop("metric", "window_days")
    return kept.rename({name: f"{metric}:{name}" for name in kept.columns if name not in KEY})


def billed(frames: Frames) -> pl.DataFrame:
    """Resources that cost something, with their costs."""
    costing = frames.costs.filter(pl.col("billed_usd") > 0)
    return frames.resources.join(costing, on=KEY, how="inner")
