"""Reads the rows that insights need; one statement each, over a bounded stretch of the ledger."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from oco_pipelines.llm.insights.budget_forecast import HISTORY_DAYS, RunningBudget
from oco_pipelines.llm.insights.finding import DailySpend, Entity, HourlySpend
from oco_pipelines.llm.insights.spend_spike import JUDGED, LEAST_EXCESS_USD, WEEKS
from oco_pipelines.llm.insights.top_mover import TwoWeeks
from oco_pipelines.llm.insights.unpriced_model import UnpricedCalls
from oco_pipelines.llm.insights.unregistered_agent import CallingAgent
from oco_warehouse.database import Warehouse

RECENT: Final = timedelta(days=30)
MOST_ENTITIES: Final = 2000
# What spend is looked at by. A call stands once in each of them.
_ENTITIES: Final = """
    CROSS JOIN LATERAL (
        VALUES ('all', 'all'), ('org', org_id), ('team', team_id), ('agent', agent_id),
               ('user', user_id), ('model', provider || '/' || model)
    ) AS entity (scope, id)
"""
# Only who spent enough lately to have made a spike is read further back.
_HOURLY: Final = (
    """
    WITH lately AS (
        SELECT entity.scope, entity.id
        FROM oco.api_requests"""  # noqa: S608 - constants
    + _ENTITIES
    + """
        WHERE "timestamp" >= %(judged)s AND "timestamp" < %(until)s
          AND cost_usd > 0 AND entity.id <> ''
        GROUP BY entity.scope, entity.id
        HAVING sum(cost_usd) >= %(least)s
        ORDER BY sum(cost_usd) DESC
        LIMIT %(most)s
    )
    SELECT entity.scope, entity.id, date_trunc('hour', "timestamp", 'UTC') AS hour,
           sum(cost_usd) AS cost_usd
    FROM oco.api_requests"""
    + _ENTITIES
    + """
    JOIN lately ON lately.scope = entity.scope AND lately.id = entity.id
    WHERE "timestamp" >= %(since)s AND "timestamp" < %(until)s AND cost_usd > 0
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
"""
)
_WEEKLY: Final = (
    """
    SELECT entity.scope, entity.id,
           coalesce(sum(cost_usd) FILTER (WHERE "timestamp" < %(week)s), 0) AS before_usd,
           coalesce(sum(cost_usd) FILTER (WHERE "timestamp" >= %(week)s), 0) AS after_usd
    FROM oco.api_requests"""  # noqa: S608 - constants
    + _ENTITIES
    + """
    WHERE "timestamp" >= %(week)s - interval '7 days'
      AND "timestamp" < %(week)s + interval '7 days' AND cost_usd > 0 AND entity.id <> ''
    GROUP BY entity.scope, entity.id
    ORDER BY 1, 2
"""
)
_BUDGETS: Final = """
    SELECT budget.id, budget.scope, budget.entity_id, budget.name, budget.limit_usd,
           budget.spent_usd, budget.period_start, budget.period_end, budget.enforcement,
           date_trunc('day', request."timestamp", 'UTC') AS day, sum(request.cost_usd) AS cost_usd
    FROM oco.budgets AS budget
    JOIN oco.api_requests AS request
        ON budget.entity_id = CASE budget.scope
            WHEN 'agent' THEN request.agent_id
            WHEN 'team' THEN request.team_id
            WHEN 'user' THEN request.user_id
            WHEN 'org' THEN request.org_id
            ELSE request.tags ->> substr(budget.scope, length('tag:') + 1)
        END
    WHERE budget.enabled AND budget.period_start <= %(now)s AND budget.period_end > %(now)s
      AND budget.spent_usd < budget.limit_usd
      AND request."timestamp" >= %(since)s AND request."timestamp" < %(now)s
      AND request.cost_usd > 0
    GROUP BY budget.id, date_trunc('day', request."timestamp", 'UTC')
    ORDER BY budget.id, 10
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
    """Hours of everyone who spent a dollar in the two days that are judged, dearest entities."""
    rows = warehouse.query(
        _HOURLY,
        {
            "judged": now - JUDGED,
            "since": now - timedelta(weeks=WEEKS) - JUDGED,
            "until": now,
            "least": LEAST_EXCESS_USD,
            "most": MOST_ENTITIES,
        },
    )
    for (scope, entity), group in groupby(rows, key=lambda row: (row["scope"], row["id"])):
        hours = [HourlySpend(row["hour"], row["cost_usd"]) for row in group]
        yield Entity(scope, entity), hours


def read_two_weeks(warehouse: Warehouse, week: datetime) -> list[TwoWeeks]:
    """Both weeks of everyone who spent in either.

    Args:
        warehouse: the warehouse.
        week: aware start of the later week.
    """
    return [
        TwoWeeks(Entity(row["scope"], row["id"]), row["before_usd"], row["after_usd"])
        for row in warehouse.query(_WEEKLY, {"week": week})
        if row["scope"] != "all"
    ]


def read_budgets(
    warehouse: Warehouse, now: datetime
) -> Iterator[tuple[RunningBudget, list[DailySpend]]]:
    """Budgets of a current period that are not spent yet, with the days of their scope.

    One whose scope spent nothing in four weeks is left out: it does not run out.
    """
    since = now - timedelta(days=HISTORY_DAYS + 1)
    rows = warehouse.query(_BUDGETS, {"now": now, "since": since})
    for _, group in groupby(rows, key=lambda row: row["id"]):
        days = list(group)
        yield _budget(days[0]), list(_days(days))


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


def _days(rows: Iterable[dict[str, Any]]) -> Iterator[DailySpend]:
    for row in rows:
        yield DailySpend(row["day"].date(), Decimal(row["cost_usd"]))
