"""Reads the rows that insights need; one statement each, over a bounded stretch of the ledger."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from oco_pipelines.llm.insights.budget_forecast import HISTORY_DAYS, RunningBudget
from oco_pipelines.llm.insights.finding import EVERYTHING, DailySpend, Entity, HourlySpend
from oco_pipelines.llm.insights.spend_spike import JUDGED, LEAST_EXCESS_USD, WEEKS
from oco_pipelines.llm.insights.top_mover import TwoWeeks
from oco_pipelines.llm.insights.unpriced_model import UnpricedCalls
from oco_pipelines.llm.insights.unregistered_agent import CallingAgent
from oco_warehouse.database import Warehouse
from oco_warehouse.records import SCOPES

RECENT: Final = timedelta(days=30)
MOST_ENTITIES: Final = 2000
# What spend is looked at by, and the expression that names it: constants, in no statement else.
_NAMES: Final[dict[str, LiteralString]] = {
    "all": "'all'",
    "org": "org_id",
    "team": "team_id",
    "agent": "agent_id",
    "user": "user_id",
    "model": "provider || '/' || model",
}
# Only who spent enough lately to have made a spike is read further back.
_HOURLY: Final[LiteralString] = """
    WITH lately AS MATERIALIZED (
        SELECT {name} AS id
        FROM oco.api_requests
        WHERE "timestamp" >= %(judged)s AND "timestamp" < %(until)s
          AND cost_usd > 0 AND {name} <> ''
        GROUP BY 1
        HAVING sum(cost_usd) >= %(least)s
        ORDER BY sum(cost_usd) DESC
        LIMIT %(most)s
    )
    SELECT {name} AS id, date_bin('1 hour', "timestamp", 'epoch') AS hour,
           sum(cost_usd) AS cost_usd
    FROM oco.api_requests
    WHERE "timestamp" >= %(since)s AND "timestamp" < %(until)s AND cost_usd > 0
      AND {name} IN (SELECT id FROM lately)
    GROUP BY 1, 2
"""
_WEEKLY: Final[LiteralString] = """
    SELECT {name} AS id,
           coalesce(sum(cost_usd) FILTER (WHERE "timestamp" < %(week)s), 0) AS before_usd,
           coalesce(sum(cost_usd) FILTER (WHERE "timestamp" >= %(week)s), 0) AS after_usd
    FROM oco.api_requests
    WHERE "timestamp" >= %(week)s - interval '7 days'
      AND "timestamp" < %(week)s + interval '7 days' AND cost_usd > 0 AND {name} <> ''
    GROUP BY 1
    ORDER BY 1
"""
_BUDGETS: Final = """
    SELECT id, scope, entity_id, name, limit_usd, spent_usd, period_start, period_end, enforcement
    FROM oco.budgets
    WHERE enabled AND period_start <= %(now)s AND period_end > %(now)s AND spent_usd < limit_usd
"""
# One join for each scope: joined by all scopes at once, every row would meet every budget.
_DAILY: Final[LiteralString] = """
    SELECT budget.id, date_bin('1 day', request."timestamp", 'epoch') AS day,
           sum(request.cost_usd) AS cost_usd
    FROM oco.budgets AS budget
    JOIN oco.api_requests AS request ON request.{name} = budget.entity_id
    WHERE budget.scope = %(scope)s AND budget.id = ANY (%(ids)s)
      AND request."timestamp" >= %(since)s AND request."timestamp" < %(now)s
      AND request.cost_usd > 0
    GROUP BY 1, 2
"""
_DAILY_OF_TAGS: Final = """
    SELECT budget.id, date_bin('1 day', request."timestamp", 'epoch') AS day,
           sum(request.cost_usd) AS cost_usd
    FROM oco.api_requests AS request
    CROSS JOIN LATERAL jsonb_each_text(request.tags) AS tag
    JOIN oco.budgets AS budget
        ON budget.scope = 'tag:' || tag.key AND budget.entity_id = tag.value
    WHERE budget.id = ANY (%(ids)s)
      AND request."timestamp" >= %(since)s AND request."timestamp" < %(now)s
      AND request.cost_usd > 0 AND request.tags <> '{}'
    GROUP BY 1, 2
