"""Prices in memory, read again when `oco.model_pricing` changed; no call waits for them."""

import asyncio
import json
from decimal import Decimal
from typing import Any, Final

import asyncpg
import structlog

from oco_warehouse.pricing import Price, PriceTable

_log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 2.0
_SIGNATURE: Final = "SELECT count(*) AS rows, max(updated_at) AS newest FROM oco.model_pricing"
_READ: Final = """
SELECT provider, model, service_tier, min_context_tokens, price_version, max_output_tokens,
       CASE WHEN isfinite(effective_from) THEN effective_from END AS effective_from,
       input_per_m_token, output_per_m_token, cached_input_per_m_token, cache_write_per_m_token,
       cache_write_1h_per_m_token, reasoning_per_m_token, audio_input_per_m_token,
       audio_output_per_m_token, per_request, tool_prices::text AS tool_prices
FROM oco.model_pricing
"""


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
        rows = await pool.fetch(_READ)
        # Building the table takes tens of milliseconds, which the event loop does not have.
        self.table = await asyncio.to_thread(lambda: PriceTable(map(price_from_row, rows)))
        self._signature = signature
        _log.info("prices_loaded", rows=len(rows))

    async def run(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Refresh until cancelled."""
        while True:
            try:
                await self.refresh(pool)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                _log.warning("prices_not_refreshed", reason=type(error).__name__)
            await asyncio.sleep(REFRESH_SECONDS)


def price_from_row(row: Any) -> Price:
    """A price from a row of `oco.model_pricing`."""
    return Price(
        provider=row["provider"],
        model=row["model"],
        input=row["input_per_m_token"],
        output=row["output_per_m_token"],
        price_version=row["price_version"],
        service_tier=row["service_tier"],
        min_context_tokens=row["min_context_tokens"],
        effective_from=row["effective_from"],
        cached_input=row["cached_input_per_m_token"],
        cache_write=row["cache_write_per_m_token"],
        cache_write_1h=row["cache_write_1h_per_m_token"],
        reasoning=row["reasoning_per_m_token"],
        audio_input=row["audio_input_per_m_token"],
        audio_output=row["audio_output_per_m_token"],
        per_request=row["per_request"],
        tool_prices=json.loads(row["tool_prices"], parse_float=Decimal, parse_int=Decimal),
        max_output_tokens=row["max_output_tokens"],
    )
