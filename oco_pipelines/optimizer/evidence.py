"""Reads the frames that rules judge by: aggregated in SQL, copied out as CSV, a batch at a time.

The bill is read once for a run, into temporary tables of the run's own transaction. Metrics are
read for a batch of resources at a time and leave PostgreSQL as one row for a resource, metric and
window, so that memory does not grow with the inventory.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import polars as pl
from psycopg import sql

from oco_pipelines.optimizer import frames as shapes
from oco_pipelines.optimizer import groups as group_shapes
from oco_pipelines.optimizer import kinds
from oco_pipelines.optimizer.frames import KEY, MOMENT, Frames
from oco_pipelines.optimizer.groups import Groups, Spend
from oco_pipelines.optimizer.overlaps import Netted
from oco_pipelines.optimizer.thresholds import Thresholds
from oco_warehouse.database import Connection, Warehouse, copy_rows

BATCH: Final = 4000
# A charge that began before the window may reach into it.
_LONGEST_CHARGE_DAYS: Final = 31
_PARTS_BETWEEN: Final = "\x1f"
_SCRIPT: Final = Path(__file__).with_name("evidence.sql")
JUDGED: Final = (
    *kinds.INSTANCES,
    *kinds.VOLUMES,
    *kinds.SNAPSHOTS,
    *kinds.IMAGES,
    *kinds.ADDRESSES,
    *kinds.LOAD_BALANCERS,
    *kinds.NAT_GATEWAYS,
    *kinds.DATABASES,
    *kinds.BUCKETS,
)
_RESOURCES: Final = """
    SELECT resource.provider, resource.account_id, resource.resource_id, resource_type,
           resource_name, region, state, size,
           facts ->> 'created_at' AS created_at,
           facts ->> 'stopped_since' AS stopped_since,
           CASE WHEN facts ->> 'attached' = 'false' THEN
               coalesce(last_attached_at::text, facts ->> 'created_at', first_seen_at::text)
           END AS unattached_since,
           (facts ->> 'attached')::boolean AS attached,
           coalesce(
               (SELECT string_agg(part, {between} ORDER BY part)
                FROM jsonb_array_elements_text(
                    CASE WHEN jsonb_typeof(facts -> 'volume_ids') = 'array'
                        THEN facts -> 'volume_ids' ELSE '[]'::jsonb END
                ) AS part),
               (SELECT string_agg(part.resource_id, {between} ORDER BY part.resource_id)
                FROM image_parts AS part
                WHERE part.provider = resource.provider AND part.account_id = resource.account_id
                  AND part.image_id = resource.resource_id)
           ) AS part_ids,
           facts ->> 'size_gib' AS size_gib, facts ->> 'vcpu' AS vcpu,
           facts ->> 'memory_gib' AS memory_gib,
           (facts ->> 'source_exists')::boolean AS source_exists,
           CASE WHEN EXISTS (
               SELECT FROM image_parts AS part
               WHERE part.provider = resource.provider AND part.account_id = resource.account_id
                 AND part.resource_id = resource.resource_id
           ) THEN true ELSE (facts ->> 'in_use')::boolean END AS in_use,
           facts ->> 'family' AS family, facts ->> 'engine' AS engine,
           (facts ->> 'interruptible')::boolean AS interruptible,
           facts ->> 'autoscaling_group' AS autoscaling_group,
           facts ->> 'storage_class' AS storage_class,
           (facts ->> 'targets')::numeric::bigint AS targets
    FROM judged
    JOIN oco.resources AS resource USING (provider, account_id, resource_id)
    WHERE judged.number > {after} AND judged.number <= {upto}
