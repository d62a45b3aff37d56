"""One transaction of the ledger: rows and what budgets have spent, together or not at all.

Repeating a batch changes nothing: rows that are there already are not inserted again, and only rows
that were really inserted move a budget.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg

from oco_proxy.budget.limits import BUDGET_COLUMNS, Budget, Scope, budget_from_row
from oco_proxy.budget.periods import Period
from oco_proxy.budget.spending import spent_in
from oco_proxy.budget.verdicts import Posted
from oco_warehouse.database import LEDGER_LOCK, lock_key
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import exact_sum
from oco_warehouse.records import REQUEST_COLUMNS, RequestRecord

_COLUMNS: Final = ", ".join(f'"{name}"' for name in REQUEST_COLUMNS)
_MAKE_TABLE: Final = (
    "CREATE TEMP TABLE IF NOT EXISTS ledger_batch "
    "(LIKE oco.api_requests INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
)
_INSERT: Final = (
    f"INSERT INTO oco.api_requests ({_COLUMNS}) SELECT {_COLUMNS} FROM ledger_batch "  # noqa: S608
    "ON CONFLICT DO NOTHING RETURNING id"
)
# In the order of their ids, so that two writers never wait for each other.
_LOCK_BUDGETS: Final = (
    f"SELECT {BUDGET_COLUMNS} FROM oco.budgets WHERE (scope, entity_id) IN "  # noqa: S608
    "(SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY id FOR UPDATE"
)
_ADD: Final = "UPDATE oco.budgets SET spent_usd = spent_usd + $2 WHERE id = $1 RETURNING spent_usd"
_BEGIN: Final = (
    "UPDATE oco.budgets SET spent_usd = $2, period_start = $3, period_end = $4, "
    "thresholds_fired = '{}' WHERE id = $1 RETURNING spent_usd"
)


async def write_batch(connection: Any, records: Sequence[RequestRecord]) -> list[Posted]:
    """Write records and move budgets in one transaction.

    Returns:
        What each touched budget has spent in its current period now.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: nothing was written.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", lock_key(LEDGER_LOCK))
        budgets = await _lock_budgets(connection, records)
        await connection.execute(_MAKE_TABLE)
        await connection.copy_records_to_table(
            "ledger_batch", columns=REQUEST_COLUMNS, records=[record.row() for record in records]
        )
        inserted = {row["id"] for row in await connection.fetch(_INSERT)}
        by_scope: dict[Scope, list[RequestRecord]] = defaultdict(list)
        for record in records:
            if record.id in inserted:
                for scope in record.scopes():
                    by_scope[scope].append(record)
        moved = [
            await _move(connection, budget, start, by_scope[budget.scope, budget.entity_id])
            for budget, start in budgets
        ]
        return [posted for posted in moved if posted is not None]


async def _lock_budgets(
    connection: Any, records: Sequence[RequestRecord]
) -> list[tuple[Budget, datetime | None]]:
    scopes = sorted({scope for record in records for scope in record.scopes()})
    if not scopes:
        return []
    rows = await connection.fetch(
        _LOCK_BUDGETS, [scope for scope, _ in scopes], [entity for _, entity in scopes]
    )
    return [(budget_from_row(row), row["period_start"]) for row in rows]


async def _move(
    connection: Any, budget: Budget, known_start: datetime | None, new: Sequence[RequestRecord]
) -> Posted | None:
    """Move one budget by its new rows that fall into its newest period."""
    by_period: dict[Period, list[Decimal]] = {}
    period: Period | None = None
    try:
        for record in new:
            if period is None or not period.start <= record.timestamp < period.end:
                period = budget.period_at(record.timestamp)
            by_period.setdefault(period, []).append(record.cost_usd or Decimal(0))
    except InvalidInputError:
        return None  # the limits' refresh says so in the log
    if not by_period:
        return None
    newest = max(by_period, key=lambda period: period.start)
    if known_start is not None and newest.start < known_start:
        return None  # late rows of a period that is over
    if known_start == newest.start:
        spent = await connection.fetchval(_ADD, budget.id, exact_sum(by_period[newest]))
    else:
        # The first rows of a period: what it has spent is what its rows say.
        total = await spent_in(connection, budget.scope, budget.entity_id, newest)
        spent = await connection.fetchval(_BEGIN, budget.id, total, newest.start, newest.end)
    return Posted(budget.id, newest.start, newest.end, spent)


BAD_ROW: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    ValueError,
    OverflowError,
)
