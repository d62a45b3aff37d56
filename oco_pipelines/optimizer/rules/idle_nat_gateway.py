"""Rule: a NAT gateway that nothing goes through: at most 5 MB on every day of at least 7.

The saving is the billed daily average × 30.
"""

from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import KEY, Frames, billed, measured
from oco_pipelines.optimizer.kinds import NAT_GATEWAYS
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.removal import remove, worth
from oco_pipelines.optimizer.thresholds import IdleGateway

RULE: Final = "idle_nat_gateway"
BYTES: Final = "bytes_out"


def idle_nat_gateway(frames: Frames, limits: IdleGateway) -> list[Recommendation]:
    """Gateways whose evidence suffices."""
    candidates = (
        billed(frames)
        .filter(pl.col("resource_type").is_in(NAT_GATEWAYS))
        .join(measured(frames, BYTES, limits.window_days), on=KEY)
        .filter(pl.col(f"{BYTES}:highest_day") <= limits.bytes_per_day)
    )
    found = []
    for row in judging.rows(candidates):
        start, most = row[f"{BYTES}:first_start"], row[f"{BYTES}:highest_day"]
        covered = judging.coverage(row[f"{BYTES}:seconds"], start, frames.as_of)
        days = judging.days_since(start, frames.as_of)
        if days < limits.shortest_days or covered < limits.least_coverage:
            continue
        found.append(
            remove(
                row,
                RULE,
                title="Delete idle NAT gateway",
                reason=f"let at most {most:.0f} bytes a day through over {days:.0f} days: "
                "delete it and its routes.",
                confidence=judging.confidence(
                    coverage=covered, margin=judging.margin_below(most, limits.bytes_per_day)
                ),
                evidence={
                    **judging.window(frames.as_of, start),
                    "most_bytes_a_day": f"{most:g}",
                    "metric_coverage": judging.share(covered),
                },
            )
        )
    return [one for one in found if worth(one, limits.least_monthly_usd)]
