"""Reads and writes inventory, metrics and the costs that rules judge by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from psycopg.types.json import Jsonb

from oco_pipelines.optimizer.recommendation import DailyCost, Metric, Resource
from oco_warehouse.database import Warehouse, lock

Key = tuple[str, str, str]
T = TypeVar("T")

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


def read_resources(warehouse: Warehouse) -> list[Resource]:
    """Resources that exist."""
    rows = warehouse.query("""
        SELECT provider, account_id, resource_id, resource_type, resource_name, region, state, size
        FROM oco.resources
        WHERE deleted_at IS NULL
        ORDER BY provider, account_id, resource_id
    """)
    return [Resource(**row) for row in rows]


def newest_metric_end(warehouse: Warehouse) -> datetime | None:
    """Where the newest interval of any metric ends; None when there is none."""
    rows = warehouse.query("""
        SELECT max(interval_start + make_interval(secs => interval_seconds)) AS ends
        FROM oco.resource_metrics
    """)
    newest: datetime | None = rows[0]["ends"]
    return newest


def read_metrics(
    warehouse: Warehouse, as_of: datetime, window: timedelta
) -> dict[Key, list[Metric]]:
    """Metrics of a window by resource; intervals without an average are left out."""
    rows = warehouse.query(
        """
        SELECT provider, account_id, resource_id, metric, interval_start, interval_seconds,
               average, sample_count
        FROM oco.resource_metrics
        WHERE interval_start >= %s AND interval_start < %s AND average IS NOT NULL
        """,
        [as_of - window, as_of],
    )
    return _grouped((_key(row), Metric(**row)) for row in rows)


def read_daily_costs(
    warehouse: Warehouse, as_of: datetime, window: timedelta
) -> dict[Key, list[DailyCost]]:
    """Effective cost of use by resource and day, in USD, from the marts."""
    rows = warehouse.query(
        """
        SELECT x_provider AS provider, x_account_id AS account_id, resource_id,
               x_usage_date AS day, sum(x_effective_cost_usd) AS cost_usd
        FROM marts.focus_cost_and_usage
        WHERE x_source <> 'llm' AND charge_category = 'Usage' AND resource_id IS NOT NULL
          AND x_usage_date >= %s AND x_usage_date < %s
        GROUP BY x_provider, x_account_id, resource_id, x_usage_date
        """,
        [(as_of - window).date(), as_of.date()],
    )
    return _grouped((_key(row), DailyCost(**row)) for row in rows)


def _key(row: dict[str, Any]) -> Key:
    """Takes the resource's identity out of a row."""
    return (row.pop("provider"), row.pop("account_id"), row.pop("resource_id"))


def _grouped(pairs: Iterable[tuple[Key, T]]) -> dict[Key, list[T]]:
    groups: dict[Key, list[T]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)


def _values(rows: Iterable[Any], columns: Sequence[str]) -> list[list[object]]:
    return [[_adapted(getattr(row, column)) for column in columns] for row in rows]


def _adapted(value: object) -> object:
    return Jsonb(value) if isinstance(value, dict) else value
