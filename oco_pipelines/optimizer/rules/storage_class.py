"""Rule: a bucket of objects that are kept at hand and hardly read.

At least 100 GiB in the standard class, and at most one read a month for each GiB over 14 days that
were measured; reads that are not measured are no evidence. The saving is what the standard class's
part of the bucket's storage costs × the share that a colder class saves, 40 % unless stated.
"""

from decimal import Decimal
from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import KEY, Frames, billed, measured
from oco_pipelines.optimizer.kinds import BUCKETS
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.thresholds import StorageClass
from oco_warehouse.money import format_usd

RULE: Final = "storage_class"
STORED: Final = "stored_bytes"
STANDARD: Final = "stored_bytes_standard"
GETS: Final = "get_requests"
_GIB: Final = 1024**3


def storage_class(frames: Frames, limits: StorageClass) -> list[Recommendation]:
    """Buckets whose evidence suffices."""
    stored = (
        frames.metrics.filter(
            pl.col("metric").str.starts_with(STORED),
            pl.col("window_days") == limits.window_days,
        )
        .group_by(KEY)
        .agg((pl.col("total") / pl.col("intervals")).sum().alias("all_bytes"))
    )
    candidates = (
        billed(frames)
        .filter(pl.col("resource_type").is_in(BUCKETS), pl.col("storage_usd") > 0)
        .join(measured(frames, STANDARD, limits.window_days), on=KEY)
        .join(measured(frames, GETS, limits.window_days), on=KEY)
        .join(stored, on=KEY)
        .filter(pl.col(f"{STANDARD}:lowest") >= limits.least_gib * _GIB)
    )
    found = []
    for row in judging.rows(candidates):
        gib = row[f"{STANDARD}:lowest"] / _GIB
        days = row[f"{GETS}:seconds"] / judging.SECONDS_A_DAY
        gets = row[f"{GETS}:total"] / days * judging.DAYS_A_MONTH
        covered = days / limits.window_days
        if covered < limits.least_coverage or gets > limits.gets_per_gib * gib:
            continue
        standard = row[f"{STANDARD}:total"] / row[f"{STANDARD}:intervals"]
        part = Decimal(str(min(1, standard / row["all_bytes"])))
        storage = judging.monthly(row, "storage_usd") * part
        savings = judging.cents(storage * Decimal(str(limits.saved_share)))
        if savings < limits.least_monthly_usd:
            continue
        resource = judging.resource_of(row)
        found.append(
            Recommendation(
                resource=resource,
                recommendation_type=RULE,
                title=f"Keep {resource.label} in a colder storage class",
                description=(
                    f"{resource.label} holds {gib:,.0f} GiB in the standard class and is read "
                    f"{gets:,.0f} times a month. An infrequent-access class would save about "
                    f"{format_usd(savings)} a month; a lifecycle rule moves what is there."
                ),
                estimated_monthly_savings=savings,
                confidence=judging.confidence(
                    coverage=covered,
                    margin=judging.margin_below(gets, limits.gets_per_gib * gib),
                    price=judging.PriceSource.PERCENTAGE,
                ),
                evidence={
                    "standard_gib": f"{gib:.1f}",
                    "reads_a_month": f"{gets:.0f}",
                    "standard_share": f"{part:.4f}",
                    "saved_share": f"{limits.saved_share:g}",
                    "metric_coverage": judging.share(covered),
                    **judging.paid(row),
                    "storage_usd": judging.text(row["storage_usd"]),
                    "price_source": judging.PriceSource.PERCENTAGE.value,
                },
                claims={resource.key: judging.monthly(row)},
            )
        )
    return found
