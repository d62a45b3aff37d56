"""Prices that became known late: calls that were recorded without one get what held at their time.

A call is priced once, and its budgets move in the same transaction under the ledger's lock, so that
rows and budgets agree at every moment. Prices are looked up before the lock is taken: gateways wait
for a short write only.

How the tokens of such a call were counted, and what its row has no column for (uses of tools,
audio), is not known any more: its cost is at best `estimated`. A call without any token was
billed by something else and stays unpriced.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from oco_warehouse.database import LEDGER_LOCK, Warehouse, lock
from oco_warehouse.money import exact_sum
from oco_warehouse.price_rows import PRICES_SQL, price_table
from oco_warehouse.pricing import Cost, PriceTable, Usage, price_usage

BATCH_ROWS: Final = 2000
_UNPRICED: Final = """
    SELECT id, "timestamp", provider, model, original_model, routed_model, was_routed,
           input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens,
           service_tier, error_type
    FROM oco.api_requests
    WHERE cost_status = 'unpriced' AND input_tokens + output_tokens > 0
      AND (%(at)s::timestamptz IS NULL OR ("timestamp", id) > (%(at)s, %(id)s::text))
    ORDER BY "timestamp", id
    LIMIT %(rows)s
"""
# In the order in which everyone locks them.
_LOCK_BUDGETS: Final = """
    SELECT 1 FROM oco.budgets WHERE period_start IS NOT NULL ORDER BY id FOR UPDATE
"""
_WRITE: Final = """
    WITH priced AS (
        UPDATE oco.api_requests AS request
        SET cost_usd = late.cost, input_cost_usd = late.input_cost,
            output_cost_usd = late.output_cost, cost_status = late.status,
            price_version = late.version
        FROM unnest(
            %s::text[], %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[],
            %s::text[], %s::text[]
        ) AS late (id, at, cost, input_cost, output_cost, status, version)
        WHERE request.id = late.id AND request."timestamp" = late.at
          AND request.cost_status = 'unpriced'
        RETURNING request."timestamp" AS at, request.agent_id, request.team_id, request.user_id,
                  request.org_id, request.tags, request.cost_usd
    ),
    amounts AS (
        SELECT budget.id, sum(priced.cost_usd) AS amount
        FROM oco.budgets AS budget
        JOIN priced
            ON priced.at >= budget.period_start AND priced.at < budget.period_end
            AND budget.entity_id = CASE budget.scope
                WHEN 'agent' THEN priced.agent_id
                WHEN 'team' THEN priced.team_id
                WHEN 'user' THEN priced.user_id
                WHEN 'org' THEN priced.org_id
                ELSE priced.tags ->> substr(budget.scope, length('tag:') + 1)
            END
        GROUP BY budget.id
    ),
    moved AS (
        UPDATE oco.budgets SET spent_usd = spent_usd + amounts.amount
        FROM amounts
        WHERE budgets.id = amounts.id
        RETURNING budgets.id
    )
    SELECT (SELECT count(*) FROM priced) AS calls,
           (SELECT coalesce(sum(cost_usd), 0) FROM priced) AS cost_usd,
           (SELECT count(*) FROM moved) AS budgets
"""


@dataclass(frozen=True, slots=True)
class Repriced:
    """What a run did.

    Attributes:
        seen: calls whose tokens are known and whose price was not.
        priced: those that have a price now.
        cost_usd: what they cost together, in USD.
    """

    seen: int
    priced: int
    cost_usd: Decimal


def reprice(
    warehouse: Warehouse,
    batch_rows: int = BATCH_ROWS,
    price_providers: Mapping[str, str] | None = None,
) -> Repriced:
    """Price every call whose price is known by now; run again, it finds nothing to do.

    Args:
        warehouse: with calls and prices.
        batch_rows: calls that are priced in one transaction.
        price_providers: whose prices hold, for providers that have none of their own.
    """
    table = price_table(warehouse.query(PRICES_SQL))
    lent = price_providers or {}
    seen = priced = 0
    amounts = []
    for rows in _batches(warehouse, batch_rows):
        seen += len(rows)
        late = [(row, cost) for row in rows if (cost := late_cost(row, table, lent)) is not None]
        if late:
            count, amount = _write(warehouse, late)
            priced += count
            amounts.append(amount)
    return Repriced(seen, priced, exact_sum(amounts))


def late_cost(
    row: dict[str, Any], table: PriceTable, price_providers: Mapping[str, str]
) -> Cost | None:
    """What a recorded call cost by the price that held when it arrived; None when there is none.

    Args:
        row: a row of `oco.api_requests` with known tokens.
        table: all prices, with their history.
        price_providers: whose prices hold, for providers that have none of their own.
    """
    provider = price_providers.get(row["provider"], row["provider"])
    second = row["routed_model"] if row["was_routed"] else row["original_model"]
    found = table.find(
        provider, (row["model"], second or ""), row["timestamp"], row["service_tier"]
    )
    usage = Usage(
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cached_input_tokens=row["cached_input_tokens"] or 0,
        cache_write_tokens=row["cache_write_tokens"] or 0,
        reasoning_tokens=row["reasoning_tokens"] or 0,
    )
    cost = price_usage(found, usage, "estimated" if row["error_type"] is None else "partial")
    return None if cost.cost_usd is None else cost


def _batches(warehouse: Warehouse, size: int) -> Iterator[list[dict[str, Any]]]:
    at: datetime | None = None
    key: str | None = None
    while rows := warehouse.query(_UNPRICED, {"at": at, "id": key, "rows": size}):
        at, key = rows[-1]["timestamp"], rows[-1]["id"]
        yield rows


def _write(
    warehouse: Warehouse, late: Sequence[tuple[dict[str, Any], Cost]]
) -> tuple[int, Decimal]:
    columns = zip(
        *(
            (
                row["id"],
                row["timestamp"],
                cost.cost_usd,
                cost.input_cost_usd,
                cost.output_cost_usd,
                cost.status,
                cost.price_version,
            )
            for row, cost in late
        ),
        strict=True,
    )
    with warehouse.transaction() as connection:
        lock(connection, LEDGER_LOCK)
        connection.execute(_LOCK_BUDGETS)
        done = connection.execute(_WRITE, [list(column) for column in columns]).fetchone()
    return (done["calls"], done["cost_usd"]) if done else (0, Decimal(0))
