"""Which metrics of Cloud Monitoring say how busy a resource is, and what they come to. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import polars as pl

from oco_pipelines.inventory.found import FoundResource
from oco_pipelines.inventory.metric_store import METRIC_SCHEMA
from oco_pipelines.inventory.windows import DAY, HOUR, Window

# So many resources a question names; addresses may not be endless.
NAMED: Final = 50
_GAUGE: Final = {"average": "ALIGN_MEAN", "maximum": "ALIGN_MAX", "p99": "ALIGN_PERCENTILE_99"}


class Measure(NamedTuple):
    """A metric of Google's.

    Attributes:
        metric: ours; one that has several parts is their sum.
        kind: of resources.
        type: Google's.
        label: of the monitored resource, by which ours is known.
        aligners: {what it gives: Google's name}.
        scale: ours are so many times Google's.
        interval_seconds: of ours.
        by: a label of the metric that becomes part of our name.
        also: a condition of the filter.
    """

    metric: str
    kind: str
    type: str
    label: str
    aligners: Mapping[str, str]
    scale: float = 1
    interval_seconds: int = HOUR
    by: str | None = None
    also: str = ""


MEASURES: Final = (
    Measure(
        "cpu_percent", "gcp.instance", "compute.googleapis.com/instance/cpu/utilization",
        "instance_id", _GAUGE, 100,
    ),
    Measure(
        "memory_percent", "gcp.instance", "agent.googleapis.com/memory/percent_used",
        "instance_id", _GAUGE, also=' AND metric.labels.state = "used"',
    ),
    *(
        Measure(
            "network_bytes_per_second", "gcp.instance",
            f"compute.googleapis.com/instance/network/{name}_bytes_count", "instance_id",
            {"average": "ALIGN_RATE"},
        )
        for name in ("received", "sent")
    ),
    Measure(
        "cpu_percent", "gcp.sql-instance", "cloudsql.googleapis.com/database/cpu/utilization",
        "database_id", _GAUGE, 100,
    ),
    Measure(
        "memory_percent", "gcp.sql-instance",
        "cloudsql.googleapis.com/database/memory/utilization", "database_id", _GAUGE, 100,
    ),
    Measure(
        "connections", "gcp.sql-instance", "cloudsql.googleapis.com/database/network/connections",
        "database_id", {"average": "ALIGN_MEAN", "maximum": "ALIGN_MAX"},
    ),
    Measure(
        "requests", "gcp.loadbalancer-forwarding-rule",
        "loadbalancing.googleapis.com/https/request_count", "forwarding_rule_name",
        {"average": "ALIGN_DELTA"},
    ),
    Measure(
        "stored_bytes", "gcp.bucket", "storage.googleapis.com/storage/total_bytes", "bucket_name",
        {"average": "ALIGN_MEAN"}, interval_seconds=DAY, by="storage_class",
    ),
)  # fmt: skip


def label_of(resource: FoundResource) -> str:
    """By which Cloud Monitoring knows a resource."""
    document = resource.attributes
    if resource.resource_type == "gcp.instance":
        return str(document.get("id", ""))
    if resource.resource_type == "gcp.sql-instance":
        return f"{resource.account_id}:{document.get('name')}"
    return str(document.get("name", ""))


def question(
    measure: Measure, aligner: str, window: Window, labels: Sequence[str] | None
) -> dict[str, str | list[str]]:
    """As the REST API takes it.

    Args:
        measure: what is asked for.
        aligner: Google's.
        window: of time.
        labels: of the resources that are asked for; None for all.
    """
    named = ""
    if labels is not None:
        listed = ",".join(f'"{label}"' for label in labels)
        named = f" AND resource.labels.{measure.label} = one_of({listed})"
    groups = [f"resource.labels.{measure.label}"]
    if measure.by is not None:
        groups.append(f"metric.labels.{measure.by}")
    return {
        "filter": f'metric.type = "{measure.type}"{measure.also}{named}',
        # The first interval that is aligned ends at startTime plus the period.
        "interval.startTime": f"{window.start:%Y-%m-%dT%H:%M:%SZ}",
        "interval.endTime": f"{window.end:%Y-%m-%dT%H:%M:%SZ}",
        "aggregation.alignmentPeriod": f"{measure.interval_seconds}s",
        "aggregation.perSeriesAligner": aligner,
        # A request count has a series for each response code; of a gauge there is one.
        "aggregation.crossSeriesReducer": "REDUCE_SUM",
        "aggregation.groupByFields": groups,
    }


class Answer(NamedTuple):
    """A series that answers a question about a measure; `value` names what it gives."""

    measure: Measure
    value: str
    series: Mapping[str, Any]


def metrics_of(answers: Iterable[Answer], ids: Mapping[str, str]) -> pl.DataFrame:
    """Of METRIC_SCHEMA; an interval that lacks one of its parts is left out.

    Args:
        answers: series of measures of one kind.
        ids: {label: resource}; series of others are left out.
    """
    parts: dict[tuple[str, str, datetime, int], dict[tuple[str, str], float]] = {}
    for measure, value, series in answers:
        resource_id = ids.get(series["resource"]["labels"].get(measure.label, ""))
        if resource_id is None:
            continue
        metric = measure.metric
        if measure.by is not None:
            metric += f"_{str(series['metric']['labels'].get(measure.by, 'other')).lower()}"
        for point in series.get("points", []):
            # An aligned point ends where its interval ends.
            end = datetime.fromisoformat(point["interval"]["endTime"])
            key = (resource_id, metric, end, measure.interval_seconds)
            parts.setdefault(key, {})[measure.type, value] = _number(point) * measure.scale
    rows = [
        _row(key, values)
        for key, values in sorted(parts.items())
        if {name for name, value in values if value == "average"} >= _parts_of(values)
    ]
    return pl.DataFrame(rows, schema=METRIC_SCHEMA, orient="row")


def _parts_of(values: Mapping[tuple[str, str], float]) -> set[str]:
    """All of Google's metrics that the metric of one of them is made of."""
    own = next(iter(values))[0]
    metric, kind = next((one.metric, one.kind) for one in MEASURES if one.type == own)
    return {one.type for one in MEASURES if (one.metric, one.kind) == (metric, kind)}


def _row(
    key: tuple[str, str, datetime, int], values: Mapping[tuple[str, str], float]
) -> tuple[Any, ...]:
    resource_id, metric, end, seconds = key

    def total(name: str) -> float | None:
        found = [value for (_, given), value in values.items() if given == name]
        return sum(found) if found else None

    # How many measurements there were Google does not tell.
    return (
        *(resource_id, metric, end - timedelta(seconds=seconds), seconds),
        *(total("average"), total("maximum"), total("p99"), 1),
    )


def _number(point: Mapping[str, Any]) -> float:
    value = point["value"]
    return float(value.get("doubleValue", value.get("int64Value", 0)))
