"""Rule: a machine that would fit into a smaller size of its family.

It fits when the 99th percentiles of CPU **and** memory, carried over to the smaller size, stay at
or under 80 %, on at least 30 hours of both metrics; without memory metrics nothing is claimed. The
saving is (billed rate − rate of the smaller size) × 730, or × the hours of a month that it runs.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import KEY, Frames, billed, measured
from oco_pipelines.optimizer.kinds import INSTANCES, RUNNING
from oco_pipelines.optimizer.rates import Prices, Rate, billed_rate, hours_a_month
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.sizes import smaller_sizes
from oco_pipelines.optimizer.thresholds import Rightsizing
from oco_warehouse.money import format_usd

RULE: Final = "rightsize_instance"
CPU: Final = "cpu_percent"
MEMORY: Final = "memory_percent"
_SECONDS_AN_HOUR: Final = 3600


def rightsize_instance(frames: Frames, limits: Rightsizing) -> list[Recommendation]:
    """Machines that fit into something smaller, which costs less."""
    least = limits.least_hours * _SECONDS_AN_HOUR
    candidates = (
        billed(frames)
        .filter(pl.col("resource_type").is_in(INSTANCES), RUNNING, pl.col("size").is_not_null())
        .join(measured(frames, CPU, limits.window_days), on=KEY)
        .join(measured(frames, MEMORY, limits.window_days), on=KEY)
        .filter(pl.min_horizontal(f"{CPU}:seconds", f"{MEMORY}:seconds") >= least)
        # The next size down has half of it, or a little more.
        .filter(pl.max_horizontal(f"{CPU}:p99", f"{MEMORY}:p99") < limits.target_percent)
    )
    prices = Prices(frames)
    found = []
    for row in judging.rows(candidates):
        busiest = max(row[f"{CPU}:p99"], row[f"{MEMORY}:p99"])
        own = billed_rate(row)
        seen = prices.seen(row["provider"], row["region"])
        steps = smaller_sizes(row["provider"], row["size"], seen)[: limits.most_steps]
        fitting = [
            (size, part, rate)
            for size, part in steps
            if busiest / part <= limits.target_percent
            and (rate := prices.of(row["provider"], row["region"], size, own, part)) is not None
        ]
        if not fitting:
            continue
        size, part, rate = min(fitting, key=lambda option: (option[2].usd, option[0]))
        made = _recommendation(row, frames, limits, size, busiest / part, own, rate)
        if made.estimated_monthly_savings >= limits.least_monthly_usd:
            found.append(made)
    return found


def _recommendation(
    row: Mapping[str, Any],
    frames: Frames,
    limits: Rightsizing,
    size: str,
    then: float,
    own: Decimal,
    rate: Rate,
) -> Recommendation:
    hours = hours_a_month(row)
    savings = judging.cents((own - rate.usd) * hours)
    start = judging.earliest(row, frames.as_of, limits.window_days)
    covered = min(
        judging.coverage(row[f"{name}:seconds"], start, frames.as_of) for name in (CPU, MEMORY)
    )
    steady = judging.stability(row[f"{CPU}:lowest"], row[f"{CPU}:highest"], 100)
    resource = judging.resource_of(row)
    return Recommendation(
        resource=resource,
        recommendation_type=RULE,
        title=f"Make {resource.label} a {size}",
        description=(
            f"{resource.label} ({row['size']}) needed at most {row[f'{CPU}:p99']:.0f} % of its "
            f"CPUs and {row[f'{MEMORY}:p99']:.0f} % of its memory in 99 of 100 hours. As {size} "
            f"it would use at most {then:.0f} % and save {format_usd(savings)} a month."
        ),
        estimated_monthly_savings=savings,
        confidence=judging.confidence(
            coverage=covered,
            margin=judging.margin_below(then, limits.target_percent),
            stability=steady,
            price=rate.source,
        ),
        evidence={
            **judging.window(frames.as_of, start),
            "p99_cpu_percent": f"{row[f'{CPU}:p99']:g}",
            "p99_memory_percent": f"{row[f'{MEMORY}:p99']:g}",
            "to_size": size,
            "then_percent": f"{then:g}",
            "metric_coverage": judging.share(covered),
            **judging.paid(row),
            "billed_rate_usd": judging.text(own),
            "target_rate_usd": judging.text(rate.usd),
            "hours_a_month": judging.text(hours),
            "price_source": rate.source.value,
        },
        claims={resource.key: max(judging.monthly(row), own * hours)},
        billed_monthly=judging.monthly(row),
    )
