"""Rule: a database that nobody was connected to for at least 7 days.

The saving is the billed daily average × 30.
"""

from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import KEY, Frames, billed, measured
from oco_pipelines.optimizer.kinds import DATABASES, RUNNING
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.removal import remove, worth
from oco_pipelines.optimizer.thresholds import IdleDatabase

RULE: Final = "idle_database"
CONNECTIONS: Final = "connections"


def idle_database(frames: Frames, limits: IdleDatabase) -> list[Recommendation]:
    """Databases whose evidence suffices."""
    candidates = (
        billed(frames)
        .filter(pl.col("resource_type").is_in(DATABASES), RUNNING)
        .join(measured(frames, CONNECTIONS, limits.window_days), on=KEY)
        .filter(pl.col(f"{CONNECTIONS}:peak") == 0)
    )
    found = []
    for row in judging.rows(candidates):
        start = row[f"{CONNECTIONS}:first_start"]
        covered = judging.coverage(row[f"{CONNECTIONS}:seconds"], start, frames.as_of)
        days = judging.days_since(start, frames.as_of)
        if days < limits.shortest_days or covered < limits.least_coverage:
            continue
        found.append(
            remove(
                row,
                RULE,
                title="Delete idle database",
                reason=f"had no connection in {days:.0f} days: take a last snapshot and delete it.",
                confidence=judging.confidence(coverage=covered),
                evidence={
                    **judging.window(frames.as_of, start),
                    "most_connections": 0,
                    "metric_coverage": judging.share(covered),
                },
            )
        )
    return [one for one in found if worth(one, limits.least_monthly_usd)]