"""
_METRICS: Final = """
    WITH kept AS (
        SELECT metric.provider, metric.account_id, metric.resource_id, metric.metric,
               metric.interval_start, metric.interval_seconds, metric.average::float8 AS average,
               coalesce(metric.p99, metric.maximum, metric.average)::float8 AS top,
               greatest(metric.maximum, metric.average)::float8 AS maximum
        FROM judged
        JOIN oco.resource_metrics AS metric USING (provider, account_id, resource_id)
        WHERE judged.number > {after} AND judged.number <= {upto}
          AND metric.metric = ANY ({names})
          AND metric.interval_start >= {since} AND metric.interval_start < {until}
          AND metric.interval_start + make_interval(secs => metric.interval_seconds) <= {until}
          AND metric.average IS NOT NULL AND metric.sample_count > 0
    ),
    days AS (
        SELECT provider, account_id, resource_id, metric,
               sum(average) AS amount, sum(average * interval_seconds) AS product
        FROM kept
        GROUP BY provider, account_id, resource_id, metric, date_trunc('day', interval_start, 'UTC')
    ),
    highest AS (
        SELECT provider, account_id, resource_id, metric,
               max(amount) AS highest_day, max(product) AS highest_day_amount
        FROM days
        GROUP BY provider, account_id, resource_id, metric
    )
    SELECT provider, account_id, resource_id, metric, {days}::bigint AS window_days,
           count(*) AS intervals, sum(interval_seconds) AS seconds,
           min(interval_start) AS first_start, min(average) AS lowest, max(average) AS highest,
           percentile_cont(0.25) WITHIN GROUP (ORDER BY average) AS p25,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY top) AS p99,
           max(maximum) AS peak, max(highest_day) AS highest_day,
           max(highest_day_amount) AS highest_day_amount, sum(average) AS total
    FROM kept
    JOIN highest USING (provider, account_id, resource_id, metric)
    GROUP BY provider, account_id, resource_id, metric
"""
_WEEK: Final = """
    SELECT metric.provider, metric.account_id, metric.resource_id, metric.metric,
           ((extract(isodow FROM metric.interval_start AT TIME ZONE 'UTC') - 1) * 24
               + extract(hour FROM metric.interval_start AT TIME ZONE 'UTC'))::bigint AS hour,
           count(DISTINCT date_trunc('day', metric.interval_start, 'UTC')) AS observed,
           max(metric.average)::float8 AS highest
    FROM week_keys
    JOIN oco.resource_metrics AS metric USING (provider, account_id, resource_id)
    WHERE metric.metric = ANY ({names}) AND metric.interval_seconds <= 3600
      AND metric.interval_start >= {since} AND metric.interval_start < {until}
      AND metric.average IS NOT NULL AND metric.sample_count > 0
    GROUP BY metric.provider, metric.account_id, metric.resource_id, metric.metric, 5
"""
_COSTS: Final = """
    SELECT provider, account_id, resource_id, days, billed_days,
           round(billed_usd, 12) AS billed_usd, round(hourly_usd, 12) AS hourly_usd,
           round(hours, 12) AS hours, round(storage_usd, 12) AS storage_usd,
           round(committed_usd, 12) AS committed_usd
    FROM cost_keys
    JOIN resource_costs USING (provider, account_id, resource_id)
"""
_PRICES: Final = """
    SELECT provider, region, size, round(billed_rate, 12) AS billed_rate,
           round(list_rate, 12) AS list_rate, resources
    FROM size_rates
"""
_MEMBERS: Final = """
    SELECT provider, account_id, resource_id, facts ->> 'autoscaling_group' AS autoscaling_group,
           resource_type, region, size,
           coalesce((facts ->> 'interruptible')::boolean, false) OR dynamic_usd > 0
               AS interruptible,
           round(hours, 12) AS hours, round(hourly_usd, 12) AS hourly_usd,
           round(hourly_usd / {days} * 30, 12) AS monthly_usd
    FROM resource_costs
    JOIN oco.resources AS resource USING (provider, account_id, resource_id)
    WHERE facts ->> 'autoscaling_group' IS NOT NULL AND resource_type = ANY ({kinds})
"""
_SPOT_PRICES: Final = """
    SELECT provider, region, size, round(spot_rate, 12) AS spot_rate
    FROM size_rates
    WHERE spot_rate IS NOT NULL
