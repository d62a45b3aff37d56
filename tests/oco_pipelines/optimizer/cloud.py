"""A small cloud written into a warehouse: inventory, metrics and a bill."""

from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from oco_pipelines.optimizer.run import Run, find_recommendations
from oco_pipelines.optimizer.thresholds import Thresholds
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.optimizer.world import AS_OF

SETTLING_DAYS = 2
_RESOURCE = """
    INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, region, state,
        size, facts, attributes, first_seen_at)
    VALUES ('aws', '111', %(id)s, %(kind)s, 'us-east-1', %(state)s, %(size)s, %(facts)s,
        %(attributes)s, %(seen)s)
"""
# An interval each hour; `average` is an expression over the interval's start.
_METRIC = """
    INSERT INTO oco.resource_metrics (provider, account_id, resource_id, metric, interval_start,
        interval_seconds, average, maximum, sample_count, source)
    SELECT 'aws', '111', %(id)s, %(metric)s, start, 3600, %(quiet)s, %(quiet)s, 12, 'test'
    FROM generate_series(
        %(until)s::timestamptz - make_interval(days => %(days)s),
        %(until)s::timestamptz - interval '1 hour', interval '1 hour') AS start
"""
_BUSY = """
    UPDATE oco.resource_metrics SET average = %(busy)s, maximum = %(busy)s
    WHERE resource_id = %(id)s AND metric = %(metric)s
      AND extract(isodow FROM interval_start AT TIME ZONE 'UTC') <= 5
      AND extract(hour FROM interval_start AT TIME ZONE 'UTC') BETWEEN 8 AND 17
"""
_COSTS = """
    INSERT INTO oco.cloud_costs (
        provider, service, service_category, resource_id, cost_usd, usd_rate, region, account_id,
        date, billed_cost, effective_cost, list_cost, billing_currency, charge_category,
        usage_quantity, usage_unit, pricing_category, commitment_discount_status,
        charge_period_start, charge_period_end, billing_period_start,
        billing_period_end, billing_account_id, source, source_partition, batch_id, row_hash,
        occurrence
    )
    SELECT 'aws', %(service)s, %(category)s, %(id)s, %(usd)s, 1, 'us-east-1', '111', day::date,
        %(usd)s, %(usd)s, %(list)s, 'USD', 'Usage', %(quantity)s, %(unit)s, %(pricing)s,
        %(commitment)s, day AT TIME ZONE 'UTC',
        day AT TIME ZONE 'UTC' + make_interval(hours => %(hours)s),
        date_trunc('month', day) AT TIME ZONE 'UTC',
        (date_trunc('month', day) + interval '1 month') AT TIME ZONE 'UTC', '999', 'focus_files',
        'a.csv', gen_random_uuid(), sha256(random()::text::bytea), 1
    FROM generate_series(%(first)s::timestamp, %(last)s::timestamp,
        make_interval(hours => %(hours)s)) AS day
"""


class Cloud:
    """Writes one thing after another; windows end with `AS_OF`."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def resource(self, kind: str, identifier: str, **values: Any) -> None:
        self.warehouse.execute(
            _RESOURCE,
            {
                "id": identifier,
                "kind": kind,
                "state": values.get("state"),
                "size": values.get("size"),
                "facts": Jsonb(values.get("facts", {})),
                "attributes": Jsonb(values.get("attributes", {})),
                "seen": AS_OF - timedelta(days=100),
            },
        )

    def metric(
        self,
        identifier: str,
        name: str,
        quiet: float,
        busy: float | None = None,
        days: int = 14,
        until: datetime = AS_OF,
    ) -> None:
        """Every hour alike, or busier from 8 to 18 o'clock of working days."""
        values = {"id": identifier, "metric": name, "until": until, "days": days}
        self.warehouse.execute(_METRIC, {**values, "quiet": quiet})
        if busy is not None:
            self.warehouse.execute(_BUSY, {**values, "busy": busy})

    def cost(
        self,
        identifier: str,
        usd: str,
        *,
        unit: str | None = None,
        hours: int = 24,
        days: int = 30,
        until: datetime = AS_OF,
        **more: Any,
    ) -> None:
        """A charge a day, or one of `hours`, up to the day before `until`."""
        last = until.replace(tzinfo=None) - timedelta(hours=hours)
        self.warehouse.execute(
            _COSTS,
            {
                "id": identifier,
                "usd": usd,
                "list": more.get("list", usd),
                "unit": unit,
                "quantity": more.get("quantity", hours),
                "hours": hours,
                "service": more.get("service", "EC2"),
                "category": more.get("category", "Compute"),
                "pricing": more.get("pricing", "Standard"),
                "commitment": more.get("commitment"),
                "first": until.replace(tzinfo=None) - timedelta(days=days),
                "last": last,
            },
        )

    def run(self, now: datetime = AS_OF, **thresholds: Any) -> Run:
        return find_recommendations(self.warehouse, Thresholds(**thresholds), SETTLING_DAYS, now)

    def rows(self) -> list[dict[str, Any]]:
        return self.warehouse.query(
            "SELECT * FROM oco.optimization_recommendations "
            "ORDER BY recommendation_type, resource_id"
        )

    def said(self) -> dict[tuple[str, str], str]:
        """Savings by rule and resource."""
        return {
            (row["recommendation_type"], row["resource_id"]): str(row["estimated_monthly_savings"])
            for row in self.rows()
        }
