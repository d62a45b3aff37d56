"""Budgets and rate limits as one process knows them: changes are read, and none is missed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from oco_proxy.budget.limits import Limits
from oco_warehouse.database import Warehouse, create_pool

BOT = [("agent", "bot")]


def run(warehouse: Warehouse, work: Callable[[Limits, Any], Awaitable[None]]) -> None:
    async def main() -> None:
        pool = await create_pool(warehouse.url)
        try:
            limits = Limits()
            await limits.refresh(pool)
            await work(limits, pool)
        finally:
            await pool.close()

    asyncio.run(main())


def add(warehouse: Warehouse, limit: int = 1, entity: str = "bot") -> None:
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', %s, %s)",
        [entity, limit],
    )


def known(limits: Limits) -> list[int]:
    return [int(claim.budget.limit_usd) for claim in limits.claims(BOT, datetime.now(UTC))]


@pytest.mark.parametrize(
    ("change", "then"),
    [
        ("UPDATE oco.budgets SET limit_usd = 7", [7]),
        ("UPDATE oco.budgets SET enabled = false", []),
        ("UPDATE oco.budgets SET enforcement = 'soft'", []),
        ("UPDATE oco.budgets SET entity_id = 'other'", []),
        ("DELETE FROM oco.budgets", []),
    ],
)
def test_every_change_is_seen(warehouse: Warehouse, change: Any, then: list[int]) -> None:
    async def work(limits: Limits, pool: Any) -> None:
        add(warehouse)
        await limits.refresh(pool)
        assert known(limits) == [1]
        warehouse.execute(change)
        await limits.refresh(pool)
        assert known(limits) == then

    run(warehouse, work)


def test_one_that_is_deleted_while_another_is_made_is_forgotten(warehouse: Warehouse) -> None:
    async def work(limits: Limits, pool: Any) -> None:
        add(warehouse)
        await limits.refresh(pool)
        warehouse.execute("DELETE FROM oco.budgets")
        add(warehouse, entity="other")
        await limits.refresh(pool)
        assert known(limits) == []

    run(warehouse, work)


def test_a_change_that_is_committed_late_is_seen(warehouse: Warehouse) -> None:
    async def work(limits: Limits, pool: Any) -> None:
        add(warehouse)
        with psycopg.connect(warehouse.url) as slow:
            slow.execute("UPDATE oco.budgets SET limit_usd = 7")
            for entity in ("a", "b"):  # others begin and end meanwhile
                add(warehouse, entity=entity)
                await limits.refresh(pool)
            assert known(limits) == [1]
            slow.commit()
        await limits.refresh(pool)
        assert known(limits) == [7]

    run(warehouse, work)


def test_what_has_not_changed_is_not_read_again(warehouse: Warehouse) -> None:
    async def work(limits: Limits, pool: Any) -> None:
        for entity in ("bot", "other"):
            add(warehouse, entity=entity)
            warehouse.execute("UPDATE oco.budgets SET period_start = now(), period_end = now()")
        await limits.refresh(pool)
        assert len(limits.take_moved()) == 2
        warehouse.execute("UPDATE oco.budgets SET spent_usd = 3 WHERE entity_id = 'bot'")
        await limits.refresh(pool)
        (moved,) = limits.take_moved()
        assert (moved[0].entity_id, int(moved[2])) == ("bot", 3)
        await limits.refresh(pool)
        assert limits.take_moved() == []

    run(warehouse, work)


@pytest.mark.parametrize(
    ("change", "then"),
    [
        ("UPDATE oco.rate_limits SET requests_per_minute = 9", [9]),
        ("UPDATE oco.rate_limits SET enabled = false", []),
        ("DELETE FROM oco.rate_limits", []),
    ],
)
def test_every_change_of_a_rate_limit_is_seen(
    warehouse: Warehouse, change: Any, then: list[int]
) -> None:
    async def work(limits: Limits, pool: Any) -> None:
        warehouse.execute(
            "INSERT INTO oco.rate_limits (scope, entity_id, requests_per_minute) "
            "VALUES ('agent', '*', 5)"
        )
        await limits.refresh(pool)
        warehouse.execute(change)
        await limits.refresh(pool)
        assert [claim.limit.requests_per_minute for claim in limits.rate_claims(BOT)] == then

    run(warehouse, work)


def test_twenty_thousand_budgets_that_move_hold_up_nobody(warehouse: Warehouse) -> None:
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd, period_start, period_end) "
        "SELECT 'agent', 'a' || n, 1, now(), now() + interval '1 day' "
        "FROM generate_series(1, 20000) AS n"
    )

    async def work(limits: Limits, pool: Any) -> None:
        assert len(limits.take_moved()) == 20_000
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        warehouse.execute("UPDATE oco.budgets SET spent_usd = 0.5")
        calls = asyncio.create_task(others())
        await limits.refresh(pool)
        calls.cancel()
        assert turns >= 20_000 / 200
        assert len(limits.take_moved()) == 20_000

    run(warehouse, work)
