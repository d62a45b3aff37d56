"""What must hold over the marts; a check returns one line for each problem."""

from decimal import Decimal

from oco_warehouse.database import Warehouse


def mart_totals(warehouse: Warehouse) -> list[str]:
    """Months in which a mart does not hold what `oco.cloud_costs` believes, to the last digit.

    Charges by provider, month and currency; marts in USD by provider and month.
    """
    rows = warehouse.query("""
        WITH believed AS MATERIALIZED (
            SELECT provider, date AS day, billing_currency AS currency,
                   sum(billed_cost) AS billed, sum(effective_cost) AS effective,
                   sum(cost_usd) AS billed_usd, sum(effective_cost * usd_rate) AS effective_usd
            FROM oco.cloud_costs
            WHERE valid_to IS NULL
            GROUP BY 1, 2, 3
        ),
        both_sides AS (
            SELECT 'int_cloud_cost_cells' AS mart, provider, day, currency,
                   billed AS billed_believed, 0 AS billed_shown,
                   effective AS effective_believed, 0 AS effective_shown
            FROM believed
            UNION ALL
            SELECT 'int_cloud_cost_cells', provider, usage_date, billing_currency, 0, billed_cost,
                   0, effective_cost
            FROM intermediate.int_cloud_cost_cells
            UNION ALL
            SELECT m.mart, provider, day, 'USD', m.billed * billed_usd, 0, effective_usd, 0
            FROM believed,
                 (VALUES ('fct_cost_daily', 1), ('fct_showback_month', 0)) AS m (mart, billed)
            UNION ALL
            SELECT 'fct_cost_daily', provider, usage_date, 'USD', 0, billed_cost_usd, 0,
                   effective_cost_usd
            FROM marts.fct_cost_daily
            WHERE source <> 'llm'
            UNION ALL
            SELECT 'fct_showback_month', provider, usage_month, 'USD', 0, 0, 0, effective_cost_usd
            FROM marts.fct_showback_month
            WHERE source <> 'llm'
        )
        SELECT mart, provider, date_trunc('month', day)::date AS month, currency,
               sum(billed_believed) AS billed_believed, sum(billed_shown) AS billed_shown,
               sum(effective_believed) AS effective_believed,
               sum(effective_shown) AS effective_shown
        FROM both_sides
        GROUP BY 1, 2, 3, 4
        HAVING sum(billed_believed) <> sum(billed_shown)
            OR sum(effective_believed) <> sum(effective_shown)
        ORDER BY 1, 2, 3, 4
    """)
    return [
        f"{row['mart']}: {row['provider']} {row['month']:%Y-%m} {row['currency']}: "
        f"billed {row['billed_shown']} of {row['billed_believed']}, "
        f"effective {row['effective_shown']} of {row['effective_believed']}"
        for row in rows
    ]


def mixed_currencies(warehouse: Warehouse) -> list[str]:
    """Marts that have money without saying in which currency."""
    unsaid = warehouse.query("""
        SELECT table_name, column_name
        FROM information_schema.columns AS money
        WHERE table_schema = 'marts' AND data_type = 'numeric'
          AND column_name ~ '(cost|price|total|billed|effective|difference|savings)'
          AND column_name !~ '(_usd|_percent|_count)$'
          AND NOT EXISTS (
              SELECT 1
              FROM information_schema.columns AS other
              WHERE other.table_schema = 'marts' AND other.table_name = money.table_name
                AND other.column_name IN ('currency', 'billing_currency'))
        ORDER BY 1, 2
    """)
    return [f"{row['table_name']}.{row['column_name']} does not say its currency" for row in unsaid]


def invoices_that_differ(warehouse: Warehouse) -> list[str]:
    """Stated invoices that are not what the bills add up to."""
    rows = warehouse.query("""
        SELECT * FROM marts.fct_reconciliation WHERE status = 'differs'
        ORDER BY billing_period DESC, provider, invoice_id
    """)
    return [
        f"{row['provider']} invoice {row['invoice_id']} of {row['billing_period']:%Y-%m}: bills "
        f"{row['billed_cost']}, invoice {row['stated_total']} {row['currency']}"
        + (
            f", {row['charges_without_invoice_id']} charges name no invoice"
            if row["charges_without_invoice_id"] and row["invoice_id"] != "none"
            else ""
        )
        for row in rows
    ]


def large_restatements(warehouse: Warehouse, percent: Decimal) -> list[str]:
    """Partitions whose newest load changed more than `percent` of what their days cost before.

    Days that had no charge before are new, not restated. Amounts up and down both count.
    """
    rows = warehouse.query(
        """
        WITH newest AS (
            SELECT *, max(believed_from) OVER (PARTITION BY source, source_partition) AS latest
            FROM marts.fct_restatements
        ),
        changed AS (
            SELECT source_partition, provider, currency, believed_from,
                   sum(abs(billed_difference)) AS billed_changed,
                   sum(abs(billed_before)) AS billed_before,
                   sum(abs(effective_difference)) AS effective_changed,
                   sum(abs(effective_before)) AS effective_before
            FROM newest
            WHERE is_restatement AND believed_from = latest
            GROUP BY source, source_partition, provider, currency, believed_from
        )
        SELECT * FROM changed
        WHERE 100 * billed_changed > %(percent)s * billed_before
           OR 100 * effective_changed > %(percent)s * effective_before
        ORDER BY billed_changed DESC, source_partition
        """,
        {"percent": percent},
    )
    return [
        f"{row['source_partition']}: {row['provider']} changed billed cost by "
        f"{_share(row['billed_changed'], row['billed_before'])} and effective cost by "
        f"{_share(row['effective_changed'], row['effective_before'])} of what {row['currency']} "
        "its changed days had"
        for row in rows
    ]


def _share(changed: Decimal, before: Decimal) -> str:
    return f"{100 * changed / before:.1f} %" if before else f"{changed} (of 0)"
