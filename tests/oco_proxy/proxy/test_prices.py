"""When the gateway reads the prices again."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
from msgspec.structs import replace

from oco_proxy.proxy.prices import PriceCache
from oco_warehouse.database import Warehouse, create_pool
from oco_warehouse.pricing import Usage, price_usage

ADD = (
    "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token, "
    "price_version) VALUES ('openai', %s, 1, 2, 'v1')"
)
CHANGE = "UPDATE oco.model_pricing SET input_per_m_token = 5, updated_at = now() WHERE model = %s"


def test_a_price_whose_change_was_committed_late_is_seen(warehouse: Warehouse) -> None:
    for model in ("early", "late"):
        warehouse.execute(ADD, [model])

    async def work() -> Decimal | None:
        cache = PriceCache()
        pool = await create_pool(warehouse.url, max_size=1)
        with psycopg.connect(warehouse.url) as slow:
            # Begun, and so dated, before the other change; committed after it.
            slow.execute(CHANGE, ["late"])
            warehouse.execute(CHANGE, ["early"])
            await cache.refresh(pool)
        await cache.refresh(pool)
        await pool.close()
        found = cache.table.find("openai", ("late",), datetime.now(UTC))
        return found.tiers[0].input if found else None

    assert asyncio.run(work()) == 5


def test_unchanged_prices_are_not_built_again_and_deleted_ones_go(warehouse: Warehouse) -> None:
    warehouse.execute(ADD, ["one"])

    async def work() -> None:
        cache = PriceCache()
        pool = await create_pool(warehouse.url, max_size=1)
        await cache.refresh(pool)
        before = cache.table
        await cache.refresh(pool)
        assert cache.table is before
        warehouse.execute("DELETE FROM oco.model_pricing")
        await cache.refresh(pool)
        assert len(cache.table) == 0
        await pool.close()

    asyncio.run(work())


def test_a_stated_price_covers_the_catalogues_for_as_long_as_it_is_there(
    warehouse: Warehouse,
) -> None:
    warehouse.execute(
        "INSERT INTO oco.model_pricing (provider, model, min_context_tokens, input_per_m_token, "
        "output_per_m_token, cached_input_per_m_token, tool_prices, source, price_version) VALUES "
        "('openai', 'm', 0, 2, 8, 0.5, '{\"web_search\": 0.01}', 'genai-prices', 'v1'), "
        "('openai', 'm', 200000, 4, 16, 1, '{\"web_search\": 0.01}', 'genai-prices', 'v1'), "
        "('openai', 'm', 0, 1, 4, NULL, '{\"shell\": 0.03}', 'override', 'o1')"
    )
    usage = Usage(1000, 0, cached_input_tokens=500, tool_uses={"web_search": 2, "shell": 1})

    async def work() -> list[tuple[Decimal | None, str]]:
        cache = PriceCache()
        pool = await create_pool(warehouse.url, max_size=1)
        costs = []
        for statement in ("SELECT 1", "DELETE FROM oco.model_pricing WHERE source = 'override'"):
            await pool.execute(statement)
            await cache.refresh(pool)
            found = cache.table.find("openai", ("m",), datetime.now(UTC))
            for one in (usage, replace(usage, input_tokens=300_000, cached_input_tokens=0)):
                cost = price_usage(found, one)
                costs.append((cost.cost_usd, cost.status))
        await pool.close()
        return costs

    assert asyncio.run(work()) == [
        (Decimal("0.05075"), "exact"),
        # The larger context tier was not stated, and so neither was its price of a shell.
        (Decimal("1.22"), "estimated"),
        (Decimal("0.02125"), "estimated"),
        (Decimal("1.22"), "estimated"),
    ]
