"""Budgets over several gateway processes, one of which dies: each keeper here is one gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from oco_proxy.budget.admission import BudgetKeeper
from oco_proxy.budget.limits import Limits
from oco_proxy.budget.redis_link import RedisLink
from oco_proxy.budget.scripts import Scripts
from oco_proxy.budget.verdicts import BudgetExceeded, BudgetUnavailable
from oco_proxy.ledger.batch import write_batch
from oco_warehouse.database import Warehouse, create_pool
from oco_warehouse.records import RequestRecord

NANO = 1_000_000_000
SCOPES = [("agent", "bot")]
GONE = "redis://127.0.0.1:1/0"


class Gateways:
    """Keepers on one warehouse and one Redis."""

    def __init__(self, pool: Any, redis_url: str) -> None:
        self.pool = pool
        self._redis_url = redis_url
        self._links: list[RedisLink] = []

    async def add(self, name: str) -> BudgetKeeper:
        link = RedisLink(self._redis_url, 1)
        self._links.append(link)
        keeper = BudgetKeeper(Scripts(link), self.pool, Limits(), name, "closed")
        await keeper.limits.refresh(self.pool)
        return keeper

    async def record(self, keeper: BudgetKeeper, name: str, cost: int) -> None:
        """What the ledger of a gateway does with one call's record."""
        amount = Decimal(cost)
        record = RequestRecord(
            id=name,
            provider="openai",
            endpoint="chat.completions",
            model="m",
            agent_id="bot",
            cost_usd=amount,
            input_cost_usd=Decimal(0),
            output_cost_usd=amount,
            cost_status="exact",
            status_code=200,
            timestamp=datetime.now(UTC),
        )
        async with self.pool.acquire() as connection:
            posted = await write_batch(connection, [record])
        await keeper.posted([record], posted)

    async def close(self) -> None:
        for link in self._links:
            await link.close()
        await self.pool.close()


def run(warehouse: Warehouse, redis_url: str, work: Callable[[Gateways], Awaitable[None]]) -> None:
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bot', 10)"
    )

    async def main() -> None:
        gateways = Gateways(await create_pool(warehouse.url, max_size=4), redis_url)
        try:
            await work(gateways)
        finally:
            await gateways.close()

    asyncio.run(main())


async def admit(keeper: BudgetKeeper, name: str, usd: int) -> None:
    await keeper.admit(name, SCOPES, usd * NANO, datetime.now(UTC))


def test_what_a_dead_gateway_had_spent_counts_once_after_its_spool_was_adopted(
    warehouse: Warehouse, redis_url: str
) -> None:
    async def work(gateways: Gateways) -> None:
        dead, heir = await gateways.add("dead"), await gateways.add("heir")
        await admit(dead, "r1", 5)
        dead.settle("r1", 4 * NANO)
        await gateways.record(heir, "r1", 4)
        await admit(heir, "r2", 6)
        with pytest.raises(BudgetExceeded):
            await admit(heir, "r3", 1)

    run(warehouse, redis_url, work)


def test_without_redis_gateways_see_what_each_other_holds(warehouse: Warehouse) -> None:
    async def work(gateways: Gateways) -> None:
        first, second = await gateways.add("first"), await gateways.add("second")
        await admit(first, "r1", 6)
        with pytest.raises(BudgetExceeded) as refused:
            await admit(second, "r2", 5)
        assert refused.value.reserved_usd == 6
        await admit(second, "r3", 4)

    run(warehouse, GONE, work)


def test_without_redis_posted_money_is_no_longer_held(warehouse: Warehouse) -> None:
    async def work(gateways: Gateways) -> None:
        first, second = await gateways.add("first"), await gateways.add("second")
        await admit(first, "r1", 5)
        first.settle("r1", 4 * NANO)
        await first._fallback.tell(redis_answers=False)
        await gateways.record(first, "r1", 4)
        await first._fallback.tell(redis_answers=False)
        await admit(second, "r2", 6)

    run(warehouse, GONE, work)


def test_a_gateway_that_died_without_redis_holds_nothing_once_it_was_adopted(
    warehouse: Warehouse,
) -> None:
    async def work(gateways: Gateways) -> None:
        dead, heir = await gateways.add("dead"), await gateways.add("heir")
        await admit(dead, "r1", 9)
        await gateways.record(heir, "r1", 1)
        await heir.forget("dead")
        await admit(heir, "r2", 9)

    run(warehouse, GONE, work)


def test_nobody_is_admitted_while_it_is_not_known_which_budgets_there_are(
    warehouse: Warehouse,
) -> None:
    async def work(gateways: Gateways) -> None:
        scripts = Scripts(RedisLink(GONE, 1))
        BudgetKeeper(scripts, gateways.pool, Limits(), "g", "open").require_limits()
        with pytest.raises(BudgetUnavailable):
            BudgetKeeper(scripts, gateways.pool, Limits(), "g", "closed").require_limits()

    run(warehouse, GONE, work)


def test_an_answer_that_claims_absurd_amounts_does_not_take_redis_away(
    warehouse: Warehouse, redis_url: str
) -> None:
    async def work(gateways: Gateways) -> None:
        keeper = await gateways.add("g")
        warehouse.execute(
            "INSERT INTO oco.rate_limits (scope, entity_id, tokens_per_minute) "
            "VALUES ('agent', 'bot', 1000)"
        )
        await keeper.limits.refresh(gateways.pool)
        await admit(keeper, "r1", 1)
        keeper.settle("r1", 10**30, 10**30)
        await asyncio.sleep(0.1)
        assert keeper.redis_answers

    run(warehouse, redis_url, work)


def test_what_was_spent_without_a_record_is_heard_of(warehouse: Warehouse, redis_url: str) -> None:
    async def work(gateways: Gateways) -> None:
        keeper = await gateways.add("g")
        await admit(keeper, "r1", 1)
        keeper.settle("r1", 1 * NANO)
        await gateways.record(keeper, "r1", 1)
        # A price became known late: the pipelines moved the budget.
        warehouse.execute("UPDATE oco.budgets SET spent_usd = spent_usd + 8")
        await keeper.limits.refresh(gateways.pool)
        await keeper._tell_spent()
        with pytest.raises(BudgetExceeded):
            await admit(keeper, "r2", 2)
        await admit(keeper, "r3", 1)

    run(warehouse, redis_url, work)
