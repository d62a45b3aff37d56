"""What PostgreSQL says a budget has spent in a period. The rows decide; `spent_usd` remembers."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from oco_proxy.budget.limits import Budget
from oco_proxy.budget.periods import Period

_COLUMN: Final = {
    "agent": "agent_id",
    "team": "team_id",
    "user": "user_id",
    "org": "org_id",
}


async def spent_in(connection: Any, scope: str, entity_id: str, period: Period) -> Decimal:
    """Sum of `cost_usd` over a scope's rows of a period; unpriced rows count nothing."""
    if scope.startswith("tag:"):
        condition, arguments = "tags ->> $4 = $3", [entity_id, scope.removeprefix("tag:")]
    else:
        condition, arguments = f"{_COLUMN[scope]} = $3", [entity_id]
    spent = await connection.fetchval(
        'SELECT coalesce(sum(cost_usd), 0) FROM oco.api_requests WHERE "timestamp" >= $1 '  # noqa: S608
        f'AND "timestamp" < $2 AND {condition}',
        period.start,
        period.end,
        *arguments,
    )
    return Decimal(spent)


async def current_spend(connection: Any, budget: Budget, period: Period) -> Decimal:
    """What a budget has spent in a period: `spent_usd` if it is of that period, else the rows."""
    row = await connection.fetchrow(
        "SELECT spent_usd, period_start FROM oco.budgets WHERE id = $1", budget.id
    )
    if row is not None and _same(row["period_start"], period.start):
        return Decimal(row["spent_usd"])
    return await spent_in(connection, budget.scope, budget.entity_id, period)


def _same(stored: datetime | None, start: datetime) -> bool:
    return stored is not None and stored == start
