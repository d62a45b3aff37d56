"""What is billed as resources of their own and goes with another: disks, snapshots of an image."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import Frames
from oco_pipelines.optimizer.recommendation import Key


def costs_by_key(frames: Frames) -> dict[Key, Decimal]:
    """What each billed resource costs a month, in USD."""
    return {
        (row["provider"], row["account_id"], row["resource_id"]): judging.monthly(row)
        for row in judging.rows(frames.costs.filter(pl.col("billed_usd") > 0))
    }


def parts_of(row: Mapping[str, Any], costs: Mapping[Key, Decimal]) -> dict[Key, Decimal]:
    """The parts of a resource that cost something, once each."""
    parts = dict.fromkeys(row["part_ids"] or ())
    keys = [(row["provider"], row["account_id"], part) for part in parts]
    return {key: costs[key] for key in keys if key in costs}
