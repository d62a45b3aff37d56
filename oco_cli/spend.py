"""What was spent by source, from the marts: one dollar stands in one row only.

Sources are those of `marts.fct_cost_daily`: `llm` (model calls through the gateway), `resilience`
(recovery points, known by Velero's tags) and `cloud` (every other charge).
"""

from decimal import Decimal
from typing import Final, NamedTuple

from rich.table import Table

from oco_warehouse.database import Warehouse
from oco_warehouse.money import exact_sum, format_usd

# A model call is several rows of the cost mart, one a SKU, so calls are counted where they are one.
SPEND_QUERY: Final = """
SELECT source, provider, sum(charge_count)::bigint AS records, sum(billed_cost_usd) AS spent_usd,
    0::bigint AS unpriced
FROM marts.fct_cost_daily
WHERE source <> 'llm'
GROUP BY source, provider
UNION ALL
SELECT 'llm', provider, sum(requests)::bigint, coalesce(sum(cost_usd), 0),
    sum(unpriced_requests)::bigint
FROM marts.fct_llm_usage_daily
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
