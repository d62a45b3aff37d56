"""What must hold over `oco.cloud_costs` as a whole; a check returns one line for each problem."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from oco_pipelines.ingestion.focus_columns import CHARGE_CATEGORIES
from oco_warehouse.database import Warehouse

LONGEST_SILENCE: Final = timedelta(days=2)
_SAMPLED_ROWS: Final = 10_000


def totals_by_provider(warehouse: Warehouse) -> list[dict[str, Any]]:
    """provider, billing_currency, charges, billed_cost, first_day, last_day of what is believed."""
    return warehouse.query("""
        SELECT provider, billing_currency, count(*) AS charges, sum(billed_cost) AS billed_cost,
               min(date) AS first_day, max(date) AS last_day
        FROM oco.cloud_costs
        WHERE valid_to IS NULL
        GROUP BY 1, 2
        ORDER BY 1, 2
    """)


def control_totals(warehouse: Warehouse) -> list[str]:
    """Partitions whose newest load does not add up, or is not what the table holds now.

    The table must hold nothing of a partition that another one took the place of.
    """
    rows = warehouse.query("""
        WITH latest AS (
            SELECT DISTINCT ON (source, source_partition) *
            FROM oco.ingestion_batches
            WHERE status IN ('loaded', 'unchanged')
            ORDER BY source, source_partition, finished_at DESC
        ),
        sums AS (
            SELECT b.source, b.source_partition, b.replaced_by, k.kind, c.key AS currency,
                   a.key AS cost, a.value::numeric AS amount
            FROM latest AS b,
                 LATERAL (VALUES ('source', b.totals_source), ('accepted', b.totals_accepted),
                                 ('rejected', b.totals_rejected)) AS k (kind, totals),
                 jsonb_each(k.totals) AS c,
                 jsonb_each_text(c.value) AS a
        ),
        promised AS (
            SELECT source, source_partition, currency, cost,
                   sum(amount) FILTER (WHERE kind = 'source') AS source_total,
                   coalesce(sum(amount) FILTER (WHERE kind = 'accepted'), 0) AS accepted,
                   coalesce(sum(amount) FILTER (WHERE kind = 'rejected'), 0) AS rejected,
                   bool_or(replaced_by IS NOT NULL) AS replaced
            FROM sums
            GROUP BY 1, 2, 3, 4
        ),
        loaded AS (
            SELECT source, source_partition, billing_currency AS currency,
                   sum(billed_cost) AS billed_cost, sum(effective_cost) AS effective_cost,
                   sum(list_cost) AS list_cost, sum(contracted_cost) AS contracted_cost
            FROM oco.cloud_costs
            WHERE valid_to IS NULL
            GROUP BY 1, 2, 3
        ),
        held AS (
            SELECT source, source_partition, currency, v.cost, coalesce(v.amount, 0) AS amount
            FROM loaded,
                 LATERAL (VALUES ('billed_cost', billed_cost), ('effective_cost', effective_cost),
                                 ('list_cost', list_cost),
                                 ('contracted_cost', contracted_cost)) AS v (cost, amount)
        )
        SELECT source_partition, currency, cost, p.source_total, p.accepted, p.rejected,
               coalesce(h.amount, 0) AS held
        FROM promised AS p
        FULL JOIN held AS h USING (source, source_partition, currency, cost)
        WHERE p.source_total IS DISTINCT FROM p.accepted + p.rejected
           OR CASE WHEN p.replaced THEN 0 ELSE p.accepted END IS DISTINCT FROM coalesce(h.amount, 0)
        ORDER BY 1, 2, 3
    """)
    return [
        f"{row['source_partition']}: {row['cost']} {row['currency']}: read {row['source_total']}, "
        f"accepted {row['accepted']}, rejected {row['rejected']}, loaded {row['held']}"
        for row in rows
    ]


def currencies(warehouse: Warehouse) -> list[str]:
    """Currencies that were converted at more than one rate, or wrongly, within a month."""
    rows = warehouse.query("""
        WITH rates AS (
            SELECT source, source_partition, billing_currency, usd_rate,
                   date_trunc('month', date)::date AS month,
                   bool_or(cost_usd <> billed_cost * usd_rate) AS is_wrong
            FROM oco.cloud_costs
            WHERE valid_to IS NULL
            GROUP BY 1, 2, 3, 4, 5
        )
        SELECT source_partition, billing_currency, month
        FROM rates
        GROUP BY source, 1, 2, 3
        HAVING count(*) > 1 OR bool_or(is_wrong)
            OR bool_or(billing_currency = 'USD' AND usd_rate <> 1)
        ORDER BY 1, 2, 3
    """)
    return [
        f"{row['source_partition']}: {row['billing_currency']} in {row['month']:%Y-%m} is not "
        "converted at one rate"
        for row in rows
    ]


def schema(warehouse: Warehouse) -> list[str]:
    """Breaks of the contract in rows of the partition that was loaded last."""
    import pandera.polars as pa
    import polars as pl

    rows = warehouse.query(
        """
        SELECT provider, service, account_id, billing_currency, charge_category, date,
               charge_period_start, charge_period_end, octet_length(row_hash) AS hash_bytes
        FROM oco.cloud_costs
        WHERE valid_to IS NULL AND (source, source_partition) IN (
            SELECT source, source_partition FROM oco.ingestion_batches
            WHERE status = 'loaded' ORDER BY finished_at DESC LIMIT 1)
        LIMIT %s
        """,
        [_SAMPLED_ROWS],
    )
    if not rows:
        return []
    promise = pa.DataFrameSchema(
        {
            **{
                name: pa.Column(pl.String, pa.Check.str_matches(r"^."))
                for name in ("provider", "service", "account_id")
            },
            "billing_currency": pa.Column(pl.String, pa.Check.str_matches(r"^[A-Z]{3}$")),
            "charge_category": pa.Column(pl.String, pa.Check.isin(CHARGE_CATEGORIES)),
            "date": pa.Column(pl.Date),
            "hash_bytes": pa.Column(pl.Int64, pa.Check.eq(32)),
        }
    )
    frame = pl.DataFrame(rows, infer_schema_length=None)
    try:
        promise.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        return [str(reason) for reason in error.failure_cases["check"].to_list()]
    wrong = frame.filter(pl.col("charge_period_start").dt.date() != pl.col("date")).height
    return [f"{wrong} rows whose date is not the day of their charge period"] if wrong else []


def freshness(warehouse: Warehouse) -> list[str]:
    """Sources from which nothing was read for LONGEST_SILENCE."""
    rows = warehouse.query("""
        SELECT source, max(finished_at) AS newest
        FROM oco.ingestion_batches
        WHERE status IN ('loaded', 'unchanged')
        GROUP BY 1
        ORDER BY 1
    """)
    limit = datetime.now(UTC) - LONGEST_SILENCE
    return [
        f"{row['source']}: last read {row['newest']:%Y-%m-%d %H:%M} UTC"
        for row in rows
        if row["newest"] < limit
    ]


def gaps(warehouse: Warehouse) -> list[str]:
    """Billing accounts of a source without use on days between their first and their last day.

    A charge is use on every day of its charge period, so that monthly charges leave no gap.
    """
    rows = warehouse.query("""
        WITH periods AS MATERIALIZED (
            SELECT DISTINCT source, provider, billing_account_id, date, charge_period_end
            FROM oco.cloud_costs
            WHERE valid_to IS NULL AND charge_category = 'Usage'
        ),
        spans AS (
            SELECT source, provider, billing_account_id, daterange(
                date,
                ((charge_period_end - interval '1 microsecond') AT TIME ZONE 'UTC')::date, '[]'
            ) AS days
            FROM periods
        ),
        seen AS (
            SELECT source, provider, billing_account_id, range_agg(days) AS days
            FROM spans
            GROUP BY 1, 2, 3
        )
        SELECT source, provider, billing_account_id, lower(gap) AS first_day,
               upper(gap) - 1 AS last_day
        FROM seen, unnest(datemultirange(range_merge(days)) - days) AS gap
        ORDER BY 1, 2, 3, 4
    """)
    return [
        f"{row['provider']} account {row['billing_account_id']} ({row['source']}): nothing from "
        f"{row['first_day']} to {row['last_day']}"
        for row in rows
    ]
