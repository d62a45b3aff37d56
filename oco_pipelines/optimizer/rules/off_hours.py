"""Rule: a machine that does nothing in the same hours of every week.

An hour of the week (UTC) is idle when each of at least two weeks saw it with CPU at most 5 % and
network at most 1000 bytes a second. Only stretches of at least 4 hours count, and only when they
are 40 hours a week together. The saving is the billed rate × idle hours a week × 30 / 7.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.frames import KEY, Frames, billed, measured
from oco_pipelines.optimizer.judging import DAYS_A_MONTH, DAYS_A_WEEK, HOURS_A_WEEK
from oco_pipelines.optimizer.kinds import INSTANCES, RUNNING
from oco_pipelines.optimizer.rates import billed_rate
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.thresholds import OffHours
from oco_warehouse.money import format_usd

RULE: Final = "off_hours"
CPU: Final = "cpu_percent"
NETWORK: Final = "network_bytes_per_second"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS_A_DAY: Final = 24


def off_hours(frames: Frames, limits: OffHours) -> list[Recommendation]:
    """Machines with hours in which they could be off."""
    weeks = limits.window_days // DAYS_A_WEEK
    idle = (
        _highest(frames, CPU, weeks)
        .join(_highest(frames, NETWORK, weeks), on=[*KEY, "hour"])
        .filter(
            pl.col(CPU) <= limits.cpu_percent, pl.col(NETWORK) <= limits.network_bytes_per_second
        )
        .group_by(KEY)
        .agg(
            pl.col("hour").sort().alias("hours_idle"),
            pl.col(CPU).max().alias("idle_cpu"),
            pl.col(NETWORK).max().alias("idle_network"),
        )
    )
    candidates = (
        billed(frames)
        .filter(
            pl.col("resource_type").is_in(INSTANCES),
            RUNNING,
            # Its group starts and stops it already.
            pl.col("autoscaling_group").is_null(),
        )
        .join(idle, on=KEY)
        .join(measured(frames, CPU, limits.window_days), on=KEY)
    )
    found = []
    for row in judging.rows(candidates):
        stretches = long_stretches(row["hours_idle"], limits.shortest_stretch_hours)
        hours = sum(length for _, length in stretches)
        # One that is idle all week is an idle machine, and another rule's.
        if limits.least_hours_a_week <= hours < HOURS_A_WEEK:
            found.append(_recommendation(row, frames, limits, stretches, hours))
    return [one for one in found if one.estimated_monthly_savings >= limits.least_monthly_usd]


def long_stretches(hours: Sequence[int], shortest: int) -> list[tuple[int, int]]:
    """(first hour, length) of stretches of hours of the week; Sunday's end meets Monday's start."""
    idle = set(hours)
    if len(idle) == HOURS_A_WEEK:
        return [(0, HOURS_A_WEEK)]
    starts = [hour for hour in sorted(idle) if (hour - 1) % HOURS_A_WEEK not in idle]
    stretches = []
    for start in starts:
        length = 0
        while (start + length) % HOURS_A_WEEK in idle:
            length += 1
        if length >= shortest:
            stretches.append((start, length))
    return stretches


def _highest(frames: Frames, metric: str, weeks: int) -> pl.DataFrame:
    """The hours of the week that were seen in every week, and their highest average."""
    return frames.week.filter((pl.col("metric") == metric) & (pl.col("observed") >= weeks)).select(
        *KEY, "hour", pl.col("highest").alias(metric)
    )


def _recommendation(
    row: Mapping[str, Any],
    frames: Frames,
    limits: OffHours,
    stretches: Sequence[tuple[int, int]],
    hours: int,
) -> Recommendation:
    rate = billed_rate(row)
    savings = judging.cents(rate * hours * DAYS_A_MONTH / DAYS_A_WEEK)
    start = row[f"{CPU}:first_start"]
    covered = judging.coverage(row[f"{CPU}:seconds"], start, frames.as_of)
    resource = judging.resource_of(row)
    nearest = max(
        row["idle_cpu"] / limits.cpu_percent,
        row["idle_network"] / limits.network_bytes_per_second
        if limits.network_bytes_per_second
        else 0,
    )
    whole_week = rate * HOURS_A_WEEK * DAYS_A_MONTH / DAYS_A_WEEK
    return Recommendation(
        resource=resource,
        recommendation_type=RULE,
        title=f"Switch {resource.label} off when nobody uses it",
        description=(
            f"{resource.label} did nothing in the same {hours} hours of every week "
            f"({', '.join(_named(*stretch) for stretch in stretches[:7])}, UTC). Switched off "
            f"then, it would cost {format_usd(savings)} a month less."
        ),
        estimated_monthly_savings=savings,
        confidence=judging.confidence(coverage=covered, margin=1 - nearest / 2),
        evidence={
            **judging.window(frames.as_of, start),
            "idle_hours_a_week": hours,
            "schedule": "; ".join(_named(*stretch) for stretch in stretches),
            "metric_coverage": judging.share(covered),
            **judging.paid(row),
            "billed_rate_usd": judging.text(rate),
        },
        claims={resource.key: max(judging.monthly(row), Decimal(whole_week))},
        billed_monthly=judging.monthly(row),
    )


def _named(start: int, length: int) -> str:
    end = start + length

    def named(hour: int) -> str:
        day, of_day = divmod(hour % HOURS_A_WEEK, _HOURS_A_DAY)
        return f"{_DAYS[day]} {of_day:02d}:00"

    return f"{named(start)} to {named(end)}"
