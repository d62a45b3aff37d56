"""Reads the figures of a report from the warehouse."""

from datetime import datetime
from typing import Final

from oco_pipelines.llm.report.figures import (
    LENGTHS,
    Advice,
    BudgetState,
    Kind,
    Report,
    Spender,
    Totals,
)
from oco_warehouse.database import Connection, Warehouse

SHOWN: Final = 10
_TOTALS: Final = """
    SELECT count(*) AS requests, count(*) FILTER (WHERE status_code >= 400) AS failed,
           count(*) FILTER (WHERE cost_status = 'unpriced') AS unpriced,
           coalesce(sum(cost_usd), 0) AS cost_usd,
           coalesce(sum(savings_usd) FILTER (WHERE was_routed), 0) AS saved_usd,
           coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
           coalesce(sum(cached_input_tokens), 0)::bigint AS cached_input_tokens,
           coalesce(sum(output_tokens), 0)::bigint AS output_tokens
    FROM oco.api_requests
    WHERE "timestamp" >= %s AND "timestamp" < %s
"""
_SPENDERS: Final = """
    WITH spent AS (
        SELECT what.kind, what.name,
               count(*) FILTER (WHERE "timestamp" >= %(start)s) AS requests,
               coalesce(sum(cost_usd) FILTER (WHERE "timestamp" >= %(start)s), 0) AS cost_usd,
               coalesce(sum(cost_usd) FILTER (WHERE "timestamp" < %(start)s), 0) AS before_usd
        FROM oco.api_requests
        CROSS JOIN LATERAL (
            VALUES ('provider', provider), ('model', provider || '/' || model),
                   ('team', team_id), ('agent', agent_id)
        ) AS what (kind, name)
        WHERE "timestamp" >= %(before)s AND "timestamp" < %(end)s AND what.name <> ''
        GROUP BY what.kind, what.name
    ),
    ranked AS (
        SELECT *, row_number() OVER (
            PARTITION BY kind ORDER BY cost_usd DESC, requests DESC, name
        ) AS place
        FROM spent
        WHERE requests > 0
    )
    SELECT kind, name, requests, cost_usd, before_usd
    FROM ranked
    WHERE place <= %(shown)s
    ORDER BY kind, place
"""
_BUDGETS: Final = """
    SELECT scope, entity_id, period, enforcement, limit_usd, spent_usd
    FROM oco.budgets
    WHERE enabled AND period_end > now() AND limit_usd > 0
    ORDER BY spent_usd / limit_usd DESC, id
    LIMIT %s
"""
_INSIGHTS: Final = """
    SELECT kind, title FROM oco.llm_insights
    WHERE last_seen >= %(start)s AND first_seen < %(until)s
      AND (resolved_at IS NULL OR resolved_at >= %(start)s)
    ORDER BY kind, opened_at DESC, id
    LIMIT %(shown)s
"""
_ALERTS: Final = """
    SELECT title FROM oco.alerts
    WHERE created_at >= %s AND created_at < %s AND kind <> 'test'
    ORDER BY created_at, id
    LIMIT %s
"""
_ADVICE: Final = """
    SELECT title, estimated_monthly_savings AS monthly_usd
    FROM oco.optimization_recommendations
    WHERE recommendation_type = 'model_switch' AND status IN ('open', 'regressed')
    ORDER BY estimated_monthly_savings DESC, id
    LIMIT %s
"""
SPENDERS: Final = ("provider", "model", "team", "agent")


def read_report(warehouse: Warehouse, kind: Kind, start: datetime, now: datetime) -> Report:
    """The figures of one period and of the one before, all as of one moment.

    Args:
        warehouse: the warehouse.
        kind: daily or weekly.
        start: aware start of the period.
        now: aware; insights that were found until then are told.
    """
    end, before = start + LENGTHS[kind], start - LENGTHS[kind]
    with warehouse.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rows = connection.execute(
            _SPENDERS, {"before": before, "start": start, "end": end, "shown": SHOWN}
        ).fetchall()
        spenders = {
            name: [
                Spender(row["name"], row["requests"], row["cost_usd"], row["before_usd"])
                for row in rows
                if row["kind"] == name
            ]
            for name in SPENDERS
        }
        budgets = connection.execute(_BUDGETS, [SHOWN]).fetchall()
        insights = connection.execute(
            _INSIGHTS, {"start": start, "until": now, "shown": 5 * SHOWN}
        ).fetchall()
        alerts = connection.execute(_ALERTS, [start, end, 5 * SHOWN]).fetchall()
        advice = connection.execute(_ADVICE, [SHOWN]).fetchall()
        return Report(
            kind=kind,
            start=start,
            end=end,
            totals=_totals(connection, start, end),
            before=_totals(connection, before, start),
            spenders=spenders,
            budgets=[BudgetState(**row) for row in budgets],
            insights=[(row["kind"], row["title"]) for row in insights],
            alerts=[row["title"] for row in alerts],
            advice=[Advice(**row) for row in advice],
        )


def _totals(connection: Connection, start: datetime, end: datetime) -> Totals:
    row = connection.execute(_TOTALS, [start, end]).fetchone()
    return Totals(**(row or {}))
