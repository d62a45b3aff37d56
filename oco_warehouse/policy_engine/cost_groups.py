"""Cost by provider, account and the like, from the marts' daily cells."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from psycopg import sql

from oco_warehouse.database import Connection
from oco_warehouse.money import ZERO
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
    newest_cost_days,
    of_cost,
    sums_sql,
    windows_of,
)
from oco_warehouse.policy_rules.filters import Measure

_TAG: Final = "tag:"
_COST_COLUMNS: Final = {"account": "account_id"}


def cost_groups(
    connection: Connection,
    group_by: Sequence[str],
    days: int,
    measures: Iterable[Measure],
    now: datetime,
) -> Chunk:
    """Effective cost of use by provider, account and the like, from the marts' daily cells."""
    asked = [Measure("cost", days), *measures]
    windows = windows_of(asked)
    shares = [one for one in asked if one.name == "untagged_spend_share"]
    with readable(connection, "costs"):
        ends = newest_cost_days(connection)
        if ends is None:
            return group_chunk([], [], [], now)
        keys = [_cost_key(name) for name in group_by]
        untagged = [
            sql.SQL(
                "coalesce(sum(effective_cost_usd) FILTER (WHERE {} AND usage_date > "
                "newest.last - {} AND usage_date <= newest.last), 0) AS {}"
            ).format(_untagged(one.tag), sql.Literal(one.days), sql.Identifier(f"u{place}"))
            for place, one in enumerate(shares)
        ]
        columns = sql.SQL(", ").join(
            [
                *named(keys),
                sql.SQL(sums_sql(windows, "effective_cost_usd", "usage_date", "newest.last")),
                *untagged,
            ]
        )
        statement = sql.SQL(
            "SELECT {columns} FROM intermediate.int_cloud_cost_cells "
            "JOIN oco_policy_newest AS newest USING (provider) "
            "WHERE charge_category = 'Usage' AND usage_date > %(after)s "
            "AND usage_date <= %(latest)s GROUP BY {keys} ORDER BY {keys} LIMIT {most}"
        ).format(
            columns=columns,
            keys=numbers(len(keys)),
            most=sql.Literal(MOST_GROUPS + 1),
        )
        longest = max(one.until + one.days for one in windows)
        rows = connection.execute(statement, ends.bounds(longest)).fetchall()
        budgets = Budgets.read(connection)
    subjects, documents, values = [], [], []
    for row in checked(rows):
        group = {name: row[f"k{place}"] for place, name in enumerate(group_by)}
        sums = {window: row[f"w{place}"] for place, window in enumerate(windows)}
        value = {one: of_cost(one, sums) for one in asked if one not in shares}
        for place, one in enumerate(shares):
            total = sums[Window(0, one.days)]
            value[one] = row[f"u{place}"] / total if total > ZERO else None
        documents.append(
            {
                **group,
                "cost_usd": float(sums[Window(0, days)]),
                "budget_breached": budgets.cloud_breached(group),
            }
        )
        values.append(value)
        provider, account = group.get("provider"), group.get("account")
        subjects.append(
            group_subject(provider or "oco", account or "", group, sums[Window(0, days)], days)
        )
    return group_chunk(subjects, documents, values, now)


def _cost_key(name: str) -> sql.Composable:
    if name.startswith(_TAG):
        key = sql.Literal(name.removeprefix(_TAG))
        return sql.SQL("coalesce(nullif(tags ->> {}, ''), 'untagged')").format(key)
    column = sql.Identifier(_COST_COLUMNS.get(name, name))
    return sql.SQL("coalesce({}, 'untagged')").format(column) if name == "team" else column


def _untagged(tag: str | None) -> sql.Composable:
    """Whether a charge has no tag at all, or lacks one; who a team is, the tag rules say."""
    if tag is None:
        return sql.SQL("tags = '{{}}'")
    if tag == "team":
        return sql.SQL("team IS NULL")
    return sql.SQL("coalesce(tags ->> {}, '') = ''").format(sql.Literal(tag))
