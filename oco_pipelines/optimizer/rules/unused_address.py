"""Rule: a public address that is associated with nothing for at least 7 days.

The saving is the billed daily average × 30.
"""

from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import Frames, billed
from oco_pipelines.optimizer.kinds import ADDRESSES
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.removal import remove, worth
from oco_pipelines.optimizer.thresholds import Unattached

RULE: Final = "unused_address"


def unused_address(frames: Frames, limits: Unattached) -> list[Recommendation]:
    """Addresses that nothing answers under."""
    candidates = billed(frames).filter(
        pl.col("resource_type").is_in(ADDRESSES),
        ~pl.col("attached"),
        pl.col("unattached_since").is_not_null(),
    )
    found = []
    for row in judging.rows(candidates):
        days = judging.days_since(row["unattached_since"], frames.as_of)
        if days < limits.least_days:
            continue
        found.append(
            remove(
                row,
                RULE,
                title="Release unused address",
                reason=f"has been associated with nothing for {days:.0f} days: release it unless "
                "somebody elsewhere still names it.",
                confidence=judging.confidence(margin=judging.margin_above(days, limits.least_days)),
                evidence={"unassociated_days": f"{days:.1f}"},
            )
        )
    return [one for one in found if worth(one, limits.least_monthly_usd)]
