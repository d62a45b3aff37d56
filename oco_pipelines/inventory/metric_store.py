"""Writes metrics into `oco.resource_metrics`, and reads how far those of an account were read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from oco_pipelines.ingestion.cost_copy import copy_frame
from oco_warehouse.database import Connection, Warehouse

# Of a frame of metrics; amounts are in the unit that the metric's name says.
METRIC_SCHEMA: Final = pl.Schema(
    {
        "resource_id": pl.String(),
        "metric": pl.String(),
        "interval_start": pl.Datetime("us", "UTC"),
        "interval_seconds": pl.Int64(),
        "average": pl.Float64(),
        "maximum": pl.Float64(),
        "p99": pl.Float64(),
        "sample_count": pl.Int64(),
    }
)
# Clouds give metrics as binary fractions: what is behind these digits is noise.
_DIGITS: Final = 6
_VALUES: Final = ("average", "maximum", "p99")
_STAGE: Final = """
    CREATE TEMPORARY TABLE read_metrics ON COMMIT DROP AS
    SELECT resource_id, metric, interval_start, interval_seconds, average, maximum, p99,
        sample_count
    FROM oco.resource_metrics WITH NO DATA
"""
_MERGE: Final = """
    INSERT INTO oco.resource_metrics AS known (provider, account_id, resource_id, metric,
        interval_start, interval_seconds, average, maximum, p99, sample_count, source)
    SELECT %(provider)s, %(account_id)s, resource_id, metric, interval_start, interval_seconds,
        average, maximum, p99, sample_count, %(source)s
    FROM read_metrics
    ON CONFLICT (provider, account_id, resource_id, metric, interval_start) DO UPDATE SET
        interval_seconds = excluded.interval_seconds, average = excluded.average,
        maximum = excluded.maximum, p99 = excluded.p99, sample_count = excluded.sample_count,
        source = excluded.source
    WHERE (known.interval_seconds, known.average, known.maximum, known.p99, known.sample_count)
        IS DISTINCT FROM (excluded.interval_seconds, excluded.average, excluded.maximum,
            excluded.p99, excluded.sample_count)
"""
_READ_UNTIL: Final = """
    UPDATE oco.resources AS known
    SET metrics_until = greatest(known.metrics_until, read.until)
    FROM unnest(%s::text[], %s::timestamptz[]) AS read (resource_id, until)
    WHERE known.provider = %s AND known.account_id = %s AND known.resource_id = read.resource_id
"""


def write_metrics(
    warehouse: Warehouse,
    provider: str,
    account_id: str,
    metrics: pl.DataFrame,
    read_until: Mapping[str, datetime],
    source: str,
) -> int:
    """Add or replace intervals of resources, and keep how far they were read: one transaction.

    Args:
        warehouse: the warehouse.
        provider: of the resources.
        account_id: that owns them.
        metrics: of METRIC_SCHEMA; an interval comes once.
        read_until: {resource: exclusive end of what was read of it}, those without metrics too.
        source: where the metrics are from, as in aws.cloudwatch.

    Returns:
        How many intervals are new or changed.
    """
    if metrics.schema != METRIC_SCHEMA:
        raise ValueError(f"these are no metrics: {metrics.schema}")
    with warehouse.transaction() as connection:
        changed = _merge(connection, provider, account_id, metrics, source)
        if read_until:
            connection.execute(
                _READ_UNTIL, [list(read_until), list(read_until.values()), provider, account_id]
            )
    return changed


def read_until(
    warehouse: Warehouse, provider: str, account_ids: Sequence[str]
) -> dict[tuple[str, str], datetime]:
    """{(account, resource): until when its metrics were read}."""
    rows = warehouse.query(
        "SELECT account_id, resource_id, metrics_until FROM oco.resources "
        "WHERE provider = %s AND account_id = ANY(%s) AND metrics_until IS NOT NULL",
        [provider, list(account_ids)],
    )
    return {(row["account_id"], row["resource_id"]): row["metrics_until"] for row in rows}


def _merge(
    connection: Connection, provider: str, account_id: str, metrics: pl.DataFrame, source: str
) -> int:
    if metrics.is_empty():
        return 0
    rounded = metrics.with_columns(
        pl.col(name).round(_DIGITS).replace(-0.0, 0.0) for name in _VALUES
    )
    connection.execute(_STAGE)
    copy_frame(connection, "read_metrics", rounded)
    connection.execute("ANALYZE read_metrics")
    return connection.execute(
        _MERGE, {"provider": provider, "account_id": account_id, "source": source}
    ).rowcount
