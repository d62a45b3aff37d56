"""Read-only lists: calls, backups, prices. One statement each."""

import json
from dataclasses import dataclass
from typing import Any, Final

from litestar import get
from litestar.datastructures import State

from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Filter,
    Limit,
    Page,
    decode_cursor,
    to_page,
)
from oco_proxy.middleware.auth import viewer
from oco_warehouse.price_overrides import JSON_COLUMNS
from oco_warehouse.records import REQUEST_COLUMNS

_REQUESTS_SQL: Final = f"""
SELECT {", ".join(f'"{name}"' for name in REQUEST_COLUMNS)}
FROM oco.api_requests
WHERE ($1::timestamptz IS NULL OR ("timestamp", id) < ($1, $2))
  AND ($4::text IS NULL OR agent_id = $4)
  AND ($5::text IS NULL OR team_id = $5)
  AND ($6::text IS NULL OR model = $6)
  AND ($7::text IS NULL OR provider = $7)
ORDER BY "timestamp" DESC, id DESC
LIMIT $3
"""  # noqa: S608 - column names are constants
_BACKUPS_SQL: Final = """
SELECT id::text AS id, cluster, backup_name, policy_id::text AS policy_id, due_at, phase,
       namespaces, storage_location, items_total, items_backed_up, errors, warnings, failure_reason,
       usable, usable_reason, started_at, completed_at, expires_at, vanished_at, first_seen_at
FROM oco.backup_records
WHERE ($1::timestamptz IS NULL OR (first_seen_at, id::text) < ($1, $2))
  AND ($4::text IS NULL OR cluster = $4)
ORDER BY first_seen_at DESC, id::text DESC
LIMIT $3
"""
_MODELS_SQL: Final = """
SELECT provider, model, service_tier, min_context_tokens, input_per_m_token, output_per_m_token,
       cached_input_per_m_token, cache_write_per_m_token, max_output_tokens, source, price_version,
       tool_prices::text AS tool_prices, media_prices::text AS media_prices,
       CASE WHEN isfinite(effective_from) THEN effective_from END AS effective_from, updated_at,
       concat_ws('|', provider, model, service_tier, min_context_tokens, effective_from, source)
           AS key
FROM oco.model_pricing
WHERE ($1::timestamptz IS NULL OR (updated_at, concat_ws('|', provider, model, service_tier,
       min_context_tokens, effective_from, source)) < ($1, $2))
  AND ($4::text IS NULL OR provider = $4)
  AND ($5::text IS NULL OR model = $5)
ORDER BY updated_at DESC, key DESC
LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class _List:
    """A statement with (last time, last key, limit) as its first parameters, then its filters."""

    statement: str
    at: str
    key: str = "id"

    async def page(self, state: State, cursor: str | None, limit: int, *filters: Any) -> Page:
        seen_at, seen_key = decode_cursor(cursor)
        pool = state.services.pool
        rows = await pool.fetch(self.statement, seen_at, seen_key, limit + 1, *filters)
        return to_page(rows, limit, self.at, self.key)


_REQUESTS: Final = _List(_REQUESTS_SQL, "timestamp")
_BACKUPS: Final = _List(_BACKUPS_SQL, "first_seen_at")
_MODELS: Final = _List(_MODELS_SQL, "updated_at", "key")


@get("/requests", guards=[viewer], summary="Model calls, newest first", tags=["llm"])
async def list_requests(
    state: State,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    agent_id: Filter = None,
    team_id: Filter = None,
    model: Filter = None,
    provider: Filter = None,
) -> Page:
    """Every call that went through the gateway: metadata, never content."""
    filters = (agent_id, team_id, model, provider)
    return await _REQUESTS.page(state, cursor, limit, *filters)


@get("/models", guards=[viewer], summary="Prices of models", tags=["llm"])
async def list_models(
    state: State,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    provider: Filter = None,
    model: Filter = None,
) -> Page:
    """US dollars per million tokens, with their history; `override` wins over `genai-prices`."""
    page = await _MODELS.page(state, cursor, limit, provider, model)
    for item in page.items:
        for name in JSON_COLUMNS:
            item[name] = json.loads(item[name], parse_int=str, parse_float=str)
    return page


@get("/backups", guards=[viewer], summary="Recovery points", tags=["resilience"])
async def list_backups(
    state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, cluster: Filter = None
) -> Page:
    """Velero backups as they were seen, kept after Velero forgot them."""
    return await _BACKUPS.page(state, cursor, limit, cluster)
