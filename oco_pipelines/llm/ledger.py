"""The ledger's books: what requests cost, and whether budgets remember the same."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from oco_warehouse.database import Warehouse

# One statement sees one moment: rows and budgets move in one transaction, so they must agree.
_DIFFERENCES: Final = """
    WITH books AS (
        SELECT
            budgets.id, budgets.scope, budgets.entity_id, budgets.period,
            budgets.spent_usd AS remembered,
            (
                SELECT coalesce(sum(requests.cost_usd), 0)
                FROM oco.api_requests AS requests
                WHERE requests."timestamp" >= budgets.period_start
                  AND requests."timestamp" < budgets.period_end
                  AND budgets.entity_id = CASE budgets.scope
                      WHEN 'agent' THEN requests.agent_id
                      WHEN 'team' THEN requests.team_id
                      WHEN 'user' THEN requests.user_id
                      WHEN 'org' THEN requests.org_id
                      ELSE requests.tags ->> substr(budgets.scope, length('tag:') + 1)
                  END
            ) AS recorded
        FROM oco.budgets
        WHERE budgets.period_start IS NOT NULL AND budgets.period_end IS NOT NULL
    )
    SELECT id, scope, entity_id, period, remembered, recorded
    FROM books
    WHERE remembered <> recorded
    ORDER BY id
"""
_TOTALS: Final = """
    SELECT
        count(*) AS requests,
        coalesce(sum(cost_usd), 0) AS cost_usd,
        count(*) FILTER (WHERE cost_status = 'unpriced' AND total_tokens > 0) AS unpriced,
        min("timestamp") AS first_at,
        max("timestamp") AS last_at
    FROM oco.api_requests
"""


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """The whole ledger in figures; `cost_usd` in USD, without calls whose price is unknown."""

    requests: int
    cost_usd: Decimal
    unpriced: int
    first_at: datetime | None
    last_at: datetime | None

    @property
    def cursor(self) -> str:
        """Changes whenever a row is added."""
        return f"{self.requests}:{self.last_at.isoformat() if self.last_at else ''}"


@dataclass(frozen=True, slots=True)
class BudgetDifference:
    """A budget whose `spent_usd` is not the sum of its requests; amounts in USD."""

    id: str
    scope: str
    entity_id: str
    period: str
    remembered: Decimal
    recorded: Decimal

    def __str__(self) -> str:
        return (
            f"{self.scope} {self.entity_id} ({self.period}): spent_usd is {self.remembered}, "
            f"its requests sum to {self.recorded}"
        )


def ledger_totals(warehouse: Warehouse) -> LedgerTotals:
    """Figures over all requests."""
    return LedgerTotals(**warehouse.query(_TOTALS)[0])


def budget_differences(warehouse: Warehouse) -> list[BudgetDifference]:
    """Budgets that do not agree with their requests, in the period that each remembers."""
    return [BudgetDifference(**row) for row in warehouse.query(_DIFFERENCES)]
