"""How the current and the previous period of each cloud budget stand, and thresholds they reach.

A threshold is told once a period: which were told is kept with the period, so that a restatement
that falls below and rises again tells nothing twice. The period before is judged as well, because
bills are restated after it ended. Of one that ended before the budget was made nothing is told.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from psycopg.types.json import Jsonb

from oco_pipelines.llm.alerts.store import raise_alert
from oco_pipelines.trends.budget import (
    ACTUAL,
    DIMENSIONS,
    FORECAST,
    Budget,
    Threshold,
    period_before,
    period_of,
    read_budget,
)
from oco_pipelines.trends.daily_cost import DAY, CostRow, DailyCost, settled_day
from oco_pipelines.trends.forecast_rows import outlook, spent
from oco_pipelines.trends.reading import LOOK_BACK, read_newest_days
from oco_warehouse.database import Connection, Warehouse, lock
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import exact_product, format_usd, plain

KIND: Final = "cloud_budget_threshold"
SCOPE: Final = "cloud_budget"

_BUDGETS: Final = """
    SELECT id, name, filter, amount_usd, period, cost_basis, thresholds, enabled, created_at
    FROM oco.cloud_budgets WHERE enabled ORDER BY name
"""
_COSTS: Final = """
    WITH counted AS (
        SELECT usage_date, is_metered,
               CASE %(basis)s WHEN 'billed' THEN billed_cost_usd ELSE effective_cost_usd END AS usd
        FROM intermediate.int_cloud_cost_cells
        WHERE usage_date BETWEEN %(first)s AND %(last)s
          AND (%(source)s::text[] IS NULL OR source = ANY (%(source)s))
          AND (%(provider)s::text[] IS NULL OR provider = ANY (%(provider)s))
          AND (%(service)s::text[] IS NULL OR service = ANY (%(service)s))
          AND (%(account)s::text[] IS NULL OR account_id = ANY (%(account)s))
          AND (%(region)s::text[] IS NULL OR region = ANY (%(region)s))
          AND (%(team)s::text[] IS NULL OR coalesce(team, 'untagged') = ANY (%(team)s))
          AND (num_nulls(%(environment)s::text[], %(cost_center)s::text[],
                         %(application)s::text[]) = 3
               OR tags IN (
                  SELECT tags FROM staging.stg_canonical_tags
                  WHERE (%(environment)s::text[] IS NULL OR environment = ANY (%(environment)s))
                    AND (%(cost_center)s::text[] IS NULL OR cost_center = ANY (%(cost_center)s))
                    AND (%(application)s::text[] IS NULL OR application = ANY (%(application)s))))
          AND (%(charge_category)s::text[] IS NULL OR charge_category = ANY (%(charge_category)s))
          AND NOT EXISTS (
              SELECT 1 FROM jsonb_each(%(tags)s) AS wanted (key, accepted)
              WHERE NOT coalesce(accepted ? (tags ->> wanted.key), false)
          )
    )
    SELECT usage_date AS day, coalesce(sum(usd) FILTER (WHERE is_metered), 0) AS metered,
           coalesce(sum(usd) FILTER (WHERE NOT is_metered), 0) AS charged
    FROM counted GROUP BY usage_date
"""
_KEEP: Final = """
    INSERT INTO oco.cloud_budget_status AS known (
        budget_id, period_start, period_end, amount_usd, spent_usd, forecast_usd, reason,
        newest_day, judged_at
    )
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (budget_id, period_start) DO UPDATE SET
        period_end = excluded.period_end, amount_usd = excluded.amount_usd,
        spent_usd = excluded.spent_usd, forecast_usd = excluded.forecast_usd,
        reason = excluded.reason, newest_day = excluded.newest_day, judged_at = excluded.judged_at
    RETURNING thresholds_fired
"""
_FIRE: Final = """
    UPDATE oco.cloud_budget_status SET thresholds_fired = thresholds_fired || %s::text[]
    WHERE budget_id = %s AND period_start = %s
"""


@dataclass(frozen=True, slots=True)
class Status:
    """How one period stands; amounts in USD. `reason` says why there is no forecast."""

    period_start: date
    period_end: date
    spent_usd: Decimal
    forecast_usd: Decimal | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run did."""

    budgets: int
    periods: int
    told: int
    unreadable: tuple[str, ...]


def judge_budgets(warehouse: Warehouse, now: datetime, *, settling_days: int) -> Judged:
    """Bring `oco.cloud_budget_status` up to what is known, and raise alerts.

    Args:
        warehouse: the warehouse, its marts built.
        now: aware, UTC; says which period is the current one.
        settling_days: newest days of each provider that are forecast instead of believed.

    Raises:
        ConflictError: when the marts were never built.
    """
    newest = read_newest_days(warehouse, now)
    settled = settled_day(newest.values(), settling_days)
    last = max(newest.values(), default=None)
    budgets = periods = told = 0
    unreadable = []
    for row in warehouse.query(_BUDGETS):
        try:
            budget = budget_of(row)
        except InvalidInputError as error:
            unreadable.append(str(error))
            continue
        budgets += 1
        current = period_of(budget.period, now.date())
        before = period_before(budget.period, current[0])
        cost = read_costs(warehouse, budget, min(before[0], now.date() - LOOK_BACK), now.date())
        for start, end in (before, current):
            status = status_of(cost, start, end, settled)
            periods += 1
            with warehouse.transaction() as connection:
                lock(connection, "cloud_budget_status")
                told += _keep(connection, row, budget, status, now, last)
    return Judged(budgets, periods, told, tuple(unreadable))


