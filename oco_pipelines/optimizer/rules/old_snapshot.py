"""Rule: a snapshot whose source is gone and that is kept at least 7 days beyond the policy.

The policy is `retention_days` (30 unless stated). A snapshot that an image is made of belongs to
the image. Snapshots are incremental: while a newer one of the same source is kept, what an older
one is billed for may be the newer one's, too, and nothing is claimed. The saving is the billed
daily average × 30.
"""

from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import Frames, billed
from oco_pipelines.optimizer.kinds import SNAPSHOTS
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.removal import remove, worth
from oco_pipelines.optimizer.thresholds import Kept

RULE: Final = "old_snapshot"


def old_snapshot(frames: Frames, limits: Kept) -> list[Recommendation]:
    """Snapshots whose evidence suffices: what is not known of one is no evidence."""
    candidates = billed(frames).filter(
        pl.col("resource_type").is_in(SNAPSHOTS),
        ~pl.col("source_exists"),
        ~pl.col("in_use").fill_null(False),
        ~pl.col("blocks_shared").fill_null(False),
        pl.col("created_at").is_not_null(),
    )
    limit = limits.retention_days + limits.days_beyond
    found = []
    for row in judging.rows(candidates):
        days = judging.days_since(row["created_at"], frames.as_of)
        if days < limit:
            continue
        found.append(
            remove(
                row,
                RULE,
                title="Delete old snapshot",
                reason=f"is {days:.0f} days old, {limits.retention_days} are kept, and what it "
                "was taken of is gone: delete it.",
                confidence=judging.confidence(margin=judging.margin_above(days, limit)),
                evidence={"age_days": f"{days:.1f}", "retention_days": limits.retention_days},
            )
        )
    return [one for one in found if worth(one, limits.least_monthly_usd)]
