"""Rule: a load balancer that nobody asks.

Idle means fewer than 100 requests on every day of at least 7, or no healthy target since it was
made at least 7 days ago; requests that were counted overrule missing targets. The saving is the
billed daily average × 30.
"""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import KEY, Frames, billed, measured
from oco_pipelines.optimizer.kinds import LOAD_BALANCERS
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.removal import remove, worth
from oco_pipelines.optimizer.thresholds import IdleLoadBalancer

RULE: Final = "idle_load_balancer"
REQUESTS: Final = "requests"


def idle_load_balancer(frames: Frames, limits: IdleLoadBalancer) -> list[Recommendation]:
    """Load balancers whose evidence suffices."""
    candidates = (
        billed(frames)
        .filter(pl.col("resource_type").is_in(LOAD_BALANCERS))
        .join(measured(frames, REQUESTS, limits.window_days), on=KEY, how="left")
    )
    found = []
    for row in judging.rows(candidates):
        if row[f"{REQUESTS}:seconds"] is not None:
            made = _by_requests(row, frames, limits)
        else:
            made = _by_targets(row, frames, limits)
        if made is not None and worth(made, limits.least_monthly_usd):
            found.append(made)
    return found


def _by_requests(
    row: Mapping[str, Any], frames: Frames, limits: IdleLoadBalancer
) -> Recommendation | None:
    start = row[f"{REQUESTS}:first_start"]
    covered = judging.coverage(row[f"{REQUESTS}:seconds"], start, frames.as_of)
    most = row[f"{REQUESTS}:highest_day"]
    days = judging.days_since(start, frames.as_of)
    if (
        most >= limits.requests_per_day
        or days < limits.shortest_days
        or covered < limits.least_coverage
    ):
        return None
    return remove(
        row,
        RULE,
        title="Delete idle load balancer",
        reason=f"was asked at most {most:.0f} times a day over {days:.0f} days: delete it.",
        confidence=judging.confidence(
            coverage=covered, margin=judging.margin_below(most, limits.requests_per_day)
        ),
        evidence={
            **judging.window(frames.as_of, start),
            "most_requests_a_day": f"{most:g}",
            "metric_coverage": judging.share(covered),
        },
    )


def _by_targets(
    row: Mapping[str, Any], frames: Frames, limits: IdleLoadBalancer
) -> Recommendation | None:
    if row["targets"] != 0 or row["created_at"] is None:
        return None
    days = judging.days_since(row["created_at"], frames.as_of)
    if days < limits.shortest_days:
        return None
    return remove(
        row,
        RULE,
        title="Delete idle load balancer",
        reason=f"is {days:.0f} days old and has no healthy target: nothing answers through it.",
        confidence=judging.confidence(margin=judging.margin_above(days, limits.shortest_days)),
        evidence={"healthy_targets": 0, "age_days": f"{days:.1f}"},
    )