def budget_of(row: dict[str, Any]) -> Budget:
    """A row of `oco.cloud_budgets`, checked as a file is, because anybody may have written it.

    Raises:
        InvalidInputError: one line that begins with the path of what is wrong.
    """
    names = ("name", "filter", "amount_usd", "period", "cost_basis", "thresholds", "enabled")
    return read_budget({name: row[name] for name in names}, f"cloud budget {row['name']}")


def read_costs(warehouse: Warehouse, budget: Budget, first: date, last: date) -> DailyCost:
    """What counts for a budget, by day from `first` to `last`, in USD of its cost basis."""
    parameters: dict[str, Any] = {
        name: list(budget.dimensions[name]) if name in budget.dimensions else None
        for name in DIMENSIONS
    }
    parameters |= {
        "tags": Jsonb({key: list(values) for key, values in budget.tags.items()}),
        "basis": budget.cost_basis,
        "first": first,
        "last": last,
    }
    cost = DailyCost()
    for row in warehouse.query(_COSTS, parameters):
        cost.add(CostRow(row["day"], row["metered"], row["charged"]))
    return cost


def status_of(cost: DailyCost, start: date, end: date, settled: date | None) -> Status:
    """Judge one period.

    Days up to `settled` are believed; of the rest of the period the forecast is taken, and it is
    never below what was spent already.
    """
    known = spent(cost, start, end)
    if settled is not None and settled >= end - DAY:
        return Status(start, end, known, known)
    if settled is None:
        return Status(start, end, known, None, "no cloud bill is loaded yet")
    ahead = outlook(cost, settled, end)
    if isinstance(ahead, str):
        return Status(start, end, known, None, ahead)
    rest = ahead.usd(max(start, settled + DAY), end)
    believed = spent(cost, start, min(end, settled + DAY))
    return Status(start, end, known, max(known, believed + rest))


def reached(budget: Budget, status: Status, fired: list[str]) -> list[Threshold]:
    """Thresholds that are reached and were not told in this period, smallest first."""
    amounts = {ACTUAL: status.spent_usd}
    if status.forecast_usd is not None:
        amounts[FORECAST] = status.forecast_usd
    return sorted(
        (
            one
            for one in budget.thresholds
            if one.by in amounts
            and amounts[one.by] >= exact_product(one.share, budget.amount_usd)
            and str(one) not in fired
        ),
        key=lambda one: (one.share, one.by),
    )


def title(budget: Budget, status: Status, threshold: Threshold) -> str:
    """One line for people: which budget, which share, of what."""
    share = f"{plain((threshold.share * 100).normalize())} %"
    what = "is spent" if threshold.by == ACTUAL else "is forecast to be spent"
    amount = status.spent_usd if threshold.by == ACTUAL else status.forecast_usd
    return (
        f"Cloud budget {budget.name}: {share} of the {budget.period} from {status.period_start} "
        f"{what} ({format_usd(amount)} of {format_usd(budget.amount_usd)})"
    )


def _keep(
    connection: Connection,
    row: dict[str, Any],
    budget: Budget,
    status: Status,
    now: datetime,
    newest: date | None,
) -> int:
    kept = connection.execute(
        _KEEP,
        [
            row["id"],
            status.period_start,
            status.period_end,
            budget.amount_usd,
            status.spent_usd,
            status.forecast_usd,
            status.reason,
            newest,
            now,
        ],
    ).fetchone()
    end = datetime.combine(status.period_end, time(), UTC)
    if kept is None or row["created_at"] >= end:
        return 0
    crossed = reached(budget, status, kept["thresholds_fired"])
    for threshold in crossed:
        forecast = {} if status.forecast_usd is None else {"forecast_usd": status.forecast_usd}
        raise_alert(
            connection,
            kind=KIND,
            dedupe_key=f"{SCOPE}:{row['id']}:{status.period_start}:{threshold}",
            scope=SCOPE,
            entity_id=budget.name,
            title=title(budget, status, threshold),
            figures={
                "by": threshold.by,
                "amount_usd": plain(budget.amount_usd),
                "spent_usd": plain(status.spent_usd),
                **{name: plain(usd) for name, usd in forecast.items()},
                "period": budget.period,
                "period_start": status.period_start.isoformat(),
                "period_end": status.period_end.isoformat(),
                "cost_basis": budget.cost_basis,
            },
            period_start=end - timedelta(days=(status.period_end - status.period_start).days),
            threshold=threshold.share,
        )
    if crossed:
        fired = [str(threshold) for threshold in crossed]
        connection.execute(_FIRE, [fired, row["id"], status.period_start])
    return len(crossed)
