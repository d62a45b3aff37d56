"""Use of models by agent, team and the like, from the daily mart."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from psycopg import sql

from oco_warehouse.database import Connection
from oco_warehouse.policy_engine.budgets import Budgets
from oco_warehouse.policy_engine.groups import (
    MOST_GROUPS,
    checked,
    group_chunk,
    group_subject,
    named,
    numbers,
)
from oco_warehouse.policy_engine.subjects import Chunk, readable
from oco_warehouse.policy_engine.windows import (
    Window,
    of_cost,
    sums_sql,
    windows_of,
)
from oco_warehouse.policy_rules.filters import Measure

_LLM_COLUMNS: Final = {"agent": "agent_id", "team": "team_id", "user": "user_id", "org": "org_id"}
_NEWEST_CALL_DAY: Final = "SELECT max(usage_date) AS day FROM marts.fct_llm_usage_daily"


def llm_groups(
    connection: Connection,
    group_by: Sequence[str],
    days: int,
    measures: Iterable[Measure],
    now: datetime,
) -> Chunk:
    """Use of models by agent, team and the like, from the daily mart."""
    asked = [Measure("cost", days), *measures]
    windows = windows_of(asked)
    shares = [one for one in asked if one.name == "unpriced_share"]
    with readable(connection, "use of models"):
        newest = connection.execute(_NEWEST_CALL_DAY).fetchone()
        last = newest["day"] if newest else None
        if last is None:
            return group_chunk([], [], [], now)
        keys = [sql.Identifier(_LLM_COLUMNS.get(name, name)) for name in group_by]
        in_window = sql.SQL("usage_date > %(last)s::date - {} AND usage_date <= %(last)s::date")
        own = in_window.format(sql.Literal(days))
        unpriced = [
            sql.SQL(
                "sum(unpriced_requests) FILTER (WHERE {window}) / "
                "nullif(sum(requests) FILTER (WHERE {window}), 0) AS {name}"
            ).format(
                window=in_window.format(sql.Literal(one.days)), name=sql.Identifier(f"u{place}")
            )
            for place, one in enumerate(shares)
        ]
        columns = sql.SQL(", ").join(
            [
                *named(keys),
                sql.SQL(sums_sql(windows, "cost_usd", "usage_date", "%(last)s::date")),
                sql.SQL(
                    "coalesce(sum(requests) FILTER (WHERE {own}), 0)::bigint AS requests, "
                    "coalesce(sum(unpriced_requests) FILTER (WHERE {own}), 0)::bigint AS unpriced, "
                    "array_agg(DISTINCT model) FILTER (WHERE {own}) AS models, "
                    "array_agg(DISTINCT provider) FILTER (WHERE {own}) AS providers"
                ).format(own=own),
                *unpriced,
            ]
        )
        statement = sql.SQL(
            "SELECT {columns} FROM marts.fct_llm_usage_daily "
            "WHERE usage_date > %(last)s::date - {longest} AND usage_date <= %(last)s::date "
            "GROUP BY {keys} ORDER BY {keys} LIMIT {most}"
        ).format(
            columns=columns,
            longest=sql.Literal(max(one.until + one.days for one in windows)),
            keys=numbers(len(keys)),
            most=sql.Literal(MOST_GROUPS + 1),
        )
        rows = connection.execute(statement, {"last": last}).fetchall()
        budgets = Budgets.read(connection)
    subjects, documents, values = [], [], []
    for row in checked(rows):
        group = {name: row[f"k{place}"] for place, name in enumerate(group_by)}
        sums = {window: row[f"w{place}"] for place, window in enumerate(windows)}
        value = {one: of_cost(one, sums) for one in asked if one not in shares}
        value |= {one: row[f"u{place}"] for place, one in enumerate(shares)}
        requests = row["requests"]
        documents.append(
            {
                **group,
                "cost_usd": float(sums[Window(0, days)]),
                "requests": requests,
                "unpriced_requests": row["unpriced"],
                "models": row["models"] or [],
                "providers": row["providers"] or [],
                "budget_breached": budgets.llm_breached(group),
            }
        )
        values.append(value)
        provider = group.get("provider") or "oco"
        subjects.append(
            group_subject(
                provider, "", group, sums[Window(0, days)], days, models=row["models"] or []
            )
        )
    return group_chunk(subjects, documents, values, now)
