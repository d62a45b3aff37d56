"""What a dashboard asks of the cost marts, and how long the answers take."""

import statistics
import time
from typing import Final, LiteralString

import psycopg

# The month that the benchmark's charges lie in.
QUERIES: Final[dict[str, LiteralString]] = {
    "spend by day and provider": """
        SELECT usage_date, provider, sum(effective_cost_usd) FROM marts.fct_cost_daily
        WHERE usage_date BETWEEN '2026-09-01' AND '2026-09-30' GROUP BY 1, 2 ORDER BY 1, 2
    """,
    "services of the month": """
        SELECT provider, service, sum(effective_cost_usd) AS usd FROM marts.fct_cost_daily
        WHERE usage_date BETWEEN '2026-09-01' AND '2026-09-30'
        GROUP BY 1, 2 ORDER BY usd DESC LIMIT 20
    """,
    "accounts of the month": """
        SELECT costs.account_id, account.name, sum(billed_cost_usd) AS usd
        FROM marts.fct_cost_daily AS costs LEFT JOIN marts.dim_account AS account
            USING (provider, account_id)
        WHERE usage_date BETWEEN '2026-09-01' AND '2026-09-30'
        GROUP BY 1, 2 ORDER BY usd DESC LIMIT 20
    """,
    "one team by day": """
        SELECT usage_date, sum(effective_cost_usd) FROM marts.fct_cost_daily
        WHERE team = 'search' GROUP BY 1 ORDER BY 1
    """,
    "regions of the last week": """
        SELECT region, sum(effective_cost_usd) AS usd FROM marts.fct_cost_daily
        WHERE usage_date > date '2026-09-30' - 7 GROUP BY 1 ORDER BY usd DESC
    """,
    "showback of the month": """
        SELECT team, allocation, sum(effective_cost_usd) AS usd FROM marts.fct_showback_month
        WHERE usage_month = '2026-09-01' GROUP BY 1, 2 ORDER BY usd DESC
    """,
    "coverage by day": """
        SELECT usage_date, sum(covered_cost_usd), sum(eligible_cost_usd)
        FROM marts.fct_commitment_coverage_daily GROUP BY 1 ORDER BY 1
    """,
    "bills against invoices": "SELECT * FROM marts.fct_reconciliation ORDER BY billing_period DESC",
    "what was restated": """
        SELECT believed_from, source_partition, sum(billed_difference)
        FROM marts.fct_restatements WHERE is_restatement
        GROUP BY 1, 2 ORDER BY 1 DESC LIMIT 50
    """,
    "cost for a thousand requests": """
        SELECT usage_date, platform_cost_per_1k_requests_usd FROM marts.fct_unit_economics_daily
        WHERE level = 'all' ORDER BY 1
    """,
}


def slowest_p95(url: str, rounds: int) -> tuple[str, float]:
    """(name, milliseconds) of the query whose 95th percentile over the rounds is the worst."""
    taken: dict[str, list[float]] = {name: [] for name in QUERIES}
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(rounds):
            for name, query in QUERIES.items():
                began = time.perf_counter()
                connection.execute(query).fetchall()
                taken[name].append(1000 * (time.perf_counter() - began))
    worst = {name: statistics.quantiles(times, n=20)[-1] for name, times in taken.items()}
    return max(worst.items(), key=lambda item: item[1])
