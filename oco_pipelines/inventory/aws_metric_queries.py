"""The questions of GetMetricData, and what their answers come to. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl

from oco_pipelines.inventory.aws_metrics import Part, Series
from oco_pipelines.inventory.metric_store import METRIC_SCHEMA
from oco_pipelines.inventory.windows import Window

# So many GetMetricData takes in one request.
QUERIES_A_REQUEST: Final = 500
_OF_ONE: Final = ("maximum", "minimum", "p99")
_STATISTICS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "gauge": (
        *(("average", "Average"), ("maximum", "Maximum"), ("p99", "p99")),
        ("samples", "SampleCount"),
    ),
    "sum": (("sum", "Sum"), ("samples", "SampleCount")),
    "rate": (("sum", "Sum"), ("samples", "SampleCount")),
    "flow": (("average", "Average"), ("samples", "SampleCount")),
    "free": (("average", "Average"), ("minimum", "Minimum"), ("samples", "SampleCount")),
}


@dataclass(slots=True)
class Request:
    """Questions that are asked together.

    Attributes:
        window: the same for all.
        series: whose questions they are, in order.
        queries: as GetMetricData takes them.
        asked: {id of a query: (number of its series, number of the part, role)}.
    """

    window: Window
    series: list[Series] = field(default_factory=list)
    queries: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    @property
    def read_until(self) -> dict[str, datetime]:
        """{resource: exclusive end of what is read of it}."""
        return {one.resource_id: self.window.end for one in self.series}


def requests_of(
    series: Iterable[tuple[Window, Series]], most: int = QUERIES_A_REQUEST
) -> Iterator[Request]:
    """Requests of at most so many queries; the metrics of a resource stay together.

    Args:
        series: with what is to be read of each; those of a resource follow each other.
        most: queries a request.
    """
    open_: dict[Window, Request] = {}
    for window, group in _by_resource(series):
        queries = sum(map(_query_count, group))
        request = open_.get(window)
        if request is not None and len(request.queries) + queries > most:
            yield open_.pop(window)
            request = None
        if request is None:
            request = open_[window] = Request(window)
        for one in group:
            _add(request, one)
    yield from open_.values()


def metrics_of(request: Request, results: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """What the answers say, of METRIC_SCHEMA; an interval that lacks a part is left out.

    Args:
        request: what was asked.
        results: MetricDataResults of every page; a query may come on several.
    """
    points: dict[str, list[Any]] = {name: [] for name in ("series", "part", "role", "at", "value")}
    for result in results:
        series, part, role = request.asked[result["Id"]]
        for at, value in zip(result["Timestamps"], result["Values"], strict=True):
            points["series"].append(series)
            points["part"].append(part)
            points["role"].append(role)
            points["at"].append(at)
            points["value"].append(value)
    if not points["series"]:
        return METRIC_SCHEMA.to_frame()
    frame = pl.DataFrame(
        points,
        schema={
            "series": pl.Int64,
            "part": pl.Int64,
            "role": pl.String,
            "at": pl.Datetime("us", "UTC"),
            "value": pl.Float64,
        },
    )
    plan = _plan(request.series)
    value, of_role, own = pl.col("value"), pl.col("role"), pl.col("part") >= 0
    intervals = frame.group_by("series", "at").agg(
        *(value.filter(own & (of_role == name)).sum().alias(name) for name in ("average", "sum")),
        *(
            value.filter(of_role == name).first().alias(name)
            for name in ("maximum", "minimum", "p99")
        ),
        value.filter(own & (of_role == "samples")).min().alias("samples"),
        value.filter(~own).first().alias("alive"),
        pl.col("part").filter(own).n_unique().alias("parts_seen"),
    )
    joined = intervals.join(plan, on="series")
    whole = pl.col("parts_seen") == pl.col("parts")
    quiet = (pl.col("parts_seen") == 0) & (pl.col("alive") > 0)
    shape = pl.col("shape")
    used = pl.lit(1.0) - pl.col("average") / pl.col("total")
    most_used = pl.lit(1.0) - pl.col("minimum") / pl.col("total")
    return (
        joined.filter(whole | quiet)
        .select(
            "resource_id",
            "metric",
            pl.col("at").alias("interval_start"),
            "interval_seconds",
            pl.when(quiet).then(0.0)
            .when(shape == "sum").then(pl.col("sum"))
            .when(shape == "rate").then(pl.col("sum") / pl.col("interval_seconds"))
            .when(shape == "free").then(used * 100)
            .otherwise(pl.col("average"))
            .alias("average"),
            pl.when(shape == "free").then(most_used * 100)
            .when(shape == "gauge").then(pl.col("maximum"))
            .alias("maximum"),
            pl.when(shape == "gauge").then(pl.col("p99")).alias("p99"),
            pl.when(quiet).then(pl.col("alive")).otherwise(pl.col("samples"))
            .fill_null(0).cast(pl.Int64).alias("sample_count"),
        )
        .match_to_schema(METRIC_SCHEMA)
        .sort("resource_id", "metric", "interval_start")
    )  # fmt: skip


def _plan(series: Sequence[Series]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "series": range(len(series)),
            "resource_id": [one.resource_id for one in series],
            "metric": [one.metric for one in series],
            "shape": [one.shape for one in series],
            "interval_seconds": [one.interval_seconds for one in series],
            "parts": [len(one.parts) for one in series],
            "total": [one.total for one in series],
        },
        schema_overrides={"series": pl.Int64, "total": pl.Float64, "interval_seconds": pl.Int64},
    )


def _by_resource(
    series: Iterable[tuple[Window, Series]],
) -> Iterator[tuple[Window, list[Series]]]:
    group: list[Series] = []
    last: Window | None = None
    for window, one in series:
        if group and (group[-1].resource_id != one.resource_id or window != last):
            yield last or window, group
            group = []
        group.append(one)
        last = window
    if group and last is not None:
        yield last, group


def _query_count(series: Series) -> int:
    return len(series.parts) * len(_STATISTICS[series.shape]) + (series.alive is not None)


def _add(request: Request, series: Series) -> None:
    number = len(request.series)
    request.series.append(series)
    for place, part in enumerate(series.parts):
        for role, statistic in _STATISTICS[series.shape]:
            _ask(request, series, part, statistic, (number, place, role))
    if series.alive is not None:
        _ask(request, series, series.alive, "SampleCount", (number, -1, "samples"))


def _ask(
    request: Request, series: Series, part: Part, statistic: str, asked: tuple[int, int, str]
) -> None:
    name = f"q{len(request.queries)}"
    request.asked[name] = asked
    request.queries.append(
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": part.namespace,
                    "MetricName": part.name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in part.dimensions],
                },
                "Period": series.interval_seconds,
                "Stat": statistic,
            },
            "ReturnData": True,
        }
    )
