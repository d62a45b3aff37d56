"""Rule: a machine that has been stopped for at least a day, whose disks are still paid for.

The saving is what its disks cost: their billed daily averages × 30. The machine itself costs
nothing while it is stopped, and nothing is claimed for it.
"""

from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import Frames
from oco_pipelines.optimizer.kinds import INSTANCES, STOPPED
from oco_pipelines.optimizer.parts import costs_by_key, parts_of
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.thresholds import StoppedInstance
from oco_warehouse.money import exact_sum, format_usd

RULE: Final = "stopped_instance"


def stopped_instance(frames: Frames, limits: StoppedInstance) -> list[Recommendation]:
    """Stopped machines with disks that cost something."""
    candidates = frames.resources.filter(
        pl.col("resource_type").is_in(INSTANCES),
        STOPPED,
        pl.col("stopped_since").is_not_null(),
        pl.col("part_ids").list.len() > 0,
    )
    costs = costs_by_key(frames)
    found = []
    for row in judging.rows(candidates):
        days = judging.days_since(row["stopped_since"], frames.as_of)
        disks = parts_of(row, costs)
        savings = judging.cents(exact_sum(disks.values()))
        if days < limits.least_days or savings < limits.least_monthly_usd:
            continue
        resource = judging.resource_of(row)
        found.append(
            Recommendation(
                resource=resource,
                recommendation_type=RULE,
                title=f"Delete stopped instance {resource.label} and its disks",
                description=(
                    f"{resource.label} has been stopped for {days:.0f} days; its {len(disks)} "
                    f"disks cost {format_usd(savings)} a month. Snapshot them if their data may "
                    "be needed, then delete the machine with them."
                ),
                estimated_monthly_savings=savings,
                confidence=judging.confidence(margin=judging.margin_above(days, limits.least_days)),
                evidence={
                    "stopped_since": row["stopped_since"].isoformat(),
                    "stopped_days": f"{days:.1f}",
                    "disks": len(disks),
                    "price_source": judging.PriceSource.BILLED.value,
                },
                claims=disks,
            )
        )
    return found
