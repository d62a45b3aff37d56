"""Reads inventory, metrics and the costs that rules judge by."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from oco_pipelines.optimizer.recommendation import DailyCost, Metric, Resource
from oco_warehouse.database import Warehouse

Key = tuple[str, str, str]
T = TypeVar("T")


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
