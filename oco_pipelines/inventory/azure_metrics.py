"""Which metrics of Azure Monitor say how busy a resource is. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import polars as pl

from oco_pipelines.inventory.metric_store import METRIC_SCHEMA

HOUR: Final = 3_600


class Point(NamedTuple):
    """An hour of one metric; what Azure did not say is None."""

    average: float | None
    maximum: float | None
    minimum: float | None
    total: float | None
    samples: float | None


class Value(NamedTuple):
    """An hour of ours."""

    average: float
    maximum: float | None
    samples: float


Points = Mapping[str, Point]


class Measure(NamedTuple):
    """One of our metrics: the metrics of Azure it is made of, all of which must be there."""

    metric: str
    names: tuple[str, ...]
    make: Callable[[Sequence[Point]], Value | None]


def _gauge(points: Sequence[Point]) -> Value | None:
    (point,) = points
    if point.average is None:
        return None
    return Value(point.average, point.maximum, point.samples or 1)


def _unused(points: Sequence[Point]) -> Value | None:
    (point,) = points
    if point.average is None:
        return None
    most = None if point.minimum is None else 100 - point.minimum
    return Value(100 - point.average, most, point.samples or 1)


def _total(points: Sequence[Point]) -> Value | None:
    (point,) = points
    if point.total is None:
        return None
    return Value(point.total, point.total, point.samples or 1)


def _rate(points: Sequence[Point]) -> Value | None:
    totals = [point.total for point in points if point.total is not None]
    if len(totals) != len(points):
        return None
    return Value(sum(totals) / HOUR, None, min(point.samples or 1 for point in points))


def _flow(points: Sequence[Point]) -> Value | None:
    averages = [point.average for point in points if point.average is not None]
    if len(averages) != len(points):
        return None
    return Value(sum(averages), None, min(point.samples or 1 for point in points))


MEASURES: Final[Mapping[str, tuple[Measure, ...]]] = {
    "azure.vm": (
        Measure("cpu_percent", ("Percentage CPU",), _gauge),
        Measure("memory_percent", ("Available Memory Percentage",), _unused),
        Measure("network_bytes_per_second", ("Network In Total", "Network Out Total"), _rate),
    ),
    "azure.disk": (
        Measure(
            "read_write_bytes_per_second",
            ("Composite Disk Read Bytes/sec", "Composite Disk Write Bytes/sec"),
            _flow,
        ),
    ),
    "azure.loadbalancer": (Measure("requests", ("SYNCount",), _total),),
    "azure.sqldatabase": (
        Measure("cpu_percent", ("cpu_percent",), _gauge),
        Measure("connections", ("connection_successful",), _total),
    ),
    "azure.storage": (Measure("requests", ("Transactions",), _total),),
}


def names_of(kind: str) -> list[str]:
    """Azure's names of all that is asked about a kind; none where nothing is."""
    return [name for measure in MEASURES.get(kind, ()) for name in measure.names]


def metrics_of(kind: str, resource_id: str, answer: Sequence[Any]) -> pl.DataFrame:
    """Of METRIC_SCHEMA, from what Monitor's SDK answered; hours without a part are left out."""
    by_name = {
        metric.name.value: {
            point.time_stamp: Point(
                point.average, point.maximum, point.minimum, point.total, point.count
            )
            for series in metric.timeseries or ()
            for point in series.data or ()
        }
        for metric in answer
    }
    rows = []
    for measure in MEASURES.get(kind, ()):
        parts = [by_name.get(name, {}) for name in measure.names]
        for at in sorted(set.intersection(*(set(part) for part in parts))):
            value = measure.make([part[at] for part in parts])
            if value is not None:
                rows.append(_row(resource_id, measure.metric, at, value))
    return pl.DataFrame(rows, schema=METRIC_SCHEMA, orient="row")


def _row(resource_id: str, metric: str, at: datetime, value: Value) -> tuple[Any, ...]:
    return (
        *(resource_id, metric, at, HOUR, value.average, value.maximum, None),
        round(value.samples),
    )
