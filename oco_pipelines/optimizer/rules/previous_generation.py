"""Rule: a machine, a database or a disk of a generation that has a cheaper successor.

The saving is (billed rate − rate of the successor's same size) × the hours of a month that it runs,
where the organisation's bill has that size; else the billed cost × the share that the list of
successors states.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import Frames, billed
from oco_pipelines.optimizer.kinds import DATABASES, INSTANCES, RUNNING, VOLUMES
from oco_pipelines.optimizer.rates import Prices, billed_rate, hours_a_month
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.sizes import family_of, successor_size
from oco_pipelines.optimizer.thresholds import PreviousGeneration
from oco_warehouse.money import format_usd

RULE: Final = "previous_generation"


def previous_generation(frames: Frames, limits: PreviousGeneration) -> list[Recommendation]:
    """What has a successor that costs less."""
    in_use = pl.col("resource_type").is_in(VOLUMES) & pl.col("attached").fill_null(True)
    running = pl.col("resource_type").is_in((*INSTANCES, *DATABASES)) & RUNNING
    candidates = billed(frames).filter(pl.col("size").is_not_null(), in_use | running)
    prices = Prices(frames)
    found = []
    for row in judging.rows(candidates):
        successor = limits.successors.get(f"{row['provider']}:{family_of(row['size'])}")
        if successor is None or (size := successor_size(row["size"], successor[0])) is None:
            continue
        made = _recommendation(row, prices, size, successor[1])
        if made is not None and made.estimated_monthly_savings >= limits.least_monthly_usd:
            found.append(made)
    return found


def _recommendation(
    row: Mapping[str, Any], prices: Prices, size: str, saved_share: float
) -> Recommendation | None:
    cost = judging.monthly(row)
    evidence: dict[str, str | int]
    if row["resource_type"] in VOLUMES:
        source = judging.PriceSource.PERCENTAGE
        savings = cost * Decimal(str(saved_share))
        evidence = {"saved_share": f"{saved_share:g}"}
    else:
        own = billed_rate(row)
        rate = prices.of(row["provider"], row["region"], size, own, 1 - saved_share)
        if rate is None:
            return None
        source = rate.source
        hours = hours_a_month(row)
        savings = (own - rate.usd) * hours
        cost = max(cost, own * hours)
        evidence = {
            "billed_rate_usd": judging.text(own),
            "target_rate_usd": judging.text(rate.usd),
            "hours_a_month": judging.text(hours),
        }
    savings = judging.cents(savings)
    resource = judging.resource_of(row)
    return Recommendation(
        resource=resource,
        recommendation_type=RULE,
        title=f"Move {resource.label} from {row['size']} to {size}",
        description=(
            f"{resource.label} is a {row['size']}, and {size} does the same for "
            f"{format_usd(savings)} a month less. Check that its drivers and licences allow it."
        ),
        estimated_monthly_savings=savings,
        confidence=judging.confidence(price=source),
        evidence={
            "to_size": size,
            **judging.paid(row),
            **evidence,
            "price_source": source.value,
        },
        claims={resource.key: cost},
        billed_monthly=judging.monthly(row),
    )
