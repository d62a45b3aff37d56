"""Reads insights, alerts, reports and unpriced models; one statement each, newest first."""

import json
from datetime import datetime
from typing import Any, Final

# Parameters of the lists: last time, last key, rows, then their filters.
_INSIGHTS: Final = """
SELECT id::text AS id, kind, scope, entity_id, window_start, window_end, title,
       figures::text AS figures, first_seen, last_seen, resolved_at
FROM oco.llm_insights
WHERE ($1::timestamptz IS NULL OR (first_seen, id::text) < ($1, $2))
  AND ($4::text IS NULL OR kind = $4)
  AND ($5::text IS NULL OR scope = $5)
  AND ($6::boolean IS NULL OR (resolved_at IS NULL) = $6)
ORDER BY first_seen DESC, id::text DESC
LIMIT $3
"""
_ALERTS: Final = """
SELECT alert.id::text AS id, alert.kind, alert.scope, alert.entity_id, alert.period_start,
       alert.threshold, alert.title, alert.figures::text AS figures, alert.created_at,
       alert.resolved_at, ways.delivered, ways.pending, ways.given_up
FROM oco.alerts AS alert
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE delivered_at IS NOT NULL) AS delivered,
           count(*) FILTER (WHERE next_attempt_at IS NOT NULL) AS pending,
           count(*) FILTER (WHERE delivered_at IS NULL AND next_attempt_at IS NULL) AS given_up
    FROM oco.alert_deliveries WHERE alert_id = alert.id
) AS ways
WHERE ($1::timestamptz IS NULL OR (alert.created_at, alert.id::text) < ($1, $2))
  AND ($4::text IS NULL OR alert.kind = $4)
  AND ($5::text IS NULL OR alert.scope = $5)
  AND ($6::boolean IS NULL OR (alert.resolved_at IS NULL) = $6)
ORDER BY alert.created_at DESC, alert.id::text DESC
LIMIT $3
"""
_REPORTS: Final = """
SELECT kind, period_start, period_end, created_at, kind AS key
FROM oco.reports
WHERE ($1::timestamptz IS NULL OR (period_start, kind) < ($1, $2))
  AND ($4::text IS NULL OR kind = $4)
ORDER BY period_start DESC, kind DESC
LIMIT $3
"""
_LATEST: Final = """
SELECT period_start, json::text AS json, html FROM oco.reports
WHERE kind = $1 ORDER BY period_start DESC LIMIT 1
"""
# A call whose tokens are unknown lacks those, whether or not its model has a price.
_UNPRICED: Final = """
SELECT provider, model, count(*) AS requests, coalesce(sum(total_tokens), 0)::bigint AS tokens,
       min("timestamp") AS first_at, max("timestamp") AS last_at
FROM oco.api_requests
WHERE cost_status = 'unpriced' AND total_tokens > 0
GROUP BY provider, model
ORDER BY requests DESC, provider, model
LIMIT $1
"""


async def read_insights(pool: Any, *parameters: object) -> list[dict[str, Any]]:
    """Rows after a mark: (time, key, rows, kind, scope, open); None does not filter."""
    return [_with_figures(row) for row in await pool.fetch(_INSIGHTS, *parameters)]


async def read_alerts(pool: Any, *parameters: object) -> list[dict[str, Any]]:
    """Rows after a mark, with how far their deliveries are: parameters as of `read_insights`."""
    return [_with_figures(row) for row in await pool.fetch(_ALERTS, *parameters)]


async def read_reports(pool: Any, *parameters: object) -> list[dict[str, Any]]:
    """Which reports there are, after a mark: (time, key, rows, kind)."""
    return [dict(row) for row in await pool.fetch(_REPORTS, *parameters)]


async def latest_report(pool: Any, kind: str) -> tuple[datetime, str, str] | None:
    """(start of its period, JSON text, HTML) of the newest report of a kind; None without one."""
    row = await pool.fetchrow(_LATEST, kind)
    return None if row is None else (row["period_start"], row["json"], row["html"])


async def unpriced_models(pool: Any, limit: int) -> list[dict[str, Any]]:
    """Models that were called and whose calls have no price, most calls first."""
    return [dict(row) for row in await pool.fetch(_UNPRICED, limit)]


def _with_figures(row: Any) -> dict[str, Any]:
    item = dict(row)
    item["figures"] = json.loads(item["figures"])
    return item
