"""Rule: a virtual machine that is paid for and does nothing.

Idle means that over at least 7 days every interval's mean CPU is at most 5 % and its network
traffic at most 1000 bytes a second. A metric that is missing is no evidence: the machine is
skipped. The saving is the daily average of what the machine cost in the window × 30.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from oco_pipelines.optimizer.recommendation import DailyCost, Metric, Recommendation, Resource
from oco_warehouse.money import exact_sum, format_usd

RULE: Final = "idle_instance"
CPU: Final = "cpu_percent"
NETWORK: Final = "network_bytes_per_second"
CPU_LIMIT: Final = Decimal(5)
NETWORK_LIMIT: Final = Decimal(1000)
WINDOW: Final = timedelta(days=14)
SHORTEST: Final = timedelta(days=7)
# Half of the hours must have been seen, or gaps could hide all of the work.
LEAST_COVERAGE: Final = Decimal("0.5")
DAYS_A_MONTH: Final = 30
INSTANCE_TYPES: Final = frozenset({"aws.ec2", "azure.vm", "gcp.instance"})
_RUNNING: Final = frozenset({None, "running", "RUNNING", "VM running"})


def idle_instance(
    resource: Resource, metrics: Sequence[Metric], costs: Sequence[DailyCost], as_of: datetime
) -> Recommendation | None:
    """Judge one machine.

    Args:
        resource: the machine; other kinds of resources are never idle machines.
        metrics: its intervals, in any order, of any metric.
        costs: its cost by day, in any order; days outside the window are left out.
        as_of: aware end of the window, exclusive; usually where the newest metrics end.

    Returns:
        A recommendation, or None when it works, costs nothing, or the evidence does not suffice.
    """
    if resource.resource_type not in INSTANCE_TYPES or resource.state not in _RUNNING:
        return None
    start = as_of - WINDOW
    cpu = _seen(metrics, CPU, start, as_of)
    network = _seen(metrics, NETWORK, start, as_of)
    if not cpu or not network:
        return None
    span = as_of - max(min(_starts(cpu)), min(_starts(network)))
    coverage = min(_coverage(cpu, span), _coverage(network, span))
    if span < SHORTEST or coverage < LEAST_COVERAGE:
        return None
    cpu_peak, network_peak = max(_averages(cpu)), max(_averages(network))
    if cpu_peak > CPU_LIMIT or network_peak > NETWORK_LIMIT:
        return None
    first, last = start.astimezone(UTC).date(), as_of.astimezone(UTC).date()
    billed = [cost for cost in costs if first <= cost.day < last]
    total = exact_sum(cost.cost_usd for cost in billed)
    days = len({cost.day for cost in billed})
    if days == 0 or total <= 0:
        return None
    savings = (total / days * DAYS_A_MONTH).quantize(Decimal("0.01"))
    confidence = (
        coverage
        * _margin(cpu_peak, network_peak)
        * min(_stability(cpu, CPU_LIMIT), _stability(network, NETWORK_LIMIT))
    ).quantize(Decimal("0.01"))
    name = resource.resource_name or resource.resource_id
    return Recommendation(
        resource=resource,
        recommendation_type=RULE,
        title=f"Stop or delete idle instance {name}",
        description=(
            f"{name} used at most {cpu_peak:.1f} % CPU and {network_peak:.0f} bytes a second of "
            f"network over {span.days} days and costs {format_usd(savings)} a month. "
            "Stop it, or delete it with its disks if nobody misses it."
        ),
        estimated_monthly_savings=savings,
        confidence=confidence,
        evidence={
            "window_start": max(start, as_of - span).isoformat(),
            "window_end": as_of.isoformat(),
            "highest_cpu_percent": str(cpu_peak),
            "highest_network_bytes_per_second": str(network_peak),
            "metric_coverage": str(coverage.quantize(Decimal("0.01"))),
            "billed_days": days,
            "billed_usd": str(total),
            "price_source": "billed",
        },
    )


def _seen(metrics: Sequence[Metric], name: str, start: datetime, end: datetime) -> list[Metric]:
    return [
        metric
        for metric in metrics
        if metric.metric == name
        and metric.sample_count > 0
        and metric.interval_start >= start
        and metric.interval_end <= end
    ]


def _starts(metrics: Sequence[Metric]) -> list[datetime]:
    return [metric.interval_start for metric in metrics]


def _averages(metrics: Sequence[Metric]) -> list[Decimal]:
    return [metric.average for metric in metrics]


def _coverage(metrics: Sequence[Metric], span: timedelta) -> Decimal:
    """Seconds seen of seconds expected, at most 1; an interval that comes twice counts once."""
    seen = sum({metric.interval_start: metric.interval_seconds for metric in metrics}.values())
    return min(Decimal(1), Decimal(seen) / Decimal(int(span.total_seconds())))


def _margin(cpu: Decimal, network: Decimal) -> Decimal:
    """1 far below the limits, 0.5 at one of them."""
    nearest = max(cpu / CPU_LIMIT, network / NETWORK_LIMIT)
    return Decimal(1) - nearest / 2


def _stability(metrics: Sequence[Metric], limit: Decimal) -> Decimal:
    """1 where every interval is alike, less by how far they spread against the limit."""
    values = _averages(metrics)
    return Decimal(1) - min(Decimal(1), (max(values) - min(values)) / limit) / 2