"""
_HISTORY: Final = """
    SELECT cost.provider, cost.billing_account_id, cost.service,
           coalesce(cost.region, 'global') AS region,
           CASE WHEN cost.charge_period_end <= cost.charge_period_start + interval '1 hour'
               THEN date_trunc('hour', cost.charge_period_start, 'UTC')
               ELSE date_trunc('day', cost.charge_period_start, 'UTC') END AS start,
           max(CASE WHEN cost.charge_period_end <= cost.charge_period_start + interval '1 hour'
               THEN 1 ELSE 24 END) AS hours,
           round(sum(cost.effective_cost * cost.usd_rate * coalesce(shares.share, 1)), 12) AS usd
    FROM oco.cloud_costs AS cost
    JOIN bill_ends USING (provider)
    LEFT JOIN shares USING (provider, account_id, resource_id)
    WHERE cost.valid_to IS NULL AND cost.charge_category = 'Usage' AND cost.charge_class IS NULL
      AND coalesce(cost.charge_frequency, 'Usage-Based') = 'Usage-Based'
      AND cost.commitment_discount_status IS NULL AND cost.commitment_discount_id IS NULL
      AND coalesce(cost.pricing_category, 'Standard') = 'Standard'
      AND cost.service_category = ANY ({categories})
      AND lower(coalesce(cost.usage_unit, cost.pricing_unit)) ~ '(hour|hrs|hr|second)'
      AND cost.charge_period_end <= cost.charge_period_start + interval '25 hours'
      AND cost.date >= {first}::date AND cost.date >= bill_ends.end_day - {days}::integer
      AND cost.date < bill_ends.end_day
    GROUP BY 1, 2, 3, 4, 5
"""
_DISCOUNTS: Final = """
    SELECT cost.provider, cost.service,
           round(sum(cost.effective_cost * cost.usd_rate), 12) AS effective_usd,
           round(sum(cost.list_cost * cost.usd_rate), 12) AS list_usd
    FROM oco.cloud_costs AS cost
    JOIN bill_ends USING (provider)
    WHERE cost.valid_to IS NULL AND cost.charge_category = 'Usage'
      AND cost.commitment_discount_status = 'Used' AND cost.service_category = ANY ({categories})
      AND cost.date >= {first}::date AND cost.date < bill_ends.end_day
    GROUP BY 1, 2
