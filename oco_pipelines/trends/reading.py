"""Reads cloud cost by day from dbt's view of cloud charges, over a bounded stretch of days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final, Literal

from oco_pipelines.trends.daily_cost import CostRow, DailyCost
from oco_pipelines.trends.driver import WEEKS_BEFORE, Part, weights
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError

ALL: Final = "all"
LOOK_BACK: Final = timedelta(days=200)

_NEWEST: Final = """
    SELECT provider, max(usage_date) AS newest
    FROM intermediate.int_cloud_cost_cells
    WHERE is_metered AND usage_date <= %s
    GROUP BY provider
"""
_SERIES: Final = """
    SELECT provider, service, account_id, usage_date AS day, sum(effective_cost_usd) AS usd
    FROM intermediate.int_cloud_cost_cells
    WHERE is_metered AND usage_date BETWEEN %s AND %s
    GROUP BY provider, service, account_id, usage_date
    ORDER BY provider, service, account_id, usage_date
"""
_PARTS: Final = """
    SELECT provider, service, region, resource, sku, team,
           sum(effective_cost_usd * weighted.weight) AS weighted_usd
    FROM intermediate.int_cloud_charges
    JOIN unnest(%(days)s::date[], %(weights)s::numeric[]) AS weighted (day, weight)
        ON usage_date = weighted.day
    WHERE is_metered
      AND (%(provider)s = 'all' OR provider = %(provider)s)
      AND (%(service)s = 'all' OR service = %(service)s)
      AND (%(account)s = 'all' OR account_id = %(account)s)
    GROUP BY provider, service, region, resource, sku, team
"""
_BY_SCOPE: Final = """
    SELECT scope, entity_id, usage_date AS day,
           coalesce(sum(effective_cost_usd) FILTER (WHERE is_metered), 0) AS metered,
           coalesce(sum(effective_cost_usd) FILTER (WHERE NOT is_metered), 0) AS charged
    FROM intermediate.int_cloud_cost_cells
    CROSS JOIN LATERAL (
        VALUES ('provider', provider), ('team', coalesce(team, 'untagged')), ('total', 'all')
    ) AS scoped (scope, entity_id)
    WHERE usage_date BETWEEN %s AND %s
    GROUP BY scope, entity_id, usage_date
    ORDER BY scope, entity_id, usage_date
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: a service of a provider in an account, or the total."""

    level: Literal["service", "total"]
    provider: str = ALL
    service: str = ALL
    account_id: str = ALL

    def __str__(self) -> str:
        if self.level == "total":
            return "All cloud cost"
        return f"{self.provider} {self.service} of account {self.account_id}"


def _window(last: date) -> tuple[date, date]:
    return last - LOOK_BACK, last


def read_newest_days(warehouse: Warehouse, now: datetime) -> dict[str, date]:
    """The newest day on which each provider billed use.

    Raises:
        ConflictError: when the marts were never built.
    """
    (built,) = warehouse.query("SELECT to_regclass('intermediate.int_cloud_cost_cells') AS name")
    if built["name"] is None:
        raise ConflictError("the marts are not built yet: run `oco dbt build` or `oco demo` first")
    rows = warehouse.query(_NEWEST, [now.date()])
    return {row["provider"]: row["newest"] for row in rows}


def read_series(warehouse: Warehouse, last: date) -> Iterator[tuple[Subject, dict[date, Decimal]]]:
    """Metered cost in USD by day until `last` of every service, in order, then of all together."""
    total: dict[date, Decimal] = {}
    rows = warehouse.query(_SERIES, _window(last))
    keys = ("provider", "service", "account_id")
    for names, group in groupby(rows, key=lambda row: tuple(row[key] for key in keys)):
        costs = {row["day"]: row["usd"] for row in group}
        for day, usd in costs.items():
            total[day] = total.get(day, Decimal(0)) + usd
        yield Subject("service", *names), costs
    yield Subject("total"), total


def read_parts(warehouse: Warehouse, subject: Subject, first: date, last: date) -> list[Part]:
    """What each part of a subject cost from `first` to `last` above the weeks before, in USD."""
    counted = weights(first, last)
    rows = warehouse.query(
        _PARTS,
        {
            "days": list(counted),
            "weights": list(counted.values()),
            "provider": subject.provider,
            "service": subject.service,
            "account": subject.account_id,
        },
    )
    return [
        Part(
            (
                row["provider"],
                row["service"],
                row["region"],
                row["resource"],
                row["sku"],
                row["team"],
            ),
            row["weighted_usd"] / WEEKS_BEFORE,
        )
        for row in rows
    ]


def read_scopes(warehouse: Warehouse, last: date) -> Iterator[tuple[tuple[str, str], DailyCost]]:
    """((scope, entity), cost by day until `last`) of each provider and team, and of the total."""
    rows = warehouse.query(_BY_SCOPE, _window(last))
    for key, group in groupby(rows, key=lambda row: (row["scope"], row["entity_id"])):
        cost = DailyCost()
        for row in group:
            cost.add(CostRow(row["day"], row["metered"], row["charged"]))
        yield key, cost
