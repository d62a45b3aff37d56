"""Reads and writes what of `oco.model_pricing` is from the catalogue."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from psycopg.types.json import Jsonb

from oco_pipelines.llm.price_catalogue import ALWAYS, PriceRow, catalogue_version, read_catalogue
from oco_pipelines.llm.price_history import SOURCE, changes
from oco_warehouse.database import Connection, Warehouse, lock
from oco_warehouse.money import json_amounts

_FIELDS: Final = (
    "input",
    "output",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "audio_input",
    "audio_output",
)
_READ: Final = """
    SELECT provider, model, service_tier, min_context_tokens, tool_prices::text AS tools,
           media_prices::text AS media,
           CASE WHEN isfinite(effective_from) THEN effective_from END AS effective_from,
           input_per_m_token AS input, output_per_m_token AS output,
           cached_input_per_m_token AS cached_input, cache_write_per_m_token AS cache_write,
           cache_write_1h_per_m_token AS cache_write_1h,
           audio_input_per_m_token AS audio_input, audio_output_per_m_token AS audio_output
    FROM oco.model_pricing
    WHERE source = %s
"""
_WRITE: Final = """
    INSERT INTO oco.model_pricing (
        provider, model, effective_from, service_tier, min_context_tokens,
        input_per_m_token, output_per_m_token, cached_input_per_m_token, cache_write_per_m_token,
        cache_write_1h_per_m_token, audio_input_per_m_token, audio_output_per_m_token,
        tool_prices, media_prices, source, price_version
    )
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (provider, model, effective_from, service_tier, min_context_tokens, source)
    DO UPDATE SET
        input_per_m_token = excluded.input_per_m_token,
        output_per_m_token = excluded.output_per_m_token,
        cached_input_per_m_token = excluded.cached_input_per_m_token,
        cache_write_per_m_token = excluded.cache_write_per_m_token,
        cache_write_1h_per_m_token = excluded.cache_write_1h_per_m_token,
        audio_input_per_m_token = excluded.audio_input_per_m_token,
        audio_output_per_m_token = excluded.audio_output_per_m_token,
        tool_prices = excluded.tool_prices,
        media_prices = excluded.media_prices,
        price_version = excluded.price_version,
        updated_at = now()
"""


def refresh_prices(warehouse: Warehouse, now: datetime | None = None) -> int:
    """Bring the table up to the bundled catalogue; returns the rows written.

    Run twice, it writes nothing the second time, so that gateways do not read prices again.
    """
    moment = now or datetime.now(UTC)
    with warehouse.transaction() as connection:
        lock(connection, "model_pricing")
        writes = changes(read_catalogue(), read_prices(connection), moment)
        version = catalogue_version()
        with connection.cursor() as cursor:
            cursor.executemany(_WRITE, [_values(row, version) for row in writes])
    return len(writes)


def read_prices(connection: Connection) -> list[PriceRow]:
    """Every row that is from the catalogue."""
    return [_row(row) for row in connection.execute(_READ, [SOURCE]).fetchall()]


def _row(row: dict[str, Any]) -> PriceRow:
    return PriceRow(
        provider=row["provider"],
        model=row["model"],
        effective_from=row["effective_from"] or ALWAYS,
        service_tier=row["service_tier"],
        min_context_tokens=row["min_context_tokens"],
        prices={name: row[name] for name in _FIELDS if row[name] is not None},
        tools=json.loads(row["tools"], parse_float=Decimal, parse_int=Decimal),
        media=json.loads(row["media"], parse_float=Decimal, parse_int=Decimal),
    )


def _values(row: PriceRow, version: str) -> list[object]:
    return [
        row.provider,
        row.model,
        row.effective_from,
        row.service_tier,
        row.min_context_tokens,
        *(row.prices.get(name) for name in _FIELDS),
        Jsonb(row.tools, dumps=json_amounts),
        Jsonb(row.media, dumps=json_amounts),
        SOURCE,
        version,
    ]