"""
# The window of each rule that reads metrics, and which.
_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "idle_instance": ("cpu_percent", "network_bytes_per_second"),
    "rightsize_instance": ("cpu_percent", "memory_percent"),
    "off_hours": ("cpu_percent",),
    "unattached_volume": ("read_write_bytes_per_second",),
    "idle_load_balancer": ("requests",),
    "idle_nat_gateway": ("bytes_out",),
    "idle_database": ("connections",),
    "storage_class": (
        *("stored_bytes_standard", "stored_bytes_infrequent_access", "stored_bytes_archive"),
        "get_requests",
    ),
}


@contextmanager
def open_evidence(
    warehouse: Warehouse, thresholds: Thresholds, settling_days: int, now: datetime
) -> Iterator["Evidence"]:
    """Everything that a run reads, in one transaction, so that it judges one state of affairs."""
    with warehouse.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SET LOCAL work_mem = '128MB'")
        as_of = _as_of(connection, now)
        parameters = {
            "as_of": as_of,
            "settling_days": settling_days,
            "cost_days": thresholds.cost_days,
            # A bill may have stopped two months ago and still be the newest.
            "first_date": (
                as_of - timedelta(days=60 + thresholds.cost_days + _LONGEST_CHARGE_DAYS)
            ).date(),
            "kinds": list(JUDGED),
            "sized": [*kinds.INSTANCES, *kinds.DATABASES],
        }
        for statement in _statements():
            connection.execute(statement, parameters)
        yield Evidence(connection, thresholds, as_of)


class Evidence:
    """The frames of one run.

    Args:
        connection: holds the temporary tables.
        thresholds: they say which windows are read.
        as_of: where every window ends.
    """

    def __init__(self, connection: Connection, thresholds: Thresholds, as_of: datetime) -> None:
        self.as_of = as_of
        self._connection = connection
        self._thresholds = thresholds
        connection.execute(
            "CREATE TEMPORARY TABLE week_keys (provider text, account_id text, resource_id text) "
            "ON COMMIT DROP"
        )
        connection.execute("CREATE TEMPORARY TABLE cost_keys (LIKE week_keys) ON COMMIT DROP")
        connection.execute(
            "CREATE TEMPORARY TABLE shares (LIKE week_keys, share numeric) ON COMMIT DROP"
        )

    def batches(self, size: int = BATCH) -> Iterator[Frames]:
        """Frames of a batch of resources at a time, in a fixed order."""
        counted = self._connection.execute("SELECT count(*) AS rows FROM judged").fetchone()
        prices = self._frame(_PRICES, shapes.PRICES)
        for after in range(0, counted["rows"] if counted else 0, size):
            yield self._batch(after, after + size, prices)

    def groups(self) -> Groups:
        """What the rule for autoscaling groups reads."""
        members = self._frame(
            _MEMBERS,
            group_shapes.MEMBERS,
            days=self._thresholds.cost_days,
            kinds=list(kinds.INSTANCES),
        )
        return Groups(members, self._frame(_SPOT_PRICES, group_shapes.SPOT_PRICES))

    def spend(self, netted: Netted) -> Spend:
        """What the rule for commitments reads: what other recommendations leave of the bill."""
        self._connection.execute("TRUNCATE shares")
        shares = {**netted.left, **dict.fromkeys(netted.unsteady, Decimal(0))}
        copy_rows(
            self._connection,
            "shares",
            (*KEY, "share"),
            ((*key, share) for key, share in shares.items()),
        )
        self._connection.execute("ANALYZE shares")
        limits = self._thresholds.commitment
        ends = {
            row["provider"]: datetime.combine(row["end_day"], time(), UTC)
            for row in self._connection.execute("SELECT provider, end_day FROM bill_ends")
        }
        first = self.as_of - timedelta(days=60 + limits.history_days)
        values = {"categories": list(limits.service_categories), "first": first.date()}
        return Spend(
            self._frame(_HISTORY, group_shapes.HISTORY, days=limits.history_days, **values),
            self._frame(_DISCOUNTS, group_shapes.DISCOUNTS, **values),
            ends,
        )

    def _batch(self, after: int, upto: int, prices: pl.DataFrame) -> Frames:
        resources = self._frame(
            _RESOURCES, shapes.RESOURCES, between=_PARTS_BETWEEN, after=after, upto=upto
        )
        metrics = pl.concat(
            [
                pl.DataFrame(schema=shapes.METRICS),
                *(
                    self._frame(
                        _METRICS,
                        shapes.METRICS,
                        names=names,
                        days=days,
                        after=after,
                        upto=upto,
                        since=self.as_of - timedelta(days=days),
                        until=self.as_of,
                    )
                    for days, names in self._windows().items()
                ),
            ]
        )
        return Frames(
            as_of=self.as_of,
            resources=resources,
            metrics=metrics,
            week=self._week(metrics),
            costs=self._costs(resources),
            prices=prices,
        )

    def _windows(self) -> dict[int, list[str]]:
        """Metrics by the length of the window that they are asked for."""
        windows: dict[int, set[str]] = {}
        for name, metrics in _READS.items():
            limits: Any = getattr(self._thresholds, name)
            if limits.enabled:
                windows.setdefault(limits.window_days, set()).update(metrics)
        return {days: sorted(names) for days, names in sorted(windows.items())}

    def _week(self, metrics: pl.DataFrame) -> pl.DataFrame:
        """Hours of the week of machines that are quiet for a quarter of the time and busy else."""
        limits = self._thresholds.off_hours
        of_cpu = metrics.filter(
            pl.col("metric") == "cpu_percent", pl.col("window_days") == limits.window_days
        )
        # Forty of 168 hours are less than a quarter: p25 would miss a few of the least schedules.
        sometimes = of_cpu.filter(
            pl.col("lowest") <= limits.cpu_percent, pl.col("highest") > limits.cpu_percent
        )
        if not limits.enabled or sometimes.is_empty():
            return pl.DataFrame(schema=shapes.WEEK)
        self._fill("week_keys", sometimes.select(KEY).unique())
        return self._frame(
            _WEEK,
            shapes.WEEK,
            names=["cpu_percent", "network_bytes_per_second"],
            since=self.as_of - timedelta(days=limits.window_days),
            until=self.as_of,
        )

    def _costs(self, resources: pl.DataFrame) -> pl.DataFrame:
        """Costs of resources and of the parts that are billed by themselves."""
        parts = (
            resources.select("provider", "account_id", pl.col("part_ids").alias("resource_id"))
            .explode("resource_id", empty_as_null=True)
            .drop_nulls()
        )
        self._fill("cost_keys", pl.concat([resources.select(KEY), parts]).unique())
        return self._frame(_COSTS, shapes.COSTS)

    def _fill(self, table: LiteralString, keys: pl.DataFrame) -> None:
        self._connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(table)))
        copy_rows(self._connection, table, KEY, keys.iter_rows())
        self._connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))

    def _frame(
        self, query: LiteralString, schema: Mapping[str, pl.DataType], **values: object
    ) -> pl.DataFrame:
        composed = sql.SQL(query).format(
            **{name: sql.Literal(value) for name, value in values.items()}
        )
        copying = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(composed)
        buffer = io.BytesIO()
        with self._connection.cursor() as cursor, cursor.copy(copying) as copy:
            for block in copy:
                buffer.write(block)
        return _parsed(buffer.getvalue(), schema)


def _parsed(text: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A frame of CSV without a header; moments, truth values and lists are read from text."""
    as_text = {
        name: pl.String() if isinstance(kind, pl.Datetime | pl.Boolean | pl.List) else kind
        for name, kind in schema.items()
    }
    if not text:
        return pl.DataFrame(schema=schema)
    raw = pl.read_csv(text, has_header=False, schema=as_text, encoding="utf8")
    return raw.with_columns(_read(name, kind) for name, kind in schema.items())


