"""What was spent by source, from the raw tables: one dollar stands in one row only.

Three sources: model calls through the gateway (`llm`), recovery points (`resilience`: charges that
carry a tag of Velero's, whose keys begin with `velero.io/`), and every other charge (`cloud`).
"""

from decimal import Decimal
from typing import Final, NamedTuple

from rich.table import Table

from oco_warehouse.database import Warehouse
from oco_warehouse.money import exact_sum, format_usd

SPEND_QUERY: Final = """
WITH charges AS (
    SELECT provider, cost_usd,
        CASE
            WHEN EXISTS (SELECT 1 FROM jsonb_object_keys(tags) AS key WHERE key LIKE 'velero.io/%')
                THEN 'resilience' ELSE 'cloud'
        END AS source
    FROM oco.cloud_costs
    WHERE valid_to IS NULL
)
SELECT source, provider, count(*) AS records, sum(cost_usd) AS spent_usd, 0 AS unpriced
FROM charges
GROUP BY source, provider
UNION ALL
SELECT 'llm', provider, count(*), coalesce(sum(cost_usd), 0),
    count(*) FILTER (WHERE cost_usd IS NULL)
FROM oco.api_requests
GROUP BY provider
ORDER BY 1, 2
"""


class Spend(NamedTuple):
    """What one source cost, in USD; `unpriced` calls have no known price and are not in the sum."""

    source: str
    provider: str
    records: int
    spent_usd: Decimal
    unpriced: int


def spend_by_source(warehouse: Warehouse) -> list[Spend]:
    """Spend of everything that the warehouse holds, by source and provider."""
    return [Spend(**row) for row in warehouse.query(SPEND_QUERY)]


def spend_table(warehouse: Warehouse) -> Table:
    """The same for people, with its total."""
    rows = spend_by_source(warehouse)
    total = exact_sum(row.spent_usd for row in rows)
    table = Table("source", "provider", show_footer=True)
    table.columns[0].footer = "total"
    table.add_column("records", justify="right", footer=f"{sum(row.records for row in rows):,}")
    table.add_column("spent", justify="right", footer=format_usd(total))
    for row in rows:
        note = f" ({row.unpriced} unpriced)" if row.unpriced else ""
        table.add_row(
            row.source, row.provider, f"{row.records:,}", format_usd(row.spent_usd) + note
        )
    return table
