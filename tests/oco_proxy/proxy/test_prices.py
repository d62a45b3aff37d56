"""When the gateway reads the prices again."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import psycopg

from oco_proxy.proxy.prices import PriceCache
from oco_warehouse.database import Warehouse, create_pool

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
