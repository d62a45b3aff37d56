"""Rule: an image that nothing runs on, kept at least 7 days beyond the policy.

The policy is `retention_days` (90 unless stated). The saving is what the image and the snapshots
that it is made of cost: their billed daily averages × 30. Of a snapshot whose source has a newer
one that is kept nothing is claimed: the newer one would be billed for the blocks that both share.
"""

from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import Frames
from oco_pipelines.optimizer.kinds import IMAGES
from oco_pipelines.optimizer.parts import costs_by_key, parts_of
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.thresholds import ObsoleteImage
from oco_warehouse.money import exact_sum, format_usd

RULE: Final = "obsolete_image"


def obsolete_image(frames: Frames, limits: ObsoleteImage) -> list[Recommendation]:
    """Images whose evidence suffices."""
    candidates = frames.resources.filter(
        pl.col("resource_type").is_in(IMAGES),
        ~pl.col("in_use"),
        # Known to be there still, so that it is not the source that is obsolete.
        ~pl.col("source_exists").fill_null(False),
        pl.col("created_at").is_not_null(),
    )
    costs = costs_by_key(frames)
    limit = limits.retention_days + limits.days_beyond
    found = []
    for row in judging.rows(candidates):
        resource = judging.resource_of(row)
        parts = parts_of(row, costs)
        if resource.key in costs:
            parts[resource.key] = costs[resource.key]
        days = judging.days_since(row["created_at"], frames.as_of)
        savings = judging.cents(exact_sum(parts.values()))
        if days < limit or savings < limits.least_monthly_usd:
            continue
        found.append(
            Recommendation(
                resource=resource,
                recommendation_type=RULE,
                title=f"Delete obsolete image {resource.label}",
                description=(
                    f"{resource.label} is {days:.0f} days old, {limits.retention_days} are kept, "
                    f"and nothing runs on it. It and its snapshots cost {format_usd(savings)} a "
                    "month: deregister it and delete them."
                ),
                estimated_monthly_savings=savings,
                confidence=judging.confidence(margin=judging.margin_above(days, limit)),
                evidence={
                    "age_days": f"{days:.1f}",
                    "retention_days": limits.retention_days,
                    "billed_parts": len(parts),
                    "price_source": judging.PriceSource.BILLED.value,
                },
                claims=parts,
            )
        )
    return found
