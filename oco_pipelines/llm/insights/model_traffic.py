"""Reads what the rule `model_switch` needs: models, prices, and traffic by model."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Final

from oco_pipelines.llm.insights.model_switch import WINDOW, Capability, Traffic
from oco_warehouse.database import Warehouse
from oco_warehouse.price_rows import PRICES_SQL, price_table
from oco_warehouse.pricing import PriceTable

_MODELS: Final = """
    SELECT provider, model, tier, quality, context_tokens, max_output_tokens, tools, images, files,
           audio, json_output, sampling, thinking, token_percent, enabled
    FROM oco.model_tiers
    ORDER BY provider, model
"""
# A dated snapshot is known under its family's name. Rows of one stretch of prompt sizes are summed:
# inside it no price changes ("above N tokens" begins at N + 1).
_TRAFFIC: Final = r"""
    WITH calls AS (
        SELECT request.*, coalesce(named.model, family.model) AS known
        FROM oco.api_requests AS request
        LEFT JOIN oco.model_tiers AS named
            ON named.provider = request.provider AND named.model = request.model
        LEFT JOIN oco.model_tiers AS family
            ON family.provider = request.provider
            AND family.model = regexp_replace(
                request.model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''
            )
        WHERE request."timestamp" >= %(since)s AND request."timestamp" < %(until)s
          AND request.cost_usd > 0 AND request.status_code < 400
          AND request.input_tokens IS NOT NULL AND request.output_tokens IS NOT NULL
    )
    SELECT provider, known AS model, coalesce(service_tier, '') AS service_tier,
           count(*) AS requests, sum(input_tokens)::bigint AS input_tokens,
           sum(output_tokens)::bigint AS output_tokens,
           coalesce(sum(cached_input_tokens), 0)::bigint AS cached_input_tokens,
           coalesce(sum(cache_write_tokens), 0)::bigint AS cache_write_tokens,
           coalesce(sum(reasoning_tokens), 0)::bigint AS reasoning_tokens,
           max(input_tokens) AS longest_input, max(output_tokens) AS longest_output,
           sum(cost_usd) AS cost_usd, min("timestamp") AS first_at
    FROM calls
    WHERE known IS NOT NULL
    GROUP BY provider, known, coalesce(service_tier, ''),
             width_bucket(input_tokens - 1, %(bounds)s::bigint[])
    ORDER BY provider, known
"""


def read_price_table(warehouse: Warehouse) -> PriceTable:
    """All prices with their history."""
    return price_table(warehouse.query(PRICES_SQL))


def read_models(warehouse: Warehouse) -> list[Capability]:
    """What every known model can do."""
    return [Capability(**row) for row in warehouse.query(_MODELS)]


def read_traffic(warehouse: Warehouse, now: datetime) -> Iterator[list[Traffic]]:
    """The traffic of the window, a list for each model that is in `oco.model_tiers`."""
    bounds = [
        row["bound"]
        for row in warehouse.query(
            "SELECT DISTINCT min_context_tokens AS bound FROM oco.model_pricing ORDER BY 1"
        )
    ]
    rows = warehouse.query(_TRAFFIC, {"since": now - WINDOW, "until": now, "bounds": bounds or [0]})
    for _, group in groupby(rows, key=lambda row: (row["provider"], row["model"])):
        yield [Traffic(**row) for row in group]
