"""CloudWatch of a moto server in this process, with an index, percentiles and pages.

moto itself reads every datum for each query and hour: some hundred resources with two weeks of
hours would take it hours. It answers neither percentiles nor pages of GetMetricData.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

Name = tuple[str, str, str, frozenset[tuple[str, str]]]


class Interval(NamedTuple):
    """What CloudWatch keeps of an hour or a day."""

    total: float
    least: float
    most: float
    count: int
    p99: float | None = None

    def statistic(self, name: str) -> float | None:
        return {
            "Sum": self.total,
            "Average": self.total / self.count,
            "Minimum": self.least,
            "Maximum": self.most,
            "SampleCount": float(self.count),
            "p99": self.p99,
        }[name]


@dataclass
class CloudWatch:
    """What was planted, and how it was asked for."""

    points_a_page: int = 100_800
    series: dict[Name, dict[datetime, Interval]] = field(default_factory=lambda: defaultdict(dict))
    requests: list[dict[str, Any]] = field(default_factory=list)

    def plant(
        self,
        region: str,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        intervals: Mapping[datetime, Interval],
    ) -> None:
        self.series[region, namespace, name, frozenset(dimensions.items())].update(intervals)

    def answer(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        # moto reads them without their zone.
        request = {
            name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
            for name, value in request.items()
        }
        self.requests.append({"region": region, **request})
        assert len(request["MetricDataQueries"]) <= 500
        points = [
            (query["Id"], at, value)
            for query in request["MetricDataQueries"]
            for at, value in self._points(region, query, request["StartTime"], request["EndTime"])
        ]
        first = int(request.get("NextToken") or 0)
        after = first + self.points_a_page
        results: dict[str, dict[str, Any]] = {
            query["Id"]: {
                "id": query["Id"], "label": query["Id"], "timestamps": [], "values": [],
                "status_code": "Complete" if after >= len(points) else "PartialData",
            }
            for query in request["MetricDataQueries"]
        }  # fmt: skip
        for query_id, at, value in points[first:after]:
            results[query_id]["timestamps"].append(at)
            results[query_id]["values"].append(value)
        page: dict[str, Any] = {"MetricDataResults": list(results.values())}
        if after < len(points):
            page["NextToken"] = str(after)
        return page

    def _points(
        self, region: str, query: Mapping[str, Any], start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, float]]:
        stat = query["MetricStat"]
        metric = stat["Metric"]
        dimensions = frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions", []))
        planted = self.series.get((region, metric["Namespace"], metric["MetricName"], dimensions))
        for at, interval in sorted((planted or {}).items()):
            value = interval.statistic(stat["Stat"])
            if start <= at < end and value is not None:
                yield at, value


def hours(first: datetime, values: list[Interval | None]) -> dict[datetime, Interval]:
    """Intervals of consecutive hours; None is an hour in which nothing was measured."""
    return {
        first + timedelta(hours=number): value
        for number, value in enumerate(values)
        if value is not None
    }


@contextmanager
def indexed_cloudwatch() -> Iterator[CloudWatch]:
    """Every moto server of this process answers GetMetricData from what is planted."""
    cloud = CloudWatch()
    before = CloudWatchResponse.get_metric_data

    def get_metric_data(self: Any) -> ActionResult:
        return ActionResult(cloud.answer(self.region, self._get_params()))

    CloudWatchResponse.get_metric_data = get_metric_data
    try:
        yield cloud
    finally:
        CloudWatchResponse.get_metric_data = before
