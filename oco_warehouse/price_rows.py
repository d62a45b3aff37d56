"""`oco.model_pricing` as prices: the columns that are read, a row as a `Price`, all as a table.

Both wings read the table, each with its own driver; here stands what they read.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from oco_warehouse.price_layers import overlay
from oco_warehouse.price_overrides import SOURCE
from oco_warehouse.pricing import Price, PriceTable

PRICES_SQL: Final = """
SELECT provider, model, service_tier, min_context_tokens, source, price_version,
       max_output_tokens,
       CASE WHEN isfinite(effective_from) THEN effective_from END AS effective_from,
       input_per_m_token, output_per_m_token, cached_input_per_m_token, cache_write_per_m_token,
       cache_write_1h_per_m_token, reasoning_per_m_token, audio_input_per_m_token,
       audio_output_per_m_token, per_request, tool_prices::text AS tool_prices,
       media_prices::text AS media_prices
FROM oco.model_pricing
"""


def price_table(rows: Iterable[Mapping[str, Any]]) -> PriceTable:
    """All prices from the rows of `PRICES_SQL`: what a person stated wins over the catalogue."""
    catalogue: list[Price] = []
    stated: list[Price] = []
    for row in rows:
        (stated if row["source"] == SOURCE else catalogue).append(price_from_row(row))
    return PriceTable(overlay(catalogue, stated))


def price_from_row(row: Mapping[str, Any]) -> Price:
    """A price from a row of `PRICES_SQL`; amounts keep every digit."""
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
        media_prices=json.loads(row["media_prices"], parse_float=Decimal, parse_int=Decimal),
    )
