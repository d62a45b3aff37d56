"""Budgets over several gateway processes, one of which dies: each keeper here is one gateway."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from oco_proxy.budget.admission import BudgetKeeper
from oco_proxy.budget.fallback import FRESH_SECONDS, NOTICE_SECONDS, LeftFallback
from oco_proxy.budget.holds import Hold
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

    def made(self, name: str, cost: int) -> RequestRecord:
        """One call's record."""
        amount = Decimal(cost)
        return RequestRecord(
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

    async def record(self, keeper: BudgetKeeper, name: str, cost: int) -> None:
        """What the ledger of a gateway does with one call's record."""
        record = self.made(name, cost)
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


def test_a_gateway_that_is_back_on_redis_is_still_seen_by_those_that_are_not(
    warehouse: Warehouse,
) -> None:
    async def work(gateways: Gateways) -> None:
        back, slower = await gateways.add("back"), await gateways.add("slower")
        await admit(back, "r1", 3)
        back.settle("r1", 2 * NANO)
        await admit(back, "r2", 4)
        await back._fallback.leave()
        with pytest.raises(BudgetExceeded) as refused:
            await admit(slower, "r3", 5)
        assert refused.value.reserved_usd == 6
        assert not await slower._fallback.others_without_redis()

    run(warehouse, GONE, work)


def test_the_others_have_time_to_notice_however_late_they_can_be_told(
    warehouse: Warehouse,
) -> None:
    async def work(gateways: Gateways) -> None:
        keeper = await gateways.add("late")
        fallback = keeper._fallback

        async def waited(name: str) -> float:
            began = time.monotonic()
            await fallback.admit(Hold(name, keeper.limits.claims(SCOPES, datetime.now(UTC)), NANO))
            return time.monotonic() - began

        fallback.enter()
        await asyncio.sleep(NOTICE_SECONDS)  # as long as PostgreSQL could not be told
        assert await waited("r1") >= NOTICE_SECONDS
        assert await waited("r2") < NOTICE_SECONDS / 2
        await asyncio.sleep(FRESH_SECONDS + 0.1)  # the others take it for dead by now
        assert await waited("r3") >= NOTICE_SECONDS

    run(warehouse, GONE, work)


def test_after_an_outage_of_postgresql_the_others_have_time_again(warehouse: Warehouse) -> None:
    async def work(gateways: Gateways) -> None:
        keeper = await gateways.add("quick")
        await admit(keeper, "r1", 1)
        await gateways.pool.execute("ALTER TABLE oco.budget_reservations RENAME TO away")
        with pytest.raises(BudgetUnavailable):
            await admit(keeper, "r2", 1)
        await gateways.pool.execute("ALTER TABLE oco.away RENAME TO budget_reservations")
        began = time.monotonic()
        await admit(keeper, "r3", 1)
        assert time.monotonic() - began >= NOTICE_SECONDS

    run(warehouse, GONE, work)


def test_nobody_returns_to_redis_before_all_could_write_down_what_they_hold(
    warehouse: Warehouse, redis_url: str
) -> None:
    async def work(gateways: Gateways) -> None:
        first, second = await gateways.add("first"), await gateways.add("second")
        for keeper in (first, second):
            keeper._rest(ConnectionError())
        assert not await first._can_return()
        await asyncio.sleep(NOTICE_SECONDS)
        assert not await second._can_return()  # PostgreSQL answers it only now
        assert not await first._can_return()
        await asyncio.sleep(NOTICE_SECONDS)
        assert await second._can_return()
        assert await first._can_return()

    run(warehouse, redis_url, work)


def test_a_redis_that_is_new_hears_what_is_held_before_its_holder_uses_it(
    warehouse: Warehouse, redis_url: str
) -> None:
    async def work(gateways: Gateways) -> None:
        doubting, trusting = await gateways.add("doubting"), await gateways.add("trusting")
        await admit(doubting, "r1", 6)
        doubting._rest(ConnectionError())
        await trusting._scripts._link.execute("FLUSHDB")
        await trusting._scripts.begin_epoch()
        await doubting._redis_hears()
        with pytest.raises(BudgetExceeded) as refused:
            await admit(trusting, "r2", 5)
        assert refused.value.reserved_usd == 6

    run(warehouse, redis_url, work)


def test_a_call_that_waits_while_everybody_returns_to_redis_is_held_there(
    warehouse: Warehouse, redis_url: str
) -> None:
    async def work(gateways: Gateways) -> None:
        back, other = await gateways.add("back"), await gateways.add("other")
        back._rest(ConnectionError())
        await admit(back, "r1", 1)  # everybody had time to notice
        async with back._fallback.standing_still():
            waiting = asyncio.create_task(admit(back, "r2", 6))
            await asyncio.sleep(0.05)
            back._was_gone = False
            back._fallback.left()
        await waiting
        with pytest.raises(BudgetExceeded) as refused:
            await admit(other, "r3", 5)
        assert refused.value.reserved_usd == 7

    run(warehouse, redis_url, work)


def test_a_call_that_comes_too_late_for_the_fallback_sends_nobody_away_from_redis(
    warehouse: Warehouse, redis_url: str
) -> None:
    async def work(gateways: Gateways) -> None:
        back, other = await gateways.add("back"), await gateways.add("other")
        hold = Hold("r1", back.limits.claims(SCOPES, datetime.now(UTC)), NANO)
        with pytest.raises(LeftFallback):
            await back._fallback.admit(hold)
        assert not await other._fallback.others_without_redis()

    run(warehouse, redis_url, work)


def test_a_gateway_says_that_it_lives_however_many_calls_wait(warehouse: Warehouse) -> None:
    async def work(gateways: Gateways) -> None:
        keeper = await gateways.add("busy")
        await admit(keeper, "r0", 0)
        await admit(keeper, "r1", 1)
        calls = [
            asyncio.create_task(keeper.admit(f"q{n}", SCOPES, 1, datetime.now(UTC)))
            for n in range(200)
        ]
        await asyncio.sleep(0)
        await keeper._fallback.tell(redis_answers=False)
        assert sum(call.done() for call in calls) < 10
        await asyncio.gather(*calls)

    run(warehouse, GONE, work)


def test_calls_count_as_spent_when_the_answer_to_their_commit_was_lost(
    warehouse: Warehouse, redis_url: str
) -> None:
    async def work(gateways: Gateways) -> None:
        keeper = await gateways.add("unlucky")
        await admit(keeper, "r1", 6)
        keeper.settle("r1", 6 * NANO)
        async with gateways.pool.acquire() as connection:
            records = [gateways.made("r1", 6)]
            await write_batch(connection, records)
            # Nobody heard of it, so that the ledger writes the same again.
            await keeper.posted(records, await write_batch(connection, records))
        with pytest.raises(BudgetExceeded) as refused:
            await admit(keeper, "r2", 5)
        assert refused.value.spent_usd == 6

    run(warehouse, redis_url, work)


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
