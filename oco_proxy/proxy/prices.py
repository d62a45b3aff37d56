"""Prices in memory, read again when `oco.model_pricing` changed; no call waits for them."""

import asyncio
from typing import Any, Final

import asyncpg
import structlog

from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.price_rows import PRICES_SQL, price_table
from oco_warehouse.pricing import PriceTable

_log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 2.0
# Every version of a row has the number of the transaction that wrote it. Unlike the newest time,
# the sum also tells of one that began before the last refresh and ended after it.
_SIGNATURE: Final = (
    "SELECT count(*) AS rows, sum(xmin::text::bigint) AS writers FROM oco.model_pricing"
)


class PriceCache:
    """The price table as this process knows it, at most `REFRESH_SECONDS` old."""

    def __init__(self) -> None:
        self.table = PriceTable(())
        self._signature: tuple[Any, ...] | None = None

    async def refresh(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Read the prices again when a row was added or written."""
        signature = tuple(await pool.fetchrow(_SIGNATURE) or ())
        if signature == self._signature:
            return
        rows = await pool.fetch(PRICES_SQL)
        # Building the table takes tens of milliseconds, which the event loop does not have.
        self.table = await asyncio.to_thread(price_table, rows)
        self._signature = signature
        _log.info("prices_loaded", rows=len(rows))

    async def run(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Refresh until cancelled."""
        while True:
            try:
                await self.refresh(pool)
            except POSTGRES_GONE as error:
                _log.warning("prices_not_refreshed", reason=type(error).__name__)
            await asyncio.sleep(REFRESH_SECONDS)
