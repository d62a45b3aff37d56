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
from oco_pipelines.optimizer import kinds, queries
from oco_pipelines.optimizer.copied import PARTS_BETWEEN, parsed
from oco_pipelines.optimizer.frames import KEY, Frames
from oco_pipelines.optimizer.groups import Groups, Spend
from oco_pipelines.optimizer.overlaps import Netted
from oco_pipelines.optimizer.thresholds import Kept, Thresholds
from oco_warehouse.database import Connection, Warehouse, copy_rows
from oco_warehouse.last_seen import UNSEEN, unseen_since

BATCH: Final = 4000
# A charge that began before the window may reach into it.
_LONGEST_CHARGE_DAYS: Final = 31
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
        *("stored_bytes_standard", "stored_bytes_standard_ia", "stored_bytes_one_zone_ia"),
        *("stored_bytes_intelligent_frequent", "stored_bytes_intelligent_infrequent"),
        *("stored_bytes_glacier_instant", "stored_bytes_glacier", "stored_bytes_deep_archive"),
        *("stored_bytes_reduced_redundancy", "get_requests"),
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
            "unseen_since": unseen_since(now),
            "volumes": list(kinds.VOLUMES),
            "snapshots": list(kinds.SNAPSHOTS),
            "snapshots_kept_since": as_of - _kept(thresholds.old_snapshot),
            "images_kept_since": as_of - _kept(thresholds.obsolete_image),
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
        prices = self._frame(queries.PRICES, shapes.PRICES)
        for after in range(0, counted["rows"] if counted else 0, size):
            yield self._batch(after, after + size, prices)

    def groups(self) -> Groups:
        """What the rule for autoscaling groups reads."""
        members = self._frame(
            queries.MEMBERS,
            group_shapes.MEMBERS,
            days=self._thresholds.cost_days,
            kinds=list(kinds.INSTANCES),
        )
        return Groups(members, self._frame(queries.SPOT_PRICES, group_shapes.SPOT_PRICES))

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
            self._frame(queries.HISTORY, group_shapes.HISTORY, days=limits.history_days, **values),
            self._frame(queries.DISCOUNTS, group_shapes.DISCOUNTS, **values),
            ends,
            self._frame(queries.UNUSED, group_shapes.UNUSED, first=first.date()),
        )

    def _batch(self, after: int, upto: int, prices: pl.DataFrame) -> Frames:
        resources = self._frame(
            queries.RESOURCES, shapes.RESOURCES, between=PARTS_BETWEEN, after=after, upto=upto
        )
        metrics = pl.concat(
            [
                pl.DataFrame(schema=shapes.METRICS),
                *(
                    self._frame(
                        queries.METRICS,
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
        """Hours of the week of machines that are quiet in some hours and busy in others."""
        limits = self._thresholds.off_hours
        of_cpu = metrics.filter(
            pl.col("metric") == "cpu_percent", pl.col("window_days") == limits.window_days
        )
        sometimes = of_cpu.filter(
            pl.col("lowest") <= limits.cpu_percent, pl.col("highest") > limits.cpu_percent
        )
        if not limits.enabled or sometimes.is_empty():
            return pl.DataFrame(schema=shapes.WEEK)
        self._fill("week_keys", sometimes.select(KEY).unique())
        return self._frame(
            queries.WEEK,
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
        return self._frame(queries.COSTS, shapes.COSTS)

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
        return parsed(buffer.getvalue(), schema)


def _kept(limits: Kept) -> timedelta:
    """How old what is kept may get before a rule says that it should not be."""
    return timedelta(days=limits.retention_days + limits.days_beyond)


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
    script = _SCRIPT.read_text(encoding="utf-8").replace("{unseen}", UNSEEN)
    return cast(
        "list[LiteralString]",
        [part for part in script.split(";\n") if part.strip()],
    )
