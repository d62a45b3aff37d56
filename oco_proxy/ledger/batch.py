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
from oco_warehouse.records import REQUEST_COLUMNS, REQUEST_DEFAULTS, RequestRecord

_COLUMNS: Final = ", ".join(f'"{name}"' for name in REQUEST_COLUMNS)
_MAKE_TABLE: Final = (
    "CREATE TEMP TABLE IF NOT EXISTS ledger_batch (record json NOT NULL) ON COMMIT DELETE ROWS"
)
# Records go to PostgreSQL as the lines that they are, and it takes them apart: encoding three dozen
# values a row would be the largest part of what the gateway does for a call after its end. JSON has
# no control characters, so these two leave it as it is.
_AS_LINES: Final[dict[str, Any]] = {"format": "csv", "quote": "\x01", "delimiter": "\x02"}
# What a record does not say is as in an empty one.
_EMPTY: Final = REQUEST_DEFAULTS.decode()
_INSERT: Final = (
    f"INSERT INTO oco.api_requests ({_COLUMNS}) SELECT {_COLUMNS} FROM "  # noqa: S608
    "(SELECT json_populate_record(NULL::oco.api_requests, $1) AS record OFFSET 0) AS empty, "
    "ledger_batch, LATERAL json_populate_record(empty.record, ledger_batch.record) "
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

_READ: Final = "SELECT period_start, period_end, spent_usd FROM oco.budgets WHERE id = $1"


async def write_batch(connection: Any, records: Sequence[RequestRecord]) -> list[Posted]:
    """Write records and move budgets in one transaction.

    Returns:
        What each budget that a record counts in has spent in its current period now; also when the
        rows were there already, because the answer to a commit may have been lost.

    Raises:
        `POSTGRES_GONE`: nothing was written.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", lock_key(LEDGER_LOCK))
        by_scope: dict[Scope, list[RequestRecord]] = defaultdict(list)
        for record in records:
            for scope in record.scopes():
                by_scope[scope].append(record)
        budgets = await _lock_budgets(connection, sorted(by_scope))
        await connection.execute(_MAKE_TABLE)
        lines = b"".join(record.to_json() + b"\n" for record in records)
        # A view: asyncpg takes bytes for a path, and leaves a class behind for each file.
        await connection.copy_to_table("ledger_batch", source=memoryview(lines), **_AS_LINES)
        inserted = {row["id"] for row in await connection.fetch(_INSERT, _EMPTY)}
        moved = []
        for budget, start in budgets:
            named = by_scope[budget.scope, budget.entity_id]
            new = [record for record in named if record.id in inserted]
            moved.append(await _move(connection, budget, start, new))
        return [posted for posted in moved if posted is not None]


async def _lock_budgets(
    connection: Any, scopes: Sequence[Scope]
) -> list[tuple[Budget, datetime | None]]:
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
        return await _as_it_is(connection, budget)
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


async def _as_it_is(connection: Any, budget: Budget) -> Posted | None:
    row = await connection.fetchrow(_READ, budget.id)
    if row["period_start"] is None or row["period_end"] is None:
        return None
    return Posted(budget.id, row["period_start"], row["period_end"], row["spent_usd"])


BAD_ROW: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    ValueError,
    OverflowError,
)