def _read(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return _moment(column).alias(name)
    if isinstance(kind, pl.Boolean):
        return (column == "t").alias(name)
    if isinstance(kind, pl.List):
        return column.str.split(_PARTS_BETWEEN).alias(name)
    # An empty text is a value of an identity; elsewhere there is none.
    return column.fill_null("") if name in KEY else column


def _moment(column: pl.Expr) -> pl.Expr:
    """PostgreSQL writes +00 and ISO 8601 has +00:00 or Z; a moment without an offset is in UTC."""
    text = column.str.replace(" ", "T", literal=True)
    text = text.str.replace(r"Z$", "+00:00").str.replace(r"([+-]\d\d)$", "${1}:00")
    text = (
        pl.when(text.str.contains(r"T.*[+-]\d\d:\d\d$"))
        .then(text)
        .when(text.str.contains("T"))
        .then(text + "+00:00")
        .otherwise(text + "T00:00:00+00:00")
    )
    # What inventory copied and is no moment says nothing.
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False).cast(
        MOMENT
    )


def _as_of(connection: Connection, now: datetime) -> datetime:
    """Where windows end: with the newest metric, or the newest bill where nothing is measured.

    Metrics may end before today, as samples do.
    """
    row = connection.execute(
        """
        SELECT max(interval_start + make_interval(secs => interval_seconds)) AS ends
        FROM oco.resource_metrics
        WHERE interval_start >= (SELECT max(interval_start) FROM oco.resource_metrics)
            - interval '1 day'
        """
    ).fetchone()
    ends: datetime | None = row["ends"] if row else None
    if ends is None:
        row = connection.execute(
            "SELECT max(date) + 1 AS ends FROM oco.cloud_costs WHERE valid_to IS NULL"
        ).fetchone()
        if row and row["ends"]:
            ends = datetime.combine(row["ends"], time(), UTC)
    return now if ends is None else min(ends, now)


def _statements() -> Sequence[LiteralString]:
    script = _SCRIPT.read_text(encoding="utf-8")
    return cast(
        "list[LiteralString]",
        [part for part in script.split(";\n") if part.strip()],
    )
