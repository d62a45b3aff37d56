"""Frames that rules for groups of resources read: autoscaling groups and commitments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from oco_pipelines.optimizer.frames import MOMENT, USD

# Machines of an autoscaling group that were on the bill in the window, gone ones included.
MEMBERS: Final[Mapping[str, pl.DataType]] = {
    "provider": pl.String(),
    "account_id": pl.String(),
    "resource_id": pl.String(),
    "autoscaling_group": pl.String(),
    "resource_type": pl.String(),
    "region": pl.String(),
    "size": pl.String(),
    "interruptible": pl.Boolean(),
    "hours": USD,
    "hourly_usd": USD,
    # Billed in the window, in 30 days; a machine that is gone did not cost that alone.
    "monthly_usd": USD,
}
# What an hour of a size costs as spot, on this organisation's bill.
SPOT_PRICES: Final[Mapping[str, pl.DataType]] = {
    "provider": pl.String(),
    "region": pl.String(),
    "size": pl.String(),
    "spot_rate": USD,
}
# Spend by the hour that a commitment could cover and none does.
HISTORY: Final[Mapping[str, pl.DataType]] = {
    "provider": pl.String(),
    "billing_account_id": pl.String(),
    "service": pl.String(),
    "region": pl.String(),
    "start": MOMENT,
    # 1 where the bill has hours, 24 where it has only days.
    "hours": pl.Int64(),
    "usd": USD,
}
# What commitments cost against the list, where the bill has some.
DISCOUNTS: Final[Mapping[str, pl.DataType]] = {
    "provider": pl.String(),
    "service": pl.String(),
    "effective_usd": USD,
    "list_usd": USD,
}
# What commitments left unused in the newest settled week, USD an hour.
UNUSED: Final[Mapping[str, pl.DataType]] = {
    "provider": pl.String(),
    "billing_account_id": pl.String(),
    "service": pl.String(),
    "region": pl.String(),
    # Of a plan that covers whatever costs money, not use of one kind.
    "is_of_spend": pl.Boolean(),
    "usd": USD,
}


@dataclass(frozen=True, slots=True)
class Groups:
    """All that the rule for autoscaling groups reads."""

    members: pl.DataFrame
    spot_prices: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Spend:
    """All that the rule for commitments reads.

    Attributes:
        ends: aware end of the bill's settled days, by provider.
    """

    history: pl.DataFrame
    discounts: pl.DataFrame
    ends: Mapping[str, datetime]
    unused: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=UNUSED))
