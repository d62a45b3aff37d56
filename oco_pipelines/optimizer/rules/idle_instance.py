"""Rule: a virtual machine that is paid for and does nothing.

Idle means that over at least 7 days every interval's mean CPU is at most 5 %, and either every
interval's network traffic is at most 1000 bytes a second or every day's is at most 5 MB. A metric
that is missing is no evidence: the machine is skipped. The saving is the daily average of what the
machine cost × 30.
"""

from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import KEY, Frames, billed, measured
from oco_pipelines.optimizer.kinds import INSTANCES, RUNNING
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.thresholds import IdleInstance
from oco_warehouse.money import format_usd

RULE: Final = "idle_instance"
CPU: Final = "cpu_percent"
NETWORK: Final = "network_bytes_per_second"


def idle_instance(frames: Frames, limits: IdleInstance) -> list[Recommendation]:
    """Machines whose evidence suffices."""
    quiet = (pl.col(f"{NETWORK}:highest") <= limits.network_bytes_per_second) | (
        pl.col(f"{NETWORK}:highest_day_amount") <= limits.network_bytes_per_day
    )
    candidates = (
        billed(frames)
        .filter(pl.col("resource_type").is_in(INSTANCES), RUNNING)
        .join(measured(frames, CPU, limits.window_days), on=KEY)
        .join(measured(frames, NETWORK, limits.window_days), on=KEY)
        .filter(pl.col(f"{CPU}:highest") <= limits.cpu_percent, quiet)
    )
    found = []
    for row in judging.rows(candidates):
        start = max(row[f"{CPU}:first_start"], row[f"{NETWORK}:first_start"])
        covered = min(
            judging.coverage(row[f"{name}:seconds"], row[f"{name}:first_start"], frames.as_of)
            for name in (CPU, NETWORK)
        )
        days = judging.days_since(start, frames.as_of)
        savings = judging.cents(judging.monthly(row))
        if (
            days < limits.shortest_days
            or covered < limits.least_coverage
            or savings < limits.least_monthly_usd
        ):
            continue
        cpu, network = row[f"{CPU}:highest"], row[f"{NETWORK}:highest"]
        # Where the day's amount makes it idle, its hours may be above their limit.
        busiest = min(
            _part(network, limits.network_bytes_per_second),
            _part(row[f"{NETWORK}:highest_day_amount"], limits.network_bytes_per_day),
        )
        steady = judging.stability(row[f"{CPU}:lowest"], cpu, limits.cpu_percent)
        if network <= limits.network_bytes_per_second:
            low = row[f"{NETWORK}:lowest"]
            spread = judging.stability(low, network, limits.network_bytes_per_second)
            steady = min(steady, spread)
        resource = judging.resource_of(row)
        found.append(
            Recommendation(
                resource=resource,
                recommendation_type=RULE,
                title=f"Stop or delete idle instance {resource.label}",
                description=(
                    f"{resource.label} used at most {cpu:.1f} % CPU and {network:.0f} bytes a "
                    f"second of network over {days:.0f} days and costs {format_usd(savings)} a "
                    "month. Stop it, or delete it with its disks if nobody misses it."
                ),
                estimated_monthly_savings=savings,
                confidence=judging.confidence(
                    coverage=covered,
                    margin=1 - max(cpu / limits.cpu_percent, busiest) / 2,
                    stability=steady,
                ),
                evidence={
                    **judging.window(frames.as_of, start),
                    "highest_cpu_percent": f"{cpu:g}",
                    "highest_network_bytes_per_second": f"{network:g}",
                    "highest_network_bytes_per_day": f"{row[f'{NETWORK}:highest_day_amount']:.0f}",
                    "metric_coverage": judging.share(covered),
                    **judging.paid(row),
                },
                claims={resource.key: judging.monthly(row)},
            )
        )
    return found


def _part(value: float, limit: float) -> float:
    """How much of a limit is used; a limit of 0 is used by anything."""
    return value / limit if limit else float(value > 0)
