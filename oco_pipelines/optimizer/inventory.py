"""Writes inventory and metrics."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from psycopg.types.json import Jsonb

from oco_warehouse.database import Warehouse, lock

_RESOURCE_COLUMNS: Final = (
    "provider",
    "account_id",
    "resource_id",
    "resource_type",
    "resource_name",
    "region",
    "state",
    "size",
    "tags",
    "attributes",
)
_METRIC_COLUMNS: Final = (
    "provider",
    "account_id",
    "resource_id",
    "metric",
    "interval_start",
    "interval_seconds",
    "average",
    "maximum",
    "p99",
    "sample_count",
    "source",
)
_WRITE_RESOURCE: Final = """
    INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, resource_name,
        region, state, size, tags, attributes)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (provider, account_id, resource_id) DO UPDATE SET
        resource_type = excluded.resource_type, resource_name = excluded.resource_name,
        region = excluded.region, state = excluded.state, size = excluded.size,
        tags = excluded.tags, attributes = excluded.attributes,
        last_seen_at = now(), deleted_at = NULL
"""
_WRITE_METRIC: Final = """
    INSERT INTO oco.resource_metrics (provider, account_id, resource_id, metric, interval_start,
        interval_seconds, average, maximum, p99, sample_count, source)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (provider, account_id, resource_id, metric, interval_start) DO UPDATE SET
        interval_seconds = excluded.interval_seconds, average = excluded.average,
        maximum = excluded.maximum, p99 = excluded.p99, sample_count = excluded.sample_count,
        source = excluded.source
"""


def write_inventory(
    warehouse: Warehouse, resources: Sequence[Any], metrics: Sequence[Any]
) -> tuple[int, int]:
    """Upsert inventory and metrics in one transaction; (resources, metrics) that were given.

    Args:
        warehouse: the warehouse.
        resources: objects with the columns of `oco.resources` as attributes.
        metrics: objects with the columns of `oco.resource_metrics` as attributes.
    """
    with warehouse.transaction() as connection:
        lock(connection, "resources")
        with connection.cursor() as cursor:
            cursor.executemany(_WRITE_RESOURCE, _values(resources, _RESOURCE_COLUMNS))
            cursor.executemany(_WRITE_METRIC, _values(metrics, _METRIC_COLUMNS))
    return len(resources), len(metrics)


def _values(rows: Iterable[Any], columns: Sequence[str]) -> list[list[object]]:
    return [[_adapted(getattr(row, column)) for column in columns] for row in rows]


def _adapted(value: object) -> object:
    return Jsonb(value) if isinstance(value, dict) else value
