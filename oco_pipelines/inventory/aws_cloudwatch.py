"""Reads the metrics of listed resources from CloudWatch into the warehouse, request by request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_metric_queries import Request, metrics_of, requests_of
from oco_pipelines.inventory.aws_metrics import Series, memory_dimensions, series_of
from oco_pipelines.inventory.found import FoundResource
from oco_pipelines.inventory.metric_store import read_until, write_metrics
from oco_pipelines.inventory.windows import Window, window_of
from oco_warehouse.cloud_accounts.aws_inventory import PRICE_USD
from oco_warehouse.database import Warehouse

SOURCE: Final = "aws.cloudwatch"


@dataclass(slots=True)
class MetricsRead:
    """What a run read of metrics.

    Attributes:
        requests: to GetMetricData, every page counted.
        queries: metrics with one statistic that were asked for; AWS bills them.
        intervals: that were answered.
        changed: of them those that are new or changed.
        left: resources whose metrics are left for the next run.
    """

    requests: int = 0
    queries: int = 0
    intervals: int = 0
    changed: int = 0
    left: int = 0

    @property
    def cost_usd(self) -> Decimal:
        """What AWS takes for it at most: it bills several statistics of a metric as one."""
        return PRICE_USD * self.queries


def read_metrics(
    warehouse: Warehouse,
    aws: Aws,
    region: str,
    resources: Sequence[FoundResource],
    *,
    now: datetime,
    days: int,
    most_requests: int,
    done: MetricsRead,
) -> None:
    """Read what is new of the metrics of a region's resources.

    Those that were read longest ago come first, so that a bound on requests starves nobody.

    Args:
        warehouse: the warehouse; the resources are in it.
        aws: the account.
        region: where the resources are.
        resources: of the region.
        now: aware.
        days: how far back at most.
        most_requests: of the whole run.
        done: is added to.

    Raises:
        MissingPermission: naming the action; what was read before is kept.
        OpenCloudOpsError: as `aws_failures`.
    """
    known = read_until(warehouse, "aws", [aws.account_id])
    memory = _memory(aws, region, resources)
    wanted = _wanted(aws.account_id, resources, memory, known, now, days)
    for request in requests_of(wanted):
        if done.requests >= most_requests:
            done.left += len(request.read_until)
            continue
        _read(warehouse, aws, region, request, done)


def _wanted(
    account_id: str,
    resources: Iterable[FoundResource],
    memory: Mapping[str, tuple[tuple[str, str], ...]],
    known: Mapping[tuple[str, str], datetime],
    now: datetime,
    days: int,
) -> list[tuple[Window, Series]]:
    def age(resource: FoundResource) -> float:
        until = known.get((account_id, resource.resource_id))
        return until.timestamp() if until else 0.0

    found = []
    for resource in sorted(resources, key=age):
        until = known.get((account_id, resource.resource_id))
        for series in series_of(resource, memory):
            window = window_of(series.interval_seconds, until, now, days)
            if window is not None:
                found.append((window, series))
    return found


def _memory(
    aws: Aws, region: str, resources: Sequence[FoundResource]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Under which dimensions the agents of instances tell their memory."""
    if not any(one.resource_type == "aws.ec2" for one in resources):
        return {}
    metrics: list[Mapping[str, Any]] = []
    request = {"Namespace": "CWAgent", "MetricName": "mem_used_percent"}
    while True:
        answer = aws.detail("cloudwatch", region, "list_metrics", **request)
        if answer is None:
            return memory_dimensions(metrics)
        metrics += answer.get("Metrics", [])
        if not answer.get("NextToken"):
            return memory_dimensions(metrics)
        request["NextToken"] = answer["NextToken"]


def _read(warehouse: Warehouse, aws: Aws, region: str, request: Request, done: MetricsRead) -> None:
    """Ask, follow the pages, and write: all of a request or nothing of it."""
    results: list[Mapping[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        done.requests += 1
        done.queries += len(request.queries)
        page = aws.ask(
            "cloudwatch",
            region,
            "get_metric_data",
            MetricDataQueries=request.queries,
            StartTime=request.window.start,
            EndTime=request.window.end,
            ScanBy="TimestampAscending",
            **token,
        )
        results += page["MetricDataResults"]
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    metrics = metrics_of(request, results)
    done.intervals += metrics.height
    done.changed += write_metrics(
        warehouse, "aws", aws.account_id, metrics, request.read_until, SOURCE
    )