"""
_AGENTS: Final = """
    SELECT request.agent_id, known.id IS NOT NULL AS registered, count(*) AS requests,
           coalesce(sum(request.cost_usd), 0) AS cost_usd,
           min(request."timestamp") AS first_at, max(request."timestamp") AS last_at
    FROM oco.api_requests AS request
    LEFT JOIN oco.agents AS known ON known.id = request.agent_id
    WHERE request.agent_id <> '' AND request."timestamp" >= %(since)s
    GROUP BY request.agent_id, known.id
"""
_UNPRICED: Final = """
    SELECT provider, model, count(*) AS requests, sum(total_tokens)::bigint AS tokens,
           min("timestamp") AS first_at, max("timestamp") AS last_at
    FROM oco.api_requests
    WHERE cost_status = 'unpriced' AND total_tokens > 0 AND "timestamp" >= %(since)s
    GROUP BY provider, model
"""


def read_hourly(warehouse: Warehouse, now: datetime) -> Iterator[tuple[Entity, list[HourlySpend]]]:
    """Hours of everyone who spent a dollar in the two days that are judged.

    At most `MOST_ENTITIES` of a scope, the dearest; one scope is in memory at a time.
    """
    parameters = {
        "judged": now - JUDGED,
        "since": now - timedelta(weeks=WEEKS) - JUDGED,
        "until": now,
        "least": LEAST_EXCESS_USD,
        "most": MOST_ENTITIES,
    }
    for scope, name in _NAMES.items():
        rows = warehouse.query(_HOURLY.replace("{name}", name), parameters)
        hours: dict[str, list[HourlySpend]] = {}
        for row in rows:
            hours.setdefault(row["id"], []).append(HourlySpend(row["hour"], row["cost_usd"]))
        for entity in sorted(hours):
            yield Entity(scope, entity), hours[entity]


def read_two_weeks(warehouse: Warehouse, week: datetime) -> list[TwoWeeks]:
    """Both weeks of everyone who spent in either.

    Args:
        warehouse: the warehouse.
        week: aware start of the later week.
    """
    return [
        TwoWeeks(Entity(scope, row["id"]), row["before_usd"], row["after_usd"])
        for scope, name in _NAMES.items()
        if scope != EVERYTHING
        for row in warehouse.query(_WEEKLY.replace("{name}", name), {"week": week})
    ]


def read_budgets(
    warehouse: Warehouse, now: datetime
) -> Iterator[tuple[RunningBudget, list[DailySpend]]]:
    """Budgets of a current period that are not spent yet, with the days of their scope."""
    budgets = [_budget(row) for row in warehouse.query(_BUDGETS, {"now": now})]
    days: dict[str, list[DailySpend]] = {budget.id: [] for budget in budgets}
    common = {"ids": list(days), "now": now, "since": now - timedelta(days=HISTORY_DAYS + 1)}
    rows = warehouse.query(_DAILY_OF_TAGS, common)
    for scope, name in _NAMES.items():
        if scope in SCOPES:
            statement = _DAILY.replace("{name}", name)
            rows += warehouse.query(statement, {**common, "scope": scope})
    for row in rows:
        days[row["id"]].append(DailySpend(row["day"].date(), row["cost_usd"]))
    for budget in budgets:
        yield budget, days[budget.id]


def read_agents(warehouse: Warehouse, now: datetime) -> list[CallingAgent]:
    """Agents that called in the last 30 days."""
    rows = warehouse.query(_AGENTS, {"since": now - RECENT})
    return [CallingAgent(**row) for row in rows]


def read_unpriced(warehouse: Warehouse, now: datetime) -> list[UnpricedCalls]:
    """Models that were called in the last 30 days and have no price."""
    rows = warehouse.query(_UNPRICED, {"since": now - RECENT})
    return [UnpricedCalls(**row) for row in rows]


def _budget(row: dict[str, Any]) -> RunningBudget:
    return RunningBudget(
        id=row["id"],
        entity=Entity(row["scope"], row["entity_id"]),
        name=row["name"],
        limit_usd=row["limit_usd"],
        spent_usd=row["spent_usd"],
        period_start=row["period_start"],
        period_end=row["period_end"],
        enforcement=row["enforcement"],
    )
