"""Rule: a disk that is attached to nothing for at least a day.

It counts as unattached since it was last seen attached, or since it was made when it never was.
Reads or writes in the last 7 days say that something used it: it is left alone then. The saving is
the billed daily average × 30.
"""

from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import KEY, Frames, billed, measured
from oco_pipelines.optimizer.kinds import VOLUMES
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.removal import remove, worth
from oco_pipelines.optimizer.thresholds import UnattachedVolume

RULE: Final = "unattached_volume"
TRAFFIC: Final = "read_write_bytes_per_second"


def unattached_volume(frames: Frames, limits: UnattachedVolume) -> list[Recommendation]:
    """Disks whose evidence suffices."""
    candidates = (
        billed(frames)
        .filter(
            pl.col("resource_type").is_in(VOLUMES),
            ~pl.col("attached"),
            pl.col("unattached_since").is_not_null(),
        )
        .join(measured(frames, TRAFFIC, limits.window_days), on=KEY, how="left")
        .filter(pl.col(f"{TRAFFIC}:peak").fill_null(0) == 0)
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
                title="Delete unattached volume",
                reason=f"has been attached to nothing for {days:.0f} days: snapshot it if its "
                "data may be needed, then delete it.",
                confidence=judging.confidence(margin=judging.margin_above(days, limits.least_days)),
                evidence={"unattached_days": f"{days:.1f}"},
            )
        )
    return [one for one in found if worth(one, limits.least_monthly_usd)]
